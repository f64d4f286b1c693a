"""The OpenTelemetry side of `schemas.tracing`; imported only while tracing is on, because it is large.

What is kept is decided before a span is made, so the SDK keeps all of them. OTEL_EXPORTER_OTLP_HEADERS, …_CERTIFICATE,
…_CLIENT_KEY, …_TIMEOUT, …_COMPRESSION, OTEL_BSP_* and OTEL_RESOURCE_ATTRIBUTES work as everywhere.
"""

import contextlib
import os
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from schemas.trace_context import TraceContext
from schemas.tracing import Attributes, Kind, Span

PATH: Final = "/v1/traces"
NOTHING: Final = Context()
"""No span is anybody's parent without being named."""


class Spans:
    """Makes spans and sends them to `endpoint`, a collector's base URL."""

    def __init__(self, endpoint: str, process: str, app: str) -> None:
        said = {"service.namespace": app}
        with contextlib.suppress(PackageNotFoundError):  # run from the source tree
            said["service.version"] = version("stockstream")
        if not os.environ.get("OTEL_SERVICE_NAME"):
            said["service.name"] = f"stockstream-{process}"
        provider = TracerProvider(ALWAYS_ON, Resource.create(said), shutdown_on_exit=False)
        base = endpoint.rstrip("/")
        url = base if base.endswith(PATH) else base + PATH
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(url)))
        self._provider, self._tracer = provider, provider.get_tracer("stockstream")

    def close(self) -> None:
        """Send what waits; may take as long as the collector."""
        self._provider.shutdown()

    def begin(
        self,
        name: str,
        kind: Kind,
        parent: TraceContext | None,
        links: Sequence[TraceContext],
        attributes: Attributes | None,
        at_ns: int | None,
    ) -> Span:
        span = self._tracer.start_span(
            name,
            context=NOTHING if parent is None else set_span_in_context(NonRecordingSpan(_remote(parent)), NOTHING),
            kind=SpanKind[kind],
            links=[Link(_remote(context)) for context in links],
            attributes=attributes,
            start_time=at_ns,
        )
        at = span.get_span_context()
        text = f"00-{at.trace_id:032x}-{at.span_id:016x}-{at.trace_flags:02x}"
        return Recorded(TraceContext(text, "" if parent is None else parent.tracestate), span)


class Recorded(Span):
    """A span that is exported; `context` is its own."""

    __slots__ = ("_span",)

    recorded = True

    def __init__(self, context: TraceContext, span: Any) -> None:
        super().__init__(context)
        self._span = span

    def name(self, name: str) -> None:
        self._span.update_name(name)

    def tell(self, attributes: Attributes) -> None:
        self._span.set_attributes(attributes)

    def failed(self, why: str) -> None:
        self._span.set_attribute("error.type", why)
        self._span.set_status(Status(StatusCode.ERROR))

    def end(self, at_ns: int | None = None) -> None:
        self._span.end(at_ns)


def _remote(context: TraceContext) -> SpanContext:
    state = TraceState.from_header([context.tracestate]) if context.tracestate else None
    flags = TraceFlags(context.flags & 0x03)  # those of version 00, and `random` of level 2
    return SpanContext(
        int(context.trace_id, 16), int(context.span_id, 16), is_remote=True, trace_flags=flags, trace_state=state
    )
