"""Enough of PromQL to say which metrics an expression reads, which labels it names, and to ask the same of each site.

promtool says whether it parses.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

TOKEN: Final = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)
      | (?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)
      | (?P<number>\d[\w.]*|\.\d+|\$__\w+)
      | (?P<name>[a-zA-Z_:][\w:]*)
      | (?P<sign>=~|!~|!=|==|>=|<=|[-+*/%^<>=(){}\[\],:@])""",
    re.VERBOSE,
)
GROUPING: Final = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
KEEPING: Final = frozenset({"by", "on"})
"""Groupings that keep the labels they name, and no others."""
AGGREGATORS: Final = frozenset({"sum", "min", "max", "avg", "count"})
WORDS: Final = GROUPING | {"and", "or", "unless", "offset", "bool", "inf", "nan", "atan2"}


class Matcher(NamedTuple):
    """What a selector asks of a label."""

    metric: str
    label: str
    sign: str
    value: str


class Unreadable(ValueError):
    """Not PromQL."""


class Token(NamedTuple):
    kind: str
    text: str
    end: int
    """Where it ends in the expression."""


@dataclass(slots=True)
class Reading:
    """What an expression is about."""

    selectors: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    """Metrics and the labels matched on each."""
    grouped: list[str] = field(default_factory=list)
    """Labels in by, without, on, ignoring and group_left, group_right."""
    places: list[int] = field(default_factory=list)
    """Where the name of each metric ends."""
    lists: list[int] = field(default_factory=list)
    """Where the list of a by or an on begins, behind its parenthesis."""
    bare: list[int] = field(default_factory=list)
    """Where an aggregator without a grouping ends."""

    @property
    def names(self) -> set[str]:
        return {name for name, _ in self.selectors}


def read(expression: str) -> Reading:
    """Take an expression apart; raise Unreadable."""
    tokens = [*_tokens(expression), Token("end", "", len(expression))]
    reading, at = Reading(), 0
    depth: list[str] = []
    while tokens[at].kind != "end":
        kind, text, end = tokens[at]
        following = tokens[at + 1].text
        if kind == "name" and text in GROUPING and following == "(":
            if text in KEEPING:
                reading.lists.append(tokens[at + 1].end)
            labels, at = _names_until(tokens, at + 2, ")")
            reading.grouped += labels
            continue
        if kind == "name" and text in AGGREGATORS and following == "(":
            reading.bare.append(end)
        if kind == "name" and text not in WORDS and following not in ("(", "by", "without"):
            matched: list[str] = []
            if following == "{":
                matched, at = _names_until(tokens, at + 2, "}")
            else:
                at += 1
            reading.selectors.append((text, tuple(matched)))
            reading.places.append(end)
            continue
        if text in "([{" and kind == "sign":
            depth.append({"(": ")", "[": "]", "{": "}"}[text])
        elif text in ")]}" and kind == "sign" and (not depth or depth.pop() != text):
            raise Unreadable(f"{text} closes nothing in {expression!r}")
        at += 1
    if depth:
        raise Unreadable(f"{depth[-1]} is missing in {expression!r}")
    return reading


def matchers(expression: str) -> Iterator[Matcher]:
    """Of every selector, each by itself."""
    tokens = [*_tokens(expression), Token("end", "", len(expression))]
    metric = ""
    for at, (kind, text, _) in enumerate(tokens):
        following = tokens[at + 1 : at + 3]
        if kind == "name" and metric:
            yield Matcher(metric, text, following[0].text, following[1].text[1:-1])
        elif kind == "name" and following[0].text == "{":
            metric = text
        elif text == "}":
            metric = ""


def by_label(expression: str, label: str) -> str:
    """The same of each value of a label apart: no aggregation or matching goes across it."""
    reading = read(expression)
    put = {at: f"{label}{'' if _next(expression, at) == ')' else ', '}" for at in reading.lists}
    return _with(expression, put | dict.fromkeys(reading.bare, f" by ({label})"))


def where(expression: str, matcher: str) -> str:
    """The same of those series alone that a matcher is true of."""
    put: dict[int, str] = {}
    for at in read(expression).places:
        if _next(expression, at) == "{":
            inside = expression.index("{", at) + 1
            put[inside] = f"{matcher}{'' if _next(expression, inside) == '}' else ', '}"
        else:
            put[at] = f"{{{matcher}}}"
    return _with(expression, put)


def _next(expression: str, at: int) -> str:
    return expression[at:].lstrip()[:1]


def _with(expression: str, put: dict[int, str]) -> str:
    """Texts put in at positions."""
    for at in sorted(put, reverse=True):
        expression = expression[:at] + put[at] + expression[at:]
    return expression


def _tokens(expression: str) -> Iterator[Token]:
    at = 0
    while at < len(expression):
        found = TOKEN.match(expression, at)
        if found is None:
            raise Unreadable(f"{expression[at]!r} at {at} in {expression!r}")
        at = found.end()
        if found.lastgroup != "space":
            yield Token(str(found.lastgroup), found.group(), at)


def _names_until(tokens: list[Token], at: int, end: str) -> tuple[list[str], int]:
    names: list[str] = []
    while tokens[at].text != end:
        kind, text, _ = tokens[at]
        if kind == "end":
            raise Unreadable(f"{end} is missing")
        if kind == "name":
            names.append(text)
        at += 1
    return names, at + 1
