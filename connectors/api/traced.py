"""Requests as parts of traces: what a caller's headers say goes on to what its request writes, and a span says how it went.

Names and attributes follow OpenTelemetry's conventions for HTTP servers; they hold the route's template and never a SKU.
"""

from starlette.types import Scope

from schemas.trace_context import from_http
from schemas.tracing import HERE, Span, tracer


def served(scope: Scope) -> Span | None:
    """Begin with a request: HERE is its place in the caller's trace, or in one of ours, until its task ends."""
    context = from_http(scope["headers"])
    if tracer.on and tracer.wanted(() if context is None else (context,)):
        span = tracer.begin(scope["method"], "SERVER", parent=context)
        HERE.set(span.context)
        return span
    HERE.set(context)  # none as well: the task of a pipelined request begins in the context of the one before it
    return None


def ended(span: Span | None, method: str, route: str, status: int) -> None:
    """The request is answered; status 0: it was not."""
    if span is None:
        return
    span.name(f"{method} {route}")
    span.tell({"http.request.method": method, "http.route": route, "http.response.status_code": status})
    if status >= 500 or not status:
        span.failed(str(status))
    span.end()
