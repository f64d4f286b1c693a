"""`stockstream trace`: the way of one business event through all topics, with times."""

import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from cli.console import Json, err, fail, let_in, out, print_json, settings_or_fail
from streams.settings import Settings

if TYPE_CHECKING:
    from connectors.trace import Step

UNITS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def trace(
    correlation_id: Annotated[str, typer.Argument(help="As a record, an exception or a log line names it.")],
    since: Annotated[
        str, typer.Option(help="From when on: an age such as 30m, 12h, 7d, or a time in ISO 8601 with its zone.")
    ] = "24h",
    as_json: Json = False,
) -> None:
    """Print the way of one business event: every record of it, when it was written, and what happened.

    Exit code 1 where no record carries the id.
    """
    from dataclasses import asdict

    from confluent_kafka import KafkaException

    from cli.main import channel_ids
    from connectors.away import Away
    from connectors.trace import TooMany
    from connectors.trace import trace as follow
    from schemas.catalogue import catalogue

    chosen = settings_or_fail(Settings)
    channels, begin = channel_ids(chosen.channels), moment(since)
    let_in(chosen, *(topic.name for topic in catalogue().for_channels(channels)))
    columns = TextColumn("reading"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    try:
        with Progress(*columns, console=err, transient=True) as bar:
            reading = bar.add_task("reading", total=None)
            steps = follow(
                chosen,
                channels,
                correlation_id,
                begin,
                lambda done, all_: bar.update(reading, completed=done, total=all_),
            )
    except (TimeoutError, Away, TooMany) as error:
        raise fail(str(error)) from None
    except KafkaException as error:
        raise fail(f"{chosen.bootstrap}: {error.args[0].str()}; is a broker up there?") from None
    if as_json:
        print_json([{**asdict(step), "coordinate": step.coordinate} for step in steps])
    elif steps:
        out.print(_table(steps))
    if not steps:
        raise fail(f"no record since {_time(begin)} carries {correlation_id}; look further back with --since?")


def moment(text: str) -> int:
    """The time meant, ms; ends with exit code 2 where it is none."""
    if (age := re.fullmatch(r"(\d+)([smhd])", text)) is not None:
        return time.time_ns() // 1_000_000 - int(age[1]) * UNITS[age[2]]
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise fail(
            f"--since {text}: give an age such as 30m, 12h, 7d, or a time such as 2026-11-21T08:00:00Z", 2
        ) from None
    if given.tzinfo is None:
        raise fail(f"--since {text}: add the zone, such as {text}Z", 2)
    return int(given.timestamp() * 1000)


def _table(steps: "list[Step]") -> Table:
    table = Table("when", "ms", "where", "record", "what happened")
    for step in steps:
        record = step.record if step.by == "correlation" else f"{step.record} (follows)"
        table.add_row(_time(step.at), f"+{step.since_first_ms}", step.coordinate, record, step.what)
    return table


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
