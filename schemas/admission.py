"""Whether the broker lets a process in, asked before any work begins: trust, login, and every ACL the work needs.

Asked only where the broker asks who we are. Where no broker answers, nothing is said here: that is another fault.
"""

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient

from schemas.access import librdkafka, sasl
from schemas.acls import Acl
from schemas.environment import SettingError, Shared
from schemas.exit_codes import FAULT, REFUSED
from schemas.registry import RegistryError, RegistryRefused

WITHIN_S: Final = 15.0
LOOK_S: Final = 0.5
HOW: Final = "`stockstream topics acls --apply`, run by the broker's administrator, allows what is missing"
_QUIET = logging.getLogger("schemas.admission.client")
_QUIET.addHandler(logging.NullHandler())
_QUIET.propagate = False

_OPERATIONS: Final = {"read": AclOperation.READ, "write": AclOperation.WRITE, "describe": AclOperation.DESCRIBE}
_FORBIDDEN: Final = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "a topic",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "a consumer group",
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "a transactional id",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "the cluster",
}
_LOGIN: Final = frozenset({KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED})  # noqa: SLF001 - librdkafka's own names


class Refused(RuntimeError):
    """We are not let in; the message says by whom, why, and what to mend."""


def admitted(settings: Shared, needed: Iterable[Acl]) -> None:
    """Return where the broker lets us in and allows all of `needed`, or does not answer; raise Refused or SettingError.

    A broker that does not tell what is allowed is believed to allow it.
    """
    conf = librdkafka(settings)
    if settings.security_protocol == "PLAINTEXT":
        return
    errors: list[KafkaError] = []
    admin = AdminClient({**conf, "error_cb": errors.append}, logger=_QUIET)
    if _reached(settings, admin, errors):
        missing: dict[str, list[str]] = {}
        for what, name in _missing(admin, list(needed)):
            missing.setdefault(what, []).append(name)
        if missing:
            listed = "; ".join(f"{what} {', '.join(names)}" for what, names in missing.items())
            raise Refused(f"{settings.bootstrap}: not allowed: {listed}. {HOW}")


def refusal(settings: Shared, error: KafkaError) -> str | None:
    """What to say about an error of Kafka's that no waiting mends, because we are not let in; None for any other."""
    text = error.str() or ""
    if error.code() in _LOGIN:
        who = f"{settings.sasl_username} by {settings.sasl_mechanism}" if sasl(settings) else "our certificate"
        why = text.partition("error: ")[2].partition(" (after")[0] or text
        return (
            f"{settings.bootstrap}: the broker refuses the login of {who} ({why}); check STOCKSTREAM_SASL_USERNAME "
            f"and the secret in STOCKSTREAM_SASL_PASSWORD_FILE"
        )
    if error.code() == KafkaError._SSL and ("certificate" in text or "alert" in text):  # noqa: SLF001 - as above
        if "verify failed" in text:
            return (
                f"{settings.bootstrap}: the broker's certificate is not trusted; "
                f"check STOCKSTREAM_SSL_CA_FILE and the host name"
            )
        return (
            f"{settings.bootstrap}: TLS fails ({text.partition(' (after')[0]}); check STOCKSTREAM_SSL_CERTIFICATE_FILE"
        )
    if error.code() in _FORBIDDEN:
        return f"{settings.bootstrap}: not allowed on {_FORBIDDEN[error.code()]}: {text}. {HOW}"
    return None


def explained(settings: Shared, error: BaseException) -> tuple[int, str] | None:
    """Exit code and one line for what an operator can mend without reading a trace; None for any other error."""
    for one in _within(error):
        if isinstance(one, SettingError):
            return 2, str(one)
        if isinstance(one, Refused | RegistryRefused):
            return REFUSED, str(one)
        if isinstance(one, RegistryError):
            return FAULT, str(one)
        if isinstance(one, KafkaException) and isinstance(one.args[0], KafkaError):
            text = refusal(settings, one.args[0])
            if text is not None:
                return REFUSED, text
    return None


def _within(error: BaseException) -> Iterator[BaseException]:
    """An error, what it groups, and what it came from, each once."""
    seen, waiting = set[int](), [error]
    while waiting:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        if isinstance(one, BaseExceptionGroup):
            waiting.extend(one.exceptions)
        if one.__cause__ is not None:
            waiting.append(one.__cause__)


def _reached(settings: Shared, admin: AdminClient, errors: Sequence[KafkaError]) -> bool:
    """Whether the broker answers us; raise Refused where it will not."""
    end = time.monotonic() + WITHIN_S
    while time.monotonic() < end:
        try:
            admin.list_topics(timeout=LOOK_S)
        except KafkaException:
            admin.poll(0)
        else:
            return True
        for error in errors:
            if (text := refusal(settings, error)) is not None:
                raise Refused(text)
        if any(error.name() == "_ALL_BROKERS_DOWN" for error in errors):
            return False
    return False


# ---- what is allowed ------------------------------------------------------------------------------------------------


def _missing(admin: AdminClient, needed: Sequence[Acl]) -> Iterator[tuple[str, str]]:
    """What of it the broker does not allow; transactional ids and the cluster cannot be asked about beforehand."""
    topics = sorted({acl.name for acl in needed if acl.resource == "topic"})
    groups = sorted({_group(acl) for acl in needed if acl.resource == "group"})
    asked: dict[tuple[str, str], Future[Any]] = {}
    if topics:
        told = admin.describe_topics(TopicCollection(topics), include_authorized_operations=True, request_timeout=10)
        asked |= {("topic", name): future for name, future in told.items()}
    if groups:
        told = admin.describe_consumer_groups(groups, include_authorized_operations=True, request_timeout=10)
        asked |= {("group", name): future for name, future in told.items()}
    allowed = {what: _allowed(future) for what, future in asked.items()}
    for acl in needed:
        if acl.operation in _OPERATIONS and acl.resource in ("topic", "group"):
            name = acl.name if acl.resource == "topic" else _group(acl)
            may = allowed[acl.resource, name]
            if may is not None and _OPERATIONS[acl.operation] not in may:
                yield f"{acl.operation} {acl.resource}", acl.name + ("…" if acl.pattern == "prefixed" else "")


def _group(acl: Acl) -> str:
    """A group that the ACL is about."""
    return acl.name if acl.pattern == "literal" else f"{acl.name}0"


def _allowed(answer: Future[Any]) -> frozenset[AclOperation] | None:
    """Operations we are allowed; None where the broker does not tell."""
    try:
        found = answer.result(15)
    except KafkaException as error:
        return frozenset() if error.args[0].code() in _FORBIDDEN else None
    except TimeoutError:
        return None
    told = found.authorized_operations
    return frozenset(told) if told else None
