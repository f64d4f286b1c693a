"""What two sites have said to one ERP, document by document: what is in it already, and what would be said twice."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from schemas.records import ErpPosting, ErpPostingResult

STOCK: Final = "STOCK:"
REVERSAL: Final = "_REVERSAL"
WHOLE: Final = frozenset({"PURCHASE_ORDER_UPDATE", "BACKORDER"})
"""Steps of which the newest posting says all; quantities of the others add up."""
TAKEN: Final = frozenset({"POSTED", "DUPLICATE"})

BEFORE: Final = "brought in by the site before"

Step = tuple[str, str]
"""Document and step, a reversal with its step."""
Name = tuple[str, str, int]
"""Document, step and revision: what a posting is called at its site, whatever key the ERP knows it by."""
Sums = Mapping[str, int]


def name_of(record: ErpPosting | ErpPostingResult) -> Name:
    return (record["document"], record["step"], record["revision"])


class Said(NamedTuple):
    """A posting in short."""

    name: Name
    quantities: dict[str, int]
    """By `sku|location|disposition|line`."""
    whole: tuple[Any, ...]
    """The lines of a step that is told whole; those that say nothing are left out."""


@dataclass(slots=True)
class Books:
    """One site's postings by step, and how the ERP answered them. Adjustments of stock have no document to compare."""

    steps: dict[Step, list[Said]] = field(default_factory=lambda: defaultdict(list))
    answers: dict[Name, tuple[str, str | None]] = field(default_factory=dict)
    """The last final outcome of a posting, and its reason."""

    @classmethod
    def of(cls, postings: Iterable[ErpPosting], results: Iterable[ErpPostingResult]) -> "Books":
        books = cls()
        for posting in postings:
            if not posting["document"].startswith(STOCK):
                books.steps[posting["document"], posting["step"].removesuffix(REVERSAL)].append(_said(posting))
        for result in results:
            if not result["shadow"] and (result["outcome"] in TAKEN or result["outcome"] == "REFUSED"):
                books.answers[name_of(result)] = (result["outcome"], result["reason"])
        return books

    def outcome(self, said: Said) -> str:
        return self.answers.get(said.name, ("", None))[0]


class Difference(NamedTuple):
    """A step of a document that the ERP and the second site see differently."""

    document: str
    step: str
    why: str
    in_erp: Any
    said: Any


class Answer(NamedTuple):
    """How a posting of the second site is to be answered: it is in the ERP, or was refused there."""

    name: Name
    outcome: str
    reason: str


class Settled(NamedTuple):
    """What two sites' books come to."""

    answers: list[Answer]
    again: list[Name]
    """Newest postings of steps told whole that say something else than the ERP has: it is to hear them."""
    differences: list[Difference]


def settle(ours: Books, theirs: Books) -> Settled:
    """Answers to the other site's postings that ours brought in before, and what cannot be answered.

    A step is answered when what the ERP took of it is what the other site has said of it, all revisions together:
    then each of that site's postings is in the ERP, however it was cut.
    """
    settled = Settled([], [], [])
    answers, _, differences = settled
    for step in sorted(ours.steps.keys() | theirs.steps.keys()):
        before, after = ours.steps.get(step, []), theirs.steps.get(step, [])
        under_way = [said.name for said in before if not ours.outcome(said)]
        if under_way:
            why = "the ERP has not answered revision " + ", ".join(str(name[2]) for name in under_way)
            differences.append(Difference(*step, why, None, None))
        elif step[1] in WHOLE:
            _settle_whole(ours, before, theirs, after, settled)
        else:
            _settle_sums(step, ours, before, theirs, after, answers, differences)
    return settled


def _settle_sums(
    step: Step,
    ours: Books,
    before: list[Said],
    theirs: Books,
    after: list[Said],
    answers: list[Answer],
    differences: list[Difference],
) -> None:
    taken = _sum(said for said in before if ours.outcome(said) in TAKEN)
    wanted = _sum(said for said in after if theirs.outcome(said) != "REFUSED")
    open_ones = [said for said in after if not theirs.outcome(said)]
    if wanted == taken:
        answers += [Answer(said.name, "DUPLICATE", BEFORE) for said in open_ones]
        return
    refused = [said for said in before if ours.outcome(said) == "REFUSED"]
    same: list[Answer] = []
    for said in open_ones:
        twin = next((each for each in refused if each.quantities == said.quantities), None)
        if twin is not None:
            refused.remove(twin)
            same.append(Answer(said.name, "REFUSED", ours.answers[twin.name][1] or "refused at the site before"))
    without = {answer.name for answer in same}
    if same and _sum(s for s in after if s.name not in without and theirs.outcome(s) != "REFUSED") == taken:
        answers += same
        answers += [Answer(s.name, "DUPLICATE", BEFORE) for s in open_ones if s.name not in without]
        return
    differences.append(Difference(*step, _why(taken, wanted), taken, wanted))


def _why(taken: Sums, wanted: Sums) -> str:
    gaps = [taken.get(place, 0) - wanted.get(place, 0) for place in taken.keys() | wanted.keys()]
    if min(gaps) >= 0:
        return MORE
    return "the other site has said more than the ERP has" if max(gaps) <= 0 else "quantities differ by place"


MORE: Final = "the ERP has more than the other site has said"


def _settle_whole(ours: Books, before: list[Said], theirs: Books, after: list[Said], settled: Settled) -> None:
    """The newest alone counts. What is told depends on the order in which facts came, and on the order being open then."""
    told = before[-1].whole if before else ()
    if after and told != after[-1].whole:
        settled.again.append(after[-1].name)
        return
    refused = bool(before) and ours.outcome(before[-1]) == "REFUSED"
    reason = (ours.answers[before[-1].name][1] if before else None) or BEFORE
    for each in after:
        if not theirs.outcome(each):
            outcome = "REFUSED" if refused and each is after[-1] else "DUPLICATE"
            settled.answers.append(Answer(each.name, outcome, reason))


def _said(posting: ErpPosting) -> Said:
    quantities: dict[str, int] = defaultdict(int)
    for line in posting["lines"]:
        quantities[f"{line['sku']}|{line['location']}|{line['disposition']}|{line['line']}"] += line["quantity"]
    if posting["step"] not in WHOLE:
        return Said(name_of(posting), dict(quantities), ())
    lines = [
        (x["line"], x["sku"], x["location"], x["quantity"], x["date"], x["note"], x["substitute"])
        for x in posting["lines"]
        if x["quantity"] or x["note"]
    ]
    return Said(name_of(posting), {}, tuple(sorted(lines, key=repr)))


def _sum(of: Iterable[Said]) -> Sums:
    sums: dict[str, int] = defaultdict(int)
    for said in of:
        for place, quantity in said.quantities.items():
            sums[place] += quantity
    return {place: quantity for place, quantity in sums.items() if quantity}
