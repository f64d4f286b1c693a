"""How much counters have counted, the first of it included.

A labelled counter comes into being with its first count, so `increase` sees no step there: of one dead letter, or of
five thousand read between two scrapes, it sees nothing. What a series begins with has been counted since its process
started or was last scraped without it; only a process that had run before, unscraped, brings counts from no one knows
when, and those are left out.
"""

from typing import Final

from schemas.metrics import BUILD

STARTED: Final = "process_start_time_seconds"
UNITS: Final = {"m": 60, "h": 3_600, "d": 86_400}


def seconds(window: str) -> int:
    """Of a Prometheus duration of one unit."""
    return int(window[:-1]) * UNITS[window[-1]]


def by(*labels: str) -> str:
    """A grouping, or none."""
    return f" by ({', '.join(labels)})" if labels else ""


def increase(metric: str, window: str, *labels: str, match: str = "", ago: str = "") -> str:
    """What all series of a counter counted in a window, summed by labels; `ago`: the window ended so long ago."""
    series = f"{metric}{{{match}}}" if match else metric
    shift = f" offset {ago}" if ago else ""
    since = seconds(window) + (seconds(ago) if ago else 0)
    before = f"offset {_duration(since)}"
    return (
        f"sum{by(*labels)} (\n"
        f"  increase({series}[{window}]{shift})\n"
        "  or\n"
        f"  label_replace(\n"
        f"    (min_over_time({series}[{window}]{shift}) unless {series} {before})\n"
        f"    and on (job, instance)\n"
        f"    ({BUILD.name} {before} or max_over_time({STARTED}[{window}]{shift}) > time() - {since}),\n"
        '    "counted", "at birth", "", ""\n'
        "  )\n"
        ")"
    )


def _duration(amount: int) -> str:
    """The largest unit that leaves nothing."""
    unit = next(unit for unit in reversed(UNITS) if amount % UNITS[unit] == 0)
    return f"{amount // UNITS[unit]}{unit}"
