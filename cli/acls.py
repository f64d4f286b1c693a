"""`stockstream topics acls`: what each component may do at the broker, shown, as commands, or brought there."""

import shlex
from collections.abc import Callable, Iterable
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cli.console import Json, fail, let_in, out, print_json, settings_or_fail, tell

if TYPE_CHECKING:
    from schemas.acls import Acl, Site
    from streams.settings import Settings


class Form(StrEnum):
    """How the list is printed."""

    table = "table"
    kafka_acls = "kafka-acls"
    rpk = "rpk"


def topics_acls(
    principal: Annotated[
        list[str] | None,
        typer.Option(help="COMPONENT=PRINCIPAL or channel:ID=PRINCIPAL, once for each that is not named as usual."),
    ] = None,
    component: Annotated[
        list[str] | None, typer.Option(help="Only this component, or channel:ID; once for each.")
    ] = None,
    feeds: Annotated[
        list[str] | None, typer.Option(help="Channel that may also read feeds.status; once for each.")
    ] = None,
    form: Annotated[Form, typer.Option("--format", help="A table, or commands to run.")] = Form.table,
    apply: Annotated[bool, typer.Option("--apply", help="Add at the broker what is missing.")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="With --apply: remove what these principals may do beyond the list.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --apply: say what would be done.")] = False,
    as_json: Json = False,
) -> None:
    """List the ACLs each component needs, by the catalogue; `--apply` brings them to the broker.

    Principals are User:APP-COMPONENT, and User:channel-ID for a channel, unless told otherwise.
    """
    from schemas.acls import AclError, acls, of_component
    from streams.settings import Settings

    if (prune or dry_run) and not apply:
        raise fail("--prune and --dry-run go with --apply", 2)
    chosen = settings_or_fail(Settings)
    try:
        site = _site(chosen, principal or [], frozenset(feeds or ()))
        wanted = [acl for one in component for acl in of_component(site, one)] if component else acls(site)
    except AclError as error:
        raise fail(str(error), 2) from None
    if apply:
        _apply(chosen, site, wanted, prune=prune, dry_run=dry_run, as_json=as_json)
    elif as_json:
        print_json([asdict(acl) for acl in wanted])
    else:
        _show(form, wanted, chosen.bootstrap)


def _site(chosen: "Settings", named: Iterable[str], feeds: frozenset[str]) -> "Site":
    from cli.main import changelogs, channel_ids
    from connectors.outbound.commerce.settings import Commerce
    from schemas.acls import AclError, Site

    principals = {}
    for one in named:
        component, sign, principal = one.partition("=")
        if not sign or ":" not in principal:
            raise AclError(f"--principal {one}: write COMPONENT=TYPE:NAME, such as worker=User:svc-stockstream")
        principals[component] = principal
    channels = channel_ids(chosen.channels)
    shop = settings_or_fail(Commerce).shop_channel
    if shop not in channels:  # its default where no shop is connected
        shop = ""
    return Site(chosen.app, channels, changelogs(chosen.app), shop, principals, feeds)


# ---- bringing them to the broker ------------------------------------------------------------------------------------


def _apply(chosen: "Settings", site: "Site", wanted: "list[Acl]", *, prune: bool, dry_run: bool, as_json: bool) -> None:
    from confluent_kafka.admin import AdminClient

    from schemas.access import librdkafka
    from schemas.acls_admin import AclsRefused, add, compare, remove

    let_in(chosen)
    try:
        admin = AdminClient({"log_level": 2, **librdkafka(chosen)})
        found = compare(admin, wanted, site)
        if not dry_run:
            add(admin, found.missing)
            remove(admin, found.superfluous if prune else ())
    except AclsRefused as error:
        raise fail(f"{chosen.bootstrap}: {error}") from None
    if as_json:
        print_json(
            {
                "added": [asdict(acl) for acl in found.missing],
                "superfluous": [asdict(acl) for acl in found.superfluous],
                "pruned": prune and not dry_run,
                "dry_run": dry_run,
            }
        )
        return
    would = "would be " if dry_run else ""
    for acl in found.missing:
        out.print(f"{would}added    {_said(acl)}", highlight=False, soft_wrap=True)
    for acl in found.superfluous:
        word = f"{would}removed  " if prune else "not in the list; --prune removes it: "
        out.print(f"{word}{_said(acl)}", highlight=False, soft_wrap=True)
    if not found.missing and not found.superfluous:
        tell("all as they should be")


# ---- showing them ---------------------------------------------------------------------------------------------------


def _said(acl: "Acl") -> str:
    more = "…" if acl.pattern == "prefixed" else ""
    return f"{acl.principal}: {acl.operation} {acl.resource} {acl.name}{more}"


def _show(form: Form, wanted: "list[Acl]", bootstrap: str) -> None:
    if form is Form.table:
        for principal in dict.fromkeys(acl.principal for acl in wanted):
            out.print(_table(principal, [acl for acl in wanted if acl.principal == principal]))
        return
    command = COMMANDS[form]
    for acl in wanted:
        out.print(shlex.join(command(acl, bootstrap)), markup=False, highlight=False, soft_wrap=True)


def _table(principal: str, wanted: "list[Acl]") -> Table:
    """One principal's, the operations on a resource together."""
    operations: dict[tuple[str, str], list[str]] = {}
    for acl in wanted:
        name = acl.name + ("…" if acl.pattern == "prefixed" else "")
        operations.setdefault((acl.resource, name), []).append(acl.operation)
    table = Table("resource", "name", "may", title=principal, title_justify="left", title_style="bold")
    for (resource, name), may in operations.items():
        table.add_row(resource, name, ", ".join(may))
    return table


def _kafka_acls(acl: "Acl", bootstrap: str) -> list[str]:
    on = ["--cluster"] if acl.resource == "cluster" else [f"--{acl.resource}", acl.name]
    operation = "".join(part.capitalize() for part in acl.operation.split("-"))
    command = ["kafka-acls.sh", "--bootstrap-server", bootstrap, "--add", "--allow-principal", acl.principal]
    return [*command, "--operation", operation, *on, "--resource-pattern-type", acl.pattern]


def _rpk(acl: "Acl", bootstrap: str) -> list[str]:
    on = ["--cluster"] if acl.resource == "cluster" else [f"--{acl.resource}", acl.name]
    operation = acl.operation.replace("-", "_")
    command = ["rpk", "security", "acl", "create", "-X", f"brokers={bootstrap}", "--allow-principal", acl.principal]
    return [*command, "--operation", operation, *on, "--resource-pattern-type", acl.pattern]


COMMANDS: dict[Form, Callable[["Acl", str], list[str]]] = {Form.kafka_acls: _kafka_acls, Form.rpk: _rpk}
