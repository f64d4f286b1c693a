"""`stockstream mirror` and `stockstream handover`: a second site is fed the same facts, and takes the ERP over."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cli.console import Json, fail, out, print_json, settings_or_fail, tell
from schemas.environment import SettingError, read

Other = Annotated[Path, typer.Argument(help="File with the other site's STOCKSTREAM_… settings, a line each.")]
SHOWN = 20
"""Differences shown to people; --json has them all."""


def mirror(
    other: Other,
    once: Annotated[bool, typer.Option("--once", help="End when nothing is left to copy.")] = False,
) -> None:
    """Copy the facts of this site to another's broker, and go on as they come, until told to stop.

    Reference topics first, then all inbound ones. Partition counts may differ: records of a key keep their order.
    Exit codes: 0 stopped or all copied, 75 a fault (start it again), 2 cannot be mirrored.
    """
    from confluent_kafka import KafkaException

    from connectors.compare import other_site
    from connectors.mirror import Mirror, patiently
    from schemas.exit_codes import FAULT
    from schemas.registry import RegistryError
    from streams.settings import Settings

    ours = settings_or_fail(Settings)
    with _told(other):
        theirs = other_site(other.read_text())
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())

    def said(copied: int, left: int) -> None:
        tell(f"{copied} copied, {left} left")

    try:
        copier = Mirror(ours, theirs)
        try:
            copier.run(stopping, once=once, tell=patiently(said))
        finally:
            copier.close()
    except SettingError as error:
        raise fail(str(error), 2) from None
    except KafkaException as error:
        raise fail(f"{error.args[0].str()}; are both brokers up?", FAULT) from None
    except (RegistryError, TimeoutError) as error:
        raise fail(str(error), FAULT) from None
    out.print(f"{copier.copied} records copied")


def handover(
    other: Other,
    finish: Annotated[
        bool, typer.Option("--finish", help="Both sites are still: hand the ERP over, once and for good.")
    ] = False,
    accept_older: Annotated[
        bool, typer.Option("--accept-older", help="Go on where the ERP has more than facts at the other site.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Hand the ERP over to a site that was fed the same facts: no posting twice, none left out.

    Run with the settings of the site that has the ERP. Without --finish it only answers those postings of the other
    site that the ERP has from this one, and says what differs; as often as you like, while both are at work.
    Exit codes: 0 in agreement (or handed over), 1 not yet, 2 cannot be done.
    """
    from confluent_kafka import KafkaException

    from connectors.away import Away
    from connectors.compare import lines
    from connectors.handover import NotReady, Sites
    from connectors.outbound.erp.settings import Settings
    from schemas.registry import RegistryError

    ours = settings_or_fail(Settings)
    with _told(other):
        theirs = read(Settings, lines(other.read_text()))
    try:
        sites = Sites(ours, theirs)
        done = sites.finish(accept_older=accept_older) if finish else sites.answer()
    except NotReady as error:
        raise fail(str(error)) from None
    except KafkaException as error:
        raise fail(f"{error.args[0].str()}; are both brokers up?", 2) from None
    except (Away, RegistryError, TimeoutError, SettingError) as error:
        raise fail(str(error), 2) from None
    if as_json:
        found = [d._asdict() for d in done.differences]
        print_json({"answered": done.answered, "again": done.again, "differences": found, "finished": done.finished})
    elif done.differences:
        table = Table("document", "step", "why", "in the ERP", "said there")
        for d in done.differences[:SHOWN]:
            table.add_row(d.document, d.step, d.why, escape(str(d.in_erp)), escape(str(d.said)))
        out.print(table)
        tell(f"{len(done.differences)} steps differ; {done.answered} postings answered")
    else:
        out.print(f"{done.answered} postings answered" + ("; start the other site's ERP connector" if finish else ""))
    if done.differences:
        raise typer.Exit(1)


@contextmanager
def _told(other: Path) -> Iterator[None]:
    """End with exit code 2 where the other site's file is missing or wrong."""
    try:
        yield
    except (OSError, SettingError) as error:
        raise fail(f"{other}: {error}", 2) from None
