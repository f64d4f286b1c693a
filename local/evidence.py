"""What a run of the demo left behind in the product's topics, read back for the proof."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import redis
import yaml

from connectors import view_keys as keys
from local.edges import Edges
from local.observer import Observer, Published
from local.wire import Wire
from tables.channels import Channel, parse

Keyed = list[tuple[str, dict[str, Any]]]


@dataclass(slots=True)
class Evidence:
    snapshots: dict[str, dict[str, Any]]  # the last of each position
    snapshot_count: int
    deltas: list[tuple[Published, dict[str, Any]]]  # each partition in order
    offers: dict[str, Keyed]  # by channel
    rules: dict[str, Any]  # the channels as they stand in the file
    declared: dict[str, Channel]  # and as the product reads them
    exceptions: list[dict[str, Any]]
    resolutions: list[dict[str, Any]]
    dead_letters: list[dict[str, Any]]
    feeds: dict[str, dict[str, Any]]
    ledger_entries: int
    postings: Keyed
    replies: Keyed
    erp: dict[str, Any]  # what the ERP holds
    shop: dict[str, Any]  # and the shop
    view: dict[str, dict[str, Any]]  # positions as the Redis view has them


def gather(observer: Observer, wire: Wire, channels: Path, around: Edges, redis_url: str, app: str) -> Evidence:
    """Read every output topic to its end, and ask those outside what they hold."""
    rules = yaml.safe_load(channels.read_text())["channels"]
    last: dict[str, Published] = {}
    count = 0
    for record in observer.read("availability.snapshots"):
        last[record.key] = record
        count += 1

    def values(topic: str) -> Keyed:
        return [(record.key, wire.decode(record.value)) for record in observer.read(topic) if record.value]

    return Evidence(
        snapshots={key: wire.decode(record.value) for key, record in last.items()},
        snapshot_count=count,
        deltas=[(record, wire.decode(record.value)) for record in observer.read("availability.deltas")],
        offers={channel: values(f"channel.{channel}.availability") for channel in rules},
        rules=rules,
        declared={channel.id: channel for channel in parse(yaml.safe_load(channels.read_text())).channels},
        exceptions=[value for _, value in values("exceptions")],
        resolutions=[value for _, value in values("exceptions.resolutions")],
        dead_letters=[value for _, value in values("dead-letters")],
        feeds=dict(values("feeds.status")),
        ledger_entries=sum(1 for _ in observer.read("inventory.ledger")),
        postings=values("erp.postings"),
        replies=values("reservations.replies"),
        erp=around.in_erp(),
        shop=around.in_shop(),
        view=_in_redis(redis_url, app, {key.rpartition("|")[0] for key in last}),
    )


def _in_redis(url: str, app: str, skus: set[str]) -> dict[str, dict[str, Any]]:
    """Every position that the view holds, by `sku|location`."""
    found: dict[str, dict[str, Any]] = {}
    with redis.Redis.from_url(url, socket_timeout=10) as client:
        for sku in skus:
            held: Any = client.hgetall(keys.sku(app, sku))
            for location, value in keys.records(held).items():
                found[f"{sku}|{location.decode()}"] = orjson.loads(value)
    return found
