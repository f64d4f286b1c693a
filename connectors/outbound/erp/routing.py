"""Which system a posting goes to: systems, groups of locations and rules of a cutover, from a file that others read.

A document is never split: the locations of a posting's lines must all lead to one system, or it is ambiguous. A rule
with `from` holds for documents that begin after it: systems that would have taken the document before are named as
`former`, and the one of them that has the document keeps it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from connectors.trust import Trust
from schemas.records import ErpPosting


class RoutingError(ValueError):
    """A routing file that cannot be used; the message names the place in it."""


class Ambiguous(Exception):
    """The lines of a posting lead to different systems."""


@dataclass(frozen=True, slots=True)
class Sftp:
    """Where files go by SFTP. The host's key must be known; the client proves itself by key or password."""

    host: str
    port: int
    user: str
    known_hosts: str
    key_file: str | None
    password: str | None


@dataclass(frozen=True, slots=True)
class System:
    """One ERP as declared."""

    id: str
    adapter: Literal["odata", "csv"]
    url: str = ""
    token: str | None = None
    user: str | None = None
    rate: float = 100.0
    burst: int = 10
    rates: Mapping[str, float] = field(default_factory=dict)
    concurrency: int = 16
    entity_sets: Mapping[str, str] = field(default_factory=dict)
    trusted: Trust = True
    directory: str = ""
    acknowledgements: str = ""
    sftp: Sftp | None = None
    batch_size: int = 1_000
    batch_interval_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Rule:
    """The first rule that matches a posting decides. Empty criteria match everything."""

    system: str
    operations: frozenset[str] = frozenset()
    locations: frozenset[str] | None = None
    partners: frozenset[str] = frozenset()
    since: int | None = None
    """Business time in ms from which it holds."""
    handover: Literal["stay", "move"] = "stay"
    shadow: tuple[str, ...] = ()

    def matches(self, posting: ErpPosting, location: str, at: int) -> bool:
        return (
            (not self.operations or posting["operation"] in self.operations)
            and (self.locations is None or location in self.locations)
            and (not self.partners or posting["partner"] in self.partners)
            and (self.since is None or at >= self.since)
        )


@dataclass(frozen=True, slots=True)
class Route:
    """Where a posting goes. `former` are systems to ask first, oldest first: one that has the document keeps it."""

    system: str
    former: tuple[str, ...] = ()
    shadow: tuple[str, ...] = ()

    @property
    def chain(self) -> tuple[str, ...]:
        """All systems of record that may have the document, in the order in which they are asked."""
        return (*self.former, self.system)


@dataclass(frozen=True, slots=True)
class Routing:
    """All of the routing file."""

    systems: Mapping[str, System]
    rules: tuple[Rule, ...]

    def route(self, posting: ErpPosting) -> Route:
        """The way of a posting; raise Ambiguous."""
        if not posting["lines"]:
            return self._without_lines(posting)
        places = list(dict.fromkeys(line["location"] for line in posting["lines"]))
        routes = [self._route(posting, place) for place in places]
        if any(route != routes[0] for route in routes[1:]):
            told = ", ".join(f"{place} to {route.system}" for place, route in zip(places, routes, strict=True))
            raise Ambiguous(f"its lines lead to different systems: {told}")
        return routes[0]

    def _without_lines(self, posting: ErpPosting) -> Route:
        """It takes back what an earlier posting said, and names no place: the system that has the document gets it."""
        at = posting["created_at"]
        rules = [r for r in self.rules if replace(r, locations=None).matches(posting, "", at)]
        systems = list(dict.fromkeys(rule.system for rule in rules))
        last = self._rule(posting, "", at)
        asked = tuple(s for s in systems if s != last.system and self.systems[s].adapter == "odata")
        return Route(last.system, asked, last.shadow)

    def _route(self, posting: ErpPosting, place: str) -> Route:
        at = posting["created_at"]
        rule = self._rule(posting, place, at)
        former: list[str] = []
        earlier = rule
        # Stock positions never end: they change over at the time the rule names, with the stock.
        while earlier.since is not None and earlier.handover == "stay" and not _endless(posting["document"]):
            earlier = self._rule(posting, place, earlier.since - 1)
            if earlier.system != rule.system:
                former.insert(0, earlier.system)
        return Route(rule.system, tuple(dict.fromkeys(former)), rule.shadow)

    def _rule(self, posting: ErpPosting, place: str, at: int) -> Rule:
        return next(rule for rule in self.rules if rule.matches(posting, place, at))


def _endless(document: str) -> bool:
    return document.startswith("STOCK:")
