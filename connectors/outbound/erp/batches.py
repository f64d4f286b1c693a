"""One system that takes files: collects postings by partition, cuts files by number or time, reads the answers.

What a file holds is committed with the group's offsets before it is written (`written,planned`): after a kill the same
postings make the same file again, under the same name, and the ERP sees one file.
"""

import asyncio
import logging
import time
from bisect import insort
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from connectors.outbound.erp import metrics
from connectors.outbound.erp.adapter import OWNERS, Answer, Unanswered, shortened
from connectors.outbound.erp.driver import told_fault
from connectors.outbound.erp.file_adapter import (
    Acknowledgement,
    PostingFile,
    Unreadable,
    answers_in,
    bare,
    file_named,
    file_of,
    partition_of,
    postings_in,
)
from connectors.outbound.erp.lanes import Entry
from connectors.outbound.erp.results import Results
from connectors.outbound.erp.targets import BAD, DONE, Target, write_whole
from schemas.records import ErpPosting

log = logging.getLogger(__name__)
LOOK_S: Final = 0.1
ANSWERS_S: Final = 1.0
PAUSE_MOST_S: Final = 60.0
PRUNE_MOST_S: Final = 3600.0


@dataclass
class Pile:
    """Postings of one partition that wait for their file."""

    written: int = 0
    """Below this offset all of the system's postings are in files."""
    planned: int = 0
    """The next file goes up to this offset; at most `written` where none is planned."""
    entries: list[Entry] = field(default_factory=list)
    since: float = 0.0
    urged: bool = False
    busy: bool = False
    gone: bool = False
    plan_kept: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def note(self) -> list[int]:
        return [self.written, max(self.written, self.planned)]


def prune(archive: Path, newest: str, kept_s: float) -> None:
    """Delete copies and marks of the partition's files before `newest` that are older than `kept_s` (wall clock).

    No mark is lost that is needed: a file is written when its plan is committed, and that note says that all before it
    is written. So a connector that starts again can make the newest file again, and none before it.
    """
    for path in archive.glob(f"postings-p{partition_of(newest):04d}-*"):
        if file_named(path.name) < newest and path.suffix in (".csv", ".sent"):
            with suppress(FileNotFoundError):  # whoever had the partition before may be at it, too
                if time.time() - path.stat().st_mtime > kept_s:
                    path.unlink()


class FileSystem:
    """Driver of a system that takes files.

    `read_to` says up to which offset of a partition all of the system's postings are in its hands, `clear_to` up to
    which none is in others' that may still give it up.
    """

    def __init__(
        self,
        name: str,
        target: Target,
        results: Results,
        archive: Path,
        *,
        kept_s: float,
        size: int,
        interval_s: float,
        settled: Callable[[Entry, Answer | None], None],
        read_to: Callable[[int, str], int],
        clear_to: Callable[[int, str], int],
    ) -> None:
        self.name = name
        self._target, self._results, self._archive = target, results, archive
        self._kept_s, self._prune_at = kept_s, dict[int, float]()
        self._size, self._interval_s = size, interval_s
        self._settled, self._read_to, self._clear_to = settled, read_to, clear_to
        self._piles: dict[int, Pile] = {}
        self._failing = False
        self._last_fault: dict[str, Any] | None = None
        self._pause_s = 0.0
        self._stopping = False

    # ---- the driver's interface ---------------------------------------------------------------------------------

    def add(self, entry: Entry) -> None:
        pile = self._piles[entry.record.partition]
        if entry.record.offset < pile.written:
            self._settled(entry, None)
            return
        if not pile.entries:
            pile.since = time.monotonic()
        insort(pile.entries, entry, key=lambda each: each.record.offset)  # another system was asked about some first

    def withdraw(self, entry: Entry) -> bool:  # noqa: ARG002 - a file takes postings in the topic's order only
        return False

    def urge(self, partition: int) -> None:
        """No more of this partition can be held: its file does not wait any longer."""
        self._piles[partition].urged = True

    def has(self, document: str) -> bool:
        return any(entry.posting["document"] == document for pile in self._piles.values() for entry in pile.entries)

    async def assigned(self, partition: int, note: list[int] | None) -> None:
        written, planned = note or [0, 0]
        self._piles[partition] = Pile(written, planned)
        if planned > written:
            self._piles[partition].plan_kept.set()

    def notes(self, partition: int) -> list[int] | None:
        pile = self._piles.get(partition)
        return None if pile is None else pile.note

    def committed(self, partition: int, note: list[int] | None) -> None:
        """A note went with a commit: what it plans may be written."""
        pile = self._piles.get(partition)
        if pile is not None and note == pile.note:
            pile.plan_kept.set()

    async def drop(self, partition: int, within_s: float) -> None:
        pile = self._piles.get(partition)
        if pile is None:
            return
        pile.gone = True
        for _ in range(int(within_s / LOOK_S)):
            if not pile.busy:
                break
            await asyncio.sleep(LOOK_S)
        if self._piles.get(partition) is pile:
            del self._piles[partition]

    async def run(self) -> None:
        """Cut files and read answers until cancelled."""
        answers_at = 0.0
        while not self._stopping:
            try:
                for partition, pile in list(self._piles.items()):
                    await self._tend(partition, pile)
                if time.monotonic() >= answers_at:
                    answers_at = time.monotonic() + ANSWERS_S
                    await self._take_answers()
                self._failing, self._pause_s = False, 0.0
            except Unanswered as fault:
                self._failing, self._last_fault = True, told_fault(fault.reason)
                self._pause_s = min(max(0.5, 2 * self._pause_s), PAUSE_MOST_S)
                log.warning("files for %s wait %.1f s: %s", self.name, self._pause_s, fault.reason)
                await asyncio.sleep(self._pause_s)
            await asyncio.sleep(LOOK_S)

    async def stop(self, within_s: float) -> None:
        self._stopping = True
        for _ in range(int(within_s / LOOK_S)):
            if not any(pile.busy for pile in self._piles.values()):
                return
            await asyncio.sleep(LOOK_S)

    def state(self) -> dict[str, Any]:
        """For /readyz."""
        return {
            "waiting": sum(len(pile.entries) for pile in self._piles.values()),
            "breaker": "open" if self._failing else "closed",
            "last_fault": self._last_fault,
        }

    # ---- files --------------------------------------------------------------------------------------------------

    async def _tend(self, partition: int, pile: Pile) -> None:
        """Plan a file when it is time, and write it once its plan is committed."""
        if pile.planned <= pile.written and not pile.gone and self._due(pile):
            self._plan(partition, pile)
        if pile.planned <= pile.written or not pile.plan_kept.is_set() or pile.gone:
            return
        if self._read_to(partition, self.name) < pile.planned:  # after a restart: not all of it has been read again
            return
        pile.busy = True
        try:
            await self._write(pile)
        finally:
            pile.busy = False

    def _plan(self, partition: int, pile: Pile) -> None:
        """The next file, as far as it is clear what stands in it: files have the topic's order."""
        clear = self._clear_to(partition, self.name)
        entries = [entry for entry in pile.entries[: self._size] if entry.record.offset < clear]
        if entries:
            pile.planned, pile.urged = entries[-1].record.offset + 1, False
            pile.plan_kept.clear()

    def _due(self, pile: Pile) -> bool:
        return bool(pile.entries) and (
            pile.urged or len(pile.entries) >= self._size or time.monotonic() - pile.since >= self._interval_s
        )

    async def _write(self, pile: Pile) -> None:
        entries = [entry for entry in pile.entries if entry.record.offset < pile.planned]
        if entries:
            file = file_of(self.name, entries)
            await self._show(file)
            await self._prune(file)
            await asyncio.gather(
                *(
                    self._results.attempt(
                        entry.posting,
                        "UNKNOWN",
                        system=self.name,
                        attempt=1,
                        reason=f"in {file.name}.csv, not acknowledged yet",
                        trace=entry.trace,
                    )
                    for entry in entries
                )
            )
            metrics.FILES.labels(self.name).inc()
        pile.entries = [entry for entry in pile.entries if entry.record.offset >= pile.planned]
        pile.since = time.monotonic()
        pile.written = pile.planned
        for entry in entries:
            self._settled(entry, None)

    async def _show(self, file: PostingFile) -> None:
        """The file, then its manifest, by which the ERP knows that it is there; a copy of both stays here."""
        mark = self._archive / f"{file.name}.sent"
        if mark.exists() and mark.read_bytes() == file.manifest:
            return  # shown before a kill; the ERP may have taken it away since
        await asyncio.to_thread(write_whole, self._archive / f"{file.name}.csv", file.content)
        await self._target.put(f"{file.name}.csv", file.content)
        await self._target.put(f"{file.name}.manifest.json", file.manifest)
        await asyncio.to_thread(write_whole, mark, file.manifest)

    async def _prune(self, newest: PostingFile) -> None:
        partition = partition_of(newest.name)
        if partition is not None and time.monotonic() >= self._prune_at.get(partition, 0.0):
            self._prune_at[partition] = time.monotonic() + min(self._kept_s, PRUNE_MOST_S)
            await asyncio.to_thread(prune, self._archive, newest.name, self._kept_s)

    # ---- answers ------------------------------------------------------------------------------------------------

    async def _take_answers(self) -> None:
        """Read acknowledgement files of our partitions; those of others are other instances'."""
        if not self._piles:
            return
        for name in await self._target.answers():
            partition = partition_of(name)
            if partition is None:
                await self._unreadable(name, "its name is not that of a file of ours with .ack.csv")
            elif partition in self._piles:
                await self._take_answer(name)

    async def _take_answer(self, name: str) -> None:
        try:
            answers, wrong = answers_in(await self._target.read(name))
        except Unreadable as error:
            await self._unreadable(name, str(error))
            return
        known, told = self._postings_of(name), 0
        for answer in answers:
            try:
                posting = bare(answer.key) if known is None else known[answer.key]
            except Unreadable as error:
                wrong.append(str(error))
            except KeyError:
                wrong.append(f"{answer.key[:100]} does not stand in {file_named(name)}.csv")
            else:
                told += 1
                await self._tell(name, answer, posting)
        if wrong:
            await self._complain(name, "; ".join(wrong[:20]))
        await self._target.set_aside(name, BAD if wrong and not told else DONE)

    def _postings_of(self, name: str) -> dict[str, ErpPosting] | None:
        """What stands in the file that is answered; None where its copy is gone."""
        copy = self._archive / f"{file_named(name)}.csv"
        try:
            return postings_in(copy.read_bytes())
        except FileNotFoundError:
            return None
        except Unreadable as error:
            log.warning("%s cannot be read, so the keys of %s are not checked: %s", copy, name, error)
            return None

    async def _tell(self, name: str, answer: Acknowledgement, posting: ErpPosting) -> None:
        if answer.status == "REFUSED":
            await self._results.exception(
                "ERP_REFUSED",
                posting,
                f"{self.name} refused {posting['operation']} of {posting['document']}: {answer.reason}",
                coordinate=name,
                owner=OWNERS.get(posting["operation"]),
                evidence={"system": self.name, "file": name, "reason": answer.reason or ""},
            )
        await self._results.attempt(
            posting, answer.status, system=self.name, attempt=1, erp_document=answer.document, reason=answer.reason
        )
        metrics.ACKNOWLEDGED.labels(self.name, answer.status).inc()

    async def _unreadable(self, name: str, why: str) -> None:
        await self._complain(name, why)
        await self._target.set_aside(name, BAD)

    async def _complain(self, name: str, why: str) -> None:
        why = shortened(why)
        await self._results.finding(
            "ERP_ACKNOWLEDGEMENT", ("FILE", name), f"{name}: {why}", coordinate=name, evidence={"system": self.name}
        )
