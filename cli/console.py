"""How every command speaks: results to stdout, everything else to stderr, an error as one line with an exit code."""

import logging
import sys
from typing import Annotated, Any, TypeVar

import orjson
import typer
from rich.console import Console
from rich.markup import escape

from schemas.environment import SettingError, Shared, read

out, err = Console(), Console(stderr=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a machine to read.")]
T = TypeVar("T")


def tell(text: str) -> None:
    """To people, beside the output: lines are as long as they are, so that names can be found and copied."""
    err.print(text, highlight=False, soft_wrap=True)


def fail(message: str, code: int = 1) -> typer.Exit:
    logs = sys.modules.get("schemas.logs")
    if logs is not None and logs.speaks_json():
        logging.getLogger("stockstream").error("%s", message)
    else:
        tell(f"[red]error:[/red] {escape(message)}")
    return typer.Exit(code)


def as_process(name: str) -> None:
    """From now on we are a process that runs until told to stop: whatever it says is a line of its log."""
    from schemas.logs import log_to_stderr

    log_to_stderr("warning", name)


def print_json(value: Any) -> None:
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")


def let_in(settings: Shared, *topics: str) -> None:
    """End with exit code 77 where the broker does not let us in, or does not let us read these topics; 2 for settings."""
    from schemas.acls import Acl
    from schemas.admission import Refused, admitted
    from schemas.exit_codes import REFUSED

    try:
        admitted(settings, [Acl("", "topic", topic, "literal", "read") for topic in topics])
    except Refused as error:
        raise fail(str(error), REFUSED) from None
    except SettingError as error:
        raise fail(str(error), 2) from None


def settings_or_fail(kind: type[T]) -> T:
    """The settings of a process, or the end with exit code 2."""
    try:
        return read(kind)
    except SettingError as error:
        raise fail(str(error), 2) from None
