"""One delivery over HTTP: to an address that was checked, signed, bounded in time and size, redirects refused."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, Self

import httpx2
import orjson

from connectors import trust
from connectors.outbound.commerce.addresses import Addresses, Refused, Target
from connectors.outbound.commerce.outbox import Change
from connectors.outbound.commerce.settings import CA_FILE, Commerce
from connectors.retry_after import retry_after

AGENT: Final = "Stockstream-Webhooks/1"
GONE: Final = 410
CHANGED: Final = "availability.changed"
EFFECTIVE: Final = "availability.effective"
"""Offers the receiver has; only what to go by is new."""
EMPTY: Final = len(
    b'{"type":"availability.effective","timestamp":"0000-00-00T00:00:00.000Z","data":{"channel":"","changes":[]}}'
)


class Answer(NamedTuple):
    """What became of one attempt. `status` 0: nobody answered; `text` says what was wrong, in words."""

    status: int
    text: str
    seconds: float
    retry_after_s: float = 0.0
    body: bytes = b""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


class Parcel(NamedTuple):
    """A delivery as it is sent, the same at every attempt."""

    id: str
    body: bytes
    changes: tuple[Change, ...]

    @classmethod
    def of(
        cls,
        subscription: str,
        channel: str,
        changes: Sequence[Change],
        most_bytes: int,
        tell: Callable[[Change], Mapping[str, Any]] = lambda change: change.offer,
    ) -> Self:
        """Pack as many of the changes as fit and are of the first one's type; id and body follow from what is in it.

        So what is sent again after a crash has the id it had, if it is the same. `tell` gives what is said of a change.
        """
        parts: list[bytes] = []
        size, at, again = EMPTY + len(channel), 0, changes[0].again
        for change in changes:
            told = tell(change)
            part = orjson.dumps(told)
            size += len(part) + 1
            if change.again != again or (parts and size > most_bytes):
                break
            parts.append(part)
            at = max(at, told["computed_at"], told.get("effective_at", 0))
        packed = tuple(changes[: len(parts)])
        kind = EFFECTIVE if again else CHANGED
        head = orjson.dumps({"type": kind, "timestamp": moment(at), "data": {"channel": channel}})
        body = head[:-2] + b',"changes":[' + b",".join(parts) + b"]}}"
        name = hashlib.blake2b(subscription.encode() + b"\x1f" + body, digest_size=16).hexdigest()
        return cls(f"msg_{name}", body, packed)


def trusted_receivers(settings: Commerce) -> trust.Trust:
    """The system's authorities and those of the setting; raise SettingError. Nothing comes from the environment."""
    return trust.besides(settings.ca_file, CA_FILE, trust_env=False)


class Post:
    """Sends to one receiver. One of these a receiver: a connection of one is never used for another."""

    def __init__(self, settings: Commerce, addresses: Addresses, trusted: trust.Trust = True) -> None:
        self._settings, self._addresses = settings, addresses
        connect, read = settings.connect_ms / 1000, settings.read_ms / 1000
        self._client = httpx2.AsyncClient(
            timeout=httpx2.Timeout(read, connect=connect),
            follow_redirects=False,
            trust_env=False,
            verify=trusted,
            limits=httpx2.Limits(max_connections=2, keepalive_expiry=30),
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def __call__(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Try once; whatever happens is an answer."""
        begun = time.monotonic()
        try:
            async with asyncio.timeout(self._settings.total_ms / 1000):
                status, more = await self._try(url, headers, body)
        except Refused as error:
            return Answer(0, str(error), time.monotonic() - begun)
        except TimeoutError:
            return Answer(0, f"no answer within {self._settings.total_ms} ms", time.monotonic() - begun)
        except (OSError, UnicodeError, httpx2.HTTPError, httpx2.InvalidURL) as error:
            told = f"{type(error).__name__}: {error}".rstrip(": ") + trust.advice(error, CA_FILE)
            return Answer(0, told, time.monotonic() - begun)
        return Answer(status, more.pop("text"), time.monotonic() - begun, **more)

    async def _try(self, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
        async with asyncio.timeout(self._settings.connect_ms / 1000):
            target = await self._addresses.target(url)
        failed: Exception = OSError(f"{target.host} has no address")
        for address in target.addresses:
            try:
                return await self._send(target, address, headers, body)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                failed = error
        raise failed

    async def _send(
        self, target: Target, address: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, Any]]:
        """To the very address that was checked; the certificate is still checked against the name."""
        request = self._client.build_request(
            "POST",
            target.url(address),
            content=body,
            headers={**headers, "host": target.authority, "user-agent": AGENT},
            extensions={"sni_hostname": target.host},
        )
        answer = await self._client.send(request, stream=True)
        try:
            content = await self._bounded(answer)
        finally:
            await answer.aclose()
        return answer.status_code, {
            "text": _words(answer),
            "retry_after_s": retry_after(answer.headers.get("retry-after"), self._settings.give_up_ms / 1000),
            "body": content,
        }

    async def _bounded(self, answer: httpx2.Response) -> bytes:
        """The answer's beginning; what is beyond the limit is not read."""
        content = b""
        async for part in answer.aiter_raw(16_384):
            content += part
            if len(content) >= self._settings.answer_bytes:
                break
        return content[: self._settings.answer_bytes]


def _words(answer: httpx2.Response) -> str:
    if answer.is_redirect or 300 <= answer.status_code < 400:
        where = answer.headers.get("location", "nowhere")[:200]
        return f"{answer.status_code}: a redirect to {where} is not followed; declare the receiver's own URL"
    return f"{answer.status_code} {answer.reason_phrase}".strip()


def moment(at: int) -> str:
    """Milliseconds as ISO 8601, UTC."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
