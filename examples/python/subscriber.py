"""A channel's availability kept in SQLite, from its topic: apply by revision, find gaps, go on after a kill.

python subscriber.py CHANNEL [--state FILE] [--until-idle-seconds N]; examples/README.md has the settings and the rule.
"""

import argparse
import base64
import io
import json
import os
import signal
import sqlite3
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import fastavro
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition


def setting(name: str, otherwise: str = "") -> str:
    return os.environ.get(f"STOCKSTREAM_{name}") or otherwise


def secret(name: str) -> str:
    """The content of the file that a setting names; nothing where it names none."""
    return Path(setting(name)).read_text().rstrip() if setting(name) else ""


BOOTSTRAP = setting("BOOTSTRAP", "127.0.0.1:9092")
REGISTRY = setting("REGISTRY", "http://127.0.0.1:8081").rstrip("/")
KEPT = ("revision", "quantity", "status", "next_date", "fallback", "as_of")
BATCH, TRIES, WAIT_S = 200, 4, 30.0
HOPELESS = {
    KafkaError._AUTHENTICATION: "the broker refuses the login; check STOCKSTREAM_SASL_USERNAME and its password",  # noqa: SLF001
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "this user may not read the topic; ask for the channel's ACL",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "this user may not use the group; ask for the channel's ACL",
    KafkaError.UNKNOWN_TOPIC_OR_PART: "there is no such topic; check the channel's id",
}


class Trouble(Exception):
    """What ends the subscriber, in words; started again it goes on from its last batch."""


class Unreadable(Exception):
    """One value that is no offer; the next offer of its SKU shows as a gap."""


class Schemas:
    """Writers' schemas by id, each asked for once. Fields of newer schemas are read and left alone."""

    def __init__(self) -> None:
        self._known: dict[int, Any] = {}

    def read(self, value: bytes) -> dict[str, Any]:
        if len(value) < 5 or value[0] != 0:
            raise Unreadable("not in the Confluent wire format (a zero byte, 4 bytes of schema id, Avro)")
        number = int.from_bytes(value[1:5], "big")
        if number not in self._known:
            self._known[number] = fastavro.parse_schema(self._fetch(number))
        try:
            offer: Any = fastavro.schemaless_reader(io.BytesIO(value[5:]), self._known[number], None)
        except (EOFError, ValueError, IndexError, OverflowError) as error:
            raise Unreadable(f"does not fit its schema {number}: {error}") from error
        date = offer["next_date"]
        return {**offer, "next_date": date and date.isoformat(), "as_of": round(offer["as_of"].timestamp() * 1000)}

    def _fetch(self, number: int) -> Any:
        url = f"{REGISTRY}/schemas/ids/{number}"
        login = f"{setting('REGISTRY_USERNAME')}:{secret('REGISTRY_PASSWORD_FILE')}".encode()
        headers = {"Authorization": f"Basic {base64.b64encode(login).decode()}"} if len(login) > 1 else {}
        problem = ""
        for attempt in range(TRIES):
            try:
                with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:  # noqa: S310
                    return json.loads(json.load(answer)["schema"])
            except urllib.error.HTTPError as error:
                if error.code == 404:
                    raise Unreadable(f"the registry {REGISTRY} has no schema {number}") from error
                problem = f"HTTP {error.code}"
                if error.code in {401, 403}:
                    break
            except (OSError, ValueError, KeyError) as error:
                problem = str(getattr(error, "reason", error))
            time.sleep(0.5 * 2**attempt)
        raise Trouble(f"{url}: {problem}")


class Store:
    """Offers and offsets in one database, so that one transaction writes both. Put your own in its place."""

    def __init__(self, path: str) -> None:
        self.db = sqlite3.connect(path, isolation_level=None)
        for table in (
            "offer (sku TEXT PRIMARY KEY, revision INTEGER, content TEXT)",
            "position (partition INTEGER PRIMARY KEY, next INTEGER)",
            "count (outcome TEXT PRIMARY KEY, times INTEGER)",
        ):
            self.db.execute(f"CREATE TABLE IF NOT EXISTS {table}")

    def positions(self) -> dict[int, int]:
        return dict(self.db.execute("SELECT partition, next FROM position"))

    def apply(self, sku: str, offer: dict[str, Any] | None) -> str:
        """The rule. Returns what the offer was: change, gap (taken as well), repeat, deleted."""
        known = self.db.execute("SELECT revision FROM offer WHERE sku = ?", (sku,)).fetchone()
        if offer is None:  # the channel no longer has the SKU: its revision is forgotten with it
            self.db.execute("DELETE FROM offer WHERE sku = ?", (sku,))
            return "deleted"
        if known and offer["revision"] <= known[0]:
            return "repeat"
        content = json.dumps(kept(offer))
        self.db.execute("REPLACE INTO offer VALUES (?, ?, ?)", (sku, offer["revision"], content))
        return "gap" if known and offer["previous_revision"] > known[0] else "change"

    def count(self, outcome: str) -> None:
        self.db.execute("INSERT INTO count VALUES (?, 1) ON CONFLICT DO UPDATE SET times = times + 1", (outcome,))

    def move(self, partition: int, following: int) -> None:
        self.db.execute("REPLACE INTO position VALUES (?, ?)", (partition, following))

    def state(self) -> dict[str, Any]:
        offers = {sku: json.loads(content) for sku, content in self.db.execute("SELECT sku, content FROM offer")}
        return {"offers": offers, "counts": dict(self.db.execute("SELECT outcome, times FROM count"))}


def kept(offer: dict[str, Any] | None) -> dict[str, Any]:
    return {name: offer[name] for name in KEPT} if offer else {}


def say(outcome: str, **more: Any) -> None:
    """One line a change, before the store is written: after a kill a line may come twice, but none is missing."""
    print(json.dumps({"event": outcome, **more}), flush=True)


class Subscriber:
    """One channel's topic, all its partitions. A second instance needs a store of its own."""

    def __init__(self, channel: str, store: Store) -> None:
        self.channel, self.topic = channel, f"channel.{channel}.availability"
        self.store, self.schemas = store, Schemas()
        self.stopping = False
        self.busy_at = time.monotonic()
        self.ended: set[int] = set()
        self.heard: set[int] = set()
        self.consumer = self.new_consumer()

    def new_consumer(self) -> Consumer:
        security = {
            "security.protocol": setting("SECURITY_PROTOCOL", "PLAINTEXT"),
            "ssl.ca.location": setting("SSL_CA_FILE"),
            "ssl.certificate.location": setting("SSL_CERTIFICATE_FILE"),
            "ssl.key.location": setting("SSL_KEY_FILE"),
            "sasl.mechanism": setting("SASL_MECHANISM", "SCRAM-SHA-512"),
            "sasl.username": setting("SASL_USERNAME"),
            "sasl.password": secret("SASL_PASSWORD_FILE"),
        }
        return Consumer(
            {
                "bootstrap.servers": BOOTSTRAP,
                "group.id": f"{self.channel}-subscriber",  # librdkafka wants a name; offsets are the store's
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "enable.partition.eof": True,
                "log_level": 0,
                "error_cb": self.hear,
                **{name: value for name, value in security.items() if value},
            }
        )

    def hear(self, error: KafkaError) -> None:
        """What librdkafka tells, once of each kind between two batches: it tries again by itself, for ever."""
        self.busy_at = time.monotonic()
        if error.code() not in self.heard:
            self.heard.add(error.code())
            print(f"Kafka at {BOOTSTRAP}: {error.str()}", file=sys.stderr)
        if error.code() in HOPELESS or error.fatal():
            raise Trouble(f"{self.topic}: {HOPELESS.get(error.code(), error.str())}")

    def run(self, idle_s: float | None) -> None:
        try:
            partitions = self.consumer.list_topics(self.topic, 15).topics[self.topic]
        except KafkaException as error:
            self.consumer.poll(0)  # the cause, if there is a better one
            raise Trouble(f"No broker answers at {BOOTSTRAP} ({error.args[0].str()}); does it run?") from error
        if partitions.error:
            raise Trouble(f"{self.topic}: {HOPELESS.get(partitions.error.code(), partitions.error.str())}")
        known = self.store.positions()
        say("resuming" if known else "snapshot", positions=known)
        places = [TopicPartition(self.topic, p, known.get(p, OFFSET_BEGINNING)) for p in partitions.partitions]
        self.consumer.assign(places)
        while not self.stopping:
            messages = self.records(self.consumer.consume(BATCH, 0.2))
            if messages:
                self.take(messages)
                self.heard.clear()
                self.busy_at = time.monotonic()
            quiet = time.monotonic() - self.busy_at
            if idle_s is not None and quiet > idle_s and len(self.ended) == len(places):
                break
        self.consumer.close()

    def records(self, messages: Iterable[Message]) -> list[Message]:
        """Drop librdkafka's own news: the end of a partition is noted, a hopeless error ends all."""
        offers = []
        for message in messages:
            error = message.error()
            if error is None:
                self.ended.discard(message.partition())
                offers.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
                self.ended.add(message.partition())
            else:
                self.hear(error)
        return offers

    def take(self, messages: list[Message]) -> None:
        """One batch, one transaction: offers, counts and offsets together."""
        gaps: dict[int, set[str]] = {}
        self.store.db.execute("BEGIN")
        for message in messages:
            sku, place = (message.key() or b"").decode(), (message.partition(), message.offset())
            offer: dict[str, Any] | None = None
            try:
                offer = self.offer(message)
                outcome = self.store.apply(sku, offer)
            except Unreadable as error:
                print(f"{self.topic}[{place[0]}]@{place[1]}: {error}", file=sys.stderr)
                outcome = "unreadable"
            self.store.count(outcome)
            self.store.move(place[0], place[1] + 1)
            if outcome == "gap":
                gaps.setdefault(place[0], set()).add(sku)
            if outcome != "repeat":
                say(outcome, sku=sku, **kept(offer))
        for partition, skus in gaps.items():
            self.resynchronise(partition, skus)
        self.store.db.execute("COMMIT")

    def offer(self, message: Message) -> dict[str, Any] | None:
        """None where the topic says that the SKU is gone."""
        value = message.value()
        return None if value is None else self.schemas.read(value)

    def resynchronise(self, partition: int, skus: set[str]) -> None:
        """After a gap: the newest offers of just these SKUs, never a full import."""
        for sku, offer in self.newest(partition, skus).items():
            self.store.apply(sku, offer)
            self.store.count("resynchronised")
            say("resynchronised", sku=sku, **kept(offer))

    def newest(self, partition: int, skus: set[str]) -> dict[str, dict[str, Any]]:
        """Read the compacted partition once, up to where it ends now. The topic holds every SKU's newest offer."""
        newest: dict[str, dict[str, Any]] = {}
        place, until = TopicPartition(self.topic, partition, OFFSET_BEGINNING), time.monotonic() + WAIT_S
        reader = self.new_consumer()
        end = reader.get_watermark_offsets(place, 10)[1]
        reader.assign([place])
        at = 0
        while at < end:
            for message in reader.consume(BATCH, 0.2):
                if message.error() is not None:
                    at = end if message.error().code() == KafkaError._PARTITION_EOF else at  # noqa: SLF001
                    continue
                at, sku = message.offset() + 1, (message.key() or b"").decode()
                if sku not in skus:
                    continue
                with suppress(Unreadable):  # told of when its turn comes
                    offer = self.offer(message)
                    if offer is None:
                        newest.pop(sku, None)
                    elif sku not in newest or offer["revision"] > newest[sku]["revision"]:
                        newest[sku] = offer
            if time.monotonic() > until:
                raise Trouble(f"{self.topic}[{partition}]: not read to its end ({end}) within {WAIT_S:.0f} s")
        reader.close()
        return newest


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("channel", help="the channel's id, as in channel.<id>.availability")
    arguments.add_argument("--state", help="the SQLite file (default: CHANNEL.sqlite)")
    arguments.add_argument("--until-idle-seconds", type=float, help="end when all is read and nothing comes so long")
    chosen = arguments.parse_args()
    store = Store(chosen.state or f"{chosen.channel}.sqlite")
    try:
        subscriber = Subscriber(chosen.channel, store)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: setattr(subscriber, "stopping", True))
        subscriber.run(chosen.until_idle_seconds)
    except (Trouble, KafkaException, OSError) as error:
        print(f"Ended: {error}", file=sys.stderr)
        return 1
    say("state", **store.state())
    return 0


if __name__ == "__main__":
    sys.exit(main())
