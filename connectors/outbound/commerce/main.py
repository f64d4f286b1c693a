"""`stockstream connect webhooks` and `connect shop`: reads settings and declarations, wires the parts, runs them."""

import asyncio
import logging
from pathlib import Path
from typing import Final

import yaml

from connectors import process
from connectors.outbound.commerce.delivery import trusted_receivers
from connectors.outbound.commerce.settings import Commerce
from connectors.outbound.commerce.shop import ShopError, serve_shop
from connectors.outbound.commerce.subscriptions import SubscriptionsError, load
from connectors.outbound.commerce.webhooks import Webhooks
from schemas.environment import SettingError
from schemas.logs import log_to_stderr
from schemas.registry import connected_codec
from tables.channels import Channel, ChannelsError, parse

USAGE: Final = 2
"""Exit code of settings or declarations that cannot be used."""


def declared_channels(settings: Commerce) -> dict[str, Channel]:
    """The channels by id; raise ChannelsError naming the file."""
    try:
        declared = parse(yaml.safe_load(Path(settings.channels).read_text()))
    except OSError as error:
        raise ChannelsError(f"{settings.channels}: {error.strerror}; set STOCKSTREAM_CHANNELS") from None
    except yaml.YAMLError as error:
        raise ChannelsError(f"{settings.channels}: not YAML: {error}") from None
    return {channel.id: channel for channel in declared.channels}


def run_webhooks(settings: Commerce) -> int:
    """Deliver every declared subscription's changes until told to stop; returns the exit code."""
    try:
        channels = declared_channels(settings)
        load(settings, channels)
        trusted = trusted_receivers(settings)
    except (ChannelsError, SubscriptionsError, SettingError) as error:
        return _refuse("webhooks", settings, error)

    async def main(frame: process.Process) -> None:
        codec = await asyncio.to_thread(connected_codec, settings, channels)
        await Webhooks(settings, codec, channels, trusted, frame).run()

    return process.run("webhooks", settings, main, host=settings.http_host, port=settings.http_port)


def run_shop(settings: Commerce) -> int:
    """Keep the shop's quantities those of its channel until told to stop; returns the exit code."""
    try:
        channels = declared_channels(settings)
        work = serve_shop(settings, channels)
    except (ChannelsError, ShopError, SettingError) as error:
        return _refuse("shop", settings, error)

    async def main(frame: process.Process) -> None:
        codec = await asyncio.to_thread(connected_codec, settings, [settings.shop_channel])
        await work(codec, frame)

    return process.run("shop", settings, main, host=settings.http_host, port=settings.http_port)


def _refuse(name: str, settings: Commerce, error: Exception) -> int:
    log_to_stderr(settings.log_level, name)
    logging.getLogger(name).error("%s", error)
    return USAGE
