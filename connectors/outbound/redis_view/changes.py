"""Records of the outbound topics as changes of the view: what apply.lua is told. Pure; knows neither Kafka nor Redis."""

from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import orjson

from connectors import view_keys as keys

Text = str | bytes


class Change(NamedTuple):
    """One change: the keys it touches and its arguments, in apply.lua's order."""

    keys: tuple[str, ...]
    args: tuple[Text, ...]


class Run:
    """The changes of one kind in one batch, in order; of several about the same thing only the newest goes to Redis."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.changes: list[Change] = []
        self.superseded = 0
        self._newest: dict[Any, tuple[int, int]] = {}

    def add(self, change: Change) -> None:
        self.changes.append(change)

    def add_revision(self, identity: Any, revision: int | None, change: Change) -> None:
        """Add a change with a revision; None: a deletion, after which everything counts anew."""
        known = self._newest.get(identity)
        if revision is None:
            self._newest.pop(identity, None)
        elif known is None:
            self._newest[identity] = revision, len(self.changes)
        else:
            self.superseded += 1
            if revision > known[0]:
                self._newest[identity] = revision, known[1]
                self.changes[known[1]] = change
            return
        self.changes.append(change)

    def args(self) -> Iterator[Text]:
        yield self.kind
        yield str(len(self.changes))
        for change in self.changes:
            yield from change.args


Adder = Callable[[Run, str, str, Any, int], None]
"""Adds to a run: application, the record's key, its value (None: a deletion), its timestamp."""


def _snapshot(run: Run, app: str, key: str, record: Any, _: int) -> None:
    if record is None:
        sku, _bar, location = key.partition("|")
        run.add_revision(key, None, Change((keys.sku(app, sku),), (location, "0", "")))
        return
    sku, location, revision = record["sku"], record["location"], record["revision"]
    change = Change((keys.sku(app, sku),), (location, str(revision), orjson.dumps(record)))
    run.add_revision(f"{sku}|{location}", revision, change)


def _feed(run: Run, app: str, key: str, record: Any, _: int) -> None:
    if record is None:
        run.add(Change((keys.feeds(app),), (key, "0", "")))
        return
    name = f"{record['source']}|{record['location']}"
    run.add(Change((keys.feeds(app),), (name, str(record["computed_at"]), orjson.dumps(record))))


def _offer_of(channel: str) -> Adder:
    def add(run: Run, app: str, key: str, record: Any, _: int) -> None:
        sku = key if record is None else record["sku"]
        places = keys.offer(app, channel, sku), keys.offers(app, channel)
        if record is None:
            run.add_revision(sku, None, Change(places, (sku, "0", "")))
        else:
            revision = record["revision"]
            run.add_revision(sku, revision, Change(places, (sku, str(revision), orjson.dumps(record))))

    return add


def _raised(run: Run, app: str, key: str, record: Any, timestamp: int) -> None:
    identifier = key if record is None else record["exception_id"]
    value: Text = ""
    if record is not None:
        value = orjson.dumps({**record, "original": b64encode(record["original"]).decode()})
    raised_at = "0" if record is None else str(record["raised_at"])
    group = "" if record is None else keys.group(record["category"], record["severity"], record["owner"])
    run.add(Change((keys.exception(app, identifier),), (identifier, str(timestamp), raised_at, group, value)))


def _resolved(run: Run, app: str, key: str, record: Any, timestamp: int) -> None:
    if record is None:
        run.add(Change((keys.exception(app, key),), (key, "0", "0", "", "")))
        return
    identifier = record["exception_id"]
    about = identifier, str(timestamp), str(record["resolved_at"]), record["resolution"], orjson.dumps(record)
    run.add(Change((keys.exception(app, identifier),), about))


def _reply(run: Run, app: str, key: str, record: Any, _: int) -> None:
    """A refused CONFIRM or CANCEL changes no reservation."""
    if record is None:
        run.add(Change((keys.reservation(app, key),), ("0", "")))
    elif record["accepted"] or record["action"] not in ("CONFIRM", "CANCEL"):
        value = orjson.dumps(record)
        run.add(Change((keys.reservation(app, record["reservation_id"]),), (str(record["revision"]), value)))


TOPICS: Final[dict[str, tuple[str, Adder]]] = {
    "availability.snapshots": ("snapshot", _snapshot),
    "feeds.status": ("feed", _feed),
    "exceptions": ("raise", _raised),
    "exceptions.resolutions": ("resolve", _resolved),
    "reservations.replies": ("reservation", _reply),
}
"""Kind of change and how a record becomes one, by topic; the channels' topics come with `of_topic`."""


def of_topic(topic: str) -> tuple[str, Adder]:
    """How the records of a topic become changes; KeyError for a topic the view does not keep."""
    if topic.startswith("channel.") and topic.endswith(".availability"):
        return "offer", _offer_of(topic.removeprefix("channel.").removesuffix(".availability"))
    return TOPICS[topic]


class Changes:
    """The changes of one batch, by topic."""

    def __init__(self, app: str) -> None:
        self._app = app
        self._adders: dict[str, Adder] = {}
        self.runs: dict[str, Run] = {}

    def add(self, topic: str, key: str, record: Any, timestamp: int) -> None:
        """Add one record; None: a deletion. Kafka's timestamp in ms."""
        run = self.runs.get(topic)
        if run is None:
            kind, self._adders[topic] = of_topic(topic)
            run = self.runs[topic] = Run(kind)
        self._adders[topic](run, self._app, key, record, timestamp)
