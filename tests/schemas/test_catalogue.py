"""The catalogue governs itself: nothing in it is orphaned, unowned, undocumented or ungoverned."""

import re
from pathlib import Path
from typing import Any

import pytest

from schemas.catalogue import CHANNEL, Topic, catalogue
from schemas.codec import AVRO, parsed, source
from tables.intake_rules import IntakeRules

TOPICS = catalogue().topics
RECORDS = sorted({topic.record for topic in TOPICS})
WANTED = {
    "warehouse.scans", "supplier.acks", "supplier.asns", "carrier.milestones", "erp.purchase-orders",
    "erp.sales-orders", "erp.items", "erp.locations", "partners.profiles", "erp.stock-snapshots", "feeds.heartbeats",
    "shipment.events", "supply.events", "order.events", "inventory.ledger", "feed.events", "availability.snapshots",
    "availability.deltas", "channel.{channel}.availability", "feeds.status", "erp.postings", "erp.posting-results",
    "exceptions", "exceptions.resolutions", "dead-letters", "reservations.requests", "reservations.replies",
    "webhooks.subscriptions",
}  # fmt: skip

topics = pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
records = pytest.mark.parametrize("record", RECORDS)


def fields(schema: Any, within: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Every field of a schema and of the records inside it, with its path."""
    if isinstance(schema, list):
        return [found for branch in schema for found in fields(branch, within)]
    if not isinstance(schema, dict):
        return []
    if schema["type"] == "record":
        here = [(f"{within}.{field['name']}", field) for field in schema["fields"]]
        return here + [found for path, field in here for found in fields(field["type"], path)]
    return fields(schema.get("items", schema.get("values")), within)


def test_every_topic_of_the_product_stands_in_the_catalogue_and_no_other():
    """The catalogue holds the product's topics, each once."""
    names = [topic.name for topic in TOPICS]

    assert sorted(WANTED) == sorted(names)


def test_no_schema_is_an_orphan():
    """Every schema file is carried by a topic, and every topic has its schema file."""
    assert RECORDS == sorted(path.stem for path in AVRO.glob("*.avsc"))


@topics
def test_a_topic_has_an_owner_producers_consumers_and_words(topic: Topic):
    """Somebody answers for each topic, somebody writes it, somebody reads it, and it says what it is."""
    assert topic.owner
    assert topic.producers
    assert topic.consumers
    assert topic.key
    assert topic.description.endswith(".")


@topics
def test_a_public_subject_is_fully_compatible_and_an_internal_one_backward(topic: Topic):
    """Outside readers and writers upgrade when they like; ours upgrade readers first. Both against all versions."""
    wanted = {"public": "FULL_TRANSITIVE", "internal": "BACKWARD_TRANSITIVE"}[topic.visibility]

    assert wanted == topic.compatibility
    assert (topic.visibility == "internal") == (topic.direction == "internal")


@topics
def test_a_topic_keeps_its_records_or_says_how_long(topic: Topic):
    """A compacted topic has no retention, any other has one."""
    assert (topic.cleanup == "compact") == (topic.retention_days is None)


def test_the_ledger_and_its_answers_are_partitioned_by_the_sku_of_their_key():
    """All locations of a SKU meet in one partition; everything else goes by its whole key."""
    by_sku = [topic.name for topic in TOPICS if topic.partitioning == "sku"]

    assert ["inventory.ledger", "availability.snapshots", "availability.deltas"] == by_sku


@topics
def test_what_intake_takes_at_most_is_what_the_catalogue_says(topic: Topic):
    """The limit that an OVERSIZED exception speaks of stands in the catalogue and fits the broker's."""
    if topic.direction not in ("inbound", "reference"):
        assert topic.max_record_bytes is None
        return
    rules = IntakeRules()

    assert topic.max_record_bytes == (rules.max_scan_bytes if topic.name == "warehouse.scans" else rules.max_bytes)
    assert topic.max_record_bytes < topic.max_message_bytes


@topics
def test_only_settings_that_every_broker_knows_are_sent(topic: Topic):
    """Kafka and Redpanda both take what a topic is created with."""
    assert set(topic.config) <= {"cleanup.policy", "retention.ms", "max.message.bytes"}


def test_a_channel_has_a_topic_of_its_own_by_the_template():
    """Each declared channel gets one topic, which is governed as the template says."""
    names = {topic.name for topic in catalogue().for_channels(["webshop", "edi"])}
    template, topic = catalogue().topic(CHANNEL), catalogue().topic("channel.webshop.availability")

    assert {"channel.webshop.availability", "channel.edi.availability"} <= names
    assert CHANNEL not in names
    assert (template.record, template.owner, template.config) == (topic.record, topic.owner, topic.config)


def test_a_topic_that_is_not_in_the_catalogue_is_named():
    """An unknown topic is an error with its name, never a default."""
    with pytest.raises(KeyError, match=re.escape("warehouse.scan ")):
        catalogue().topic("warehouse.scan")


@records
def test_a_schema_is_in_the_product_s_namespace_and_says_what_it_is(record: str):
    """Record name, file name and namespace agree, and the record is described."""
    schema = parsed(source(record))

    assert f"stockstream.{record}" == schema["name"]
    assert schema["doc"].endswith(".")


@records
def test_every_field_is_documented(record: str):
    """Each field says what it is, down to the innermost, in a sentence."""
    undocumented = [path for path, field in fields(parsed(source(record))) if len(field.get("doc", "")) < 8]

    assert [] == undocumented


@records
def test_a_nullable_field_defaults_to_null(record: str):
    """What may be null may also be left out, so adding such a field later breaks nobody."""
    wrong = [
        path
        for path, field in fields(parsed(source(record)))
        if isinstance(field["type"], list) and (field["type"][0] != "null" or field.get("default", "none") is not None)
    ]

    assert [] == wrong


def test_the_catalogue_s_files_are_part_of_the_package():
    """Schemas and catalogue lie beside the code that reads them, so an installed package has them too."""
    package = Path(AVRO).parent

    assert (package / "topics.yaml").is_file()
    assert AVRO.is_relative_to(package)
