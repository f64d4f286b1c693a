"""Compares what two sites know: the newest answer of every position, read from the snapshots topic of each.

For a switch between sites that were fed the same facts. Compared is what follows from the facts alone; revisions, times of
computing and causes depend on the order in which topics were interleaved, and channels' offers on what was told before.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from connectors.as_they_stand import whole
from connectors.decoding import Decoding
from schemas.environment import PREFIX, SettingError, Shared, read

SNAPSHOTS: Final = "availability.snapshots"
FACTS: Final = (
    "on_hand", "disposition", "allocated", "safety_stock", "expected", "atp", "atp_signed", "schedule", "next_receipt",
)  # fmt: skip
"""The fields of Availability that two sites with the same facts must agree on."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One position that the sites see differently; a side is None where the site does not know the position."""

    key: str
    ours: Mapping[str, Any] | None
    theirs: Mapping[str, Any] | None

    @property
    def fields(self) -> list[str]:
        """The fields that differ; none where one side has no answer at all."""
        if self.ours is None or self.theirs is None:
            return []
        return [name for name in FACTS if self.ours[name] != self.theirs[name]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """How many positions each site knows, and those that differed in every pass."""

    ours: int
    theirs: int
    differences: list[Difference]


def other_site(text: str) -> Shared:
    """Settings of a site from lines `STOCKSTREAM_NAME=value`; raise SettingError. Nothing is taken from our own."""
    return read(Shared, {name: value for name, value in lines(text).items() if name in _SHARED})


def lines(text: str) -> dict[str, str]:
    """The variables of a file with lines `STOCKSTREAM_NAME=value`; raise SettingError naming the line."""
    environment: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        name, equals, value = stripped.partition("=")
        if not equals or not name.startswith(PREFIX):
            raise SettingError(f"line {number}: {stripped.split('=')[0]!r}: write {PREFIX}NAME=value")
        environment[name] = value.strip("'\"")
    return environment


def compare(ours: Shared, theirs: Shared, passes: int = 3, wait_s: float = 2.0) -> Comparison:
    """Read both sites and compare; a difference counts when each of `passes` readings shows it.

    Both sites may be at work: what is on its way at one reading is there at the next, `wait_s` later. Raise TimeoutError or
    KafkaException for a site that does not answer, Away for its registry, SettingError where both are one site.
    """
    if (ours.bootstrap, ours.security_protocol) == (theirs.bootstrap, theirs.security_protocol):
        raise SettingError(f"both sites are the broker {ours.bootstrap}: topics have the same names at every site")
    suspects: dict[str, Difference] | None = None
    for number in range(passes):
        if number:
            time.sleep(wait_s)
        mine, other = _answers(ours), _answers(theirs)
        keys = mine.keys() | other.keys() if suspects is None else suspects.keys()
        differing = [key for key in keys if mine.get(key) != other.get(key)]
        suspects = {key: Difference(key, _facts(mine.get(key)), _facts(other.get(key))) for key in differing}
        if not suspects:
            break
    return Comparison(len(mine), len(other), [difference for _, difference in sorted((suspects or {}).items())])


def _answers(site: Shared) -> dict[str, bytes]:
    """The facts of every position of a site, as canonical JSON: some 300 bytes each."""
    decoding, found = Decoding(site), dict[str, bytes]()
    for run in whole(site, SNAPSHOTS, "compare"):
        for record, answer in decoding.decoded_here(run):
            if answer is None:
                found.pop(record.key.decode(), None)
            else:
                found[record.key.decode()] = canonical(answer)
    return found


def canonical(answer: Mapping[str, Any]) -> bytes:
    """What follows from the facts alone, in one way of writing it."""
    facts = {name: answer[name] for name in FACTS}
    facts["expected"] = sorted(facts["expected"], key=lambda part: orjson.dumps(part, option=orjson.OPT_SORT_KEYS))
    facts["disposition"] = {name: count for name, count in facts["disposition"].items() if count}
    return orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)


def _facts(written: bytes | None) -> Mapping[str, Any] | None:
    return None if written is None else orjson.loads(written)


_SHARED: Final = frozenset(f"{PREFIX}{name.upper()}" for name in Shared.__dataclass_fields__)
