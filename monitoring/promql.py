"""Enough of PromQL to say which metrics an expression reads and which labels it names. promtool says whether it parses."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

TOKEN: Final = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)
      | (?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)
      | (?P<number>\d[\w.]*|\.\d+|\$__\w+)
      | (?P<name>[a-zA-Z_:][\w:]*)
      | (?P<sign>=~|!~|!=|==|>=|<=|[-+*/%^<>=(){}\[\],:@])""",
    re.VERBOSE,
)
GROUPING: Final = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
WORDS: Final = GROUPING | {"and", "or", "unless", "offset", "bool", "inf", "nan", "atan2"}


class Unreadable(ValueError):
    """Not PromQL."""


@dataclass(slots=True)
class Reading:
    """What an expression is about."""

    selectors: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    """Metrics and the labels matched on each."""
    grouped: list[str] = field(default_factory=list)
    """Labels in by, without, on, ignoring and group_left, group_right."""

    @property
    def names(self) -> set[str]:
        return {name for name, _ in self.selectors}


def read(expression: str) -> Reading:
    """Take an expression apart; raise Unreadable."""
    tokens = [*_tokens(expression), ("end", "")]
    reading, at = Reading(), 0
    depth: list[str] = []
    while tokens[at][0] != "end":
        kind, text = tokens[at]
        following = tokens[at + 1][1]
        if kind == "name" and text in GROUPING and following == "(":
            labels, at = _names_until(tokens, at + 2, ")")
            reading.grouped += labels
            continue
        if kind == "name" and text not in WORDS and following not in ("(", "by", "without"):
            matched: list[str] = []
            if following == "{":
                matched, at = _matchers(tokens, at + 2)
            else:
                at += 1
            reading.selectors.append((text, tuple(matched)))
            continue
        if text in "([{" and kind == "sign":
            depth.append({"(": ")", "[": "]", "{": "}"}[text])
        elif text in ")]}" and kind == "sign" and (not depth or depth.pop() != text):
            raise Unreadable(f"{text} closes nothing in {expression!r}")
        at += 1
    if depth:
        raise Unreadable(f"{depth[-1]} is missing in {expression!r}")
    return reading


def _tokens(expression: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(expression):
        found = TOKEN.match(expression, at)
        if found is None:
            raise Unreadable(f"{expression[at]!r} at {at} in {expression!r}")
        at = found.end()
        if found.lastgroup != "space":
            yield str(found.lastgroup), found.group()


def _names_until(tokens: list[tuple[str, str]], at: int, end: str) -> tuple[list[str], int]:
    names: list[str] = []
    while tokens[at][1] != end:
        kind, text = tokens[at]
        if kind == "end":
            raise Unreadable(f"{end} is missing")
        if kind == "name":
            names.append(text)
        at += 1
    return names, at + 1


def _matchers(tokens: list[tuple[str, str]], at: int) -> tuple[list[str], int]:
    return _names_until(tokens, at, "}")
