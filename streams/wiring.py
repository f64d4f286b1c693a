"""The parts of a worker that know no Faust: codec, reference data, stages. One function makes them all."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from schemas.catalogue import catalogue
from schemas.clock import Clock, clock
from schemas.codec import Codec
from streams import broker, feeds, inventory, metrics, orders, shipments, supply, topics
from streams.intake import INBOUND, Chunk, Intake, IntakeRules
from streams.references import References
from streams.schema_ids import SchemaIds
from streams.settings import Settings
from streams.stages import KeyedStage, Rows, Stage
from tables import channels, freshness
from tables.outcome import Outcome
from tables.reference import Reference


@dataclass(frozen=True, slots=True)
class Parts:
    """What `build_app` wires together."""

    codec: Codec
    compacted: frozenset[str]
    clock: Clock
    client: Mapping[str, Any]
    stages: Sequence[Stage]
    references: References
    ids: SchemaIds


def connect(settings: Settings) -> Parts:
    """Make every part from the settings; raise channels.ChannelsError for a bad channels file."""
    declared = channels.parse(yaml.safe_load(Path(settings.channels).read_text()))
    codec = Codec()
    names = [channel.id for channel in declared.channels]
    ids = SchemaIds(settings, codec, names)
    client = broker.client(settings)
    reference = Reference()
    rules = IntakeRules(
        window_ms=settings.duplicate_window_ms, future_ms=settings.future_limit_ms, past_ms=settings.past_limit_ms
    )
    thresholds = freshness.Thresholds(settings.feed_late_after_ms, settings.feed_stale_after_ms)

    def keyed(name: str, topic: str, step: Any, tick: Any, newest_time: Any = None) -> Stage:
        return Stage(name, (topic,), lambda _: KeyedStage(name, codec.decoder(topic), step, tick, newest_time))

    def fold_ledger(rows: Any, run: Any) -> Outcome:
        return inventory.step(rows, run, declared)

    stages = (
        Stage("intake", INBOUND, lambda _: IntakeStage(Intake(reference, codec.decode, rules), ids)),
        keyed("shipments", "shipment.events", shipments.step, shipments.clock),
        keyed("supply", "supply.events", supply.step, supply.clock),
        keyed("orders", "order.events", orders.step, orders.clock),
        keyed("inventory", topics.LEDGER, fold_ledger, inventory.clock, inventory.newest_time),
        keyed("feeds", "feed.events", lambda rows, run: feeds.step(rows, run, thresholds), feeds.clock),
    )

    def apply_reference(topic: str, run: Sequence[Any]) -> set[str]:
        changed: set[str] = set()
        for record in run:
            changed |= reference.apply_encoded(topic, record.value, codec.decode, record.key)
        return changed

    return Parts(
        codec=codec,
        compacted=frozenset(t.name for t in catalogue().for_channels(names) if t.cleanup == "compact"),
        clock=clock(settings.clock),
        client=client,
        stages=stages,
        references=References(topics.REFERENCES, client, apply_reference, ids.learn_patiently),
        ids=ids,
    )


class IntakeStage:
    """Intake as the task runner sees it: its table is the window of event ids and the input that waits."""

    def __init__(self, intake: Intake, ids: SchemaIds) -> None:
        self._intake, self._ids = intake, ids
        self._told: Counter[tuple[str, str]] = Counter()
        self.rows: Rows = {}

    def recover(self, rows: Rows) -> None:
        self.rows = rows
        self._intake.recover(rows)
        self._ids.awaited |= self._intake.schemas_awaited()

    def step(self, topic: str, run: Sequence[Any], now: int) -> Outcome:
        return self._keep(self._intake.step(self.rows, Chunk(topic, run[0].partition, run), now))

    def sweep(self, now: int) -> Outcome:
        for (topic, outcome), count in self._intake.counts.items():
            metrics.INTAKE.labels(topic, outcome).inc(count - self._told[topic, outcome])
        self._told = self._intake.counts.copy()
        return self._keep(self._intake.sweep(self.rows, now))

    def settle(self, keys: set[str], now: int) -> Outcome:
        waiting = self._intake.waiting(keys)
        return self._keep(self._intake.replay(self.rows, waiting, now)) if waiting else Outcome()

    def _keep(self, outcome: Outcome) -> Outcome:
        for key, row in outcome.rows.items():
            if row is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = row
        return outcome
