"""The files that follow from the definitions, by their path in the repository."""

from pathlib import Path
from typing import Final

from monitoring import objectives, panels, platform, reference, rules
from monitoring.integration_board import INTEGRATION
from monitoring.operations_board import OPERATIONS
from monitoring.partners_board import PARTNERS
from monitoring.platform_board import PLATFORM
from monitoring.rules import Alert, Group, Recording
from schemas.metrics import SITE

FILES: Final = "helm/stockstream/files"
"""The chart's own; compose mounts the same."""
DASHBOARDS: Final = (OPERATIONS, INTEGRATION, PARTNERS, PLATFORM)
RULES: Final[dict[str, tuple[Group, ...]]] = {"objectives": objectives.groups(), "platform": platform.groups()}


def files() -> dict[str, str]:
    """Path and content of every generated file."""
    written = {f"{FILES}/rules/{name}.yaml": rules.dump(groups) for name, groups in RULES.items()}
    written |= {f"{FILES}/dashboards/{board.uid}.json": panels.dump(board) for board in DASHBOARDS}
    return {**written, "docs/metrics.md": reference.page()}


def alerts() -> list[Alert]:
    return [rule for groups in RULES.values() for group in groups for rule in group.rules if isinstance(rule, Alert)]


def recorded() -> dict[str, set[str]]:
    """Labels of every recorded series."""
    found: dict[str, set[str]] = {}
    for groups in RULES.values():
        for rule in (rule for group in groups for rule in group.rules):
            if isinstance(rule, Recording):
                found.setdefault(rule.name, {SITE}).update(rule.having)
    return found


def expressions() -> list[tuple[str, str]]:
    """Where each expression stands, and the expression."""
    found = [
        (f"rule {rule.name}", rule.written) for groups in RULES.values() for group in groups for rule in group.rules
    ]
    found += [
        (f"{board.uid}: {panel.title}", query.written)
        for board in DASHBOARDS
        for panel in board.panels()
        for query in panel.queries
    ]
    return found


def write(root: Path) -> list[str]:
    """Write what differs; return which files did."""
    changed = []
    for name, text in files().items():
        path = root / name
        if not path.is_file() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            changed.append(name)
    return changed
