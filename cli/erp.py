"""`stockstream connect erp` posts to the ERP; `stockstream erp route|results|status|stand-in` look after it."""

import time
import urllib.error
import urllib.request
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from cli.console import Json, as_process, fail, let_in, out, print_json, settings_or_fail

if TYPE_CHECKING:
    from connectors.outbound.erp.settings import Settings

erp_app = typer.Typer(no_args_is_help=True, help="Postings into the ERP: where one goes, what became of it.")


def chosen() -> "Settings":
    """The connector's settings, or the end with exit code 2."""
    from connectors.outbound.erp.settings import Settings

    return settings_or_fail(Settings)


def connect_erp() -> None:
    """Post to the ERP until told to stop. Exit code 75: a fault, start it again."""
    as_process("erp")
    from connectors.outbound.erp.main import run
    from connectors.outbound.erp.routing import RoutingError

    try:
        raise typer.Exit(run(chosen()))
    except (RoutingError, ValueError) as error:
        raise fail(str(error), 2) from None


@erp_app.command("route")
def route(
    document: str,
    operation: Annotated[str, typer.Option(help="goods_receipt, shipment_confirm, …")],
    location: Annotated[list[str], typer.Option(help="Location of a line; once for each.")],
    partner: Annotated[str | None, typer.Option(help="Supplier or channel.")] = None,
    at: Annotated[datetime | None, typer.Option(help="When the posting became due, UTC; now by default.")] = None,
    as_json: Json = False,
) -> None:
    """Say which system a posting would go to by the routing file. Exit code 1 where it is ambiguous."""
    from datetime import UTC

    from connectors.outbound.erp.adapter import OPERATIONS
    from connectors.outbound.erp.file_adapter import bare
    from connectors.outbound.erp.main import load_routing
    from connectors.outbound.erp.routing import Ambiguous, RoutingError

    if operation not in OPERATIONS:
        raise fail(f"--operation: no operation {operation}; there are {', '.join(OPERATIONS)}", 2)
    when = int(at.replace(tzinfo=UTC).timestamp() * 1000) if at else time.time_ns() // 1_000_000
    posting: Any = {
        **bare(f"{document}/{operation.upper()}/1"),
        "operation": operation,
        "partner": partner,
        "created_at": when,
        "lines": [{"location": place} for place in location],
    }
    try:
        found = load_routing(chosen()).route(posting)
    except RoutingError as error:
        raise fail(str(error), 2) from None
    except Ambiguous as error:
        raise fail(str(error)) from None
    if as_json:
        print_json({"system": found.system, "former": found.former, "shadow": found.shadow})
        return
    out.print(found.system)
    if found.former:
        out.print(f"but if it has the document already: {', '.join(found.former)}")
    if found.shadow:
        out.print(f"and for comparison: {', '.join(found.shadow)}")


@erp_app.command("results")
def results(document: str, as_json: Json = False) -> None:
    """Show every attempt to post a document, oldest first: the audit trail. Exit code 1 where there is none."""
    from confluent_kafka import KafkaException

    from connectors.away import Away
    from connectors.outbound.erp.audit import read_results
    from schemas.environment import SettingError

    settings = chosen()
    let_in(settings, "erp.posting-results")
    try:
        found = read_results(settings, document)
    except (Away, SettingError, TimeoutError) as error:
        raise fail(str(error)) from None
    except KafkaException as error:
        raise fail(f"{settings.bootstrap}: {error.args[0].str()}; is a broker up there?") from None
    if as_json:
        print_json(found)
    elif found:
        table = Table("answered", "step", "revision", "attempt", "outcome", "system", "ERP document", "reason")
        for r in found:
            when = _local(r["answered_at"])
            system = f"{r['system']} (shadow)" if r["shadow"] else r["system"] or ""
            numbers = str(r["revision"]), str(r["attempt"])
            table.add_row(when, r["step"], *numbers, r["outcome"], system, r["erp_document"] or "", r["reason"] or "")
        out.print(table)
    else:
        raise fail(f"no attempt is known for {document}; is it spelled as in the posting, such as PURCHASE_ORDER:4711?")


@erp_app.command("status")
def status(as_json: Json = False) -> None:
    """Show backlog, age, systems and their last fault, of the connector on this machine.

    Exit code 1 where it does not answer, or still waits for what it needs.
    """
    import orjson

    path = Path(chosen().data_dir) / "erp.url"
    try:
        with urllib.request.urlopen(f"{path.read_text()}/readyz", timeout=5) as answer:  # noqa: S310 - our own file
            told = orjson.loads(answer.read())
    except urllib.error.HTTPError as error:
        told = orjson.loads(error.read())
    except (OSError, ValueError) as error:
        raise fail(f"no connector answers ({path}: {error}); start `stockstream connect erp`") from None
    if as_json:
        print_json(told)
    else:
        table = Table("group", "backlog", "oldest", "system", "waiting", "breaker", "last fault", title=told["state"])
        for group, it in told.get("groups", {}).items():
            for name, system in it["systems"].items():
                oldest = f"{it['oldest_s']:.0f} s"
                count = str(system["waiting"])
                table.add_row(group, str(it["backlog"]), oldest, name, count, system["breaker"], _fault(system))
        out.print(table)
    if told["state"] != "ready":
        raise typer.Exit(1)


def _fault(system: dict[str, Any]) -> str:
    """When, by the wall clock, and what; nothing where there was none since the connector's start."""
    fault = system["last_fault"]
    return escape(f"{_local(fault['at'])} {fault['reason']}") if fault else ""


def _local(at: int) -> str:
    return datetime.fromtimestamp(at / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")


@erp_app.command("stand-in")
def stand_in(
    state: Annotated[Path, typer.Option(help="SQLite file that keeps what it has taken.")] = Path("erp.sqlite"),
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 0,
    seed: Annotated[int, typer.Option(help="The same seed draws the same faults.")] = 7,
) -> None:
    """Run a stand-in ERP for trying things out: prints its address; POST /faults makes it misbehave."""
    import asyncio

    from local.erp_server import serve

    asyncio.run(serve(state, port, seed))
