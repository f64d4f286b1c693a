"""How every command speaks: results to stdout, everything else to stderr, an error as one line with an exit code."""

import sys
from typing import Annotated, Any, TypeVar

import orjson
import typer
from rich.console import Console
from rich.markup import escape

from schemas.environment import SettingError, read

out, err = Console(), Console(stderr=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a machine to read.")]
T = TypeVar("T")


def tell(text: str) -> None:
    """To people, beside the output: lines are as long as they are, so that names can be found and copied."""
    err.print(text, highlight=False, soft_wrap=True)


def fail(message: str, code: int = 1) -> typer.Exit:
    tell(f"[red]error:[/red] {escape(message)}")
    return typer.Exit(code)


def print_json(value: Any) -> None:
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")


def settings_or_fail(kind: type[T]) -> T:
    """The settings of a process, or the end with exit code 2."""
    try:
        return read(kind)
    except SettingError as error:
        raise fail(str(error), 2) from None
