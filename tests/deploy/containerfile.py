"""The Containerfile read as a list of stages and instructions, for the rules and for the check without an engine."""

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
FILE: Final = ROOT / "Containerfile"


@dataclass
class Stage:
    """What stands from one FROM to the next."""

    name: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, word: str) -> list[str]:
        return [rest for each, rest in self.instructions if each == word]

    def environment(self) -> dict[str, str]:
        return dict(part.split("=", 1) for rest in self.all("ENV") for part in shlex.split(rest))

    def commands(self) -> list[list[str]]:
        """The commands of all RUN instructions."""
        return [shlex.split(part) for rest in self.all("RUN") for part in rest.split("&&")]

    def copied(self) -> list[str]:
        """Paths copied from the sources, and patterns of such."""
        copies = [shlex.split(rest) for rest in self.all("COPY") if not rest.startswith("--from")]
        return [path for parts in copies for path in parts[:-1]]


def stages(path: Path = FILE) -> list[Stage]:
    """The stages; what stands before the first FROM is one named `head`."""
    joined = re.sub(
        r"\\\n\s*", " ", "\n".join(line for line in path.read_text().splitlines() if not line.startswith("#"))
    )
    found = [Stage("head")]
    for line in filter(None, map(str.strip, joined.splitlines())):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            found.append(Stage(rest.partition(" AS ")[2] or "final"))
        found[-1].instructions.append((word, rest.strip()))
    return found
