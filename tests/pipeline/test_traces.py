"""What a worker remembers of traces: bounded, by correlation id and by source coordinate."""

from types import SimpleNamespace
from typing import Any

from schemas.codec import Undecodable
from schemas.trace_context import TraceContext
from streams.traces import Traces


def context(number: int) -> TraceContext:
    return TraceContext(f"00-{number + 1:032x}-{number + 1:016x}-01", f"vendor={number}")


def record(offset: int, value: bytes, trace: TraceContext | None = None) -> Any:
    headers = () if trace is None else tuple(trace.kafka())
    return SimpleNamespace(partition=2, offset=offset, value=value, headers=headers)


def decode(topic: str, value: bytes) -> Any:
    if value == b"broken":
        raise Undecodable("MALFORMED", topic)
    return {"correlation_id": value.decode()} if value else {}


def test_what_an_event_causes_gets_the_headers_it_came_with():
    """By correlation id; what belongs to no known event gets none."""
    traces = Traces(decode)
    assert not traces.known

    found = traces.note(
        "warehouse.scans", [record(5, b"c1", context(1)), record(6, b"c2"), record(7, b"c3", context(3))]
    )

    assert traces.known
    assert found == [context(1), context(3)]
    assert traces.of({"correlation_id": "c1"}) == context(1).kafka()
    assert traces.of({"correlation_id": "c2"}) == []
    assert traces.of({}) == []


def test_what_cannot_be_read_is_known_by_where_it_came_from():
    """A dead letter has no correlation id, but a coordinate."""
    traces = Traces(decode)

    assert traces.note("supplier.asns", [record(9, b"broken", context(4))]) == [context(4)]
    assert traces.of({"coordinate": "supplier.asns[2]@9"}) == context(4).kafka()


def test_a_malformed_header_is_no_trace():
    """It is left behind."""
    traces, bad = Traces(decode), record(1, b"c1")
    bad.headers = (("traceparent", b"00-zz"), ("other", None))

    assert traces.note("warehouse.scans", [bad]) == []
    assert not traces.known


def test_only_so_many_are_remembered_and_the_longest_unheard_of_goes_first():
    """Memory is bounded whatever comes; an event heard of again stays."""
    traces = Traces(decode, most=4)
    for number in (0, 1, 0, 2):
        traces.note("order.events", [record(number, f"c{number}".encode(), context(number))])

    assert [bool(traces.of({"correlation_id": f"c{number}"})) for number in range(3)] == [True, False, True]


def test_a_trace_many_records_of_a_chunk_share_is_told_once():
    """Links of a span are distinct contexts."""
    traces = Traces(decode)

    assert traces.note("order.events", [record(n, b"c", context(7)) for n in range(5)]) == [context(7)]
