"""Signatures of the Standard Webhooks specification: every active secret signs, so that secrets can be changed."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from standardwebhooks.webhooks import Webhook

from schemas.confidential import keep


class SecretError(ValueError):
    """A secret that cannot be had or used; the message names its place, never its value."""


@dataclass(frozen=True, slots=True)
class SecretPlace:
    """Where a signing secret (`whsec_` and base64) is kept: an environment variable or a file."""

    env: str = ""
    file: str = ""

    def __str__(self) -> str:
        return f"environment variable {self.env}" if self.env else f"file {self.file}"

    def read(self) -> str:
        """The secret; raise SecretError."""
        try:
            text = os.environ[self.env] if self.env else Path(self.file).read_text()
        except (KeyError, OSError, UnicodeDecodeError):
            raise SecretError(f"{self}: there is no secret; set it, or correct the declaration") from None
        return keep(text.strip())


def signer(place: SecretPlace) -> Webhook:
    """What signs with the secret kept there; raise SecretError."""
    try:
        return Webhook(place.read())
    except SecretError:
        raise
    except Exception:  # noqa: BLE001 - base64's and the library's own, which could quote the secret
        raise SecretError(f"{place}: not a signing secret; it is whsec_ and 24 to 64 bytes in base64") from None


def signed(signers: Sequence[Webhook], identifier: str, at: datetime, body: bytes) -> dict[str, str]:
    """The headers of a delivery; `at` is the wall clock's time of this attempt."""
    at = at.astimezone(UTC)
    text = body.decode()
    return {
        "content-type": "application/json",
        "webhook-id": identifier,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(each.sign(identifier, at, text) for each in signers),
    }
