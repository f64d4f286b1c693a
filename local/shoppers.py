"""The demo's shoppers: baskets that hold stock through the API while the days go by, and let it go again.

A process of its own, `python -m local.shoppers URL CHANNEL SEED SKU…`, its API key the first line of its input: told
to stop by the end of that, it cancels every hold that has not run out and prints a line of JSON.
"""

import asyncio
import json
import random
import sys
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2

SHOPPERS: Final = 12
TTL_S: Final = 3 * 3_600  # business time; a business hour passes in half a second
PATIENCE_S: Final = 5.0  # for one answer


@dataclass(slots=True)
class Till:
    """What the shoppers lived through."""

    outcomes: Counter[str] = field(default_factory=Counter)
    held: dict[str, int] = field(default_factory=dict)  # reservation → units, while it may still be open
    units: int = 0  # held in all
    answered_ms: list[float] = field(default_factory=list)


async def shop(
    client: httpx2.AsyncClient, channel: str, skus: list[str], rng: random.Random, till: Till, closing: asyncio.Event
) -> None:
    """One shopper: reserve, think, cancel or walk away; popular items first. What was asked for is waited for."""
    while not closing.is_set():
        sku = skus[min(int(rng.expovariate(8 / len(skus))), len(skus) - 1)]
        ask = {"sku": sku, "quantity": rng.randint(1, 3), "ttl_seconds": TTL_S, "channel": channel}
        began = time.monotonic()
        answer = await _ask(client, "/v1/reservations", ask, till)
        if answer is not None and answer.status_code == httpx2.codes.CREATED:
            till.answered_ms.append(1_000 * (time.monotonic() - began))
            said = answer.json()
            till.held[said["reservation_id"]] = said["quantity"]
            till.units += said["quantity"]
            till.outcomes["held"] += 1
            await asyncio.sleep(rng.uniform(0.05, 0.5))
            if rng.random() < 0.6:
                await let_go(client, said["reservation_id"], till)
        elif answer is not None:
            till.outcomes["refused" if answer.status_code == httpx2.codes.CONFLICT else f"{answer.status_code}"] += 1
            if answer.status_code == httpx2.codes.ACCEPTED:
                till.held[answer.json()["reservation_id"]] = 0
        await asyncio.sleep(rng.uniform(0.1, 0.4))


async def let_go(client: httpx2.AsyncClient, reservation: str, till: Till) -> None:
    """Cancel a hold; one whose time has run out is gone as well. Without a decision it may still be held."""
    answer = await _ask(client, f"/v1/reservations/{reservation}:cancel", {}, till)
    if answer is not None and answer.status_code in {httpx2.codes.OK, httpx2.codes.CONFLICT}:
        till.held.pop(reservation, None)
        till.outcomes["cancelled" if answer.is_success else "run out"] += 1


async def _ask(client: httpx2.AsyncClient, path: str, body: dict[str, Any], till: Till) -> httpx2.Response | None:
    try:
        return await client.post(path, json=body, headers={"Idempotency-Key": str(uuid.uuid4())})
    except httpx2.HTTPError as error:
        till.outcomes[type(error).__name__] += 1
        return None


async def run(url: str, key: str, channel: str, seed: int, skus: list[str]) -> Till:
    """Shop until the end of the input, then cancel what is open."""
    till = Till()
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=PATIENCE_S) as client:
        closing = asyncio.Event()
        crowd = [
            asyncio.create_task(shop(client, channel, skus, random.Random(f"{seed}-{number}"), till, closing))
            for number in range(SHOPPERS)
        ]
        await asyncio.to_thread(sys.stdin.read)
        closing.set()
        await asyncio.gather(*crowd)
        for _ in range(10):  # a worker may be away for a moment
            await asyncio.gather(*(let_go(client, reservation, till) for reservation in list(till.held)))
            if not till.held:
                break
            await asyncio.sleep(1)
    return till


def main() -> None:
    url, channel, seed, *skus = sys.argv[1:]
    key = sys.stdin.readline().strip()
    till = asyncio.run(run(url, key, channel, int(seed), skus))
    answered = sorted(till.answered_ms)
    middle, late = (answered[int(len(answered) * share)] if answered else 0.0 for share in (0.5, 0.99))
    told = {"outcomes": till.outcomes, "units": till.units, "open": len(till.held), "p50_ms": middle, "p99_ms": late}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
