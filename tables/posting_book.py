"""The book of what the ERP was told of one document and how it answered, kept in the document's row.

A posting carries what is desired beyond what was posted, a reversal takes back what was posted beyond what is desired,
so the sum depends on the facts and not on their order.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from schemas.records import PostingAnswer
from tables.outcome import Output
from tables.postings import DAY_MS, REVERSAL, Amounts, difference, key_of, posting, posting_line, priority, whole_line

MOST_CAUSES: Final = 8
"""Source coordinates a posting names: the newest."""

Book = dict[str, Any]
"""What the ERP was told of one step of one document, as its row keeps it; what is empty is absent.

count: revisions of the step and of its reversal; said: posted and not refused, by place; taken: what the ERP has said
it took; held: refused, and not sent again before a newer revision of the document; waiting: by `step/revision`, lines
[place, quantity] without an answer; refused: the same, then the reason. Of a step that is told whole: told, the
lines of the newest posting; refusal, the reason, if the ERP refused it; again, if it is to be told once more.
"""
Books = dict[str, Book]
"""By step, reversals with their step."""


def post(
    books: Books,
    document: str,
    step: str,
    desired: Amounts,
    cause: Mapping[str, Any],
    outputs: list[Output],
    *,
    urgency: int = 0,
    partner: str | None = None,
    causes: Sequence[str] | None = None,
) -> None:
    """Write what is desired beyond what was posted, first what is to be taken back, and note it in the book."""
    book = books.get(step)
    if book is None:
        if not desired:
            return
        book = {"count": [0, 0]}
    said = book.get("said", {})
    if desired == said and "held" not in book:
        return
    gaps = difference(desired, said)
    due = _less_refused(book, gaps) if "held" in book else gaps
    if not due:
        return
    books[step] = book
    day = cause["occurred_at"] // DAY_MS
    for reversal in (True, False):
        lines = [(where, quantity) for where, quantity in due.items() if (quantity < 0) is reversal]
        if not lines:
            continue
        count = book["count"]
        reverses = key_of(document, step, count[0]) if reversal and count[0] else None
        count[reversal] += 1
        name, revision = step + REVERSAL if reversal else step, count[reversal]
        _add(book, "said", lines)
        book.setdefault("waiting", {})[f"{name}/{revision}"] = lines
        outputs.append(
            posting(
                document,
                name,
                revision,
                [posting_line(where, quantity, day) for where, quantity in lines],
                cause,
                priority=priority(step, urgency),
                reverses=reverses,
                partner=partner,
                causes=causes,
            )
        )


def _less_refused(book: Book, gaps: dict[str, int]) -> dict[str, int]:
    """What is to be sent of the gaps: what was refused waits, as far as it is still desired."""
    held: dict[str, int] = {}
    due: dict[str, int] = {}
    for where, gap in gaps.items():
        refused = book["held"].get(where, 0)
        waits = max(0, min(refused, gap)) if gap > 0 else min(0, max(refused, gap))
        if waits:
            held[where] = waits
        if gap != waits:
            due[where] = gap - waits
    _keep(book, "held", held)
    return due


def answered(books: Books, answer: PostingAnswer) -> bool:
    """Take the ERP's word on one posting; False when it says nothing new.

    A refusal that is taken back (the posting was sent again by hand and went through) counts as posted.
    """
    book = books.get(answer["step"].removesuffix(REVERSAL))
    if book is None:
        return False
    name, refused = f"{answer['step']}/{answer['revision']}", answer["outcome"] == "REFUSED"
    if "told" in book:
        return _absolute_answered(book, answer["revision"], answer["reason"], refused=refused)
    lines = book.get("waiting", {}).get(name)
    if lines is not None:
        _remove(book, "waiting", name)
        if refused:
            _add(book, "said", [[where, -quantity] for where, quantity in lines])
            _add(book, "held", lines)
            book.setdefault("refused", {})[name] = [lines, answer["reason"] or ""]
            return True
    elif not refused and name in book.get("refused", {}):
        lines = book["refused"][name][0]
        _remove(book, "refused", name)
        _add(book, "said", lines)
    else:
        return False
    _add(book, "taken", lines)
    return True


def renewed(books: Books) -> None:
    """A newer revision of the document has come: what was refused is worth another try."""
    for book in books.values():
        book.pop("held", None)
        if book.pop("refusal", None) is not None:
            book["again"] = True


def refusals(books: Books) -> dict[str, str]:
    """By step, what the ERP refused and has not taken since, in its own words."""
    found: dict[str, str] = {}
    for step, book in books.items():
        if "refusal" in book:
            found[step] = f"Revision {book['count'][0]}: {book['refusal'] or 'no reason given'}"
        elif "held" in book:
            reasons = sorted({reason for _, reason in book.get("refused", {}).values() if reason})
            found[step] = f"{sum(map(abs, book['held'].values()))} not taken: {'; '.join(reasons) or 'no reason given'}"
    return found


def taken(books: Books, step: str) -> Amounts:
    """What the ERP has said it took of a step, less what it took back, by place."""
    book = books.get(step)
    return book.get("taken", {}) if book else {}


# ---- steps of which the newest posting replaces the ones before -------------------------------------------------

QUANTITY, NOTE = 3, 5


def post_absolute(
    books: Books,
    document: str,
    step: str,
    desired: Sequence[Sequence[Any]],
    cause: Mapping[str, Any],
    outputs: list[Output],
    *,
    urgency: int = 0,
    partner: str | None = None,
    causes: Sequence[str] | None = None,
) -> None:
    """Write the whole of a step when it differs from what was posted last.

    Lines are [line, sku, location, quantity, date, note, substitute], with a quantity or a note; one that is gone is
    posted once with neither.
    """
    lines = [list(line) for line in desired]
    book = books.get(step)
    if book is None:
        if not lines:
            return
        book = books[step] = {"count": [0], "told": []}
    told, again = book["told"], "again" in book
    if not again and lines == [line for line in told if line[QUANTITY] or line[NOTE]]:
        return
    kept = [line[:QUANTITY] for line in lines]
    before = [line[:QUANTITY] for line in told if line[QUANTITY] or line[NOTE] or again]
    gone = [
        [*line, 0, None, None, None] for n, line in enumerate(before) if line not in kept and line not in before[:n]
    ]
    book["told"] = [*lines, *gone]
    book.pop("refusal", None)
    book.pop("again", None)
    if not book["told"]:
        return
    book["count"][0] += 1
    outputs.append(
        posting(
            document,
            step,
            book["count"][0],
            [whole_line(line) for line in book["told"]],
            cause,
            priority=priority(step, urgency),
            partner=partner,
            causes=causes,
        )
    )


def _absolute_answered(book: Book, revision: int, reason: str | None, *, refused: bool) -> bool:
    """Only the newest revision's answer counts."""
    if revision != book["count"][0] or refused is ("refusal" in book):
        return False
    if refused:
        book["refusal"] = reason or ""
    else:
        del book["refusal"]
    return True


# ---- the book ---------------------------------------------------------------------------------------------------


def _add(book: Book, name: str, lines: Sequence[Sequence[Any]]) -> None:
    sums = cast("dict[str, int]", book.get(name) or {})
    for where, quantity in lines:
        total = sums.get(where, 0) + quantity
        if total:
            sums[where] = total
        else:
            sums.pop(where, None)
    _keep(book, name, sums)


def _remove(book: Book, name: str, key: str) -> None:
    del book[name][key]
    _keep(book, name, book[name])


def _keep(book: Book, name: str, sums: dict[str, Any]) -> None:
    if sums:
        book[name] = sums
    else:
        book.pop(name, None)
