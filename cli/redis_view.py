"""`stockstream connect redis` keeps the Redis view; `stockstream view status|rebuild` look after it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import typer
from rich.table import Table

from cli.console import Json, as_process, fail, out, print_json, settings_or_fail, tell

if TYPE_CHECKING:
    from connectors.outbound.redis_view.settings import Settings
    from connectors.outbound.redis_view.store import Store

view_app = typer.Typer(no_args_is_help=True, help="The Redis view: how it is, and building it anew.")


def chosen() -> "Settings":
    """The view's settings, or the end with exit code 2."""
    from connectors.outbound.redis_view.settings import Settings

    settings = settings_or_fail(Settings)
    if not settings.redis:
        raise fail("STOCKSTREAM_REDIS is not set: the view needs the URL of a Redis, redis:// or rediss://", 2)
    return settings


def connect_redis() -> None:
    """Keep the Redis view until told to stop. Exit code 75: a fault, start it again."""
    as_process("redis-view")
    from connectors.outbound.redis_view.main import run
    from schemas.environment import SettingError

    try:
        raise typer.Exit(run(chosen()))
    except SettingError as error:
        raise fail(str(error), 2) from None


def _asked(ask: Callable[["Store"], Awaitable[Any]]) -> Any:
    """Ask Redis one thing; ends with a message when it does not answer."""
    from redis.exceptions import RedisError

    from connectors.away import Away
    from connectors.outbound.redis_view.store import Store, connect

    settings = chosen()

    async def once() -> Any:
        store = Store(connect(settings), settings.app)
        try:
            return await ask(store)
        finally:
            await store.close()

    try:
        return asyncio.run(once())
    except (Away, RedisError) as error:
        raise fail(f"{error}; is STOCKSTREAM_REDIS right?") from None


@view_app.command("status")
def status(as_json: Json = False) -> None:
    """Show who keeps the view and how far they are. Exit code 1 where it is not whole, or nobody keeps it."""
    instances = _asked(lambda store: store.instances())
    if as_json:
        print_json(instances)
    elif instances:
        table = Table("instance", "state", "percent", "records behind", "partitions")
        for name, it in sorted(instances.items()):
            behind = "unknown" if it["lag"] is None else str(it["lag"])
            table.add_row(name, it["state"], f"{it['percent']} %", behind, str(it["partitions"]))
        out.print(table)
    else:
        tell("nobody keeps the view: start `stockstream connect redis`")
    if not instances or any(it["state"] == "rebuilding" for it in instances.values()):
        raise typer.Exit(1)


@view_app.command("rebuild")
def rebuild() -> None:
    """Have the view built anew from the topics, by the instances that keep it; readers get no answer meanwhile."""
    _asked(lambda store: store.forget(whatever=True))
    out.print("the view is built anew; `stockstream view status` says how far it is")
