"""Spans of every process, by OpenTelemetry to an OTLP collector; nothing is made or imported while it is off.

One `tracer` a process, off until `start`. Export runs in a thread with a bounded queue: a collector that is slow or gone
costs spans and nothing else.
"""

import atexit
import contextlib
import logging
import os
import random
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, Literal

from schemas.environment import Shared
from schemas.logs import OnceAMinute
from schemas.trace_context import TraceContext

HERE: Final[ContextVar[TraceContext | None]] = ContextVar("trace", default=None)
"""Where in which trace we are while a request is served or sent; what is written or asked then carries it on."""
LINKS: Final = 128
"""Most links of a span; it is also OpenTelemetry's default."""
FLUSH_S: Final = 3.0
"""Longest time that the end of a process waits for spans to leave."""
log: Final = logging.getLogger(__name__)
Kind = Literal["SERVER", "CLIENT", "CONSUMER", "INTERNAL"]
Attributes = Mapping[str, str | int | bool]


class Span:
    """What is told of a piece of work. This one tells nobody; `context` is what to hand on, as it came."""

    __slots__ = ("context",)

    def __init__(self, context: TraceContext | None) -> None:
        self.context = context

    recorded = False

    def name(self, name: str) -> None:
        """Call it so: what is only known later."""

    def tell(self, attributes: Attributes) -> None:
        """Add attributes."""

    def failed(self, why: str) -> None:
        """Mark it as failed."""

    def end(self, at_ns: int | None = None) -> None:
        """It is over (ns since 1970; None: now)."""


class Tracer:
    """Makes spans where they are wanted: of sampled traces all, of those that begin here by the ratio."""

    def __init__(self) -> None:
        self.on = False
        self._ratio = 0.0
        self._spans: Any = None

    def start(self, settings: Shared, process: str) -> None:
        """Export from now on, if the settings say where to. What is wrong with them is logged: it costs spans alone."""
        disabled = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
        if not settings.otlp_endpoint or disabled or self.on:
            return
        try:
            if not settings.otlp_endpoint.startswith(("http://", "https://")):
                raise ValueError("give the collector's base URL, as http://host:4318")  # noqa: TRY301
            from schemas.span_export import Spans  # noqa: PLC0415 - many modules, and nobody needs them while it is off

            self._spans = Spans(settings.otlp_endpoint, process, settings.app)
        except Exception as error:  # noqa: BLE001 - a certificate that is not there, say
            log.error("no spans are sent to STOCKSTREAM_OTLP_ENDPOINT=%r: %s", settings.otlp_endpoint, error)  # noqa: TRY400
            return
        for name in ("opentelemetry.exporter.otlp.proto.http.trace_exporter", "opentelemetry.sdk._shared_internal"):
            logging.getLogger(name).addFilter(OnceAMinute())
        self._ratio = settings.otlp_ratio
        self.on = True
        atexit.register(self.close)

    def close(self) -> None:
        """Send what there is, as long as it takes up to FLUSH_S."""
        if not self.on:
            return
        self.on = False
        atexit.unregister(self.close)
        flush = threading.Thread(target=self._spans.close, name="last spans", daemon=True)
        with contextlib.suppress(RuntimeError):  # too late for a thread: the interpreter ends
            flush.start()
            flush.join(FLUSH_S)

    def wanted(self, contexts: Sequence[TraceContext] = ()) -> bool:
        """Whether work that belongs to these traces gets a span: if one is sampled; of work without any, some."""
        if not self.on:
            return False
        if contexts:
            return any(context.sampled for context in contexts)
        return random.random() < self._ratio

    def begin(
        self,
        name: str,
        kind: Kind,
        *,
        parent: TraceContext | None = None,
        links: Sequence[TraceContext] = (),
        attributes: Attributes | None = None,
        at_ns: int | None = None,
    ) -> Span:
        """A span that has begun (ns since 1970; None: now), whether it is wanted or not; `end` it."""
        return self._spans.begin(name, kind, parent, links[-LINKS:], attributes, at_ns)  # type: ignore[no-any-return]

    @contextmanager
    def sending(
        self, name: str, contexts: Sequence[TraceContext] = (), attributes: Attributes | None = None
    ) -> Iterator[Span]:
        """One request of ours that these traces have caused, the newest last: it goes on in the newest sampled one.

        Within the block HERE is what the request has to carry: our span, or the newest of the traces.
        """
        span = Span(contexts[-1] if contexts else None)
        if self.on and self.wanted(contexts):
            parent = next((context for context in reversed(contexts) if context.sampled), None)
            links = contexts if len(contexts) > 1 else ()
            span = self.begin(name, "CLIENT", parent=parent, links=links, attributes=attributes)
        before = HERE.set(span.context)
        try:
            yield span
        except BaseException as error:
            span.failed(type(error).__name__)
            raise
        finally:
            HERE.reset(before)
            span.end()


tracer: Final = Tracer()
"""The process's own."""
