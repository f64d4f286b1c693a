"""The demo's figures and views: small inputs, answers by hand."""

import io
import struct

from rich.console import Console

from local.clock_file import ClockFile, read_clock
from local.figures import latencies, longest_gaps, percentiles
from local.live import LiveView, PlainView, State


def test_percentiles_of_a_hundred():
    """The 50th, 95th and 99th of 1..100 lie where one would point."""
    assert percentiles(list(range(100, 0, -1))) == {"p50": 51, "p95": 96, "p99": 100, "count": 100}
    assert percentiles([]) == {"p50": 0, "p95": 0, "p99": 0, "count": 0}


def test_latency_runs_from_the_newest_cause():
    """A delta told at 100 for scans sent at 10 and 60 took 40; one that only time brought about took nothing."""
    sent = {"a": 10, "b": 60}
    scanned = (100, {"reasons": ["ISSUE"], "causes": ["a", "b", "unknown"]})
    timed = (500, {"reasons": ["CLOCK", "ISSUE"], "causes": ["a"]})

    assert latencies([scanned, timed], sent) == [40]
    assert latencies([scanned], sent, without=(50, 70)) == []


def test_the_longest_silence_is_found_by_partition():
    """Partition 0 paused for 6 s around the moment, partition 1 hardly."""
    stamps = [(0, 1_000), (0, 7_000), (0, 7_500), (1, 900), (1, 1_400), (1, 1_900)]

    assert longest_gaps(stamps, 1_200, 9_000) == {0: 6_000, 1: 500}


def test_the_clock_file_holds_business_time_and_never_goes_back(tmp_path):
    """Eight bytes, big-endian, milliseconds."""
    path = tmp_path / "clock"
    with ClockFile(path, 1_000) as clock:
        clock.set(2_000)
        clock.set(1_500)

        assert read_clock(path) == 2_000
        assert path.read_bytes() == struct.pack(">q", 2_000)


def full_state():
    state = State("producing", total=10, sent=4, business_ms=1_767_600_000_000, deltas=1)
    state.lag["intake"] = 512
    state.feeds["WMS-DC01|DC01"] = "STALE"
    state.owners["buyer"] = 3
    state.latest.append({"sku": "S", "location": "L", "atp": 1, "previous_atp": 0, "material_because": "ZERO_CROSSED"})
    return state


def test_plain_lines_tell_the_state_without_a_terminal():
    """One line holds phase, progress, business time, deltas, exceptions, feeds and lag."""
    out = io.StringIO()
    with PlainView(Console(file=out)) as view:
        view.show(full_state())
    line = out.getvalue()

    assert "producing: 4 of 10 sent" in line
    assert "Mon 05 Jan 08:00" in line
    assert "1 deltas, 3 open exceptions, feeds 1 stale, lag intake 512" in line


def test_the_live_view_shows_every_part():
    """Feeds, owners, lag and deltas are all on the screen."""
    out = io.StringIO()
    with LiveView(Console(file=out, force_terminal=True, width=200)) as view:
        view.show(full_state())

    assert all(word in out.getvalue() for word in ("intake", "STALE", "buyer", "zero crossed"))
