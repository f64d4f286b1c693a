"""`stockstream`: every command, thin over the packages that do the work. Exit codes: 0 done, 1 not so, 2 usage."""

import sys
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cli import acls, api, commerce, compare, erp, redis_view, second_site, trace
from cli.console import Json, as_process, fail, let_in, out, print_json, settings_or_fail, tell
from schemas import environment
from schemas.environment import SettingError
from streams.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="One true stock position per SKU and location, and what may be promised from it, from event streams.",
    epilog="Settings come from the environment; `stockstream settings` lists them.",
)
topics_app = typer.Typer(no_args_is_help=True, help="The topic catalogue: list, create, verify.")
schemas_app = typer.Typer(no_args_is_help=True, help="The schemas: register, check compatibility.")
app.add_typer(topics_app, name="topics")
topics_app.command("acls")(acls.topics_acls)
connect_app = typer.Typer(no_args_is_help=True, help="The connectors, each a process of its own.")
app.add_typer(schemas_app, name="schemas")
app.add_typer(connect_app, name="connect")
app.add_typer(api.keys_app, name="api-keys")
app.add_typer(commerce.webhooks_app, name="webhooks")
app.add_typer(erp.erp_app, name="erp")
app.add_typer(redis_view.view_app, name="view")
app.command("api")(api.api)
app.command("trace")(trace.trace)
app.command("compare")(compare.compare)
app.command("mirror")(second_site.mirror)
app.command("handover")(second_site.handover)
connect_app.command("redis")(redis_view.connect_redis)
connect_app.command("webhooks")(commerce.connect_webhooks)
connect_app.command("shop")(commerce.connect_shop)
connect_app.command("erp")(erp.connect_erp)


@app.command()
def demo(
    events: Annotated[int, typer.Option(help="Events to simulate.", min=1_000)] = 60_000,
    seed: Annotated[int, typer.Option(help="The same seed makes the same days.")] = 7,
    workers: Annotated[int, typer.Option(help="Worker processes.", min=1, max=4)] = 2,
    days: Annotated[int, typer.Option(help="Business days to live through.", min=1, max=20)] = 5,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running and print the endpoints.")] = False,
    as_json: Json = False,
) -> None:
    """Run a distribution network on a local stack, kill a worker half-way, and prove every position right."""
    from local.demo import run_demo

    raise typer.Exit(run_demo(events=events, seed=seed, workers=workers, days=days, keep=keep, as_json=as_json))


@app.command()
def up(
    as_json: Json = False,
    workers: Annotated[int, typer.Option(help="Worker processes.", min=1, max=4)] = 1,
) -> None:
    """Start the local stack and workers, print the endpoints, run until Ctrl-C.

    A bootstrap server, registry or Redis given by setting is used instead of the local one.
    """
    from local.up import run_up

    chosen, given = settings_or_fail(Settings), environment.given(Settings)
    raise typer.Exit(run_up(chosen, given, workers=workers, as_json=as_json))


@app.command()
def worker() -> None:
    """Run one worker until it is told to stop.

    Exit codes: 2 a setting, 74 stuck, 75 fault (start again), 76 state is damaged, 77 the broker does not let it in.
    """
    as_process("worker")
    from streams.worker import run

    run(settings_or_fail(Settings))


@app.command("settings")
def list_settings(as_json: Json = False) -> None:
    """List every setting with its default and meaning."""
    from cli.settings import rows

    if as_json:
        names = ("process", "variable", "default", "meaning")
        print_json([dict(zip(names, row, strict=True)) for row in rows()])
        return
    table = Table("process", "variable", "default", "meaning")
    for row in rows():
        table.add_row(*row)
    out.print(table)


def changelogs(app_id: str) -> list[str]:
    from streams.topics import STAGES, changelog

    return [changelog(app_id, stage) for stage in STAGES]


def channel_ids(path: str) -> list[str]:
    """Ids of the declared channels; ends with a clear message where the file is missing or wrong."""
    import yaml

    from tables.channels import ChannelsError, parse

    try:
        return [channel.id for channel in parse(yaml.safe_load(Path(path).read_text())).channels]
    except (OSError, ChannelsError, yaml.YAMLError) as error:
        raise fail(f"{path}: {error}; set STOCKSTREAM_CHANNELS to the channels' declaration", 2) from None


@topics_app.command("apply")
def topics_apply(as_json: Json = False) -> None:
    """Create what is missing, verify what is there; a mismatch says what differs and how to mend it."""
    from schemas.access import librdkafka
    from schemas.retention import retention
    from schemas.topics_admin import BrokerUnreachable, TopicMismatch, apply

    chosen = settings_or_fail(Settings)
    try:
        days = retention(chosen.retention_days)
    except SettingError as error:
        raise fail(str(error), 2) from None
    let_in(chosen)
    try:
        created = apply(
            librdkafka(chosen),
            partitions=chosen.partitions,
            replication=chosen.replication,
            channels=channel_ids(chosen.channels),
            changelogs=changelogs(chosen.app),
            retention=days,
        )
    except (TopicMismatch, BrokerUnreachable) as error:
        raise fail(str(error)) from None
    if as_json:
        print_json({"created": created})
    else:
        out.print(f"{len(created)} created, the others are as they should be" if created else "all as they should be")


@schemas_app.command("register")
def schemas_register(as_json: Json = False) -> None:
    """Register every subject with its compatibility mode; an incompatible change is refused, naming the field.

    So is a registry that knows none of our subjects where topics hold records: they carry the ids of another.
    """
    from schemas.access import librdkafka
    from schemas.registry import RegistryError, knows_us, register_all
    from schemas.topics_admin import with_records

    chosen = settings_or_fail(Settings)
    channels = channel_ids(chosen.channels)
    try:
        if not knows_us(chosen, channels) and (held := with_records(librdkafka(chosen), channels)):
            raise fail(
                f"the registry knows none of our subjects, but {', '.join(held[:3])} hold records, which carry ids: "
                f"registered anew, the ids would mean other schemas. Bring the registry back from its storage"
            )
        ids = register_all(chosen, channels)
    except (RegistryError, SettingError) as error:
        raise fail(str(error)) from None
    if as_json:
        print_json(ids)
    else:
        out.print(f"{len(ids)} subjects registered")


@schemas_app.command("check")
def schemas_check(as_json: Json = False) -> None:
    """Say what `register` would be refused for, without registering anything."""
    from schemas.registry import RegistryError, check_all

    chosen = settings_or_fail(Settings)
    try:
        findings = check_all(chosen, channel_ids(chosen.channels))
    except RegistryError as error:
        raise fail(str(error)) from None
    if as_json:
        print_json({"incompatible": findings})
    for finding in () if as_json else findings:
        tell(escape(finding))
    if findings:
        raise typer.Exit(1)
    if not as_json:
        out.print("all compatible")


@app.command()
def bench(
    names: Annotated[
        list[str] | None, typer.Argument(help="inventory, scans, latency, recovery, api; all by default.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure the figures of benchmarks/RESULTS.md, each on a stack of its own."""
    from benchmarks.main import BENCHMARKS, run

    chosen = names or list(BENCHMARKS)
    unknown = [name for name in chosen if name not in BENCHMARKS]
    if unknown:
        raise fail(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}", 2)
    results = run(chosen)
    if as_json:
        print_json(results)


@topics_app.command("list")
def topics_list(as_json: Json = False) -> None:
    """List the catalogue: every topic with its key, record, owner, producers and consumers."""
    from schemas.catalogue import catalogue

    topics = catalogue().topics
    if as_json:
        print_json([asdict(topic) for topic in topics])
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
    from confluent_kafka import KafkaException

    from connectors.availability import read_availability, render
    from connectors.away import Away

    chosen = settings_or_fail(Settings)
    let_in(chosen, "availability.snapshots")
    try:
        found = read_availability(chosen, sku, location)
    except (Away, SettingError, TimeoutError) as error:
        raise fail(str(error)) from None
    except KafkaException as error:
        raise fail(f"{chosen.bootstrap}: {error.args[0].str()}; is a broker up there?") from None
    if not found:
        where = f" at {location}" if location else ""
        raise fail(f"no position is known for {sku}{where}; is the SKU spelled as in erp.items?")
    if as_json:
        print_json(found)
    else:
        out.print(render(found))


def main() -> None:
    """The console script's entry. A trace of a fault names no values: typer's would show every secret in reach."""
    try:
        app()
    except SettingError as error:
        sys.exit(fail(str(error), 2).exit_code)
    except Exception as error:
        if "schemas.logs" in sys.modules and sys.modules["schemas.logs"].speaks_json():
            raise
        from schemas.redaction import text

        tell(escape(text("".join(traceback.format_exception(error)))))
        sys.exit(1)


if __name__ == "__main__":
    main()
