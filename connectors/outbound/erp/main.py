"""`stockstream connect erp`: settings and routing read, systems built, one group for the systems of record, one a shadow."""

import asyncio
import contextlib
from pathlib import Path

import yaml
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.aio import AIOProducer

from connectors import process, trust
from connectors.kafka import client, producer
from connectors.outbound.erp import metrics
from connectors.outbound.erp.adapter import Answer
from connectors.outbound.erp.attempts import OnlineSystem, Pace
from connectors.outbound.erp.batches import FileSystem
from connectors.outbound.erp.breaker import Breaker, State
from connectors.outbound.erp.comparison import Comparison
from connectors.outbound.erp.connector import Connector
from connectors.outbound.erp.driver import Driver
from connectors.outbound.erp.lanes import Entry
from connectors.outbound.erp.rest_adapter import RestAdapter
from connectors.outbound.erp.results import EXCEPTIONS, LETTERS, POSTINGS, RESULTS, Results
from connectors.outbound.erp.routing import Routing, RoutingError, System
from connectors.outbound.erp.routing_file import parse, single
from connectors.outbound.erp.settings import CA_FILE, Settings
from connectors.outbound.erp.targets import target
from connectors.outbound.erp.throttle import Throttle
from connectors.writer import Writer
from schemas.clock import clock
from schemas.codec import Codec
from schemas.confidential import keep
from schemas.environment import SettingError
from schemas.registry import ids

NAME = "erp"
TELL_S = 0.5
TRACED_PATIENCE_MS = 300_000
"""As long as the other producer takes, by librdkafka's default, before a record is given up and the process with it."""


def run(settings: Settings) -> int:
    """Run until told to stop; the exit code. Raise RoutingError for a routing file that cannot be used."""
    routing = load_routing(settings)

    async def main(it: process.Process) -> None:
        await _main(it, settings, routing)

    return process.run(NAME, settings, main, host=settings.http_host, port=settings.http_port)


def load_routing(settings: Settings) -> Routing:
    """The routing file, or one system at the URL; raise RoutingError."""
    try:
        trusted = trust.by(settings.ca_file, CA_FILE)
    except SettingError as error:
        raise RoutingError(str(error)) from None
    if settings.routing:
        try:
            return parse(yaml.safe_load(Path(settings.routing).read_text()), trusted=trusted)
        except (OSError, yaml.YAMLError) as error:
            raise RoutingError(f"{settings.routing}: {error}") from error
    try:
        token = keep(Path(settings.token_file).read_text().strip()) if settings.token_file else None
    except OSError as error:
        raise RoutingError(f"STOCKSTREAM_ERP_TOKEN_FILE: {error}") from error
    return single(settings.url, token, settings.rate, settings.concurrency, trusted)


async def _main(it: process.Process, settings: Settings, routing: Routing) -> None:
    codec = await asyncio.to_thread(_codec, settings)
    outgoing = producer(settings)
    results = Results(outgoing, codec, clock(settings.clock), lambda: Writer(settings, TRACED_PATIENCE_MS))
    shadows = sorted({shadow for rule in routing.rules for shadow in rule.shadow})
    connectors = [record := Connector(settings, routing, codec, results)]
    for system in routing.systems.values():
        record.drivers[system.id] = _driver(system, settings, results, record)
    for shadow in shadows:
        connector = Connector(settings, routing, codec, results, shadow)
        connector.drivers[shadow] = _driver(routing.systems[shadow], settings, results, connector, shadow=True)
        connector.comparison = _comparison(shadow, settings, routing, results, record, connector)
        connectors.append(connector)

    def measure() -> None:
        for connector in connectors:
            connector.measure()

    it.measure = measure
    try:
        await _run(it, connectors, outgoing)
    finally:
        await results.close()


def _comparison(
    shadow: str, settings: Settings, routing: Routing, results: Results, record: Connector, connector: Connector
) -> Comparison:
    """Of a shadow's answers with those of the systems of record."""
    member = Consumer({**client(settings), "group.id": record.group})  # asked for offsets only, so it never joins

    def systems(entry: Entry) -> tuple[str, ...]:
        return routing.route(entry.posting).chain

    async def ask(entry: Entry, keys: list[str]) -> dict[str, Answer]:
        found: dict[str, Answer] = {}
        for name in systems(entry):
            driver = record.drivers[name]
            if isinstance(driver, OnlineSystem):
                found |= await driver.ask(keys)
        return found

    async def passed(partition: int) -> int:
        known = record.committed(partition)
        return await asyncio.to_thread(_committed, member, partition) if known is None else known

    return Comparison(shadow, record.answers, results, systems=systems, ask=ask, passed=passed, done=connector.finished)


def _committed(member: Consumer, partition: int) -> int:
    """What another instance of the group has committed; 0 where the broker does not say."""
    try:
        told = member.committed([TopicPartition(POSTINGS, partition)], timeout=10)
    except KafkaException:
        return 0
    return int(told[0].offset)


async def _run(it: process.Process, connectors: list[Connector], outgoing: AIOProducer) -> None:
    try:
        async with asyncio.TaskGroup() as groups:
            running = [groups.create_task(connector.run()) for connector in connectors]
            telling = groups.create_task(_tell(it, connectors))
            stopping = groups.create_task(it.stopping.wait())
            await asyncio.wait({stopping})
            for connector in connectors:
                connector.stop()
            await asyncio.wait(running)
            telling.cancel()
    finally:
        for connector in connectors:
            for driver in connector.drivers.values():
                if isinstance(driver, OnlineSystem):
                    await driver.adapter.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(30):
                await outgoing.close()


async def _tell(it: process.Process, connectors: list[Connector]) -> None:
    """Keep /readyz true."""
    while True:
        told = {connector.group: connector.state() for connector in connectors}
        if all(connector.assigned for connector in connectors):
            it.ready(groups=told)
        else:
            it.waiting("joining the group", groups=told)
        await asyncio.sleep(TELL_S)


def _codec(settings: Settings) -> Codec:
    codec = Codec()
    for topic, schema_id in ids(settings, [POSTINGS, RESULTS, EXCEPTIONS, LETTERS]).items():
        codec.register(topic, schema_id)
    return codec


def _driver(
    system: System, settings: Settings, results: Results, connector: Connector, *, shadow: bool = False
) -> Driver:
    """How postings get into a system, as declared."""
    if system.adapter == "csv":
        return FileSystem(
            system.id,
            target(system, settings.connect_timeout_ms / 1000, settings.total_timeout_ms / 1000),
            results,
            Path(settings.data_dir) / NAME / system.id,
            kept_s=settings.files_kept_ms / 1000,
            size=system.batch_size,
            interval_s=system.batch_interval_s,
            settled=connector.settled,
            read_to=connector.read_to,
            clear_to=connector.clear_to,
        )
    adapter = RestAdapter(
        system.url,
        token=system.token,
        user=system.user,
        connect_s=settings.connect_timeout_ms / 1000,
        read_s=settings.read_timeout_ms / 1000,
        connections=system.concurrency,
        entity_sets=system.entity_sets,
        trusted=system.trusted,
    )
    label = f"{system.id} (shadow)" if shadow else system.id

    def tell(state: State) -> None:
        metrics.BREAKER.labels(label).set(state)

    return OnlineSystem(
        system.id,
        adapter,
        results,
        breaker=Breaker(
            failures=settings.breaker_failures,
            open_s=settings.breaker_open_ms / 1000,
            most_s=settings.breaker_open_most_ms / 1000,
            probes=settings.breaker_probes,
            tell=tell,
        ),
        throttle=Throttle(system.rate, system.burst, system.rates),
        pace=Pace(
            system.concurrency,
            settings.total_timeout_ms / 1000,
            settings.backoff_first_ms / 1000,
            settings.backoff_most_ms / 1000,
        ),
        settled=connector.settled,
        move=connector.move,
        keep=connector.keep,
        shadow=shadow,
    )
