"""The local stack's schema registry: Apicurio with its data in one file, spoken to by the Confluent API."""

import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from local.maven import java
from local.processes import HOST

READY_WITHIN_S = 90.0
HEAP = ("-Xms48m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # 127.0.0.1 is behind no proxy


@dataclass(frozen=True, slots=True)
class Registry:
    """Where a registry lives and listens."""

    directory: Path
    port: int
    home: Path

    @property
    def url(self) -> str:
        """Base of the Confluent-compatible API."""
        return f"http://{HOST}:{self.port}/apis/ccompat/v7"

    def prepare(self) -> None:
        (self.directory / "data").mkdir(parents=True, exist_ok=True)
        (self.directory / "tmp").mkdir(exist_ok=True)

    def command(self, options: Sequence[str] = ()) -> list[str]:
        temporary = self.directory / "tmp"
        settings = {
            "java.io.tmpdir": temporary,
            "quarkus.http.host": HOST,
            "quarkus.http.port": self.port,
            "quarkus.management.host": HOST,
            "quarkus.management.port": 0,  # health and metrics, on any free port; nobody asks
            "quarkus.banner.enabled": "false",
            "quarkus.log.level": "WARN",
            'quarkus.log.category."io.apicurio".level': "WARN",
            # Its two "unrecognized configuration key" warnings are about its own application.properties.
            'quarkus.log.category."io.quarkus.config".level': "ERROR",
            'quarkus.log.category."io.quarkus.runtime.configuration".level': "ERROR",
            "quarkus.http.access-log.enabled": "false",
            # Written at each commit: a schema id that was told to a producer survives a kill.
            "apicurio.datasource.url": f"jdbc:h2:file:{self.directory / 'data' / 'registry'};WRITE_DELAY=0",
            "apicurio.datasource.jdbc.initial-size": 1,
            "apicurio.datasource.jdbc.min-size": 1,
            "apicurio.datasource.jdbc.max-size": 20,
            "apicurio.import.work-dir": temporary,
            "apicurio.storage.snapshot.location": temporary,
            "apicurio.rest.deletion.artifact.enabled": "true",
            "apicurio.rest.deletion.artifact-version.enabled": "true",
        }
        given = [f"-D{name}={value}" for name, value in settings.items()]
        return [str(java()), *HEAP, *options, *given, "-jar", str(self.home / "quarkus-run.jar")]

    def ready(self) -> bool:
        """Whether the API answers."""
        try:
            with _DIRECT.open(f"{self.url}/subjects", timeout=5) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False
