"""Processes that are away, come and go: what Prometheus has of them, and which alerts that makes."""

import re
from typing import Final

from tests.monitoring.case import Case


def _instance(
    ready: str, up: str, *, name: str = "a", process: str = "worker", job: str = "s", start: str = ""
) -> dict[str, str]:
    """What Prometheus has of one instance; `up` is all there is while it does not answer, and nothing once it is gone.

    It says who it is whenever it says whether it is ready.
    """
    which = f'job="{job}", instance="{name}"'
    found = {f'up{{product="stockstream", {which}}}': up}
    if ready:
        info = re.sub(r"\b[01](?=x|\s|$)", "1", ready)
        found[f'stockstream_ready{{process="{process}", {which}}}'] = ready
        found[f'stockstream_process_info{{process="{process}", version="1", {which}}}'] = info
    return found | ({f"process_start_time_seconds{{{which}}}": start} if start else {})


def _never(what: str, series: dict[str, str], minutes: int) -> list[Case]:
    """None of the alerts about processes that are away fires at any time."""
    return [Case(alert, what, series, minutes, ever=True) for alert in AWAY]


AWAY: Final = (
    "StockstreamNotReady",
    "StockstreamNeverReady",
    "StockstreamInstanceNotReady",
    "StockstreamInstanceDown",
    "StockstreamRestarting",
)
BACK_OFF: Final = " ".join(["0 stale _x3"] * 40)
"""Scraped once, not ready, then away for the rest of five minutes: a connector in CrashLoopBackOff."""
STARTS: Final = " ".join(f"{start} stale _x3" for start in range(40))
RARELY_UP: Final = " ".join(["1 0x3"] * 40)
NOT_LET_IN: Final = _instance("1x60 stale", "1x60 0x200")
"""A worker whose password was changed: since then it leaves with 77, before it serves /metrics."""
NEVER_LET_IN: Final = _instance("", "0x400")
UPGRADE: Final = (
    _instance("1x60 0 stale", "1x61 stale", name="old-1")
    | _instance("1x61 0 stale", "1x62 stale", name="old-2")
    | _instance("_x52 0x4 1x200", "_x50 0x1 1x205", name="new-1")
    | _instance("_x52 0x5 1x200", "_x50 0x1 1x205", name="new-2")
)
SCALE_DOWN: Final = (
    _instance("1x300", "1x300", name="a")
    | _instance("1x300", "1x300", name="b")
    | _instance("1x60 0 stale", "1x61 stale", name="c")
)
RESTART: Final = _instance("1x60 stale 0 1x200", "1x60 0 1x201", start="0x60 stale 1x201")
SWITCHED_OFF: Final = _instance("1x60 stale", "1x60 stale") | _instance("1x400", "1x400", name="b", process="api")

PROCESSES: Final[list[Case]] = [
    Case(
        "StockstreamNotReady", "the only worker went away",
        {'stockstream_ready{process="worker", instance="a"}': "1x10 stale", 'stockstream_ready{process="api", instance="b"}': "1x30"},
        20, ("critical",),
    ),
    Case(
        "StockstreamNotReady", "one of two went away",
        {'stockstream_ready{process="worker", instance="a"}': "1x10 0x20", 'stockstream_ready{process="worker", instance="b"}': "1x30"},
        20,
    ),
    Case(
        "StockstreamNotReady", "the only worker of one site went away, another's did not",
        {
            'stockstream_ready{process="worker", instance="a", site="one"}': "1x10 0x20",
            'stockstream_ready{process="worker", instance="b", site="two"}': "1x30",
        },
        20, ("critical",),
    ),
    Case("StockstreamNotReady", "not let in any more, three hours ago", NOT_LET_IN, 240, ("critical",)),
    Case("StockstreamNotReady", "switched off, five hours ago", SWITCHED_OFF, 360, ("critical",)),
    Case("StockstreamNotReady", "away for six days", _instance("1x12 stale", "1x12 0x2100"), 8_700, ("critical",), "5m"),
    Case("StockstreamNotReady", "away for eight days, another alert's by now", _instance("1x12 stale", "1x12 0x2400"), 11_580, (), "5m"),
    Case("StockstreamNotReady", "it never was there", {'stockstream_ready{process="shop", instance="a"}': "0x30"}, 20),
    *_never("a rolling upgrade: the old pods are gone", UPGRADE, 240),
    *_never("from three workers to two", SCALE_DOWN, 240),
    *_never("a short restart", RESTART, 240),
    Case("StockstreamNeverReady", "not let in at its first start", NEVER_LET_IN, 180, ("critical",)),
    Case("StockstreamNeverReady", "not let in at its first start, while others are", NEVER_LET_IN | _instance("1x400", "1x400", job="api", process="api"), 180, ("critical",)),
    Case("StockstreamNeverReady", "it waits from its first start on", _instance("0x200", "1x200"), 180, ("critical",)),
    Case("StockstreamNeverReady", "in back-off from its first start on", _instance(BACK_OFF, RARELY_UP, start=STARTS), 180, ("critical",)),
    Case("StockstreamNeverReady", "away for eight days", _instance("1x12 stale", "1x12 0x2400"), 11_580, ("critical",), "5m"),
    Case("StockstreamNeverReady", "not let in any more: another alert's", NOT_LET_IN, 240, ever=True),
    Case("StockstreamNeverReady", "one of two, the other is ready", NEVER_LET_IN | _instance("1x400", "1x400", name="b"), 180, ever=True),
    Case("StockstreamNeverReady", "a first start of ten minutes", _instance("_x2 0x8 1x200", "0x1 1x210"), 180, ever=True),
    Case("StockstreamNeverReady", "switched off on purpose", SWITCHED_OFF, 360, ever=True),
    Case("StockstreamNeverReady", "somebody else's at the site", {'up{site="one", job="other", instance="z"}': "0x400"}, 180, ever=True),
    Case("StockstreamInstanceNotReady", "half an hour", _instance("0x30", "1x30"), 30, ("warning",)),
    Case("StockstreamInstanceNotReady", "in back-off", _instance(BACK_OFF, RARELY_UP, start=STARTS), 180, ("warning",)),
    Case("StockstreamInstanceNotReady", "a start", _instance("1x10 0x10 1x20", "1x50"), 30, ever=True),
    Case("StockstreamInstanceNotReady", "gone before it was ready", _instance("0x6 stale", "1x6 stale"), 60, ever=True),
    Case("StockstreamInstanceDown", "never let in", NEVER_LET_IN, 180, ("warning",)),
    Case("StockstreamInstanceDown", "not let in any more, three hours ago", NOT_LET_IN, 240, ("warning",)),
    Case("StockstreamInstanceDown", "in back-off", _instance(BACK_OFF, RARELY_UP, start=STARTS), 180, ("warning",)),
    Case(
        "StockstreamInstanceDown", "it said once who it is, and its scrape does not",
        {
            'stockstream_process_info{process="worker", version="1", job="s", instance="a"}': "1x10 stale",
            'up{job="s", instance="a"}': "1x10 0x200",
        },
        200, ("warning",),
    ),
    Case("StockstreamInstanceDown", "gone with its target", SWITCHED_OFF, 360, ever=True),
    Case("StockstreamInstanceDown", "somebody else's at the site", {'up{site="one", job="other", instance="z"}': "0x400"}, 180, ever=True),
    Case("StockstreamRestarting", "every five minutes", _instance("1x40", "1x40", start="0x4 1x4 2x4 3x4 4x4 5x4"), 29, ("critical",)),
    *(
        Case("StockstreamRestarting", f"in back-off, while it is {told}", _instance(BACK_OFF, RARELY_UP, start=STARTS), minutes, ("critical",))
        for told, minutes in (("scraped", 180), ("away", 183))
    ),
    Case(
        "StockstreamRestarting", "mended: five times, and then not for half an hour",
        _instance("1x100", "1x100", start="0x4 1x4 2x4 3x4 4x4 5x60"), 56,
    ),
    Case(
        "StockstreamRestarting", "once, and somebody else's five times",
        {
            **_instance("1x40", "1x40", start="0x14 1x20"),
            'process_start_time_seconds{job="other", instance="z"}': "0x4 1x4 2x4 3x4 4x4 5x4",
        },
        29, ever=True,
    ),
]  # fmt: skip
