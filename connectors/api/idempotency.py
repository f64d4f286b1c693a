"""The same request sent again gets the same answer: answers kept in Redis by the caller's Idempotency-Key.

This spares work and keeps answers equal; that nothing counts twice does not hang on it. Event ids follow from the key,
and intake drops a repeated one, so a Redis that is away costs nothing but the equal wording.
"""

import hashlib
from dataclasses import dataclass
from typing import Annotated, Any, Final

import orjson
from fastapi import Header, Response
from redis.asyncio import Redis

from connectors.api import metrics
from connectors.api.problems import Problem
from connectors.api.view import DOWN

RUNNING_S: Final = 30
"""How long a request that never ended, because its process did, holds up a repeat."""

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


class Idempotency:
    """Answers by scope (who and what) and key; every method takes Redis' absence for an answer."""

    def __init__(self, redis: Redis, app: str, keep_s: int = 86_400) -> None:
        self._redis, self._app, self._keep_s = redis, app, keep_s

    def _place(self, scope: str, key: str) -> str:
        return f"{self._app}:idempotency:{digest(scope, key)}"

    async def begin(self, scope: str, key: str, body: Any, *, alone: bool) -> Kept | None:
        """The answer given before, None where there is none and the request may go on.

        Raise Problem 422 where the key came with another body and, with `alone`, 409 while the first still runs.
        """
        place, mark = self._place(scope, key), fingerprint(body)
        first, until = orjson.dumps({"body": mark}), RUNNING_S if alone else self._keep_s
        try:
            if (
                await self._redis.set(place, first, nx=True, ex=until)
                or (value := await self._redis.get(place)) is None
            ):
                return None
        except DOWN:
            metrics.IDEMPOTENCY_AWAY.inc()
            return None
        known = orjson.loads(value)
        if known["body"] != mark:
            raise Problem(
                422, "Idempotency key reused", f"the Idempotency-Key {key!r} came with another request; use a new one"
            )
        if "answer" in known:
            return Kept(*known["answer"])
        if alone:
            raise Problem(
                409,
                "Request in progress",
                f"the request with the Idempotency-Key {key!r} is being worked on",
                headers={"Retry-After": "1"},
            )
        return None

    async def keep(self, scope: str, key: str, body: Any, response: Response) -> None:
        """Remember the answer."""
        answer = Kept.of(response)
        value = {"body": fingerprint(body), "answer": [answer.status, answer.body, answer.media, answer.headers]}
        try:
            await self._redis.set(self._place(scope, key), orjson.dumps(value), ex=self._keep_s)
        except DOWN:
            metrics.IDEMPOTENCY_AWAY.inc()

    async def give_up(self, scope: str, key: str) -> None:
        """The request came to nothing that must stay so; it may be sent again at once."""
        try:
            await self._redis.delete(self._place(scope, key))
        except DOWN:
            metrics.IDEMPOTENCY_AWAY.inc()


def fingerprint(body: Any) -> str:
    """The same for JSON that says the same."""
    return hashlib.blake2b(orjson.dumps(body, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()


def digest(*parts: str) -> str:
    """An id of 32 hex digits that follows from its parts."""
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=16).hexdigest()
