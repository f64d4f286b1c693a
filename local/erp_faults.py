"""What the stand-in ERP does wrong on request; drawn from a seed, refusals from the posting's key so that they last."""

import hashlib
import random
import time
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

Fate = Literal["well", "timeout_before", "timeout_after", "error_after"]


@dataclass
class Settings:
    """Every fault; rates are shares from 0 to 1."""

    latency_ms: int = 0  # up to this much, evenly
    error_rate: float = 0.0  # 500, 502 or 503 before anything is done
    error_after_rate: float = 0.0  # done, and answered with 502
    timeout_before_rate: float = 0.0  # not done, and never answered
    timeout_after_rate: float = 0.0  # done, and never answered
    refusal_rates: dict[str, float] = field(default_factory=dict)  # by operation; a key refused once is always refused
    rate_limit: float = 0.0  # requests a second, 429 above; 0: none
    outage: bool = False  # connections are reset
    detect_duplicates: bool = True  # whether an idempotency key is taken once only
    closed_before: str = ""  # ISO date: postings for days before it are refused
    invoice_needs_delivery: bool = False  # more invoiced than delivered is refused


class Faults:
    """The faults in force."""

    def __init__(self, seed: int) -> None:
        self._seed, self._random = seed, random.Random(seed)
        self._now = Settings()
        self._second, self._requests = 0.0, 0

    def set(self, wanted: dict[str, Any]) -> None:
        """Set those named (and `seed`); raise ValueError for an unknown one or a value of the wrong type."""
        for name, value in wanted.items():
            if name == "seed":
                self._seed, self._random = int(value), random.Random(int(value))
                continue
            known = {f.name: getattr(Settings(), f.name) for f in fields(Settings)}
            if name not in known:
                raise ValueError(f"no fault {name}; there are {', '.join(known)}")
            takes = (int, float) if type(known[name]) in (int, float) else type(known[name])
            if not isinstance(value, takes):
                raise ValueError(f"{name}: expected {type(known[name]).__name__}")  # noqa: TRY004 - one kind of answer
            setattr(self._now, name, value)

    def shown(self) -> dict[str, Any]:
        return {"seed": self._seed, **asdict(self._now)}

    # ---- draws --------------------------------------------------------------------------------------------------

    def delay_s(self) -> float:
        return self._random.uniform(0, self._now.latency_ms) / 1000 if self._now.latency_ms else 0.0

    def error(self) -> int | None:
        return self._random.choice((500, 502, 503)) if self._random.random() < self._now.error_rate else None

    def overrun(self) -> bool:
        """Whether this request is beyond the limit of the current second."""
        if not self._now.rate_limit:
            return False
        now = time.monotonic()
        if now - self._second >= 1:
            self._second, self._requests = now, 0
        self._requests += 1
        return self._requests > self._now.rate_limit

    def fate(self) -> Fate:
        """What becomes of a posting that is looked at."""
        draw = self._random.random()
        for fate, rate in (
            ("timeout_before", self._now.timeout_before_rate),
            ("timeout_after", self._now.timeout_after_rate),
            ("error_after", self._now.error_after_rate),
        ):
            if draw < rate:
                return fate  # type: ignore[return-value]
            draw -= rate
        return "well"

    def refusal(self, operation: str, posting: dict[str, Any]) -> tuple[str, str] | None:
        """A business reason, or None; the same for the same key and seed."""
        if self._now.closed_before and posting["PostingDate"] < self._now.closed_before:
            return (
                "PERIOD_CLOSED",
                f"the period of {posting['PostingDate']} is closed; the first open day is {self._now.closed_before}",
            )
        if refused(self._seed, posting["IdempotencyKey"], self._now.refusal_rates.get(operation, 0.0)):
            return "BLOCKED", f"{posting['Document']} is blocked for {operation}"
        return None

    @property
    def outage(self) -> bool:
        return self._now.outage

    @property
    def detect_duplicates(self) -> bool:
        return self._now.detect_duplicates

    @property
    def invoice_needs_delivery(self) -> bool:
        return self._now.invoice_needs_delivery


def refused(seed: int, key: str, rate: float) -> bool:
    """Whether a posting is among the share that is refused."""
    digest = hashlib.blake2b(f"{seed}/{key}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") / 2**32 < rate
