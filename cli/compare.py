"""`stockstream compare`: whether two sites know the same, before one takes over from the other."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cli.console import Json, fail, out, print_json, settings_or_fail, tell
from schemas.environment import SettingError
from streams.settings import Settings

SHOWN = 20
"""Differences shown to people; --json has them all."""


def compare(
    other: Annotated[Path, typer.Argument(help="File with the other site's STOCKSTREAM_… settings, a line each.")],
    passes: Annotated[int, typer.Option(help="Readings that must all show a difference.", min=1, max=20)] = 3,
    wait: Annotated[float, typer.Option(help="Seconds between two readings.", min=0, max=600)] = 2.0,
    as_json: Json = False,
) -> None:
    """Compare every position of this site with another's. Exit codes: 0 equal, 1 they differ, 2 cannot be compared."""
    from confluent_kafka import KafkaException

    from connectors.away import Away
    from connectors.compare import compare as compared
    from connectors.compare import other_site

    ours = settings_or_fail(Settings)
    try:
        theirs = other_site(other.read_text())
    except (OSError, SettingError) as error:
        raise fail(f"{other}: {error}", 2) from None
    try:
        result = compared(ours, theirs, passes, wait)
    except KafkaException as error:
        raise fail(f"{error.args[0].str()}; are both brokers up?", 2) from None
    except (Away, TimeoutError, SettingError) as error:
        raise fail(str(error), 2) from None
    if as_json:
        found = [{**asdict(d), "fields": d.fields} for d in result.differences]
        print_json({"ours": result.ours, "theirs": result.theirs, "differences": found})
    elif result.differences:
        table = Table("position", "differs in", "here", "there")
        for d in result.differences[:SHOWN]:
            table.add_row(d.key, ", ".join(d.fields) or "known", _said(d.ours, d.fields), _said(d.theirs, d.fields))
        out.print(table)
        tell(f"{len(result.differences)} of {max(result.ours, result.theirs)} positions differ")
    else:
        out.print(f"equal: {result.ours} positions")
    if result.differences:
        raise typer.Exit(1)
    if not result.ours:
        raise fail("neither site has a position; was the right broker named?", 2)


def _said(facts: object, fields: list[str]) -> str:
    if not isinstance(facts, dict):
        return "unknown"
    return escape(", ".join(str(facts[name]) for name in fields) or "known")
