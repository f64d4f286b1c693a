"""`stockstream connect webhooks|shop` and `stockstream webhooks list|test|enable`: who hears of changes, and how it goes."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from cli.console import Json, as_process, fail, let_in, out, print_json, settings_or_fail
from connectors.outbound.commerce.settings import Commerce

webhooks_app = typer.Typer(no_args_is_help=True, help="Webhook subscriptions: how they stand, test, enable again.")

Id = Annotated[str, typer.Argument(help="Id of the subscription, as declared.")]


def connect_webhooks() -> None:
    """Deliver channels' changes to their webhook subscriptions until told to stop."""
    as_process("webhooks")
    from connectors.outbound.commerce.main import run_webhooks

    raise typer.Exit(run_webhooks(settings_or_fail(Commerce)))


def connect_shop() -> None:
    """Keep a shop's quantities those of its channel until told to stop."""
    as_process("shop")
    from connectors.outbound.commerce.main import run_shop

    raise typer.Exit(run_shop(settings_or_fail(Commerce)))


@webhooks_app.command("list")
def list_subscriptions(as_json: Json = False) -> None:
    """List every subscription: served, retrying or disabled and why, and how many records it has before it."""
    rows = _run("list")
    if as_json:
        print_json(rows)
        return
    table = Table("subscription", "channel", "url", "state", "before it", "failed", "next attempt", "reason")
    for row in rows:
        table.add_row(*(str(escape(str("" if cell is None else cell))) for cell in row.values()))
    out.print(table)


@webhooks_app.command("test")
def send_test(name: Id, as_json: Json = False) -> None:
    """Send a signed `webhook.test` message now, by all the rules of a delivery, and show the answer."""
    answer = _run("test", name)
    if as_json:
        print_json(answer)
    else:
        out.print(escape(f"{answer['answer']} ({answer['seconds']:.2f} s)"), highlight=False, soft_wrap=True)
    if not answer["ok"]:
        raise typer.Exit(1)


@webhooks_app.command("enable")
def enable_subscription(name: Id) -> None:
    """Serve a disabled subscription again, or retry a failing one at once; it gets what changed since."""
    _run("enable", name)
    out.print(escape(f"{name} is enabled; it gets what changed since"), highlight=False)


def _run(what: str, *names: str) -> Any:
    """One of connectors.outbound.commerce.operate's; its errors in one line."""
    import asyncio

    from confluent_kafka import KafkaException

    from connectors.outbound.commerce import operate
    from connectors.outbound.commerce.compacted import MissingTopic
    from connectors.outbound.commerce.subscriptions import SubscriptionsError
    from schemas.environment import SettingError
    from schemas.registry import RegistryError
    from tables.channels import ChannelsError

    chosen = settings_or_fail(Commerce)
    let_in(chosen, "webhooks.subscriptions")
    work: dict[str, Callable[..., Coroutine[Any, Any, Any]]] = {
        "list": operate.standing, "test": operate.test, "enable": operate.enable
    }  # fmt: skip
    try:
        return asyncio.run(work[what](chosen, *names))
    except (ChannelsError, SubscriptionsError, SettingError) as error:
        raise fail(str(error), 2) from None
    except (RegistryError, TimeoutError, MissingTopic) as error:
        raise fail(str(error)) from None
    except KafkaException as error:
        raise fail(f"{chosen.bootstrap}: {error.args[0].str()}; is a broker up there?") from None


if __name__ == "__main__":
    webhooks_app()
