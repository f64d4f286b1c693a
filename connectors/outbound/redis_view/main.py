"""The Redis view as a process: `stockstream connect redis`."""

import asyncio
import logging
from pathlib import Path

import yaml

from connectors import process
from connectors.decoding import Decoding
from connectors.outbound.redis_view.changes import TOPICS
from connectors.outbound.redis_view.report import Report, instance_name
from connectors.outbound.redis_view.settings import Settings
from connectors.outbound.redis_view.store import Store, connect
from connectors.outbound.redis_view.view import View
from connectors.process import Process
from schemas import access
from schemas.environment import SettingError
from tables.channels import ChannelsError, parse

NAME = "redis-view"


def topics(settings: Settings) -> list[str]:
    """The topics the view keeps; raise SettingError when the channels' declaration cannot be used."""
    try:
        channels = parse(yaml.safe_load(Path(settings.channels).read_text())).channels
    except (OSError, ChannelsError, yaml.YAMLError) as error:
        raise SettingError(f"{settings.channels}: {error}; STOCKSTREAM_CHANNELS names the declaration") from None
    return [*TOPICS, *(channel.topic for channel in channels)]


def run(settings: Settings) -> int:
    """Keep the view until told to stop; return the exit code. Raise SettingError for settings it cannot work with."""
    if not settings.redis:
        raise SettingError("STOCKSTREAM_REDIS is not set: the view needs the URL of a Redis, redis:// or rediss://")
    names = topics(settings)
    access.redis(settings)

    async def main(it: Process) -> None:
        await keep(it, settings, names)

    return process.run(NAME, settings, main, host=settings.http_host, port=settings.http_port)


async def keep(it: Process, settings: Settings, names: list[str]) -> None:
    """Wire the parts and run them until told to stop."""
    decoding = Decoding(settings)
    await decoding.load(names)
    store, name = Store(connect(settings), settings.app), instance_name()
    view = View(settings, names, store, decoding, it.stopping)
    report = Report(it, view, store, name)
    beside = [asyncio.create_task(report.run()), asyncio.create_task(report.follow_ends())]
    loop = asyncio.create_task(view.run())
    try:
        await asyncio.wait([loop, *beside], return_when=asyncio.FIRST_COMPLETED)
    finally:
        it.stopping.set()
        for task in beside:
            task.cancel()
        ended = await asyncio.gather(loop, *beside, return_exceptions=True)
        await leave(view, store, name)
    for fault in ended:
        if isinstance(fault, Exception):
            raise fault


async def leave(view: View, store: Store, name: str) -> None:
    """Give the partitions to the others at once, and say goodbye where somebody listens."""
    try:
        await view.reader.close()
        if store.epoch and view.away is None:
            await store.strike_off(name)
    except Exception as error:  # noqa: BLE001 - whatever it is, the process ends anyway
        logging.getLogger(NAME).info("left without a word: %s", error)
    finally:
        await store.close()
