"""The inventory stage without Kafka: what decoding, the step and encoding cost an entry. `python -m benchmarks.inventory_step`.

The same entries as `inventory_stage`, in chunks; of a compacted topic only the newest record of a chunk is encoded, as
a transaction would.
"""

import gc
import random
import sys
import time
from pathlib import Path
from typing import Any, Final

import orjson
import yaml

from benchmarks.inventory_stage import KINDS, LOCATIONS, entry
from schemas.catalogue import catalogue
from schemas.codec import Codec
from streams import inventory
from streams.topics import LEDGER
from tables import channels
from tables.outcome import Entry

CHUNK: Final = 2_000
CHANNELS: Final = Path(__file__).resolve().parents[1] / "channels.yaml"


def measure(positions: int = 40_000, movements: int = 80_000, seed: int = 1) -> dict[str, Any]:
    """Microseconds of CPU an entry, once all positions are there."""
    declared = channels.parse(yaml.safe_load(CHANNELS.read_text()))
    topics = catalogue().for_channels([channel.id for channel in declared.channels])
    codec = Codec()
    for number, topic in enumerate(topics, 1):
        codec.register(topic.name, number)
    compacted = {topic.name for topic in topics if topic.cleanup == "compact"}
    decode, rows, spent = codec.decoder(LEDGER), dict[bytes, bytes](), [0.0, 0.0, 0.0]
    outputs, run = 0, _entries(codec, positions, movements, seed)
    for first in range(0, len(run), CHUNK):
        if first >= positions > first - CHUNK:
            gc.collect()
            gc.freeze()  # as a worker after its recovery
            spent, outputs = [0.0, 0.0, 0.0], 0
        times = [time.process_time()]
        entries = [Entry(offset, key, decode(value)) for offset, key, value in run[first : first + CHUNK]]
        times.append(time.process_time())
        outcome = inventory.step(rows, entries, declared)
        rows.update((key, row) for key, row in outcome.rows.items() if row is not None)
        times.append(time.process_time())
        newest = {(t, key if t in compacted else str(n)): record for n, (t, key, record) in enumerate(outcome.outputs)}
        for (topic_name, _), record in newest.items():
            codec.encode(topic_name, record)
        times.append(time.process_time())
        outputs += len(newest)
        spent = [total + after - before for total, before, after in zip(spent, times, times[1:], strict=False)]
    decoding, step, encoding = (round(seconds / movements * 1e6, 1) for seconds in spent)
    return {
        "decode us": decoding,
        "step us": step,
        "encode us": encoding,
        "outputs/entry": round(outputs / movements, 2),
    }


def _entries(codec: Codec, positions: int, movements: int, seed: int) -> list[tuple[int, str, bytes]]:
    """Opening stock for each position, then movements over uniformly drawn ones: offset, key, encoded entry."""
    rnd, encode, run = random.Random(seed), codec.encoder(LEDGER), []
    for number in range(positions + movements):
        where = number if number < positions else rnd.randrange(positions)
        kind, quantity = (
            ("RECEIPT", rnd.randrange(50, 500)) if number < positions else (rnd.choice(KINDS), rnd.randrange(1, 8))
        )
        key = f"SKU-{where // len(LOCATIONS):06d}|{LOCATIONS[where % len(LOCATIONS)]}"
        run.append((number, key, encode(entry(number, kind, quantity, 1_760_000_000_000 + number // 50))))
    return run


if __name__ == "__main__":
    sys.stdout.write(orjson.dumps(measure()).decode() + "\n")
