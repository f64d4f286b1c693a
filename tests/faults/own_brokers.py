"""Brokers of a test's own, to be killed, frozen, filled up and cut off: one, or three with every topic on all of them."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from local.downloads import KAFKA, Downloads
from local.kafka import READY_WITHIN_S, Kafka, random_id
from local.observer import QUIET
from local.processes import HOST, Keeper, await_ready, pick_port
from local.progress import report_for
from local.quick_start import Rehearsal

HEAP = ("-Xms128m", "-Xmx320m")
THREE = """
controller.quorum.voters={voters}
node.id={node}
default.replication.factor=3
min.insync.replicas=2
offsets.topic.replication.factor=3
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
unclean.leader.election.enable=false
replica.lag.time.max.ms=4000
replica.fetch.wait.max.ms=100
leader.imbalance.check.interval.seconds=5
# Longer than a busy machine stalls: it would elect controllers instead of leaders
controller.quorum.fetch.timeout.ms=6000
controller.quorum.election.timeout.ms=3000
"""
ALSO = """
listeners=PLAINTEXT://{host}:{port},ALSO://{also},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{port},ALSO://{also}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,ALSO:PLAINTEXT,CONTROLLER:PLAINTEXT
"""


class Brokers:
    """Nodes 1 to `count`, each broker and controller; `more` are settings for all of them.

    `also` is another address at which a single broker answers, and of which it tells those who come by it.

    Stands in a Site's place for a stack: registry and Redis are other people's.
    """

    def __init__(
        self,
        directory: Path,
        registry_url: str,
        redis_url: str,
        *,
        count: int = 1,
        more: str = "",
        also: tuple[str, int] | None = None,
    ) -> None:
        self.registry_url, self.redis_url, self.count = registry_url, redis_url, count
        self.replication = 3 if count == 3 else 1
        self.pids: dict[int, int] = {}
        report, never = report_for(None), threading.Event()
        jars = Downloads(report, never).kafka()
        cluster, taken = random_id(), set[int]()
        nodes = range(1, count + 1)
        ports = {node: (pick_port(taken), pick_port(taken)) for node in nodes}
        voters = ",".join(f"{node}@{HOST}:{ports[node][1]}" for node in nodes)
        if also is not None:
            more += ALSO.format(host=HOST, port=ports[1][0], controller=ports[1][1], also=f"{also[0]}:{also[1]}")
        self._keeper = Keeper()
        quick = Rehearsal(self._keeper, report, never)
        self._options = [
            *HEAP,
            *quick.options(f"kafka-{KAFKA}", lambda at: Kafka(at, pick_port(taken), pick_port(taken), jars)),
        ]
        self.nodes = {
            node: Kafka(
                directory / f"broker-{node}",
                *ports[node],
                jars,
                node=node,
                cluster=cluster,
                more=(THREE.format(voters=voters, node=node) if count == 3 else "") + more,
            )
            for node in nodes
        }

    @property
    def bootstrap(self) -> str:
        return ",".join(node.bootstrap for node in self.nodes.values())

    def log(self, node: int) -> Path:
        return self.nodes[node].directory / "kafka.log"

    def up(self, *nodes: int, wait: bool = True) -> None:
        """Start these nodes, all of them if none is named, and wait until each is a member of the cluster."""
        which = nodes or tuple(self.nodes)
        for node in which:
            self.nodes[node].directory.mkdir(parents=True, exist_ok=True)
            self.nodes[node].prepare()
            command = self.nodes[node].command(self._options)
            self.pids[node] = self._keeper.start(str(node), command, self.nodes[node].directory, self.log(node))
        if wait:
            self.await_up(which)

    def await_up(self, which: Sequence[int]) -> None:
        for node in which:
            await_ready(
                f"broker {node}",
                lambda node=node: self._is_member(node),  # type: ignore[misc]
                lambda node=node: self._keeper.returncode(str(node)),  # type: ignore[misc]
                self.log(node),
                within_s=READY_WITHIN_S,
                cancelled=threading.Event(),
            )

    def ended(self, node: int = 1) -> int | None:
        """Exit status of a broker that went by itself; None while it runs."""
        return self._keeper.returncode(str(node))

    def down(self, node: int = 1, *, kill: bool = True) -> None:
        """SIGKILL, or an orderly shutdown."""
        self._keeper.stop(str(node), kill=kill)

    def close(self) -> None:
        self._keeper.close()

    def alter(self, topic: str, setting: str, value: str) -> None:
        """Set one setting of a topic, as an administrator does; returns once it holds."""
        entry = ConfigEntry(setting, value, incremental_operation=AlterConfigOpType.SET)
        admin, place = self._admin(), ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
        admin.incremental_alter_configs([place])[place].result(30)
        end, asked = time.monotonic() + 30, ConfigResource(ResourceType.TOPIC, topic)
        while admin.describe_configs([asked])[asked].result(30)[setting].value != value:
            if time.monotonic() > end:
                raise TimeoutError(f"waited 30 s for {setting} of {topic} to be {value}")
            time.sleep(0.1)

    # ---- who leads what -----------------------------------------------------------------------------------------

    def leader(self, topic: str, partition: int = 0) -> int:
        """The node that leads a partition, -1 for none."""
        return int(self._admin().list_topics(timeout=10).topics[topic].partitions[partition].leader)

    def coordinator(self, name: str, topic: str) -> int:
        """The node that coordinates a group (of __consumer_offsets) or a transactional id (of __transaction_state)."""
        partitions = self._admin().list_topics(timeout=10).topics[topic].partitions
        return int(partitions[_java_hash(name) % len(partitions)].leader)

    def await_in_sync(self, within_s: float = 60.0) -> None:
        """Wait until every partition has all its copies in sync, so that the next fault is the only one."""
        end = time.monotonic() + within_s
        behind = ["no answer"]
        while behind:
            if time.monotonic() > end:
                raise TimeoutError(f"waited {within_s:.0f} s for all copies to be in sync, not yet: {behind[:5]}")
            time.sleep(0.2)
            try:
                topics = self._admin().list_topics(timeout=5).topics
            except KafkaException:
                continue
            behind = [
                f"{name}[{number}]"
                for name, topic in topics.items()
                for number, partition in topic.partitions.items()
                if len(partition.isrs) < self.replication
            ]

    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.bootstrap, "socket.timeout.ms": 5000}, logger=QUIET)

    def _is_member(self, node: int) -> bool:
        conf = {"bootstrap.servers": self.nodes[node].bootstrap, "socket.timeout.ms": 2000}
        try:
            return node in AdminClient(conf, logger=QUIET).list_topics(timeout=2).brokers
        except KafkaException:
            return False


def _java_hash(text: str) -> int:
    """String.hashCode() without its sign, as coordinators are found."""
    value = 0
    for letter in text:
        value = (31 * value + ord(letter)) & 0xFFFFFFFF
    return value & 0x7FFFFFFF
