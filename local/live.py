"""The demo while it runs: a Rich view on a terminal, plain lines elsewhere. Knows nothing of Kafka."""

import time
from collections import Counter, deque
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self

from rich.columns import Columns
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

LINE_EVERY_S = 3.0
STYLES = {"FRESH": "green", "LATE": "yellow", "STALE": "red"}


@dataclass(slots=True)
class State:
    """What there is to show."""

    phase: str = ""
    total: int = 0
    sent: int = 0
    rate: float = 0.0  # records sent a second, of late
    business_ms: int = 0
    lag: dict[str, int] = field(default_factory=dict)  # by stage
    workers: dict[str, str] = field(default_factory=dict)
    feeds: dict[str, str] = field(default_factory=dict)  # `source|location` → status
    deltas: int = 0
    latest: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=8))
    owners: Counter[str] = field(default_factory=Counter)  # open exceptions; a resolution may be read first

    @property
    def open_exceptions(self) -> int:
        return sum(self.owners.values())

    @property
    def business(self) -> str:
        if not self.business_ms:
            return ""
        return time.strftime("%a %d %b %H:%M", time.gmtime(self.business_ms / 1000))


class View(Protocol):
    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None: ...

    def say(self, line: str) -> None:
        """Tell something that happened."""

    def show(self, state: State) -> None:
        """Show how things stand; called often."""


class PlainView:
    """A line now and then."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        return None

    def say(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def show(self, state: State) -> None:
        if time.monotonic() - self._told < LINE_EVERY_S:
            return
        self._told = time.monotonic()
        lag = " ".join(f"{stage} {records}" for stage, records in state.lag.items() if records > 100)
        status = Counter(state.feeds.values())
        feeds = " ".join(f"{count} {name.lower()}" for name, count in sorted(status.items()))
        self.say(
            f"{state.phase}: {state.sent:,} of {state.total:,} sent, {state.rate:,.0f}/s, {state.business}, "
            f"{state.deltas:,} deltas, {state.open_exceptions:,} open exceptions"
            + (f", feeds {feeds}" if feeds else "")
            + (f", lag {lag}" if lag else "")
        )


class LiveView:
    """The whole picture, redrawn four times a second."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, refresh_per_second=4, transient=True)
        self._console = console

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._live.stop()

    def say(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False)

    def show(self, state: State) -> None:
        if not self._live.is_started:  # not before: the stack's progress bars are a live display of their own
            self._live.start()
        self._live.update(picture(state))


def view_for(console: Console) -> View:
    return LiveView(console) if console.is_terminal else PlainView(console)


def picture(state: State) -> Group:
    """The live view's content."""
    head = Table.grid(padding=(0, 2))
    head.add_row(
        Text(state.phase, style="bold"),
        ProgressBar(total=max(1, state.total), completed=state.sent, width=30),
        f"{state.sent:,} of {state.total:,}",
        f"{state.rate:,.0f} events/s",
        state.business,
    )
    stages = Table("stage", "lag", title="Lag", title_justify="left", box=None)
    for stage, records in state.lag.items():
        stages.add_row(stage, f"{records:,}")
    for name, told in state.workers.items():
        stages.add_row(name, told)
    feeds = Table("feed", "status", title="Freshness", title_justify="left", box=None)
    for feed, status in sorted(state.feeds.items()):
        feeds.add_row(feed, Text(status, style=STYLES.get(status, "")))
    owners = Table("owner", "open", title="Exceptions", title_justify="left", box=None)
    for owner, count in state.owners.most_common(8):
        if owner and count > 0:
            owners.add_row(owner, f"{count:,}")
    deltas = Table(
        "position", "atp", "was", "because", title=f"Deltas: {state.deltas:,}", title_justify="left", box=None
    )
    for delta in reversed(state.latest):
        deltas.add_row(
            f"{delta['sku']}|{delta['location']}",
            str(delta["atp"]),
            str(delta["previous_atp"]),
            delta["material_because"].lower().replace("_", " "),
        )
    return Group(Panel(head), Columns([stages, feeds, owners, deltas], padding=(0, 4)))
