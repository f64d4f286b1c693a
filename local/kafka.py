"""The local stack's broker: Apache Kafka, one node that is broker and controller, all of it on 127.0.0.1."""

import base64
import logging
import os
import shutil
import subprocess
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from local.cache import cache_directory
from local.downloads import KAFKA
from local.errors import StackError
from local.maven import java
from local.processes import HOST
from local.token_issuer import AUDIENCE, ISSUER

READY_WITHIN_S = 60.0
HEAP = ("-Xms256m", "-Xmx768m", "-XX:+UseParallelGC", "-XX:ParallelGCThreads=2", "-XX:-UsePerfData")
_QUIET = logging.getLogger("local.kafka.probe")
_QUIET.addHandler(logging.NullHandler())
_QUIET.propagate = False

SETTINGS = """\
# Written by Stockstream at each start; changes are lost.
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={data}

# One node
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1

# What tests and a demonstration wait for
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=3000
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000

# A killed broker is let in again only when its old session is over; longer than a busy machine stalls
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=4000

# As in production: topics are declared, records are at most 1 MiB
auto.create.topics.enable=false
message.max.bytes=1048588

# A small machine
num.network.threads=2
num.io.threads=4
background.threads=2
num.recovery.threads.per.data.dir=2
log.cleaner.dedupe.buffer.size=33554432
log.cleaner.io.buffer.size=262144
"""

SECURED = """
# Listeners as in production: TLS, with SCRAM, a token or a client's certificate; nothing allowed that no ACL allows.
# Who comes by the first one is the administrator.
listeners=PLAINTEXT://{host}:{port},SECURED://{host}:{secured},MUTUAL://{host}:{mutual},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{port},SECURED://{host}:{secured},MUTUAL://{host}:{mutual}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SECURED:SASL_SSL,MUTUAL:SSL,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms=SCRAM-SHA-512,OAUTHBEARER
listener.name.secured.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.secured.oauthbearer.sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;
listener.name.secured.oauthbearer.sasl.server.callback.handler.class=org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler
sasl.oauthbearer.jwks.endpoint.url={jwks}
sasl.oauthbearer.expected.audience={audience}
sasl.oauthbearer.expected.issuer={issuer}
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
ssl.truststore.type=PEM
ssl.truststore.location={truststore}
listener.name.mutual.ssl.client.auth=required
ssl.principal.mapping.rules=RULE:^CN=([^,]+).*$/$1/
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
allow.everyone.if.no.acl.found=false
"""

LOGGING = """\
Configuration:
  Appenders:
    Console:
      name: OUT
      PatternLayout:
        pattern: "%d{ISO8601} %-5p %c{1} %m%n"
  Loggers:
    Root:
      level: WARN
      AppenderRef:
        - ref: OUT
    Logger:
      - name: kafka.server.KafkaRaftServer
        level: INFO
      # Speaks of each setting it does not know by name, and of topics it is about to make itself.
      - name: org.apache.kafka.clients
        level: ERROR
      - name: org.apache.kafka.common.config
        level: ERROR
"""


@dataclass(frozen=True, slots=True)
class SecuredListeners:
    """Ports of the encrypted listeners (SCRAM and tokens, client certificates) and the files they need."""

    port: int
    mutual_port: int
    keystore: Path
    truststore: Path
    jwks: Path


@dataclass(frozen=True, slots=True)
class Kafka:
    """Where a broker lives and listens; `prepare` before the first start."""

    directory: Path
    port: int
    controller_port: int
    jars: list[Path]
    secured: SecuredListeners | None = None
    node: int = 1
    cluster: str = ""
    """Id of the cluster this node belongs to; one of its own unless given."""
    more: str = ""
    """Settings on top of ours, lines of a properties file: of one that stands twice the last one holds."""

    @property
    def bootstrap(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def data(self) -> Path:
        return self.directory / "data" / "kafka"

    def prepare(self) -> None:
        """Write the settings; format the data directory unless it holds a broker's data already."""
        self.data.mkdir(parents=True, exist_ok=True)
        (self.directory / "tmp").mkdir(exist_ok=True)
        settings = SETTINGS.format(host=HOST, port=self.port, controller=self.controller_port, data=self.data)
        if self.secured is not None:  # of a setting that stands twice the last one holds
            settings += SECURED.format(
                host=HOST,
                port=self.port,
                secured=self.secured.port,
                mutual=self.secured.mutual_port,
                controller=self.controller_port,
                keystore=self.secured.keystore,
                truststore=self.secured.truststore,
                jwks=self.secured.jwks.as_uri(),
                audience=AUDIENCE,
                issuer=ISSUER,
            )
        (self.directory / "kafka.properties").write_text(settings + self.more)
        (self.directory / "kafka-log4j2.yaml").write_text(LOGGING)
        if not (self.data / "meta.properties").exists():
            self._format()

    def command(self, options: Sequence[str] = ()) -> list[str]:
        if self.secured is not None:  # the one place it may read keys from
            options = [*options, f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={self.secured.jwks.as_uri()}"]
        return [*self._java(*HEAP, *options), "kafka.Kafka", str(self.directory / "kafka.properties")]

    def ready(self) -> bool:
        """Whether the broker answers with itself as a member of the cluster."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "socket.timeout.ms": 2000}, logger=_QUIET)
        try:
            return bool(admin.list_topics(timeout=2).brokers)
        except KafkaException:
            return False

    def _java(self, *options: str) -> list[str]:
        class_path = os.pathsep.join(map(str, self.jars))
        logs = f"-Dlog4j2.configurationFile={self.directory / 'kafka-log4j2.yaml'}"
        temporary = f"-Djava.io.tmpdir={self.directory / 'tmp'}"
        # Both without a warning: Kafka unmaps its files and loads compression libraries this way.
        allowed = ("--sun-misc-unsafe-memory-access=allow", "--enable-native-access=ALL-UNNAMED")
        return [str(java()), *options, *allowed, "-Djava.awt.headless=true", logs, temporary, "-cp", class_path]

    def _format(self) -> None:
        """Copy an empty formatted directory from the cache (a Java start saved each time) under names of its own."""
        template = cache_directory() / f"kafka-{KAFKA}.formatted"
        if not template.exists():
            self._make_template(template)
        shutil.copy(template / "bootstrap.checkpoint", self.data)
        cluster = self.cluster or random_id()
        names = f"cluster.id={cluster}\ndirectory.id={random_id()}\nnode.id={self.node}\nversion=1\n"
        (self.data / "meta.properties").write_text(names)

    def _make_template(self, template: Path) -> None:
        part = template.with_name(f"{template.name}.part-{uuid.uuid4().hex}")
        settings = self.directory / "format.properties"
        text = SETTINGS.format(host=HOST, port=self.port, controller=self.controller_port, data=part)
        settings.write_text(text)
        tool = ["kafka.tools.StorageTool", "format", "-t", random_id(), "-c", str(settings)]
        command = [*self._java("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"), *tool]
        done = subprocess.run(command, capture_output=True, text=True, timeout=READY_WITHIN_S, check=False)
        settings.unlink()
        if done.returncode:
            raise StackError(
                f"Kafka's data directory could not be formatted:\n{done.stdout[-2000:]}{done.stderr[-2000:]}",
                f"Check that {template.parent} and {self.data} can be written, or remove the folder of downloads.",
            )
        try:
            part.replace(template)
        except OSError:  # another start was first
            shutil.rmtree(part, ignore_errors=True)


def random_id() -> str:
    """Kafka's form of a UUID; a leading dash would read as an option."""
    while (name := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return name
