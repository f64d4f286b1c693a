"""Recording rules and alerts as Prometheus reads them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import yaml

from monitoring.promql import by_label
from schemas.metrics import SITE

RUNBOOKS: Final = "docs/runbooks"
WHICH: Final = f"{{{{ with $labels.{SITE} }}}} [{{{{ . }}}}]{{{{ end }}}}"
"""Where one Prometheus has several sites."""
HEAD: Final = "# Written by `make monitoring` from monitoring/: change it there.\n"


@dataclass(frozen=True, slots=True)
class Recording:
    """A series computed from others; `having`: the labels it has beside those it is given."""

    name: str
    expression: str
    having: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    def dump(self) -> dict[str, Any]:
        given = {"labels": dict(self.labels)} if self.labels else {}
        return {"record": self.name, "expr": self.written, **given}

    @property
    def written(self) -> str:
        """The expression, of each site apart."""
        return by_label(self.expression, SITE)


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert. Critical wakes somebody; a warning is for working hours."""

    name: str
    expression: str
    severity: Literal["critical", "warning"]
    summary: str
    description: str
    wait: str = "0m"
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def runbook(self) -> str:
        return f"{RUNBOOKS}/{self.name}.md"

    @property
    def written(self) -> str:
        """The expression, of each site apart."""
        return by_label(self.expression, SITE)

    def dump(self) -> dict[str, Any]:
        return {
            "alert": self.name,
            "expr": self.written,
            **({"for": self.wait} if self.wait != "0m" else {}),
            "labels": {"severity": self.severity, "product": "stockstream", **self.labels},
            "annotations": {
                "summary": self.summary + WHICH,
                "description": self.description,
                "runbook_url": self.runbook,
            },
        }


@dataclass(frozen=True, slots=True)
class Group:
    """Rules evaluated together, in order."""

    name: str
    rules: tuple[Recording | Alert, ...]
    interval: str = ""

    def dump(self) -> dict[str, Any]:
        pace = {"interval": self.interval} if self.interval else {}
        return {"name": self.name, **pace, "rules": [rule.dump() for rule in self.rules]}


class _Dumper(yaml.SafeDumper):
    """Long expressions stay readable: text of several lines as a block."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def dump(groups: Iterable[Group]) -> str:
    """A rule file."""
    document = {"groups": [group.dump() for group in groups]}
    return HEAD + yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=160, allow_unicode=True)
