"""How far an instance of the view is, by numbers; and what a reader has to import."""

import subprocess
import sys

from rich.console import Console

from connectors import view_keys as keys
from connectors.outbound.redis_view.line import Line
from connectors.outbound.redis_view.places import Place, Places

ONE, TWO = ("availability.snapshots", 0), ("availability.snapshots", 1)


def place(position, target, *, low=0, high=None):
    return Place("", position, low, target, target if high is None else high)


def test_percent_and_time_left_come_from_what_there_was_at_the_takeover():
    """1,000 of 4,000 records at first; 1,500 more in three seconds: 62.5 %, and three more seconds."""
    places = Places()
    places.assign([ONE, TWO])
    places.open({ONE: place(1_000, 2_000), TWO: place(0, 2_000)})
    places.seconds_left(10.0)
    places.opened[ONE].reach(2_000)
    places.opened[TWO].reach(500)

    assert 0.625 == places.ratio()
    assert 3.0 == places.seconds_left(13.0)
    assert not places.live


def test_an_instance_is_live_once_every_partition_was_read_to_its_end():
    """Also with nothing to read, and also when the log has grown meanwhile."""
    places = Places()
    places.assign([ONE, TWO])
    places.open({ONE: place(0, 0), TWO: place(0, 10, high=90)})

    assert not places.live

    places.opened[TWO].reach(10)

    assert places.live
    assert 1.0 == places.ratio()
    assert 80 == places.lag


def test_what_was_read_long_ago_and_is_no_longer_there_counts_for_nothing():
    """Percent counts from the oldest offset there is."""
    places = Places()
    places.assign([ONE])
    places.open({ONE: place(150, 200, low=100)})

    assert 0.5 == places.ratio()


def test_positions_in_doubt_have_to_be_opened_again():
    """After an outage nothing is known: no percent, not live."""
    places = Places()
    places.assign([ONE])
    places.open({ONE: place(5, 5)})
    places.close()

    assert {ONE} == places.unopened
    assert (False, 0.0) == (places.live, places.ratio())


def test_a_terminal_sees_the_line_and_a_log_does_not(capsys):
    """The progress line is for people."""
    seen = Console(force_terminal=True, record=True, width=100, file=open("/dev/null", "w", encoding="utf-8"))  # noqa: PTH123, SIM115
    quiet = Console(force_terminal=False, record=True, width=100)
    for console in (seen, quiet):
        line = Line(console)
        line.show("rebuilding, 62.5 %, 3 s left", 0.625)
        line.hide()

    assert "rebuilding, 62.5 %, 3 s left" in seen.export_text()
    assert "" == quiet.export_text()


def test_a_reader_of_the_keys_imports_no_client():
    """The module of names stands alone."""
    code = "import sys; import connectors.view_keys; print('redis' in sys.modules, 'confluent_kafka' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert "False False" == said.stdout.strip()


def test_a_location_is_told_from_the_revision_beside_it():
    """Readers take whole hashes, as text or as bytes."""
    assert {"DC01": "{}"} == keys.records({"DC01": "{}", "r:DC01": "5"})
    assert {b"DC01": b"{}"} == keys.records({b"DC01": b"{}", b"r:DC01": b"5"})
