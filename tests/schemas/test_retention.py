"""STOCKSTREAM_RETENTION_DAYS: what it takes, and what it refuses because somebody still has to read it."""

import pytest

from schemas.catalogue import catalogue, kept
from schemas.environment import SettingError
from schemas.retention import retention, written


def test_days_by_topic_are_read_and_written():
    """Commas between entries, spaces anywhere, for ever where said; nothing chosen is the catalogue."""
    found = retention(" inventory.ledger=90, erp.postings = 180,exceptions.resolutions=forever, ")

    assert found == {"inventory.ledger": 90, "erp.postings": 180, "exceptions.resolutions": None}
    assert found == retention(",".join(written(*entry) for entry in found.items()))
    assert retention("") == {}


def test_the_catalogue_keeps_to_its_own_rules():
    """Every topic's own retention could be chosen, so leaving one out never breaks what another needs."""
    own = [topic for topic in catalogue().topics if topic.cleanup == "delete"]

    assert retention(",".join(written(topic.name, topic.retention_days) for topic in own)) == {
        topic.name: topic.retention_days for topic in own
    }


def test_only_the_chosen_topics_change():
    """The others keep what the catalogue says."""
    before = catalogue().for_channels(["webshop"])
    after = kept(before, retention("inventory.ledger=90,dead-letters=forever"))

    assert {old.name: new.config["retention.ms"] for old, new in zip(before, after, strict=True) if old != new} == {
        "inventory.ledger": str(90 * 86_400_000),
        "dead-letters": "-1",
    }


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("inventory.ledgr=90", "there is no topic 'inventory.ledgr'"),
        ("90", "there is no topic '90'; write topic=days"),
        ("inventory.ledger", "inventory.ledger= is neither a whole number of days nor 'forever'"),
        ("inventory.ledger=-1", "neither a whole number"),
        ("inventory.ledger=90d", "neither a whole number"),
        ("inventory.ledger=90,inventory.ledger=91", "inventory.ledger is there twice"),
        ("availability.snapshots=90", "availability.snapshots is compacted"),
        ("channel.webshop.availability=90", "channel.webshop.availability is compacted"),
        ("inventory.ledger=6", "inventory.ledger=6 is too short: 7 days at least"),
        ("reservations.replies=29", "reservations.replies=29 is too short: 30 days at least"),
        ("erp.postings=89", "erp.postings=89 is shorter than supplier.acks=90"),
        ("warehouse.scans=400", "erp.postings=365 is shorter than warehouse.scans=400"),
        ("warehouse.scans=forever", "erp.postings=365 is shorter than warehouse.scans=forever"),
        ("exceptions.resolutions=364", "exceptions.resolutions=364 is shorter than exceptions=365"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(text: str, word: str):
    """A slip of the pen, and less than readers need: said before anything is created."""
    with pytest.raises(SettingError) as refusal:
        retention(text)

    assert str(refusal.value).startswith("STOCKSTREAM_RETENTION_DAYS: ")
    assert word in str(refusal.value)
