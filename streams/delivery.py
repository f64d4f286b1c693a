"""What a transaction sends, batch by batch, and whether the log has all of it: aiokafka commits past a refused batch."""

import asyncio
from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    BrokerResponseError,
    ClusterAuthorizationFailedError,
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    InvalidTimestampError,
    InvalidTxnState,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    PolicyViolationError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from streams.traces import NONE, Headers

Send = tuple[bytes, bytes | None]
_OWN_WORDS: Final = (
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    InvalidTxnState,
    TopicAuthorizationFailedError,
    ClusterAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)
"""Another owner, or no rights: no fault of a batch, and the error itself says what it is."""
_TOO_LARGE = (
    "the topic's max.message.bytes is less than that: raise it (rpk topic alter-config {topic} --set "
    "max.message.bytes=BYTES, or kafka-configs.sh --alter); the worker then goes on where it was"
)
_MEND: Final[Mapping[type[BaseException], str]] = {
    MessageSizeTooLargeError: _TOO_LARGE,
    RecordListTooLargeError: _TOO_LARGE,
    InvalidTimestampError: (
        "this machine's clock and the broker's are too far apart (message.timestamp.after.max.ms and .before.max.ms of "
        "the topic): set both by NTP; nothing else is wrong"
    ),
    PolicyViolationError: "a policy of the cluster forbids it: see the broker's log, and change the policy or the topic",
    OutOfOrderSequenceNumber: "the broker lost track of this producer; a new start mends that",
}
_OTHERWISE = (
    "see the broker's log at this time; it may be a setting of the topic (cleanup.policy, validation of schemas); "
    "`stockstream topics apply` says which differ"
)


class BatchRefused(Exception):
    """The broker does not take a batch: its transaction must not be committed. The message says what to do."""


class _Sent(NamedTuple):
    future: asyncio.Future[object]
    topic: str
    partition: int
    sends: Sequence[Send]
    begin: int
    end: int
    size: int
    stamped: int

    def refused(self, error: BaseException) -> BatchRefused:
        records = self.sends[self.begin : self.end]
        key, value = max(records, key=lambda send: len(send[0]) + len(send[1] or b""))
        largest = f"{key.decode('utf-8', 'backslashreplace')!r} with {len(value or b'')} bytes"
        what = f"the record {largest}" if len(records) == 1 else f"{len(records)} records, the largest {largest}"
        mend = next((text for known, text in _MEND.items() if isinstance(error, known)), _OTHERWISE)
        return BatchRefused(
            f"the broker refuses a batch of {self.size} bytes for {self.topic}[{self.partition}], stamped {self.stamped} ms: "
            f"{what}: {error!r}. Nothing of its transaction is committed. What to do: {mend.format(topic=self.topic)}"
        )


class Delivery:
    """The batches of one transaction. `complete` comes before its commit, `drop` however it ends."""

    def __init__(self, producer: AIOKafkaProducer, stamp: int) -> None:
        self._producer, self._stamp = producer, stamp
        self._sent: list[_Sent] = []

    async def send(
        self, topic: str, partition: int, sends: Sequence[Send], traced: Mapping[int, Headers] | None = None
    ) -> None:
        """Send records, a batch as it fills; `traced` are headers by the records' places."""
        batch, begin, stamp = self._producer.create_batch(), 0, self._stamp
        each = repeat(NONE) if traced is None else (traced.get(number, NONE) for number in range(len(sends)))
        for (key, value), headers in zip(sends, each, strict=False):
            if batch.append(key=key, value=value, timestamp=stamp, headers=headers) is None:
                begin = await self._hand_over(batch, topic, partition, sends, begin)
                batch = self._producer.create_batch()
                if batch.append(key=key, value=value, timestamp=stamp, headers=headers) is None:
                    raise ValueError(f"a record for {topic} is larger than a batch: {key!r}, {len(value or b'')} bytes")
        if batch.record_count():
            await self._hand_over(batch, topic, partition, sends, begin)

    async def _hand_over(self, batch: Any, topic: str, partition: int, sends: Sequence[Send], begin: int) -> int:
        end: int = begin + batch.record_count()
        size: int = batch.size()
        future = await self._producer.send_batch(batch, topic, partition=partition)
        self._sent.append(_Sent(future, topic, partition, sends, begin, end, size, self._stamp))
        return end

    async def complete(self) -> None:
        """Wait until the log has every batch; raise at the first one that is refused."""
        if self._sent:
            await asyncio.wait([sent.future for sent in self._sent], return_when=asyncio.FIRST_EXCEPTION)
        for sent in self._sent:
            if sent.future.done() and (error := sent.future.exception()) is not None:
                if isinstance(error, BrokerResponseError) and not isinstance(error, _OWN_WORDS) and not error.retriable:
                    raise sent.refused(error) from error
                raise error

    def drop(self) -> None:
        """Nobody asks any more: what is still under way may fail without a word."""
        for sent in self._sent:
            if not sent.future.cancel() and not sent.future.cancelled():
                sent.future.exception()
