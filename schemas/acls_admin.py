"""ACLs compared with the broker's, and brought there: what is missing is added; what is too much goes when asked."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from schemas.acls import Acl, AclError, Site, acls, of_component

TIMEOUT: Final = 30.0
RESOURCES: Final = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional-id": ResourceType.TRANSACTIONAL_ID,
    "cluster": ResourceType.BROKER,
}
PATTERNS: Final = {"literal": ResourcePatternType.LITERAL, "prefixed": ResourcePatternType.PREFIXED}
OPERATIONS: Final = {
    "read": AclOperation.READ,
    "write": AclOperation.WRITE,
    "create": AclOperation.CREATE,
    "describe": AclOperation.DESCRIBE,
    "describe-configs": AclOperation.DESCRIBE_CONFIGS,
    "idempotent-write": AclOperation.IDEMPOTENT_WRITE,
}
_WHY: Final = {
    KafkaError.SECURITY_DISABLED: "the broker has no authorizer; set authorizer.class.name, or it allows everything",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "this principal may not look at or change ACLs; it needs Describe and "
    "Alter on the cluster, which is no component's own: run this as the broker's administrator",
}


class AclsRefused(RuntimeError):
    """The broker did not show, add or remove an ACL; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a broker's ACLs lack, and what they allow our principals beyond that."""

    missing: Sequence[Acl]
    superfluous: Sequence[Acl]


def compare(admin: AdminClient, wanted: Sequence[Acl], site: Site) -> Comparison:
    """Compare with the broker; raise AclsRefused.

    Superfluous is what a principal of `wanted` may do beyond it, and what a channel that is no longer declared was given
    here. Others' ACLs, refusals, and ACLs for single hosts are none of ours.
    """
    present = _present(admin)
    ours = {acl.principal for acl in wanted}
    superfluous = {acl for acl in present if acl.principal in ours or _of_gone_channel(acl, site)}
    # Not less than all of the site's: components may share a principal.
    return Comparison([acl for acl in wanted if acl not in present], sorted(superfluous - set(acls(site))))


def add(admin: AdminClient, wanted: Iterable[Acl]) -> None:
    """Add ACLs; raise AclsRefused."""
    bindings = [_binding(acl) for acl in wanted]
    if bindings:
        _settle(admin.create_acls(bindings, request_timeout=TIMEOUT))


def remove(admin: AdminClient, unwanted: Iterable[Acl]) -> None:
    """Remove exactly these; raise AclsRefused."""
    filters = [_filter(acl) for acl in unwanted]
    if filters:
        _settle(admin.delete_acls(filters, request_timeout=TIMEOUT))


def _of_gone_channel(acl: Acl, site: Site) -> bool:
    """Whether it is what a channel was given that is no longer declared."""
    before = "User:channel-"
    channel = acl.principal.removeprefix(before)
    if not acl.principal.startswith(before) or channel in site.channels:
        return False
    then = Site(site.app, [channel], (), "", {}, frozenset({channel}))
    try:
        return acl in of_component(then, f"channel:{channel}")
    except AclError:
        return False


def _present(admin: AdminClient) -> set[Acl]:
    """Every ACL of the broker that allows something from any host and that this module has words for."""
    everything = AclBindingFilter(
        ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY
    )
    try:
        found = admin.describe_acls(everything, request_timeout=TIMEOUT).result(TIMEOUT)
    except KafkaException as error:
        raise _refused(error) from error
    words = [{value: word for word, value in names.items()} for names in (RESOURCES, PATTERNS, OPERATIONS)]
    present: set[Acl] = set()
    for one in found:
        resource, pattern, operation = (
            of.get(value)
            for of, value in zip(words, (one.restype, one.resource_pattern_type, one.operation), strict=True)
        )
        if resource and pattern and operation and one.host == "*" and one.permission_type == AclPermissionType.ALLOW:
            present.add(Acl(one.principal, resource, one.name, pattern, operation))  # type: ignore[arg-type]
    return present


def _binding(acl: Acl) -> AclBinding:
    return AclBinding(*_words(acl))


def _filter(acl: Acl) -> AclBindingFilter:
    return AclBindingFilter(*_words(acl))


def _words(acl: Acl) -> tuple[Any, ...]:
    return (
        RESOURCES[acl.resource],
        acl.name,
        PATTERNS[acl.pattern],
        acl.principal,
        "*",
        OPERATIONS[acl.operation],
        AclPermissionType.ALLOW,
    )


def _settle(answers: Mapping[Any, Future[Any]]) -> None:
    for answer in answers.values():
        try:
            answer.result(TIMEOUT)
        except KafkaException as error:
            raise _refused(error) from error


def _refused(error: KafkaException) -> AclsRefused:
    why = error.args[0]
    return AclsRefused(_WHY.get(why.code(), f"{why.str()}; is a broker up there?"))
