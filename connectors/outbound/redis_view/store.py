"""The Redis side of the view: batches applied by one script, positions read, the view's marker kept.

Needs one Redis primary, alone or with replicas; not a Redis Cluster, where one script may not touch many keys.
"""

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import orjson
import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from connectors import view_keys as keys
from connectors.heartbeat import beat
from connectors.outbound.redis_view.away import redis_away
from connectors.outbound.redis_view.changes import Changes
from connectors.outbound.redis_view.places import Partition
from connectors.outbound.redis_view.settings import Settings
from schemas import access
from schemas.clock import wall_ms

APPLY: Final = (Path(__file__).parent / "apply.lua").read_text()
SIGN_OF_LIFE: Final = """
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 'EPOCH' end
for i = 5, #ARGV do
  if redis.call('HEXISTS', KEYS[1], ARGV[i]) == 0 then
    redis.call('HSET', KEYS[1], ARGV[2], ARGV[4])
    return 'PART'
  end
end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
return 'WHOLE'
"""
BUILT: Final = """
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 0 end
for i = 2, #ARGV do redis.call('HSET', KEYS[1], ARGV[i], '1') end
return 1
"""
CLEAR: Final = """
if redis.call('HEXISTS', KEYS[1], 'epoch') == 1 then return 0 end
for i = 2, #KEYS do redis.call('UNLINK', KEYS[i]) end
return 1
"""
FORGET: Final = """
if ARGV[1] == '' or redis.call('HGET', KEYS[1], 'epoch') == ARGV[1] then return redis.call('UNLINK', KEYS[1]) end
return 0
"""
FORGOTTEN_AFTER_MS: Final = 600_000
"""Instances that left without a word are struck off after this long."""
HEALTH_CHECK_S: Final = 15


class NotTheView(Exception):
    """Redis is not where the sender thought; nothing was applied. `why` is `emptied` or `moved`."""

    def __init__(self, why: str, what: str) -> None:
        super().__init__(f"{why}: {what}")
        self.why = why


def connect(settings: Settings) -> redis.Redis:
    """A client that tries once and says so: the view itself waits, and polls Kafka meanwhile."""
    seconds = settings.redis_timeout_ms / 1000
    client: redis.Redis = redis.Redis.from_url(
        settings.redis,
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
        decode_responses=True,
        encoding_errors="replace",  # other tenants' keys may be anything
        health_check_interval=HEALTH_CHECK_S,
        retry=Retry(NoBackoff(), 0),
        client_name=f"{settings.app}-redis-view",
        **access.redis(settings),
    )
    return client


class Store:
    """One site's view in one Redis. Every method raises Away while Redis does not answer."""

    def __init__(self, client: redis.Redis, app: str) -> None:
        self._client, self._app = client, app
        self._view = keys.view(app)
        self._heads = [self._view, keys.exceptions_open(app), keys.exceptions_closed(app)]
        self._limits = [str(keys.RESERVATION_KEPT_S), str(keys.CLOSED_KEPT), keys.exception(app, "")]
        self._apply = client.register_script(APPLY)
        self._sign = client.register_script(SIGN_OF_LIFE)
        self._clear = client.register_script(CLEAR)
        self._forget = client.register_script(FORGET)
        self._built = client.register_script(BUILT)
        self.epoch = ""

    async def open(self) -> bool:
        """Learn the view's marker; where there is none, sweep up what is left and set one. True: it is a new one."""
        with _asking():
            found = await self._client.hget(self._view, keys.EPOCH)
            if found is None:
                await self._sweep()
                await self._client.hsetnx(self._view, keys.EPOCH, secrets.token_hex(8))
                found = await self._client.hget(self._view, keys.EPOCH)
        before, self.epoch = self.epoch, str(found or "")
        return self.epoch != before

    async def _sweep(self) -> None:
        """Unlink the data of a view whose marker is gone; stops when somebody has set a new one."""
        prefixes = tuple(keys.data_prefixes(self._app))
        pattern = "".join(f"\\{c}" if c in "*?[]\\" else c for c in f"{self._app}:") + "*"
        cursor = 0
        while True:
            beat()
            cursor, names = await self._client.scan(cursor, pattern, 1_000)
            ours = [name for name in map(str, names) if name.startswith(prefixes)]
            if ours and not await self._clear(keys=[self._view, *ours]):
                return
            if cursor == 0:
                return

    async def positions(self, partitions: Sequence[Partition]) -> list[tuple[str, bool]]:
        """Of each partition the stored next offset, empty where there is none, and whether it was read to its end."""
        fields = [keys.offset_field(*partition) for partition in partitions]
        fields += [keys.built_field(*partition) for partition in partitions]
        with _asking():
            found = await self._client.hmget(self._view, fields)
        number = len(partitions)
        return [(str(offset or ""), bool(built)) for offset, built in zip(found[:number], found[number:], strict=True)]

    async def mark_built(self, partitions: Iterable[Partition]) -> None:
        """Remember that these were read to their end."""
        with _asking():
            if not await self._built(
                keys=[self._view], args=[self.epoch, *(keys.built_field(*partition) for partition in partitions)]
            ):
                raise NotTheView("emptied", self._view)

    async def apply(
        self, changes: Changes, steps: Mapping[Partition, tuple[str, str]]
    ) -> Mapping[str, tuple[int, int]]:
        """Apply one batch, all or nothing; `steps` are each partition's stored and next offset.

        Return applied and ignored changes by topic. Raise NotTheView when Redis stands elsewhere.
        """
        names, args = list(self._heads), [self.epoch, *self._limits, str(len(steps))]
        for partition, (stored, following) in steps.items():
            args += [keys.offset_field(*partition), stored, following]
        arguments: list[str | bytes] = list(args)
        for run in changes.runs.values():
            for change in run.changes:
                names += change.keys
            arguments += run.args()
        with _asking():
            answer = await self._apply(keys=names, args=arguments)
        if answer[0] != "DONE":
            raise NotTheView(*_refusal(answer))
        counts = iter(answer[1:])
        return {
            topic: (applied, old + run.superseded)
            for (topic, run), applied, old in zip(changes.runs.items(), counts, counts, strict=True)
        }

    async def sign_of_life(self, instance: str, state: Mapping[str, Any], partitions: Iterable[Partition]) -> bool:
        """Say how this instance is, `rebuilding` unless all these partitions were read to their end; return whether.

        Raise NotTheView when the view is no longer the one it keeps.
        """
        field, fields = keys.instance_field(instance), (keys.built_field(*partition) for partition in partitions)
        values = orjson.dumps(state), orjson.dumps({**state, "state": "rebuilding"})
        with _asking():
            said = await self._sign(keys=[self._view], args=[self.epoch, field, *values, *fields])
        if said == "EPOCH":
            raise NotTheView("emptied", self._view)
        return bool(said == "WHOLE")

    async def instances(self) -> dict[str, Any]:
        """How each instance is that was heard of lately; see keys.instance_field."""
        with _asking():
            fields = await self._client.hgetall(self._view)
        since = wall_ms() - keys.INSTANCE_EXPIRES_MS
        said = {
            str(name).removeprefix(keys.INSTANCE): orjson.loads(value)
            for name, value in fields.items()
            if str(name).startswith(keys.INSTANCE)
        }
        return {name: state for name, state in said.items() if state["at"] >= since}

    async def open_exceptions(self) -> list[tuple[str, int, int | None]]:
        """Of each group (keys.group) how many are open, and when the oldest was raised (ms)."""
        with _asking():
            names = sorted(map(str, await self._client.smembers(keys.exception_groups(self._app))))
            pipeline = self._client.pipeline(transaction=False)
            for name in names:
                pipeline.zcard(keys.exceptions_of(self._app, name))
                pipeline.zrange(keys.exceptions_of(self._app, name), 0, 0, withscores=True)
            answers = iter(await pipeline.execute())
        found = zip(names, answers, answers, strict=True)
        return [(name, number, int(oldest[0][1]) if oldest else None) for name, number, oldest in found]

    async def strike_off(self, *instances: str) -> None:
        """Remove instances that have left: these, and any not heard of for long."""
        with _asking():
            fields = await self._client.hgetall(self._view)
            since = wall_ms() - FORGOTTEN_AFTER_MS
            gone = [keys.instance_field(instance) for instance in instances] + [
                name
                for name, value in ((str(name), value) for name, value in fields.items())
                if name.startswith(keys.INSTANCE) and orjson.loads(value)["at"] < since
            ]
            if gone:
                await self._client.hdel(self._view, *gone)

    async def forget(self, *, whatever: bool = False) -> None:
        """Take the view's marker and positions away, so that all instances build it anew; `whatever` the marker is."""
        with _asking():
            await self._forget(keys=[self._view], args=["" if whatever else self.epoch])

    async def evicts(self) -> str:
        """Redis's eviction policy where it may throw the view's keys away, else empty."""
        with _asking():
            try:
                policy = (await self._client.config_get("maxmemory-policy")).get("maxmemory-policy", "")
            except redis.ResponseError:  # a managed Redis does not tell
                return ""
        return "" if policy in ("", "noeviction", "volatile-ttl", "volatile-lru", "volatile-lfu") else str(policy)

    async def close(self) -> None:
        await self._client.aclose()


def _refusal(answer: Iterable[str]) -> tuple[str, str]:
    why, *what = answer
    return ("emptied", "the view's marker is another") if why == "EPOCH" else ("moved", what[0])


@contextmanager
def _asking() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError) as error:
        raise redis_away(error) from error
