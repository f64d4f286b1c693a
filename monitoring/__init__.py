"""Alerts and dashboards, defined once in Python; `python -m monitoring` writes the files that compose and the chart use."""
