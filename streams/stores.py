"""Tables read back from their changelogs, chunk by chunk."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.stages import Rows

Progress = Callable[[int, int], None]
"""Called with rows read so far and rows there are."""

STALLED_AFTER = 30.0


async def read_back(
    changelogs: Mapping[str, str], partition: int, client: Mapping[str, Any], progress: Progress
) -> dict[str, Rows]:
    """Read one partition of every changelog (stage → topic) to its end; return the rows by stage.

    Call it only after older owners are fenced: then the end cannot move. Raise TimeoutError when nothing arrives for 30 s.
    """
    reader = AIOKafkaConsumer(
        **client,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=50,
        max_partition_fetch_bytes=4 << 20,
    )
    await reader.start()
    try:
        stages = {TopicPartition(topic, partition): stage for stage, topic in changelogs.items()}
        reader.assign(list(stages))
        begins, ends = await reader.beginning_offsets(list(stages)), await reader.end_offsets(list(stages))
        for tp in stages:
            reader.seek(tp, begins[tp])
        rows: dict[str, Rows] = {stage: {} for stage in changelogs}
        total = sum(ends[tp] - begins[tp] for tp in stages)
        last = time.monotonic()
        while pending := [tp for tp in stages if await reader.position(tp) < ends[tp]]:
            chunks = await reader.getmany(*pending, timeout_ms=200, max_records=20_000)
            for tp, run in chunks.items():
                table = rows[stages[tp]]
                table.update((record.key, record.value) for record in run)
                last = time.monotonic()
            if time.monotonic() - last > STALLED_AFTER:
                raise TimeoutError(f"partition {partition}: nothing read for {STALLED_AFTER:.0f} s from {pending}")
            progress(sum([await reader.position(tp) - begins[tp] for tp in stages]), total)
        return {stage: _without_deleted(table) for stage, table in rows.items()}
    finally:
        await reader.stop()


def _without_deleted(table: dict[bytes, Any]) -> Rows:
    for key in [key for key, value in table.items() if value is None]:
        del table[key]
    return table
