"""Which headers are a trace context, and that one is handed on as it came."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.trace_context import TraceContext, from_http, from_kafka, parsed

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"
digits = st.text("0123456789abcdef", min_size=1)
printable = st.text(string.ascii_letters + string.digits + "=,:_-", max_size=200)


def hexes(length: int) -> st.SearchStrategy[str]:
    return st.text("0123456789abcdef", min_size=length, max_size=length).filter(lambda text: text.strip("0"))


@given(hexes(32), hexes(16), st.integers(0, 255), printable)
def test_a_well_formed_context_is_read_and_handed_on_byte_for_byte(trace: str, span: str, flags: int, state: str):
    """Through a record's headers and through a request's."""
    text = f"00-{trace}-{span}-{flags:02x}"
    context = parsed(text, state)

    assert context is not None
    assert (context.trace_id, context.span_id, context.sampled) == (trace, span, bool(flags & 1))
    assert from_kafka(context.kafka()) == context
    assert from_kafka(dict(context.kafka())) == context
    assert from_http([(name.encode(), value.encode()) for name, value in context.http().items()]) == context
    assert context.http()["traceparent"] == text
    assert context.http().get("tracestate", "") == state


@given(st.text(max_size=80) | st.builds("00-{}-{}-{}".format, digits, digits, digits))
def test_what_is_no_context_is_ignored_and_nothing_fails(text: str):
    """Whatever stands in the header, the answer is a context or none."""
    context = parsed(text)

    assert context is None or context.traceparent == text
    assert from_kafka([("traceparent", text.encode("utf-8", "surrogatepass"))]) in (None, context)


@pytest.mark.parametrize(
    "text",
    [
        "",
        GOOD.upper(),
        GOOD[:-1],
        GOOD + "-more",
        GOOD + " ",
        GOOD + "\n",
        f"ff-{TRACE}-{SPAN}-01",
        f"ff-{TRACE}-{SPAN}-01-more",
        f"01-{TRACE}-{SPAN}-01more",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-0g",
        f"01-{TRACE}-{SPAN}-01-" + "x" * 500,
    ],
)
def test_malformed_headers_are_no_context(text: str):
    """As the standard has it, case and zeros among them."""
    assert parsed(text) is None


def test_of_a_version_to_come_what_is_known_is_read_and_all_of_it_handed_on():
    """The standard lets fields be added behind."""
    later = f"cc-{TRACE}-{SPAN}-03-what-the-future-will-be"
    context = parsed(later)

    assert context is not None
    assert (context.trace_id, context.sampled) == (TRACE, True)
    assert context.http() == {"traceparent": later}


def test_a_request_with_two_parents_has_none_and_several_states_are_one():
    """Header fields of a name are joined, but a parent is one."""
    parent = (b"traceparent", GOOD.encode())

    assert from_http([parent, parent]) is None
    assert from_http([(b"tracestate", b"a=1"), parent, (b"tracestate", b"b=2")]) == TraceContext(GOOD, "a=1,b=2")
    assert from_http([(b"traceparent", f" {GOOD}\t".encode())]) == TraceContext(GOOD)
    assert from_http([(b"tracestate", b"a=1")]) is None


@pytest.mark.parametrize("state", ["a=" + "x" * 600, "a=\x00", "a=ü"])
def test_a_state_that_cannot_be_handed_on_is_left_out_and_the_parent_kept(state: str):
    """It may be dropped; the trace goes on."""
    assert from_kafka({"traceparent": GOOD.encode(), "tracestate": state.encode()}) == TraceContext(GOOD)


@pytest.mark.parametrize("headers", [(), [("other", b"x")], [("traceparent", None)], {"tracestate": b"a=1"}])
def test_a_record_without_the_header_has_no_context(headers: object):
    """A header without a value is none."""
    assert from_kafka(headers) is None  # type: ignore[arg-type]
