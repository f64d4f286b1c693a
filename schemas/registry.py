"""The schema registry over its Confluent API: register, check, look up ids. Never called from a stage."""

from collections.abc import Iterable

from confluent_kafka.schema_registry import ConfigCompatibilityLevel, Schema, SchemaRegistryClient, ServerConfig
from confluent_kafka.schema_registry.error import SchemaRegistryError

from schemas.catalogue import Topic, catalogue
from schemas.codec import Codec, source
from schemas.compatibility import differences


class RegistryError(RuntimeError):
    """The registry refused or did not answer; the message says what and how to mend it."""


class IncompatibleSchema(RegistryError):
    """A schema that readers or writers in the field could not live with; the message names the fields."""


def client(url: str, timeout: float = 10.0) -> SchemaRegistryClient:
    return SchemaRegistryClient({"url": url, "timeout": timeout, "max.retries": 2})


def register_all(url: str, channels: Iterable[str] = ()) -> dict[str, int]:
    """Set each subject's compatibility mode and register its schema; return ids by topic."""
    registry = client(url)
    return {topic.name: _register(registry, topic) for topic in catalogue().for_channels(channels)}


def _register(registry: SchemaRegistryClient, topic: Topic) -> int:
    schema = Schema(source(topic.record), "AVRO")
    try:
        registry.set_config(topic.subject, ServerConfig(compatibility=ConfigCompatibilityLevel(topic.compatibility)))
        return int(registry.register_schema(topic.subject, schema))
    except SchemaRegistryError as error:
        if error.http_status_code == 409:
            raise IncompatibleSchema(_why(registry, topic, str(error))) from error
        raise RegistryError(f"{topic.subject}: the registry refused: {error}") from error
    except Exception as error:
        raise RegistryError(f"the registry does not answer ({type(error).__name__}: {error}); is its URL right?") from error


def check_all(url: str, channels: Iterable[str] = ()) -> list[str]:
    """What registering would be refused for, subject by subject; empty when nothing would be."""
    registry = client(url)
    findings: list[str] = []
    for topic in catalogue().for_channels(channels):
        try:
            if not registry.test_compatibility(topic.subject, Schema(source(topic.record), "AVRO")):
                findings.append(_why(registry, topic, "incompatible"))
        except SchemaRegistryError as error:
            if error.http_status_code != 404:  # a new subject is compatible with nothing
                findings.append(f"{topic.subject}: {error}")
    return findings


def _why(registry: SchemaRegistryClient, topic: Topic, refusal: str) -> str:
    """The registry's refusal with the fields at fault."""
    fields: list[str] = []
    for version in registry.get_versions(topic.subject):
        older = registry.get_version(topic.subject, version).schema.schema_str
        fields += [f"version {version}: {text}" for text in differences(older, source(topic.record), topic.compatibility)]
    reason = "; ".join(fields) or refusal
    return f"{topic.subject} ({topic.compatibility}): {reason}. Add fields as nullable with a default; never remove one."


def ids(url: str, topics: Iterable[str]) -> dict[str, int]:
    """Ids of our schemas as they are registered; raise RegistryError naming the command when one is missing."""
    registry, found = client(url), dict[str, int]()
    for name in topics:
        topic = catalogue().topic(name)
        try:
            found[name] = registry.lookup_schema(topic.subject, Schema(source(topic.record), "AVRO")).schema_id
        except SchemaRegistryError as error:
            raise RegistryError(
                f"{topic.subject}: this release's schema is not registered ({error}); run `stockstream schemas register`"
            ) from error
        except Exception as error:
            raise RegistryError(f"the registry does not answer ({type(error).__name__}: {error})") from error
    return found


def schema_of(registry: SchemaRegistryClient, schema_id: int) -> str | None:
    """A schema's text, None where the registry has no such id; raise RegistryError when it does not answer."""
    try:
        return str(registry.get_schema(schema_id).schema_str)
    except SchemaRegistryError as error:
        if error.http_status_code == 404:
            return None
        raise RegistryError(str(error)) from error
    except Exception as error:
        raise RegistryError(f"{type(error).__name__}: {error}") from error


def connected_codec(url: str, channels: Iterable[str] = ()) -> Codec:
    """A codec with the ids of every topic: for producers and tools that may wait for the registry."""
    codec = Codec()
    names = [topic.name for topic in catalogue().for_channels(channels)]
    for topic, schema_id in ids(url, names).items():
        codec.register(topic, schema_id)
    return codec


