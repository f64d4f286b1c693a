"""`stockstream api` and `stockstream api-keys`: run the API, and keep the keys it accepts."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cli.console import Json, as_process, err, fail, out, print_json, settings_or_fail

keys_app = typer.Typer(no_args_is_help=True, help="The API's keys: create, list, revoke.")
File = Annotated[
    str, typer.Option("--file", envvar="STOCKSTREAM_API_KEYS_FILE", help="The keys' file; made if it is missing.")
]


def api() -> None:
    """Serve availability, streams, reservations and intake over HTTP until told to stop. Exit code 75: start again."""
    as_process("api")
    from connectors.api.main import run
    from connectors.api.settings import ApiSettings

    raise typer.Exit(run(settings_or_fail(ApiSettings)))


@keys_app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Whose key it is, for people.")],
    file: File,
    scope: Annotated[list[str], typer.Option(help="What it may do; may be repeated.")],
    channel: Annotated[str | None, typer.Option(help="The one channel it is bound to.")] = None,
    partner: Annotated[str | None, typer.Option(help="The one partner it is bound to.")] = None,
    days: Annotated[int | None, typer.Option(help="Days until it expires; without, it does not.", min=1)] = None,
    rate: Annotated[int | None, typer.Option(help="Requests per second.", min=1)] = None,
    as_json: Json = False,
) -> None:
    """Make a key and print it: it is shown this once, the file keeps only its hash."""
    from connectors.api import api_keys
    from schemas.environment import SettingError

    expires = None if days is None else (datetime.now(UTC) + timedelta(days=days)).isoformat(timespec="seconds")
    try:
        text, key = api_keys.create(
            Path(file), name, scope, channel=channel, partner=partner, expires=expires, rate=rate
        )
    except SettingError as error:
        raise fail(str(error), 2) from None
    if as_json:
        print_json({"key": text, "id": key.id, "expires": key.expires})
    else:
        err.print(f"key {key.id} of {escape(name)}; it is shown this once:", highlight=False)
        out.print(text, highlight=False, soft_wrap=True)


@keys_app.command("list")
def show(file: File, as_json: Json = False) -> None:
    """List the keys, without their secrets, which nobody has."""
    from connectors.api import api_keys
    from schemas.environment import SettingError

    try:
        keys = api_keys.load(Path(file))
    except SettingError as error:
        raise fail(str(error), 2) from None
    if as_json:
        print_json([api_keys.described(key) for key in keys])
        return
    table = Table("id", "name", "scopes", "channel", "partner", "expires", "rate", "revoked")
    for key in keys:
        rate = "" if key.rate is None else str(key.rate)
        bound = (key.channel or "", key.partner or "", key.expires or "", rate, key.revoked or "")
        table.add_row(key.id, key.name, " ".join(key.scopes), *map(str, bound))
    out.print(table)


@keys_app.command("revoke")
def revoke(identifier: Annotated[str, typer.Argument(metavar="ID")], file: File, as_json: Json = False) -> None:
    """Refuse a key from now on; running processes hear of it within a second."""
    from connectors.api import api_keys
    from schemas.environment import SettingError

    try:
        key = api_keys.revoke(Path(file), identifier)
    except SettingError as error:
        raise fail(str(error), 2) from None
    except KeyError:
        raise fail(f"{file} has no key {identifier}; `stockstream api-keys list` shows them") from None
    if as_json:
        print_json(api_keys.described(key))
    else:
        out.print(f"key {key.id} of {escape(key.name)} is revoked", highlight=False)
