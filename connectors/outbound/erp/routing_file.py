"""Reads the routing file (docs/erp.md): every mistake names its place, secrets come from elsewhere."""

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from connectors import trust
from connectors.outbound.erp.adapter import OPERATIONS
from connectors.outbound.erp.routing import Routing, RoutingError, Rule, Sftp, System
from connectors.outbound.erp.settings import CA_FILE
from connectors.outbound.erp.throttle import INQUIRY
from schemas.confidential import keep
from schemas.environment import SettingError

ONLY_SYSTEM: Final = "erp"


def single(url: str, token: str | None, rate: float, concurrency: int, trusted: trust.Trust = True) -> Routing:
    """One OData-like system for everything."""
    if not url.startswith(("http://", "https://")):
        raise RoutingError(f"STOCKSTREAM_ERP_URL={url!r}: give the ERP's service root, or a routing file")
    if trusted is not True and not url.startswith("https:"):
        raise RoutingError(f"{CA_FILE}: needs a URL with https:// in STOCKSTREAM_ERP_URL")
    only = System(ONLY_SYSTEM, "odata", url, token, rate=rate, concurrency=concurrency, trusted=trusted)
    return Routing({ONLY_SYSTEM: only}, (Rule(ONLY_SYSTEM),))


def parse(document: object, environment: Mapping[str, str] | None = None, trusted: trust.Trust = True) -> Routing:
    """Turn the content of a routing file into its meaning, secrets read; raise RoutingError naming the place.

    `trusted` holds for systems that name no `ca_file`.
    """
    top = _Node(document, "routing")
    environment = os.environ if environment is None else environment
    systems = {name: _system(name, node, environment, trusted) for name, node in top.children("systems")}
    if not systems:
        raise RoutingError("routing.systems: name at least one system")
    groups = {
        kind: {name: tuple(map(str, _list(node.value, node.path))) for name, node in top.children(kind)}
        for kind in ("business_units", "regions")
    }
    rules = [
        _rule(_Node(rule, f"routing.rules[{number}]"), systems, groups)
        for number, rule in enumerate(_list(top.get("rules", []), "routing.rules"))
    ]
    default = top.get("default", next(iter(systems)) if len(systems) == 1 else None)
    shadow = tuple(_list(top.get("default_shadow", []), "routing.default_shadow"))
    rules.append(_checked(Rule(_known(default, systems, "routing.default"), shadow=shadow), systems, "routing.default"))
    top.end()
    routing = Routing(systems, tuple(rules))
    _check_handovers(routing)
    return routing


def _system(name: str, node: "_Node", environment: Mapping[str, str], trusted: trust.Trust) -> System:
    adapter = node.get("adapter", "odata")
    if adapter not in ("odata", "csv"):
        raise RoutingError(f"{node.path}.adapter: {adapter!r} is neither odata nor csv")
    batch, sftp = node.child("batch"), node.child("sftp") if "sftp" in node.value else None
    system = System(
        name,
        adapter,
        url=str(node.get("url", "")),
        token=_secret(node, "token", environment),
        user=node.get("user"),
        rate=_positive(node, "rate", 100.0),
        burst=int(_positive(node, "burst", 10)),
        rates={
            operation: _positive(rates, operation, 1) for rates in [node.child("rates")] for operation in rates.value
        },
        concurrency=int(_positive(node, "concurrency", 16)),
        entity_sets=dict(node.get("entity_sets", {})),
        trusted=_trusted(node, trusted),
        directory=str(node.get("directory", "")),
        acknowledgements=str(node.get("acknowledgements", "")),
        sftp=None if sftp is None else _sftp(sftp, environment),
        batch_size=int(_positive(batch, "size", 1_000)),
        batch_interval_s=_positive(batch, "interval_s", 300.0),
    )
    batch.end()
    node.end()
    _only(system.rates, (*OPERATIONS, INQUIRY), f"{node.path}.rates")
    _only(system.entity_sets, (*OPERATIONS, "postings", "stock"), f"{node.path}.entity_sets")
    if adapter == "odata" and not system.url.startswith(("http://", "https://")):
        raise RoutingError(f"{node.path}.url: give the ERP's service root, http:// or https://")
    if adapter == "csv" and not (system.directory and system.acknowledgements):
        raise RoutingError(f"{node.path}: a system that takes files needs `directory` and `acknowledgements`")
    return system


def _trusted(node: "_Node", default: trust.Trust) -> trust.Trust:
    """By the system's own file; its URL is one with TLS then."""
    path = str(node.get("ca_file", ""))
    if path and not str(node.get("url", "")).startswith("https:"):
        raise RoutingError(f"{node.path}.ca_file: needs a `url` with https://")
    try:
        return trust.by(path, f"{node.path}.ca_file") if path else default
    except SettingError as error:
        raise RoutingError(str(error)) from None


def _only(given: Mapping[str, Any], known: Sequence[str], path: str) -> None:
    if unknown := sorted(set(given) - set(known)):
        raise RoutingError(f"{path}: unknown {', '.join(unknown)}; known are {', '.join(known)}")


def _sftp(node: "_Node", environment: Mapping[str, str]) -> Sftp:
    sftp = Sftp(
        host=str(node.need("host")),
        port=int(_positive(node, "port", 22)),
        user=str(node.need("user")),
        known_hosts=str(node.need("known_hosts")),
        key_file=node.get("key_file"),
        password=_secret(node, "password", environment),
    )
    node.end()
    return sftp


def _rule(node: "_Node", systems: Mapping[str, System], groups: Mapping[str, Mapping[str, tuple[str, ...]]]) -> Rule:
    match = node.child("match")
    places: set[str] | None = None
    for criterion, kind in (("business_unit", "business_units"), ("region", "regions"), ("warehouse", "")):
        if criterion in match.value:
            path = f"{match.path}.{criterion}"
            names = _list(match.get(criterion), path)
            chosen = {p for n in names for p in (_group(n, groups[kind], path) if kind else (n,))}
            places = chosen if places is None else places & chosen
    operations = frozenset(_list(match.get("operation", []), f"{match.path}.operation"))
    if unknown := sorted(operations - OPERATIONS.keys()):
        raise RoutingError(
            f"{match.path}.operation: no operation {', '.join(unknown)}; there are {', '.join(OPERATIONS)}"
        )
    handover = node.get("handover", "stay")
    if handover not in ("stay", "move"):
        raise RoutingError(f"{node.path}.handover: {handover!r} is neither stay nor move")
    rule = Rule(
        _known(node.get("system"), systems, f"{node.path}.system"),
        operations,
        None if places is None else frozenset(places),
        frozenset(_list(match.get("partner", []), f"{match.path}.partner")),
        _time(node.get("from"), f"{node.path}.from"),
        handover,
        tuple(_list(node.get("shadow", []), f"{node.path}.shadow")),
    )
    match.end()
    node.end()
    return _checked(rule, systems, node.path)


def _checked(rule: Rule, systems: Mapping[str, System], path: str) -> Rule:
    for shadow in rule.shadow:
        if systems[_known(shadow, systems, f"{path}.shadow")].adapter != "odata" or shadow == rule.system:
            raise RoutingError(f"{path}.shadow: {shadow} must be another system, and one that answers at once")
        if systems[rule.system].adapter != "odata":
            raise RoutingError(f"{path}.shadow: {rule.system} takes files and gives no answer to compare with")
    return rule


def _check_handovers(routing: Routing) -> None:
    """Only a system that can be asked whether it has a document can keep its documents."""
    files = {system.id for system in routing.systems.values() if system.adapter == "csv"}
    for number, rule in enumerate(routing.rules):
        later = {rule.system, *(each.system for each in routing.rules[number + 1 :])}
        if rule.since is not None and rule.handover == "stay" and later & files:
            raise RoutingError(
                f"routing.rules[{number}]: {', '.join(sorted(later & files))} takes files and cannot be asked which "
                "documents it has; say `handover: move` and change over between documents"
            )


def _group(name: Any, groups: Mapping[str, tuple[str, ...]], path: str) -> tuple[str, ...]:
    if name not in groups:
        raise RoutingError(f"{path}: no group {name!r}; there are {', '.join(groups) or 'none'}")
    return groups[name]


def _known(name: Any, systems: Mapping[str, System], path: str) -> str:
    if name not in systems:
        raise RoutingError(f"{path}: no system {name!r}; there are {', '.join(systems)}")
    return str(name)


def _secret(node: "_Node", name: str, environment: Mapping[str, str]) -> str | None:
    """A secret stands in a file or in the environment, never in the routing file."""
    if name in node.value:
        raise RoutingError(f"{node.path}.{name}: secrets do not belong here; use {name}_env or {name}_file")
    variable, file = node.get(f"{name}_env"), node.get(f"{name}_file")
    if variable is not None:
        if variable not in environment:
            raise RoutingError(f"{node.path}.{name}_env: {variable} is not set")
        return keep(environment[variable])
    if file is None:
        return None
    try:
        return keep(Path(file).read_text().strip())
    except OSError as error:
        raise RoutingError(f"{node.path}.{name}_file: {error}") from None


def _positive(node: "_Node", name: str, default: float) -> float:
    value = node.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise RoutingError(f"{node.path}.{name}: {value!r} is not a number above 0")
    return value


def _time(value: Any, path: str) -> int | None:
    if value is None:
        return None
    try:
        at = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        raise RoutingError(f"{path}: {value!r} is not a time such as 2026-11-01T00:00:00Z") from None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def _list(value: Any, path: str) -> Sequence[Any]:
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list):
        raise RoutingError(f"{path}: expected a list")
    return value


class _Node:
    """A mapping of the file that knows where it stands and which of its names were asked for."""

    def __init__(self, value: object, path: str) -> None:
        if value is not None and not isinstance(value, dict | list | str):
            raise RoutingError(f"{path}: expected names and values")
        self.value: Any = {} if value is None else value
        self.path = path
        self._asked: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        if not isinstance(self.value, dict):
            raise RoutingError(f"{self.path}: expected names and values")
        self._asked.add(name)
        return self.value.get(name, default)

    def need(self, name: str) -> Any:
        value = self.get(name)
        if value is None:
            raise RoutingError(f"{self.path}.{name}: missing")
        return value

    def child(self, name: str) -> "_Node":
        return _Node(self.get(name), f"{self.path}.{name}")

    def children(self, name: str) -> list[tuple[str, "_Node"]]:
        child = self.child(name)
        return [(str(key), _Node(value, f"{child.path}.{key}")) for key, value in child.value.items()]

    def end(self) -> None:
        """Refuse what nobody asked for: a misspelt name never passes for a default."""
        strange = sorted(str(name) for name in self.value if name not in self._asked)
        if strange:
            raise RoutingError(f"{self.path}: unknown {', '.join(strange)}; known are {', '.join(sorted(self._asked))}")
