"""Hands the ERP over from one site to another that was fed the same facts: nothing is posted twice, nothing is left out.

The other site's postings that are in the ERP already, brought in by us, are answered as such, so that its orders and
invoices stand where ours do; then its connector begins after them.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,  # noqa: TID251 - to set offsets, not to ask for them
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from connectors.as_they_stand import whole
from connectors.brought_in import MORE, Answer, Books, Difference, Name, Settled, name_of, settle
from connectors.compare import compare
from connectors.decoding import Decoding
from connectors.drained import committed, members, waiting, worker_topics
from connectors.kafka import client
from connectors.outbound.erp.epoch import key_in
from connectors.outbound.erp.results import POSTINGS, RESULTS
from connectors.outbound.erp.settings import Settings
from schemas.clock import clock
from schemas.codec import Codec
from schemas.environment import SettingError
from schemas.records import ErpPosting, ErpPostingResult
from schemas.registry import ids

PATIENCE_S: Final = 60.0
ROUNDS: Final = 20
"""Answers make postings (an invoice follows its delivery), which are answered in turn; so often at most."""
SYSTEM: Final = "handover"
"""What stands as the system in the answers' audit trail."""


class NotReady(RuntimeError):
    """The handover cannot be finished yet; the message says what is still under way, and where."""


@dataclass(slots=True)
class Handover:
    """What was found and done."""

    answered: int = 0
    again: int = 0
    """Postings the other site's connector brings in although an older one of their step is in the ERP: they replace it."""
    differences: list[Difference] = field(default_factory=list)
    finished: bool = False


class Sites:
    """Both sites' postings and answers; `theirs` is the site that takes over. Raise SettingError for a bad pair."""

    def __init__(self, ours: Settings, theirs: Settings) -> None:
        if ours.bootstrap == theirs.bootstrap:
            raise SettingError(f"both sites are the broker {ours.bootstrap}: topics have the same names at every site")
        if not theirs.epoch or theirs.epoch == ours.epoch:
            raise SettingError(
                f"STOCKSTREAM_ERP_EPOCH of the other site is {theirs.epoch or 'not set'!r}: its keys would be those the "
                f"ERP has from this site ({ours.epoch or 'no epoch'!r}); set a word no site has used, in its connector's "
                f"settings and in this file"
            )
        if members(theirs, f"{theirs.app}-erp"):
            raise SettingError(f"the ERP connector of {theirs.app} runs: it must not start before the handover")
        begun = [offset for offset in committed(theirs, f"{theirs.app}-erp", [POSTINGS]).values() if offset]
        if begun:
            raise SettingError(f"{theirs.app} has the ERP already: its connector has a place in {POSTINGS}")
        self.ours, self.theirs, self._now = ours, theirs, clock(theirs.clock)

    # ---- looking ----------------------------------------------------------------------------------------------------

    def answer(self) -> Handover:
        """Answer what can be answered now; both sites may be at work."""
        settled, postings = self._settled()
        answers = [(RESULTS, postings[a.name]["document"], self._answer(a, postings[a.name])) for a in settled.answers]
        self._write(answers)
        return Handover(len(answers), len(settled.again), settled.differences)

    def finish(self, *, accept_older: bool = False) -> Handover:
        """Answer all there is and let the other connector begin after it; raise NotReady.

        `accept_older`: a step of which the ERP has more than the other site has said is no hindrance: its facts are
        older than what that site was fed.
        """
        self._still()
        done = Handover()
        for _ in range(ROUNDS):
            ends = _ends(self.theirs)
            found = self.answer()
            done.answered += found.answered
            done.again = found.again
            done.differences = [d for d in found.differences if not (accept_older and d.why == MORE)]
            if not found.answered:
                break
            self._drain()
        else:
            raise NotReady(f"answers still made new postings after {ROUNDS} rounds; is somebody sending to {RESULTS}?")
        if done.differences:
            return done
        self._still()
        if _ends(self.theirs) != ends:
            raise NotReady(
                f"{self.theirs.bootstrap}: {POSTINGS} grew meanwhile; stop what still comes in, and try again"
            )
        settled, postings = self._settled()
        self._write([(POSTINGS, postings[name]["document"], postings[name]) for name in settled.again])
        _begin(self.theirs, ends)
        done.finished = True
        return done

    def _settled(self) -> tuple[Settled, dict[Name, ErpPosting]]:
        """What the sites' books come to, and the other site's postings."""
        before, (after, postings) = _books(self.ours)[0], _books(self.theirs)
        return settle(before, after), postings

    # ---- quiet ------------------------------------------------------------------------------------------------------

    def _still(self) -> None:
        """Raise NotReady unless both sites have worked off all they were told, and know the same."""
        if members(self.ours, f"{self.ours.app}-erp"):
            raise NotReady(f"the ERP connector of {self.ours.app} runs; stop it, for good, once its backlog is 0")
        for site in (self.ours, self.theirs):
            if left := waiting(site, site.app, worker_topics()):
                raise NotReady(f"the workers of {site.app} have not read {', '.join(left[:5])} to the end")
        if left := waiting(self.ours, f"{self.ours.app}-erp", [POSTINGS]):
            raise NotReady(f"the ERP connector of {self.ours.app} has not brought in all of {', '.join(left[:5])}")
        compared = compare(self.ours, self.theirs)
        if compared.differences:
            raise NotReady(
                f"{len(compared.differences)} positions differ, {compared.differences[0].key} for one; see `compare`"
            )

    def _drain(self) -> None:
        """Wait until the other site has taken in its answers."""
        end, quiet = time.monotonic() + PATIENCE_S, 0
        while quiet < 2:
            quiet = 0 if waiting(self.theirs, self.theirs.app, worker_topics()) else quiet + 1
            if time.monotonic() > end:
                raise NotReady(
                    f"the workers of {self.theirs.app} did not take in the answers within {PATIENCE_S:.0f} s"
                )

    def _answer(self, answer: Answer, posting: ErpPosting) -> ErpPostingResult:
        return {
            "document": posting["document"],
            "step": posting["step"],
            "revision": posting["revision"],
            "idempotency_key": key_in(posting["idempotency_key"], self.theirs.epoch),
            "outcome": "REFUSED" if answer.outcome == "REFUSED" else "DUPLICATE",
            "attempt": 1,
            "erp_document": None,
            "reason": answer.reason,
            "answered_at": self._now(),
            "correlation_id": posting["correlation_id"],
            "operation": posting["operation"],
            "system": SYSTEM,
            "shadow": False,
        }

    def _write(self, records: Sequence[tuple[str, str, Mapping[str, Any]]]) -> None:
        """Topic, key and record, to the other site; return once its broker has them. Raise TimeoutError, KafkaException."""
        if not records:
            return
        codec, faults = Codec(), list[KafkaError]()
        for topic, schema_id in ids(self.theirs, [POSTINGS, RESULTS]).items():
            codec.register(topic, schema_id)
        producer = Producer(
            {**client(self.theirs), "enable.idempotence": True, "acks": "all", "partitioner": "murmur2_random"}
        )

        def delivered(error: KafkaError | None, _: object) -> None:
            if error is not None:
                faults.append(error)

        for topic, key, record in records:
            value = codec.encode(topic, record)
            while True:
                try:
                    producer.produce(topic, value, key, on_delivery=delivered)
                    break
                except BufferError:
                    producer.poll(0.5)
        if producer.flush(PATIENCE_S):
            raise TimeoutError(f"{self.theirs.bootstrap} did not take all records within {PATIENCE_S:.0f} s")
        if faults:
            raise KafkaException(faults[0])


# ---- the broker -----------------------------------------------------------------------------------------------------


def _books(site: Settings) -> tuple[Books, dict[Name, ErpPosting]]:
    """A site's books, and its postings by name; answers are read after what they answer."""
    postings: list[ErpPosting] = list(_read(site, POSTINGS))
    return Books.of(postings, _read(site, RESULTS)), {name_of(posting): posting for posting in postings}


def _read(site: Settings, topic: str) -> Iterator[Any]:
    """Every committed record of a topic as it stands, each partition in order; raise TimeoutError or KafkaException."""
    decoding = Decoding(site)
    for run in whole(site, topic, "handover"):
        yield from (value for _, value in decoding.decoded_here(run) if value is not None)


def _ends(site: Settings) -> dict[int, int]:
    """The end of each partition of the postings."""
    consumer = Consumer({**client(site), "group.id": f"{site.app}-handover", "enable.auto.commit": False})
    try:
        partitions = consumer.list_topics(POSTINGS, timeout=PATIENCE_S).topics[POSTINGS].partitions
        return {
            p: consumer.get_watermark_offsets(TopicPartition(POSTINGS, p), timeout=PATIENCE_S, cached=False)[1]
            for p in partitions
        }
    finally:
        consumer.close()


def _begin(site: Settings, ends: dict[int, int]) -> None:
    """Let the site's connector begin there: one request, so all partitions or none."""
    admin = AdminClient(client(site))
    group = f"{site.app}-erp"
    places = [TopicPartition(POSTINGS, partition, end) for partition, end in sorted(ends.items())]
    asked = [ConsumerGroupTopicPartitions(group, places)]
    answer = admin.alter_consumer_group_offsets(asked, request_timeout=PATIENCE_S)[group].result(PATIENCE_S)
    for place in answer.topic_partitions:
        if place.error is not None:
            raise KafkaException(place.error)
