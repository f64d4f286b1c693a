"""Where records go: partitions by key, and the names of what belongs to the worker alone."""

from collections.abc import Callable

from aiokafka.partitioner import murmur2

from schemas.catalogue import catalogue

LEDGER = "inventory.ledger"
STAGES = ("intake", "shipments", "supply", "orders", "inventory", "feeds")
"""The stages' names, which are their tables' names."""
REFERENCES = ("erp.items", "erp.locations", "partners.profiles")


def changelog(app: str, stage: str) -> str:
    """The changelog topic of a stage's table, as Faust names it."""
    return f"{app}-{stage}-changelog"


def partition_of(key: bytes, partitions: int) -> int:
    """The partition Kafka's own producers give this key (murmur2, as in the Java client)."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)


def partitioner(partitions: int) -> Callable[[str, bytes], int]:
    """A cached partitioner: by SKU alone where the catalogue says so, every other topic by its whole key.

    What the inventory stage writes so stays in its own partition number, and a transaction touches few partitions.
    """
    by_sku = frozenset(topic.name for topic in catalogue().topics if topic.partitioning == "sku")
    known: dict[bytes, int] = {}

    def partition(topic: str, key: bytes) -> int:
        if topic in by_sku:
            key = key[: key.rindex(b"|")]
        found = known.get(key)
        if found is None:
            if len(known) > 1_000_000:
                known.clear()  # document numbers come and go; the cache must not
            found = known[key] = partition_of(key, partitions)
        return found

    return partition
