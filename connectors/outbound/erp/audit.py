"""The audit trail of one document, read from its partition of erp.posting-results, for people at a terminal."""

import time
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from connectors.kafka import client
from connectors.outbound.erp.results import RESULTS
from connectors.outbound.erp.settings import Settings
from schemas.codec import Codec
from schemas.records import ErpPostingResult
from schemas.registry import ids

WITHIN_S: Final = 60.0


def read_results(settings: Settings, document: str) -> list[ErpPostingResult]:
    """Every attempt known, oldest first; raise TimeoutError after 60 s, RegistryError or KafkaException."""
    codec = Codec()
    codec.register(RESULTS, ids(settings, [RESULTS])[RESULTS])
    consumer = Consumer(
        {
            **client(settings),
            "group.id": f"{settings.app}-erp-audit",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    found: list[ErpPostingResult] = []
    try:
        left = set(consumer.list_topics(RESULTS, timeout=WITHIN_S).topics[RESULTS].partitions)
        consumer.assign([TopicPartition(RESULTS, partition, OFFSET_BEGINNING) for partition in left])
        end = time.monotonic() + WITHIN_S
        while left:
            for message in consumer.consume(5_000, 0.5):
                if message.error() is None:
                    if message.key() == document.encode():
                        found.append(codec.decode(RESULTS, message.value()))
                elif message.error().code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the client's own name
                    left.discard(message.partition())
            if time.monotonic() > end:
                raise TimeoutError(f"{RESULTS} was not read to its end within {WITHIN_S:.0f} s")
    finally:
        consumer.close()
    return sorted(found, key=lambda result: result["answered_at"])
