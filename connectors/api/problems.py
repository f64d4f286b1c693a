"""What the API answers when it cannot do as asked: RFC 9457 problems, each with a kind that the docs explain."""

import logging
import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

import orjson
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException

KINDS: Final[dict[str, str]] = {
    "Malformed request": "The request cannot be read: its JSON is broken or its encoding is wrong. Mend the request.",
    "Invalid request": "A field is missing or out of range. `errors` lists each field, what is wrong and what it takes.",
    "Not authenticated": "No API key or token, or one that is unknown, expired, revoked or not yet valid. Get a valid "
    "one from whoever runs Stockstream; the reason is not told apart on purpose.",
    "Not allowed": "The caller is known but lacks the scope, or is bound to another channel or partner.",
    "Not found": "Nothing is known under this name. Check its spelling, and that the caller may see it.",
    "Method not allowed": "The address exists but not for this method; `Allow` lists those that work.",
    "Body too large": "The body is larger than the API takes. Send it in parts.",
    "Headers too large": "Request line and headers together are larger than the API takes.",
    "Unsupported media type": "The body must be JSON: send `Content-Type: application/json`.",
    "Too many requests": "The client, or its partner's clients together, ask more often than agreed. "
    "Wait `Retry-After` seconds.",
    "Availability unknown": "The Redis view is down, stale or being rebuilt, and no last known answer may be shown. "
    "Nothing silently old is served: try again after `Retry-After` seconds.",
    "Cursor expired": "The stream cannot be resumed from this cursor. Take a snapshot and resume from its cursor.",
    "Busy": "The process has as many connections or streams as it takes. Try again after `Retry-After` seconds.",
    "Took too long": "The request took longer than the API allows. Ask for less, or try again.",
    "Reservation refused": "The stock is not held: `reason` says why, `available` what the channel could have instead.",
    "Idempotency key reused": "The Idempotency-Key came with another request before. Use a new one for a new request.",
    "Request in progress": "A request with this Idempotency-Key is being worked on. Send it again after `Retry-After` "
    "seconds: the answer is then the first one's.",
    "Not acknowledged": "The broker has not acknowledged what was sent. Send the same again with the same "
    "Idempotency-Key or event ids: nothing counts twice.",
    "Internal error": "A fault of Stockstream's own; its log tells more under the `instance` given.",
}
"""Titles, and what each means and asks of the caller; docs/api.md and /docs/problems show them."""
TITLES: Final = {
    400: "Malformed request", 401: "Not authenticated", 403: "Not allowed", 404: "Not found",
    405: "Method not allowed", 413: "Body too large", 415: "Unsupported media type", 422: "Invalid request",
    429: "Too many requests", 431: "Headers too large", 503: "Busy",
}  # fmt: skip
MEDIA: Final = "application/problem+json"


class Problem(HTTPException):
    """Raised anywhere below a request; becomes its answer. `more` are further members of the body."""

    def __init__(
        self, status: int, title: str, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.title, self.more = title, more

    def body(self) -> bytes:
        return orjson.dumps(
            {"type": kind(self.title), "title": self.title, "status": self.status_code, "detail": self.detail}
            | self.more
        )

    def response(self) -> Response:
        return Response(self.body(), self.status_code, self.headers, MEDIA)


def kind(title: str) -> str:
    """The type URI of a problem, relative to the API: its place in the docs."""
    return f"/docs/problems#{anchor(title)}" if title in KINDS else "about:blank"


def anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def invalid(field: str, wrong: str, takes: str) -> Problem:
    """One field that cannot be used."""
    return several([{"field": field, "wrong": wrong, "takes": takes}])


def several(errors: list[dict[str, str]]) -> Problem:
    """Fields that cannot be used, each with field, wrong and takes."""
    named = ", ".join(dict.fromkeys(error["field"] for error in errors))
    return Problem(422, "Invalid request", f"cannot use {named}", errors=errors)


def install(app: FastAPI) -> None:
    """Answer every refusal and fault of the application in the one form."""
    app.add_exception_handler(StarletteHTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _unfit)
    app.add_exception_handler(Exception, _fault)


async def _refused(_: Request, error: Exception) -> Response:
    if isinstance(error, Problem):
        return error.response()
    assert isinstance(error, StarletteHTTPException)
    title = TITLES.get(error.status_code, HTTPStatus(error.status_code).phrase)
    return Problem(error.status_code, title, str(error.detail), headers=error.headers).response()


async def _unfit(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    broken = next((one for one in found if one["type"] == "json_invalid"), None)
    if broken is not None:
        reason = broken.get("ctx", {}).get("error", "not JSON")
        return Problem(400, "Malformed request", f"the body is not JSON: {reason}").response()
    return several([_described(one) for one in found]).response()


def _described(error: Mapping[str, Any]) -> dict[str, str]:
    limits = ", ".join(f"{name} {value}" for name, value in error.get("ctx", {}).items() if name != "error")
    return {"field": path(error["loc"]), "wrong": str(error["msg"]), "takes": limits or str(error["type"])}


def path(location: Iterable[Any]) -> str:
    """A field's place as people write it: body.lines[2].quantity."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


async def _fault(request: Request, error: Exception) -> Response:
    instance = f"{request.method} {request.url.path}"
    logging.getLogger(__name__).error("%s failed", instance, exc_info=error)
    return Problem(500, "Internal error", "the request failed here, not with you", instance=instance).response()
