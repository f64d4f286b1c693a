"""Stock Faust as its documentation shows it: counts events by key in a table and says each one on.

`stock_faust.py BOOTSTRAP DIRECTORY exactly_once|at_least_once`
"""

import sys

import faust

bootstrap, directory, guarantee = sys.argv[1:4]
app = faust.App(
    "stock",
    broker=f"kafka://{bootstrap}",
    store="memory://",
    processing_guarantee=guarantee,
    topic_partitions=4,
    topic_replication_factor=1,
    topic_allow_declare=False,
    topic_disable_leader=True,
    broker_session_timeout=6.0,
    broker_heartbeat_interval=1.0,
    consumer_auto_offset_reset="earliest",
    web_enabled=False,
    datadir=directory,
)
raw = {"key_type": bytes, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw"}
source, outputs = app.topic("stock-events", **raw), app.topic("stock-outputs", **raw)
counts = app.Table("counts", default=int, key_type=str, value_type=int, partitions=4)


@app.agent(source)
async def count(stream: faust.StreamT[bytes]) -> None:
    async for event in stream.events():
        counts[event.key.decode()] += 1
        await outputs.send(key=event.key, value=event.value)


sys.argv[1:] = ["worker", "--without-web", "-l", "warn"]
app.main()
