"""The registry, real: what is registered is governed, what is refused is named, and silence is not an answer."""

import json
import uuid
from dataclasses import replace

import pytest
from confluent_kafka.schema_registry import ConfigCompatibilityLevel, Schema, ServerConfig

from schemas import registry
from schemas.catalogue import Catalogue, Topic, catalogue
from schemas.codec import source

NOBODY = "http://127.0.0.1:9/apis/ccompat/v7"

pytestmark = pytest.mark.stack


@pytest.fixture
def orders(monkeypatch: pytest.MonkeyPatch) -> Topic:
    """A catalogue of one topic that no other test knows, so that versions can come and go."""
    topic = replace(catalogue().topic("erp.sales-orders"), name=f"test.{uuid.uuid4().hex}")
    template = catalogue().topic("channel.{channel}.availability")
    monkeypatch.setattr(Catalogue, "for_channels", lambda *_: [topic])
    monkeypatch.setattr(Catalogue, "topic", lambda _, name: {topic.name: topic}.get(name, template))
    return topic


def register_as(monkeypatch: pytest.MonkeyPatch, **changes: object) -> None:
    """From now on the release's schema of sales orders has these fields too, or no more (None)."""
    schema = json.loads(source("SalesOrder"))
    schema["fields"] = [one for one in schema["fields"] if one["name"] not in changes]
    schema["fields"] += [{"name": name, **field} for name, field in changes.items() if isinstance(field, dict)]
    monkeypatch.setattr(registry, "source", lambda _: json.dumps(schema))


def test_every_subject_is_registered_under_its_mode(registry_url: str):
    """After registering, each subject has our schema and its compatibility mode; doing it again changes nothing."""
    channels = ["webshop", "edi"]
    first = registry.register_all(registry_url, channels)
    client = registry.client(registry_url)
    topics = catalogue().for_channels(channels)

    assert first == registry.register_all(registry_url, channels)
    assert first == registry.ids(registry_url, [topic.name for topic in topics])
    assert [] == registry.check_all(registry_url, channels)
    for topic in topics:
        config: ServerConfig = client.get_config(topic.subject)
        level = config.compatibility or config.compatibility_level
        assert ConfigCompatibilityLevel(topic.compatibility) == level


def test_what_one_client_encodes_another_decodes_by_the_registry_alone(registry_url: str):
    """Two codecs that share nothing but the registry understand each other."""
    registry.register_all(registry_url, ["webshop"])
    heartbeat = {"source": "WMS-DC01", "location": "DC01", "sent_at": 1_795_248_000_000}

    value = registry.connected_codec(registry_url).encode("feeds.heartbeats", heartbeat)

    assert heartbeat == registry.connected_codec(registry_url).decode("feeds.heartbeats", value)


def test_a_nullable_addition_is_registered_as_the_next_version(
    registry_url: str, orders: Topic, monkeypatch: pytest.MonkeyPatch
):
    """The open way to change a public record, against the real registry."""
    before = registry.register_all(registry_url)
    register_as(monkeypatch, gift={"type": ["null", "string"], "default": None})

    assert [] == registry.check_all(registry_url)
    assert before != registry.register_all(registry_url)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"priority": None}, "SalesOrder.priority was removed and has no default"),
        ({"gift": {"type": "string"}}, "SalesOrder.gift is new and has no default"),
    ],
)
def test_an_incompatible_change_is_refused_naming_subject_version_and_field(
    registry_url: str, orders: Topic, monkeypatch: pytest.MonkeyPatch, change: dict[str, object], told: str
):
    """The registry refuses it, the check foretells it, and both say which field it is and what to do instead."""
    registry.register_all(registry_url)
    register_as(monkeypatch, **change)

    [finding] = registry.check_all(registry_url)
    with pytest.raises(registry.IncompatibleSchema) as refusal:
        registry.register_all(registry_url)

    for text in (finding, str(refusal.value)):
        assert text.startswith(f"{orders.subject} (FULL_TRANSITIVE): version 1: {told}")
        assert "nullable" in text


def test_a_change_is_judged_against_versions_long_gone_too(
    registry_url: str, orders: Topic, monkeypatch: pytest.MonkeyPatch
):
    """Transitive means all versions: a field may not come back as something else."""
    register_as(monkeypatch, gift={"type": ["null", "string"], "default": None})
    registry.register_all(registry_url)
    register_as(monkeypatch)
    registry.register_all(registry_url)
    register_as(monkeypatch, gift={"type": ["null", "long"], "default": None})

    [finding] = registry.check_all(registry_url)

    assert "version 1: SalesOrder.gift is string to the writer and long to the reader" in finding


def test_a_missing_subject_names_the_command(registry_url: str, orders: Topic):
    """A worker that starts before anybody registered says what to run; a check has nothing against a new subject."""
    with pytest.raises(registry.RegistryError, match=f"{orders.subject}.*run `stockstream schemas register`"):
        registry.ids(registry_url, [orders.name])
    assert [] == registry.check_all(registry_url)


def test_no_such_schema_is_told_from_no_answer(registry_url: str):
    """An id the registry does not have is None; a registry that is away or not there at all is an error."""
    registry.register_all(registry_url)

    assert registry.schema_of(registry.client(registry_url), 99_999) is None
    assert registry.schema_of(registry.client(registry_url), 0xFFFFFFFF) is None
    with pytest.raises(registry.RegistryError, match="does not answer"):
        registry.schema_of(registry.client(NOBODY, timeout=1), 1)
    with pytest.raises(registry.RegistryError, match="refused"):
        registry.schema_of(registry.client(f"{registry_url}/nothing-here"), 1)


def test_a_schema_comes_back_as_it_was_written(registry_url: str):
    """What a worker learns about another writer's id is that writer's schema."""
    schema_id = registry.register_all(registry_url)["erp.items"]
    text = registry.schema_of(registry.client(registry_url), schema_id)

    assert text is not None
    assert json.loads(source("Item")) == json.loads(text)


@pytest.mark.parametrize(
    "ask", [registry.register_all, registry.check_all, lambda url: registry.ids(url, ["erp.items"])]
)
def test_a_registry_that_is_away_is_said_to_be(ask):
    """Every command ends with what to look after, not with a traceback of the client."""
    with pytest.raises(registry.RegistryError, match=r"does not answer.*is its URL right"):
        ask(NOBODY)


def test_a_foreign_schema_under_our_subject_is_refused(
    registry_url: str, orders: Topic, monkeypatch: pytest.MonkeyPatch
):
    """A subject that somebody filled with another record is not taken over silently."""
    registry.client(registry_url).register_schema(orders.subject, Schema(source("Item"), "AVRO"))

    [finding] = registry.check_all(registry_url)

    assert "Item" in finding
