"""What the security tests drive: a broker, a registry and a Redis that let nobody in by name alone, and real processes.

Every component has its own user with a password of its own, and exactly the ACLs that `stockstream topics acls` gives.
"""

import base64
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson
import yaml
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion

from connectors.api import api_keys
from local.stack import LocalStack
from local.supervised import Supervised, importable
from schemas.access import librdkafka
from schemas.environment import Shared
from schemas.registry import connected_codec

APP, PARTITIONS = "guarded", 2
CHANNELS = ("webshop", "marketplace")
REGISTRY_USER = "stockstream-processes"


class SecuredSite:
    """One site; `logs` has what every process of it has said."""

    def __init__(self, stack: LocalStack, directory: Path, registry: str, redis: str, secret: dict[str, str]) -> None:
        assert stack.authority is not None
        self.stack, self.directory, self.authority = stack, directory, stack.authority
        self.registry, self.redis = registry, redis
        self.secrets = dict(secret)
        """Every password of the site, by whose it is."""
        self.admin = AdminClient({"bootstrap.servers": stack.bootstrap})
        self._channels = directory / "channels.yaml"
        self._channels.write_text(
            yaml.safe_dump({"channels": {name: {"sourcing": ["DC01", "DC02"]} for name in CHANNELS}})
        )
        self.subscriptions = directory / "subscriptions.yaml"
        self.subscriptions.write_text("subscriptions: {}\n")
        self.users: list[str] = []
        self._processes: list[Supervised] = []
        self._said: list[bytes] = []
        for name in ("registry", "redis"):
            self.write_file(name)

    def close(self) -> None:
        for process in self._processes:
            process.stop()

    def prepare(self) -> None:
        """Users, ACLs, topics and schemas, the last two by the setup's own user."""
        users = (
            "worker",
            "api",
            "redis-view",
            "erp-connector",
            "webhooks",
            "shop",
            "setup",
            "operations",
            "wms",
            "erp",
        )
        for component in users:
            self.admit(f"{APP}-{component}")
        for channel in CHANNELS:
            self.admit(f"channel-{channel}")
        self.ran("topics", "acls", "--apply", **self.administrator)
        self.ran("topics", "apply", component="setup")
        self.ran("schemas", "register", component="setup")
        self.codec = connected_codec(self.settings("setup"), CHANNELS)

    def admit(self, user: str, *, keep_file: bool = False) -> None:
        """Give a user a new password; with `keep_file` its processes have to make do with the old one."""
        self.users.append(user)
        word = self.secrets[user] = f'{secrets.token_urlsafe(12)} " \\ {secrets.token_urlsafe(4)}'
        if not keep_file:
            self.write_file(user)
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        wish = UserScramCredentialUpsertion(user, info, word.encode())
        for done in self.admin.alter_user_scram_credentials([wish]).values():
            done.result(30)

    def write_file(self, whose: str) -> None:
        """Put a secret where its owner looks for it."""
        path = self.file(whose)
        path.touch(mode=0o600)
        path.write_text(self.secrets[whose] + "\n")

    def file(self, whose: str) -> Path:
        """Where a secret is."""
        return self.directory / f"{whose}.secret"

    # ---- settings -----------------------------------------------------------------------------------------------

    @property
    def administrator(self) -> dict[str, Any]:
        """By the plain listener comes the broker's administrator."""
        return {"bootstrap": self.stack.bootstrap, "security_protocol": "PLAINTEXT"}

    def settings_of(self, component: str, **changes: Any) -> dict[str, Any]:
        user = component if component.startswith("channel-") else f"{APP}-{component}"
        return {
            "bootstrap": self.stack.secured_bootstrap,
            "security_protocol": "SASL_SSL",
            "ssl_ca_file": self.authority.ca,
            "sasl_username": user,
            "sasl_password_file": self.file(user),
            "registry": self.registry,
            "registry_username": REGISTRY_USER,
            "registry_password_file": self.file("registry"),
            "redis": self.redis,
            "redis_password_file": self.file("redis"),
            "redis_ca_file": self.authority.ca,
            "app": APP,
            "partitions": PARTITIONS,
            "channels": self._channels,
            "session_timeout_ms": 6_000,
            "commerce_shop_channel": CHANNELS[0],
            "commerce_subscriptions": self.subscriptions,
            **changes,
        }

    def settings(self, component: str, **changes: Any) -> Shared:
        """The same for a client in this process."""
        known = Shared.__dataclass_fields__
        given = {name: str(value) for name, value in self.settings_of(component, **changes).items() if name in known}
        return Shared(**given)

    def environment(self, component: str, **changes: Any) -> dict[str, str]:
        return {f"STOCKSTREAM_{k.upper()}": str(v) for k, v in self.settings_of(component, **changes).items()}

    def api_key(self, *scopes: str, channel: str | None = None) -> tuple[Path, str]:
        """A file of keys and the key in it; the key is a secret too."""
        path = self.directory / "keys.json"
        text, key = api_keys.create(path, "tests", scopes, channel=channel)
        self.secrets[key.id] = text
        return path, text

    # ---- processes ----------------------------------------------------------------------------------------------

    def run(self, *command: str, component: str = "operations", **changes: Any) -> subprocess.CompletedProcess[bytes]:
        """One command to its end, at most a minute."""
        done = subprocess.run(
            [sys.executable, "-m", "cli.main", *command],
            env={**os.environ, **self.environment(component, **changes), "PYTHONPATH": importable(), "COLUMNS": "200"},
            capture_output=True,
            timeout=60,
            check=False,
            cwd=self.directory,
        )
        self._said.append(done.stdout + done.stderr)
        return done

    def ran(self, *command: str, component: str = "operations", **changes: Any) -> bytes:
        """What a command that succeeds prints."""
        done = self.run(*command, component=component, **changes)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def process(self, component: str, *command: str, port: str, name: str = "", **changes: Any) -> Supervised:
        """A process of the product, started."""
        process = Supervised(
            name or component,
            ("-m", "cli.main", *command),
            {**self.environment(component, **changes), "PYTHONFAULTHANDLER": "1"},
            self.directory,
            port_variable=port,
        )
        self._processes.append(process)
        process.start()
        return process

    def stand_in(self, name: str, *command: str, health: str) -> Supervised:
        """A server the site talks to, started."""
        process = Supervised(name, ("-m", *command), {}, self.directory, health=health)
        process.start()
        self._processes.append(process)
        return process

    def said(self) -> bytes:
        """All that was printed and logged, and what /readyz and /metrics say now."""
        told = [path.read_bytes() for path in sorted(self.directory.glob("*.log"))]
        told += [orjson.dumps(process.answer()[1]) for process in self._processes]
        return b"\n".join(told + self._said)

    def secrets_said(self, secrets: Mapping[str, str] | None = None) -> list[str]:
        """Whose secrets, or longer parts of them, plain or as basic authentication writes them, stand in all of that."""
        said = self.said()
        found = []
        for whose, word in (secrets or self.secrets).items():
            parts = [part.encode() for part in re.findall(r"[\w-]{10,}", word)]
            parts += [base64.b64encode(f"{user}:{word}".encode()) for user in (REGISTRY_USER, whose)]
            found += [whose for part in parts if part in said]
        return found

    # ---- clients ------------------------------------------------------------------------------------------------

    def send(self, component: str, *records: tuple[str, str, dict[str, Any]]) -> None:
        """Write as an outside party does; raise AssertionError with what the broker refused."""
        refused: list[str] = []
        producer = Producer(
            {**librdkafka(self.settings(component)), "partitioner": "murmur2_random", "enable.idempotence": True}
        )
        for topic, key, record in records:
            producer.produce(
                topic,
                self.codec.encode(topic, record),
                key,
                on_delivery=lambda error, _: refused.append(error.str()) if error else None,
            )
        assert producer.flush(30) == 0
        assert not refused, refused

    def consumer(self, component: str, group: str, **more: Any) -> Consumer:
        return Consumer(
            {
                **librdkafka(self.settings(component)),
                "group.id": group,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "log_level": 0,
                **more,
            }
        )


def until(what: str, true: Callable[[], Any], within_s: float = 60.0) -> Any:
    """Wait for something to become true; say what it was when it does not."""
    end = time.monotonic() + within_s
    while not (answer := true()):
        if time.monotonic() > end:
            raise TimeoutError(f"not within {within_s:.0f} s: {what}")
        time.sleep(0.1)
    return answer
