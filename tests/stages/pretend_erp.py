"""An ERP by hand: takes, refuses or has already the postings of a stage, in a document's order, whenever it likes."""

from collections import defaultdict
from collections.abc import Mapping
from random import Random
from typing import Any

from document_events import Stage, answer

Place = tuple[str, str, str, str]
"""Line, SKU, location, disposition."""


class PretendErp:
    """`answers` gives events for the stage whose postings it hears; what it took stays in `took`, by step and place."""

    def __init__(self, stage: Stage, chance: Random) -> None:
        self.took: dict[str, dict[Place, int]] = defaultdict(lambda: defaultdict(int))
        self.refused = 0
        self._stage, self._chance, self._heard = stage, chance, 0
        self._open: list[Mapping[str, Any]] = []
        self._revisions: dict[tuple[str, str], int] = defaultdict(int)

    def answers(self, *, willing: bool = False, most: int = 100) -> list[tuple[str, Any]]:
        """Answer the oldest open postings, in order; a willing ERP refuses nothing. Some answers come twice."""
        postings = self._stage.postings()
        for record in postings[self._heard :]:
            self._check(record)
            self._open.append(record)
        self._heard = len(postings)
        said: list[tuple[str, Any]] = []
        while self._open and len(said) < most:
            record = self._open.pop(0)
            outcome = "POSTED" if willing else self._chance.choice(["POSTED", "POSTED", "DUPLICATE", "REFUSED"])
            if outcome != "REFUSED":
                self._take(record)
            self.refused += outcome == "REFUSED"
            said += [answer(record, outcome, "not today")] * self._chance.choice([1, 1, 2])
        return said

    def total(self, step: str) -> dict[Place, int]:
        """What it has of a step, reversals taken off."""
        return {place: quantity for place, quantity in self.took[step].items() if quantity}

    def _check(self, record: Mapping[str, Any]) -> None:
        """One document's revisions of a step rise without gaps, and the key says so."""
        step = record["document"], record["step"]
        self._revisions[step] += 1
        assert record["revision"] == self._revisions[step]
        assert record["idempotency_key"] == f"{record['document']}/{record['step']}/{record['revision']}"
        assert record["lines"]
        assert all((line["quantity"] < 0) is record["step"].endswith("_REVERSAL") for line in record["lines"])

    def _take(self, record: Mapping[str, Any]) -> None:
        step = self.took[record["step"].removesuffix("_REVERSAL")]
        for line in record["lines"]:
            step[line["line"], line["sku"], line["location"], line["disposition"]] += line["quantity"]


def at_random(chance: Random, *queues: list[Any]) -> list[Any]:
    """Everything of all queues, each in its own order, which of them comes next drawn by lot."""
    left = [list(queue) for queue in queues]
    drawn: list[Any] = []
    while any(left):
        drawn.append(chance.choice([queue for queue in left if queue]).pop(0))
    return drawn
