"""`stockstream`: every command, thin over the packages that do the work. Exit codes: 0 done, 1 not so, 2 usage."""

import sys
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from streams import settings as worker_settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="One true stock position per SKU and location, and what may be promised from it, from event streams.",
    epilog="Settings come from the environment; `stockstream settings` lists them.",
)
topics_app = typer.Typer(no_args_is_help=True, help="The topic catalogue: list, create, verify.")
schemas_app = typer.Typer(no_args_is_help=True, help="The schemas: register, check compatibility.")
app.add_typer(topics_app, name="topics")
app.add_typer(schemas_app, name="schemas")
out, err = Console(), Console(stderr=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a machine to read.")]


def fail(message: str, code: int = 1) -> typer.Exit:
    err.print(f"[red]error:[/red] {message}", highlight=False)
    return typer.Exit(code)


def print_json(value: Any) -> None:
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")


@app.command()
def demo(
    events: Annotated[int, typer.Option(help="Events to simulate.", min=1_000)] = 200_000,
    seed: Annotated[int, typer.Option(help="The same seed makes the same days.")] = 7,
    workers: Annotated[int, typer.Option(help="Worker processes.", min=1, max=4)] = 2,
    days: Annotated[int, typer.Option(help="Business days to live through.", min=1, max=20)] = 5,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running and print the endpoints.")] = False,
    as_json: Json = False,
) -> None:
    """Run a distribution network on a local stack, kill a worker half-way, and prove every position right."""
    from local.demo import run_demo  # noqa: PLC0415 - the other commands need no simulator

    raise typer.Exit(run_demo(events=events, seed=seed, workers=workers, days=days, keep=keep, as_json=as_json))


@app.command()
def up(
    as_json: Json = False,
    workers: Annotated[int, typer.Option(help="Worker processes.", min=1, max=4)] = 1,
    directory: Annotated[Path, typer.Option(help="Where data and logs are kept.")] = Path(".stockstream"),
) -> None:
    """Start the local stack and workers, print the endpoints, run until Ctrl-C."""
    from local.up import run_up  # noqa: PLC0415

    raise typer.Exit(run_up(directory=directory, workers=workers, as_json=as_json))


@app.command()
def worker() -> None:
    """Run one worker until it is told to stop. Exit codes: 74 stuck, 75 fault (start again), 76 state is damaged."""
    from streams.worker import run  # noqa: PLC0415 - Faust is slow to import

    try:
        chosen = worker_settings.load()
    except worker_settings.SettingError as error:
        raise fail(str(error), 2) from None
    run(chosen)


@app.command("settings")
def list_settings(as_json: Json = False) -> None:
    """List every setting with its default and meaning."""
    rows = worker_settings.documented()
    if as_json:
        print_json([{"variable": name, "default": default, "meaning": doc} for name, default, doc in rows])
        return
    table = Table("variable", "default", "meaning")
    for row in rows:
        table.add_row(*row)
    out.print(table)


@topics_app.command("list")
def topics_list(as_json: Json = False) -> None:
    """List the catalogue: every topic with its key, record, owner, producers and consumers."""
    from schemas.catalogue import catalogue  # noqa: PLC0415

    topics = catalogue().topics
    if as_json:
        print_json([{"name": t.name, "key": t.key, "record": t.record, "owner": t.owner} for t in topics])
        return
    table = Table("topic", "key", "record", "cleanup", "owner")
    for t in topics:
        table.add_row(t.name, t.key, t.record, t.cleanup, t.owner)
    out.print(table)


@app.command()
def availability(
    sku: str,
    location: Annotated[str | None, typer.Option(help="One location only.")] = None,
    as_json: Json = False,
) -> None:
    """Show what a SKU has and may promise, by location, read from the snapshots topic."""
    from connectors.availability import read_availability  # noqa: PLC0415
    from connectors.availability import render  # noqa: PLC0415

    chosen = worker_settings.load()
    found = read_availability(chosen.bootstrap, chosen.registry, sku, location)
    if not found:
        where = f" at {location}" if location else ""
        raise fail(f"no position is known for {sku}{where}; is the SKU spelled as in erp.items?")
    if as_json:
        print_json(found)
    else:
        out.print(render(found))


def main() -> None:
    """The console script's entry."""
    app()


if __name__ == "__main__":
    main()
