"""The same request sent again gets the same answer: answers kept in Redis by the caller's Idempotency-Key.

This spares work and keeps answers equal; that nothing counts twice does not hang on it. Event ids follow from the key,
and intake drops a repeated one, so a Redis that is away costs nothing but the equal wording.
"""

import hashlib
from dataclasses import dataclass
from typing import Annotated, Any, Final, NamedTuple

import orjson
from fastapi import Header, Response
from redis.asyncio import Redis

from connectors.api import metrics
from connectors.api.problems import Problem
from connectors.api.view import DOWN

RUNNING_S: Final = 30
"""How long a request that never ended, because its process did, holds up a repeat. Its key stays its body's."""

Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="The caller's own name for this request: sent again with it, it is not done again.",
        examples=["basket-77-attempt-1"],
    ),
]
OptionalKey = Annotated[str | None, Key.__metadata__[0]]


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer as it went out."""

    status: int
    body: str
    media: str
    headers: dict[str, str]

    @classmethod
    def of(cls, response: Response) -> "Kept":
        headers = {name: value for name, value in response.headers.items() if name in ("location", "retry-after")}
        return cls(response.status_code, bytes(response.body).decode(), response.media_type or "", headers)

    def response(self) -> Response:
        return Response(self.body, self.status, {**self.headers, "Idempotent-Replay": "true"}, self.media)


class Turn(NamedTuple):
    """Leave to work on a request."""

    new: bool
    """Nobody had used its key before."""


class Idempotency:
    """Answers by scope (who and what) and key; every method takes Redis' absence for an answer.

    A key is its first body's for as long as answers are kept, unless nothing was written for it. That somebody works on
    it is a second, short-lived entry beside it.
    """

    def __init__(self, redis: Redis, app: str, keep_s: int = 86_400) -> None:
        self._redis, self._app, self._keep_s = redis, app, keep_s

    def _place(self, scope: str, key: str) -> str:
        return f"{self._app}:idempotency:{digest(scope, key)}"

    async def begin(self, scope: str, key: str, body: Any, *, alone: bool) -> Kept | Turn:
        """The answer given before, or the turn to work on it; with `alone`, nobody else works on it until it is ended.

        Raise Problem 422 where the key came with another body and, with `alone`, 409 while it is being worked on.
        """
        place, mark = self._place(scope, key), fingerprint(body)
        pipeline = self._redis.pipeline(transaction=False)
        if alone:  # first: whoever gets the turn after another's end then finds what that one left
            pipeline.set(_running(place), b"1", nx=True, ex=RUNNING_S)
        pipeline.set(place, orjson.dumps({"body": mark}), nx=True, ex=self._keep_s)
        pipeline.get(place)
        try:
            *mine, new, value = await pipeline.execute()
        except DOWN:
            metrics.IDEMPOTENCY_AWAY.inc()
            return Turn(new=False)
        turn = Turn(new=bool(new))
        known = {"body": mark} if new or value is None else orjson.loads(value)
        if alone and all(mine) and (known["body"] != mark or "answer" in known):
            await self._delete(_running(place))
        if known["body"] != mark:
            raise Problem(
                422, "Idempotency key reused", f"the Idempotency-Key {key!r} came with another request; use a new one"
            )
        if "answer" in known:
            return Kept(*known["answer"])
        if not all(mine):
            raise Problem(
                409,
                "Request in progress",
                f"the request with the Idempotency-Key {key!r} is being worked on",
                headers={"Retry-After": "1"},
            )
        return turn

    async def keep(self, scope: str, key: str, body: Any, response: Response) -> None:
        """Remember the answer; the turn is over."""
        answer = Kept.of(response)
        value = {"body": fingerprint(body), "answer": [answer.status, answer.body, answer.media, answer.headers]}
        place = self._place(scope, key)
        try:
            await self._redis.set(place, orjson.dumps(value), ex=self._keep_s)
        except DOWN:
            metrics.IDEMPOTENCY_AWAY.inc()
        await self._delete(_running(place))

    async def leave(self, scope: str, key: str) -> None:
        """The turn is over and some of it may have been written: the same body may go again, and no other."""
        await self._delete(_running(self._place(scope, key)))

    async def give_up(self, scope: str, key: str, turn: Turn) -> None:
        """The turn is over and nothing was written: the key is free, unless an earlier turn may have used it."""
        place = self._place(scope, key)
        await self._delete(_running(place), *([place] if turn.new else []))

    async def _delete(self, *places: str) -> None:
        try:
            await self._redis.delete(*places)
        except DOWN:
            metrics.IDEMPOTENCY_AWAY.inc()


def fingerprint(body: Any) -> str:
    """The same for JSON that says the same."""
    return hashlib.blake2b(orjson.dumps(body, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()


def _running(place: str) -> str:
    return f"{place}:running"


def digest(*parts: str) -> str:
    """An id of 32 hex digits that follows from its parts."""
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=16).hexdigest()
