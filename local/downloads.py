"""What the local stack needs from Maven Central, and where it is kept: Kafka's jars and the unpacked registry."""

import os
import shutil
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from local import maven
from local.cache import cache_directory, need_room, only_one
from local.errors import StackError
from local.progress import Report

KAFKA = "4.1.2"
APICURIO = "3.3.3"
KAFKA_BYTES = 45_000_000  # 46 jars and their POMs
APICURIO_BYTES = 158_577_952
UNPACKED_BYTES = 170_000_000
ROOM_HINT = "Free some space, or set STOCKSTREAM_CACHE to a folder on another disk."


@dataclass(frozen=True, slots=True)
class Downloads:
    """The cache folder, who hears of progress, and what breaks a download off."""

    report: Report
    cancelled: threading.Event

    @property
    def folder(self) -> Path:
        return cache_directory()

    def kafka(self) -> list[Path]:
        """Kafka's class path; downloads what is missing of it. The list file is written last, so it means complete."""
        listed = self.folder / f"kafka-{KAFKA}.classpath"
        jars = _read_list(listed)
        if jars:
            return jars
        with only_one(self.folder / "kafka.lock", self.cancelled):
            jars = _read_list(listed)
            if jars:
                return jars
            need_room(self.folder, KAFKA_BYTES * 2, f"Kafka {KAFKA}", ROOM_HINT)
            with self.report.download(f"Apache Kafka {KAFKA}", KAFKA_BYTES) as advance:
                jars = _resolve_kafka(maven.repository(self.folder / "maven", advance, self.cancelled))
            _write_list(listed, jars)
        return jars

    def apicurio(self) -> Path:
        """The unpacked registry; downloads and unpacks it when missing. Its folder appears by a rename, whole."""
        home = self.folder / f"apicurio-{APICURIO}"
        if home.exists():
            return home
        with only_one(self.folder / "apicurio.lock", self.cancelled):
            if home.exists():
                return home
            need_room(self.folder, APICURIO_BYTES + UNPACKED_BYTES, f"Apicurio {APICURIO}", ROOM_HINT)
            for left in (self.folder / "maven/io/apicurio").glob("**/*.part-*"):  # a killed download's
                left.unlink()
            with self.report.download(f"Apicurio {APICURIO}", APICURIO_BYTES) as advance:
                context = maven.repository(self.folder / "maven", advance, self.cancelled)
                project = context.project("io.apicurio", "apicurio-registry-app")
                archive = project.at_version(APICURIO).artifact("all", "tar.gz").resolve()
            _unpack(archive, home)
        return home


def _resolve_kafka(context: object) -> list[Path]:
    [broker], others = context.resolver.resolve(  # type: ignore[attr-defined]
        [context.create_dependency(f"org.apache.kafka:kafka_2.13:{KAFKA}")]  # type: ignore[attr-defined]
    )
    artifacts = [dependency.artifact for dependency in (broker, *others)]
    # Kafka's POM leaves out the binding that its own tarball has. Not resolved with Kafka: jgo would read its POM
    # as a bill of materials and take other versions of Kafka's own jars from it.
    log4j = next(a.version for a in artifacts if a.artifactId == "log4j-core")
    binding = context.project("org.apache.logging.log4j", "log4j-slf4j-impl")  # type: ignore[attr-defined]
    artifacts.append(binding.at_version(log4j).artifact())
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda artifact: artifact.resolve(), artifacts))


def _read_list(listed: Path) -> list[Path] | None:
    try:
        jars = [listed.parent / line for line in listed.read_text().splitlines()]
    except OSError:  # not there, or not readable: whoever takes the lock will tell
        return None
    return jars if jars and all(jar.exists() for jar in jars) else None


def _write_list(listed: Path, jars: list[Path]) -> None:
    part = listed.with_suffix(".part")
    part.write_text("\n".join(str(jar.relative_to(listed.parent)) for jar in jars) + "\n")
    part.replace(listed)


def _unpack(archive: Path, home: Path) -> None:
    for left in home.parent.glob(f"{home.name}.part-*"):  # from a start that was killed; we hold the lock
        shutil.rmtree(left, ignore_errors=True)
    part = home.with_name(f"{home.name}.part-{os.getpid()}")
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(part, filter="data")
    except (OSError, tarfile.TarError, EOFError) as error:
        shutil.rmtree(part, ignore_errors=True)
        archive.unlink(missing_ok=True)
        raise StackError(f"{archive.name} cannot be unpacked: {error}.", f"Start again. {ROOM_HINT}") from error
    part.replace(home)
    archive.unlink()
