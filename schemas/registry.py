"""The schema registry over its Confluent API: register, check, look up ids. Never called from a stage."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from confluent_kafka.schema_registry import ConfigCompatibilityLevel, Schema, SchemaRegistryClient, ServerConfig
from confluent_kafka.schema_registry.error import SchemaRegistryError

from schemas.access import registry_client
from schemas.catalogue import Topic, catalogue
from schemas.codec import Codec, source
from schemas.compatibility import differences
from schemas.environment import Shared

NO_SUBJECT: Final = 40401
NO_VERSION: Final = 40402
NO_SCHEMA: Final = 40403
INCOMPATIBLE: Final = 409
LARGEST_ID: Final = (1 << 31) - 1
"""Registries number with a signed int; asked for more, some answer as if the question were wrong."""
_HOW = "Add fields as nullable with a default; never remove one without."


class RegistryError(RuntimeError):
    """The registry refused or did not answer; the message says what and how to mend it."""


class RegistryRefused(RegistryError):
    """The registry does not let us in; the message says what to check."""


class IncompatibleSchema(RegistryError):
    """A schema that readers or writers in the field could not live with; the message names the fields."""


Registry = str | Shared
"""A registry's URL, or settings that also say how to get in."""


def client(where: Registry, timeout: float = 10.0) -> SchemaRegistryClient:
    conf = {"url": where} if isinstance(where, str) else registry_client(where)
    return SchemaRegistryClient({**conf, "timeout": timeout, "max.retries": 2})


@contextmanager
def _asking(what: str) -> Iterator[None]:
    """Tell a refusal from silence, and both in words."""
    try:
        yield
    except RegistryError:
        raise
    except SchemaRegistryError as error:
        if error.http_status_code in (401, 403):
            raise RegistryRefused(
                f"{what}: the registry lets us not in ({error.http_status_code}); check STOCKSTREAM_REGISTRY_USERNAME "
                f"and the password in STOCKSTREAM_REGISTRY_PASSWORD_FILE"
            ) from error
        raise RegistryError(f"{what}: the registry refused: {error}") from error
    except Exception as error:
        raise RegistryError(
            f"{what}: the registry does not answer ({type(error).__name__}: {error}); does it run, and is its URL right?"
        ) from error


# ---- governing --------------------------------------------------------------------------------------------------


def register_all(where: Registry, channels: Iterable[str] = ()) -> dict[str, int]:
    """Set each subject's compatibility mode and register its schema; return ids by topic.

    Raise IncompatibleSchema naming the fields, or RegistryError. Registering what is registered changes nothing.
    """
    registry = client(where)
    return {topic.name: _register(registry, topic) for topic in catalogue().for_channels(channels)}


def _register(registry: SchemaRegistryClient, topic: Topic) -> int:
    with _asking(topic.subject):
        registry.set_config(topic.subject, ServerConfig(compatibility=ConfigCompatibilityLevel(topic.compatibility)))
        try:
            return int(registry.register_schema(topic.subject, _schema(topic)))
        except SchemaRegistryError as error:
            if error.http_status_code != INCOMPATIBLE:
                raise
            raise IncompatibleSchema(_refusal(topic, _differences(registry, topic) or [error.error_message])) from error


def knows_us(where: Registry, channels: Iterable[str] = ()) -> bool:
    """Whether any subject of ours is there; raise RegistryError."""
    with _asking("subjects"):
        subjects = set(client(where).get_subjects())
    return any(topic.subject in subjects for topic in catalogue().for_channels(channels))


def check_all(where: Registry, channels: Iterable[str] = ()) -> list[str]:
    """What registering would be refused for, subject by subject; empty when nothing would be. Raise RegistryError."""
    registry = client(where)
    return [finding for topic in catalogue().for_channels(channels) for finding in _check(registry, topic)]


def _check(registry: SchemaRegistryClient, topic: Topic) -> list[str]:
    """The registry judges against the newest version; here against all of them, which a transitive mode means."""
    with _asking(topic.subject):
        try:
            found = _differences(registry, topic)
            accepted = registry.test_compatibility(topic.subject, _schema(topic))
        except SchemaRegistryError as error:
            if error.error_code in (NO_SUBJECT, NO_VERSION):  # a new subject has nobody to get on with
                return []
            raise
    if accepted and not found:
        return []
    return [_refusal(topic, found or ["the registry finds it incompatible with the newest version"])]


def _differences(registry: SchemaRegistryClient, topic: Topic) -> list[str]:
    """The fields at fault, version by version."""
    return [
        f"version {version}: {text}"
        for version in registry.get_versions(topic.subject)
        for text in differences(
            registry.get_version(topic.subject, version).schema.schema_str, source(topic.record), topic.compatibility
        )
    ]


def _refusal(topic: Topic, reasons: Iterable[str]) -> str:
    return f"{topic.subject} ({topic.compatibility}): {'; '.join(reasons)}. {_HOW}"


def _schema(topic: Topic) -> Schema:
    return Schema(source(topic.record), "AVRO")


# ---- ids --------------------------------------------------------------------------------------------------------


def ids(where: Registry, topics: Iterable[str]) -> dict[str, int]:
    """Ids of our schemas as they are registered; raise RegistryError naming the command when one is missing."""
    registry, found = client(where), dict[str, int]()
    for name in topics:
        topic = catalogue().topic(name)
        with _asking(topic.subject):
            try:
                found[name] = registry.lookup_schema(topic.subject, _schema(topic)).schema_id
            except SchemaRegistryError as error:
                if error.error_code not in (NO_SUBJECT, NO_VERSION, NO_SCHEMA):
                    raise
                raise RegistryError(
                    f"{topic.subject}: this release's schema is not registered; run `stockstream schemas register`"
                ) from error
    return found


def schema_of(registry: SchemaRegistryClient, schema_id: int) -> str | None:
    """A schema's text, None where the registry has no such id; raise RegistryError when it does not say."""
    if schema_id > LARGEST_ID:
        return None
    with _asking(f"schema {schema_id}"):
        try:
            return str(registry.get_schema(schema_id).schema_str)
        except SchemaRegistryError as error:
            if error.error_code == NO_SCHEMA:  # a mere 404 may be a wrong URL
                return None
            raise


def versions(registry: SchemaRegistryClient, subject: str) -> set[tuple[int, str]]:
    """Every version of a subject, as id and text; none where it is not known. Raise RegistryError."""
    with _asking(subject):
        try:
            numbers = registry.get_versions(subject)
        except SchemaRegistryError as error:
            if error.error_code == NO_SUBJECT:
                return set()
            raise
        found = [registry.get_version(subject, number) for number in numbers]
    return {(int(version.schema_id), str(version.schema.schema_str)) for version in found}


def connected_codec(where: Registry, channels: Iterable[str] = ()) -> Codec:
    """A codec with the ids of every topic: for producers and tools that may wait for the registry."""
    codec = Codec()
    names = [topic.name for topic in catalogue().for_channels(channels)]
    for topic, schema_id in ids(where, names).items():
        codec.register(topic, schema_id)
    return codec
