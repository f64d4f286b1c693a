"""Who may do what at the broker: the ACLs of every component, from the catalogue's producers and consumers.

What the catalogue does not know stands here: consumer groups, transactional ids, changelogs. No component gets more
than its own work needs; nobody gets Alter or Delete on anything.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from schemas.catalogue import CHANNEL, Topic, catalogue

Resource = Literal["topic", "group", "transactional-id", "cluster"]
Pattern = Literal["literal", "prefixed"]
Operation = Literal["read", "write", "create", "describe", "describe-configs", "idempotent-write"]

STAGES: Final = ("intake", "shipments", "supply", "orders", "inventory", "feeds", "sweep", "workers")
"""Names in the catalogue that all are the worker."""
PROCESSES: Final = ("worker", "api", "redis-view", "erp-connector", "webhooks", "shop")
SETUP: Final = "setup"
"""`stockstream topics apply`, which creates and verifies; the registry has no ACLs of Kafka's."""
OPERATIONS: Final = "operations"
"""People who look after the site by the command: they read all, and enable webhooks."""
SECOND_SITE: Final = "second-site"
"""`stockstream mirror`, `compare` and `handover`, at both sites while there are two; nobody needs it otherwise."""
OUTSIDE: Final = ("wms", "edi", "erp", "console", "analytics")
COMPONENTS: Final = (*PROCESSES, SETUP, OPERATIONS, SECOND_SITE, *OUTSIDE)
"""Everybody but the channels, in the order they are listed."""
CLUSTER: Final = "kafka-cluster"
"""The one name a cluster has as a resource."""


class AclError(ValueError):
    """A site whose ACLs would allow more than they should, or a component nobody knows; the message says what to do."""


@dataclass(frozen=True, slots=True, order=True)
class Acl:
    """One thing allowed to one principal from any host."""

    principal: str
    resource: Resource
    name: str
    pattern: Pattern
    operation: Operation


@dataclass(frozen=True, slots=True)
class Site:
    """What the ACLs are made for."""

    app: str
    channels: Sequence[str]
    changelogs: Sequence[str]
    """Topics of the workers' own."""
    shop_channel: str
    """The channel whose quantities the shop connector brings into the shop."""
    principals: Mapping[str, str]
    """Principals that have other names than `User:APP-COMPONENT` and `User:channel-ID`, by component or `channel:ID`."""
    follow_feeds: frozenset[str] = frozenset()
    """Channels that may also read how fresh the feeds are."""

    def principal(self, component: str) -> str:
        kind, _, channel = component.partition(":")
        return self.principals.get(component, f"User:channel-{channel}" if channel else f"User:{self.app}-{kind}")


@dataclass(frozen=True, slots=True)
class _Allowed:
    """One thing allowed to one component."""

    component: str
    resource: Resource
    name: str
    operation: Operation
    pattern: Pattern = "literal"


def acls(site: Site) -> list[Acl]:
    """All ACLs of a site, each once, by component; raise AclError."""
    _check(site)
    found = dict.fromkeys(
        Acl(site.principal(one.component), one.resource, one.name, one.pattern, one.operation) for one in _all(site)
    )
    return list(found)


def of_component(site: Site, component: str) -> list[Acl]:
    """The ACLs of one component, or of `channel:ID`; raise AclError for one that is not of this site."""
    if component not in known(site):
        raise AclError(f"{component}: no such component; there are {', '.join(known(site))}")
    _check(site)
    return list(
        dict.fromkeys(
            Acl(site.principal(component), one.resource, one.name, one.pattern, one.operation)
            for one in _all(site)
            if one.component == component
        )
    )


def needs(
    component: str, app: str, channels: Sequence[str] = (), changelogs: Sequence[str] = (), shop_channel: str = ""
) -> list[Acl]:
    """What one process needs, for itself to ask whether it may: of whatever principal it runs as."""
    site = Site(app, channels, changelogs, shop_channel, {component: ""})
    its = (one for one in _all(site) if one.component == component)
    return list(dict.fromkeys(Acl("", one.resource, one.name, one.pattern, one.operation) for one in its))


def known(site: Site) -> list[str]:
    """Every component of a site, channels as `channel:ID`."""
    return [*COMPONENTS, *(f"channel:{channel}" for channel in site.channels)]


def _all(site: Site) -> list[_Allowed]:
    topics = catalogue().for_channels(site.channels)
    by_component: dict[str, list[_Allowed]] = {component: [] for component in known(site)}
    for topic in topics:
        for one in _topic(site, topic):
            by_component[one.component].append(one)
    for one in _own(site):
        by_component[one.component].append(one)
    allowed = [one for component in known(site) for one in by_component[component]]
    # Kafka since 3.0 lets whoever may write a topic write it idempotently; Redpanda and older Kafka ask for this one.
    writers = dict.fromkeys(one.component for one in allowed if one.operation == "write")
    return allowed + [_Allowed(writer, "cluster", CLUSTER, "idempotent-write") for writer in writers]


def _topic(site: Site, topic: Topic) -> Iterable[_Allowed]:
    """What the catalogue says of one topic."""
    for name in topic.producers:
        yield _Allowed(_component(name, topic), "topic", topic.name, "write")
    for name in topic.consumers:
        component = _component(name, topic)
        if component == "shop" and topic.name not in ("feeds.status", CHANNEL.replace("{channel}", site.shop_channel)):
            continue
        yield _Allowed(component, "topic", topic.name, "read")
    yield _Allowed(OPERATIONS, "topic", topic.name, "read")
    yield _Allowed(SECOND_SITE, "topic", topic.name, "read")
    if topic.direction in {"inbound", "reference"} or topic.name == "erp.postings":
        yield _Allowed(SECOND_SITE, "topic", topic.name, "write")
    for operation in SETUP_OPERATIONS:
        yield _Allowed(SETUP, "topic", topic.name, operation)


SETUP_OPERATIONS: Final[tuple[Operation, ...]] = ("create", "describe", "describe-configs")
"""`topics apply` changes nothing that exists, so it needs no Alter."""


def _component(name: str, topic: Topic) -> str:
    """Whose ACL a name in the catalogue means; a channel is that of the topic."""
    if name in STAGES:
        return "worker"
    if name == "channel":
        before, after = CHANNEL.split("{channel}")
        return "channel:" + topic.name.removeprefix(before).removesuffix(after)
    if name not in COMPONENTS:
        raise AclError(f"{topic.name}: {name} is no stage, process or party; schemas/acls.py names them")
    return name


def _own(site: Site) -> Iterable[_Allowed]:
    """What the catalogue does not know."""
    app = site.app
    for changelog in site.changelogs:
        yield _Allowed("worker", "topic", changelog, "read")
        yield _Allowed("worker", "topic", changelog, "write")
        yield from (_Allowed(SETUP, "topic", changelog, operation) for operation in SETUP_OPERATIONS)
    yield _Allowed("worker", "group", app, "read")
    yield _Allowed("worker", "transactional-id", f"{app}-", "write", "prefixed")  # APP-PARTITION
    # Never joined: the client only asks who would coordinate it.
    yield _Allowed("api", "group", f"{app}-api-", "describe", "prefixed")
    yield _Allowed("redis-view", "group", f"{app}-redis-view", "read")
    yield _Allowed("erp-connector", "group", f"{app}-erp", "read")
    yield _Allowed("erp-connector", "group", f"{app}-erp-shadow-", "read", "prefixed")
    yield _Allowed("webhooks", "group", f"{app}.webhooks.", "read", "prefixed")
    for component in ("webhooks", "shop"):
        yield _Allowed(component, "group", f"{app}.commerce.", "describe", "prefixed")
    if site.shop_channel:
        yield _Allowed("shop", "group", f"{app}.shop.{site.shop_channel}", "read")
    yield _Allowed(OPERATIONS, "group", app, "describe", "prefixed")
    yield _Allowed(SECOND_SITE, "group", app, "describe", "prefixed")
    yield _Allowed(SECOND_SITE, "group", f"{app}-mirror", "read")
    yield _Allowed(SECOND_SITE, "group", f"{app}-erp", "read")  # its beginning is set when the ERP is handed over
    for channel in site.channels:
        yield _Allowed(f"channel:{channel}", "group", f"{channel}-", "read", "prefixed")
        if channel in site.follow_feeds:
            yield _Allowed(f"channel:{channel}", "topic", "feeds.status", "read")


def _check(site: Site) -> None:
    """Raise AclError where one's groups would be another's, or a name is given for nobody."""
    strange = [
        name for name in (*site.principals, *(f"channel:{c}" for c in site.follow_feeds)) if name not in known(site)
    ]
    if strange:
        raise AclError(f"{', '.join(strange)}: no such component; there are {', '.join(known(site))}")
    if site.shop_channel and site.shop_channel not in site.channels:
        raise AclError(f"the shop's channel {site.shop_channel} is not declared; set STOCKSTREAM_COMMERCE_SHOP_CHANNEL")
    for channel in site.channels:
        others = [f"the channel {other}" for other in site.channels if other.startswith(f"{channel}-")]
        if site.app == channel or site.app.startswith(f"{channel}-"):
            others.append(f"the application {site.app}")
        if others:
            raise AclError(
                f"channel {channel}: its groups begin with {channel}-, and so do those of {', '.join(others)}; "
                f"give one of them another name, or it could move the other's offsets"
            )
