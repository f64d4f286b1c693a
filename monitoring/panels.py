"""Panels and dashboards as Grafana reads them. The data source is a variable: nothing is tied to one installation."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from monitoring.promql import where
from schemas.metrics import SITE

SCHEMA_VERSION: Final = 41
"""Grafana 12's; newer ones bring it up to their own when they read it."""
CHOSEN: Final = f'{SITE}="${SITE}"'
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
WIDTH: Final = 24
GOOD, WATCH, BAD = "green", "orange", "red"

Kind = Literal["timeseries", "stat", "bargauge", "table"]


@dataclass(frozen=True, slots=True)
class Query:
    """An expression and how its series are called, with `{{label}}`."""

    expression: str
    legend: str = ""

    @property
    def written(self) -> str:
        """The expression, of the site that was chosen; of those without the label where there is none to choose."""
        return where(self.expression, CHOSEN)


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel; units are Grafana's (s, ops, percentunit, short, bytes). Thresholds are where a colour begins."""

    title: str
    description: str
    queries: tuple[Query, ...]
    unit: str = "short"
    kind: Kind = "timeseries"
    width: int = 8
    height: int = 7
    watch: float | None = None
    bad: float | None = None
    stack: bool = False
    most: float | None = None
    mappings: tuple[tuple[str, str, str], ...] = ()
    """Value, text, colour."""

    def dump(self, number: int, x: int, y: int) -> dict[str, Any]:
        panel: dict[str, Any] = {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "datasource": SOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "targets": [self._target(query, chr(ord("A") + n)) for n, query in enumerate(self.queries)],
            "fieldConfig": {"defaults": self._defaults(), "overrides": []},
            "options": self._options(),
        }
        if self.kind == "table":
            hidden = {"Time": True, "__name__": True, "job": True, "instance": True}
            panel["transformations"] = [{"id": "organize", "options": {"excludeByName": hidden}}]
        return panel

    def _target(self, query: Query, letter: str) -> dict[str, Any]:
        now = self.kind != "timeseries"
        return {
            "refId": letter,
            "datasource": SOURCE,
            "expr": query.written,
            "legendFormat": query.legend or "__auto",
            "instant": now,
            "range": not now,
            "format": "table" if self.kind == "table" else "time_series",
        }

    def _defaults(self) -> dict[str, Any]:
        steps: list[dict[str, Any]] = [{"color": GOOD, "value": None}]
        steps += [{"color": c, "value": at} for c, at in ((WATCH, self.watch), (BAD, self.bad)) if at is not None]
        if len(steps) == 1:
            steps[0]["color"] = "blue"
        steps.sort(key=lambda step: float("-inf") if step["value"] is None else step["value"])
        defaults: dict[str, Any] = {
            "unit": self.unit,
            "min": 0,
            "thresholds": {"mode": "absolute", "steps": steps},
            "color": {"mode": "palette-classic" if self.kind == "timeseries" else "thresholds"},
        }
        if self.most is not None:
            defaults["max"] = self.most
        if self.mappings:
            options = {
                v: {"text": text, "color": colour, "index": n} for n, (v, text, colour) in enumerate(self.mappings)
            }
            defaults["mappings"] = [{"type": "value", "options": options}]
        if self.kind == "timeseries":
            limits = self.watch is not None or self.bad is not None
            defaults["custom"] = {
                "drawStyle": "line",
                "lineWidth": 1,
                "fillOpacity": 25 if self.stack else 8,
                "showPoints": "never",
                "stacking": {"mode": "normal" if self.stack else "none", "group": "A"},
                "thresholdsStyle": {"mode": "dashed" if limits else "off"},
            }
        return defaults

    def _options(self) -> dict[str, Any]:
        if self.kind == "timeseries":
            legend = {"displayMode": "list", "placement": "bottom", "showLegend": True}
            return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
        reduced = {"calcs": ["lastNotNull"], "fields": "", "values": False}
        if self.kind == "stat":
            return {"reduceOptions": reduced, "colorMode": "value", "graphMode": "none", "textMode": "auto"}
        if self.kind == "bargauge":
            return {"reduceOptions": reduced, "orientation": "horizontal", "displayMode": "basic", "showUnfilled": True}
        return {"showHeader": True, "cellHeight": "sm"}


@dataclass(frozen=True, slots=True)
class Row:
    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """A variable whose values are those of a label, of the chosen site."""

    name: str
    title: str
    metric: str
    label: str
    several: bool = True

    def dump(self) -> dict[str, Any]:
        of = self.metric if self.label == SITE else where(self.metric, CHOSEN)
        query = f"label_values({of}, {self.label})"
        every = {"allValue": ".*", "current": {"text": "All", "value": "$__all"}} if self.several else {"current": {}}
        return {
            "name": self.name,
            "label": self.title,
            "type": "query",
            "datasource": SOURCE,
            "definition": query,
            "query": {"query": query, "refId": "values"},
            "refresh": 2,
            "sort": 1,
            "multi": self.several,
            "includeAll": self.several,
            **every,
        }


SITES: Final = Choice(SITE, "Site", "stockstream_process_info", SITE, several=False)


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard; `uid` is its address and file name."""

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    choices: tuple[Choice, ...] = ()
    """Beside that of sites, which every dashboard has."""

    def panels(self) -> Iterator[Panel]:
        for row in self.rows:
            yield from row.panels

    def dump(self) -> dict[str, Any]:
        source = {
            "name": "datasource",
            "label": "Data source",
            "type": "datasource",
            "query": "prometheus",
            "refresh": 1,
            "current": {},
        }
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": ["stockstream"],
            "schemaVersion": SCHEMA_VERSION,
            "version": 1,
            "editable": True,
            "graphTooltip": 1,
            "time": {"from": "now-6h", "to": "now"},
            "timezone": "",
            "refresh": "30s",
            "templating": {"list": [source, *(choice.dump() for choice in (SITES, *self.choices))]},
            "annotations": {"list": []},
            "links": [
                {"type": "dashboards", "title": "Stockstream", "tags": ["stockstream"], "asDropdown": True,
                 "includeVars": False, "keepTime": True, "targetBlank": False, "icon": "external link", "url": "", "tooltip": ""}
            ],
            "panels": list(self._laid_out()),
        }  # fmt: skip

    def _laid_out(self) -> Iterator[dict[str, Any]]:
        number, y = 0, 0
        for row in self.rows:
            number += 1
            yield {
                "id": number, "type": "row", "title": row.title, "collapsed": False, "panels": [],
                "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1},
            }  # fmt: skip
            y, x, tallest = y + 1, 0, 0
            for panel in row.panels:
                if x + panel.width > WIDTH:
                    y, x, tallest = y + tallest, 0, 0
                number += 1
                yield panel.dump(number, x, y)
                x, tallest = x + panel.width, max(tallest, panel.height)
            y += tallest


def dump(dashboard: Dashboard) -> str:
    return json.dumps(dashboard.dump(), indent=1, ensure_ascii=False) + "\n"


def rate(metric: str, *labels: str, match: str = "") -> str:
    """Per second, over Grafana's interval."""
    by, only = f" by ({', '.join(labels)})" if labels else "", f"{{{match}}}" if match else ""
    return f"sum{by} (rate({metric}{only}[$__rate_interval]))"


def quantile(share: float, metric: str, *labels: str, match: str = "") -> str:
    """Of a histogram, over Grafana's interval."""
    only = f"{{{match}}}" if match else ""
    by = ", ".join(("le", *labels))
    return f"histogram_quantile({share:g}, sum by ({by}) (rate({metric}_bucket{only}[$__rate_interval])))"


def quantiles(metric: str, match: str = "") -> tuple[Query, ...]:
    """Median, 95 and 99 per cent."""
    return tuple(Query(quantile(share, metric, match=match), f"{share:.0%}") for share in (0.5, 0.95, 0.99))
