"""Tools that prove the Helm chart and the alerts, built by Go into the cache folder once: helm, helm-unittest, kube-score,
helm-docs, promtool.

Run as `python -m local.chart_tools [NAME …]`; without Go it says so and ends with 1. Nothing of the product needs them.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local.cache import cache_directory, need_room, only_one
from local.errors import StackError

LIMIT_S: Final = 1_200
"""Longest a build may take: helm takes about two minutes on two cores that do nothing else."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A Go program. `replaced` repeats the replace directives of its own go.mod, which `go install` refuses to read."""

    name: str
    package: str
    module: str
    version: str
    replaced: tuple[str, ...] = ()


TOOLS: Final = (
    Tool("helm", "helm.sh/helm/v4/cmd/helm", "helm.sh/helm/v4", "v4.3.1"),
    Tool(
        "helm-unittest",
        "github.com/helm-unittest/helm-unittest/cmd/helm-unittest",
        "github.com/helm-unittest/helm-unittest",
        "v1.1.2",
        ("github.com/vmware-labs/yaml-jsonpath@v0.3.2=github.com/helm-unittest/yaml-jsonpath@v0.4.0",),
    ),
    Tool("kube-score", "github.com/zegl/kube-score/cmd/kube-score", "github.com/zegl/kube-score", "v1.20.0"),
    Tool("helm-docs", "github.com/norwoodj/helm-docs/cmd/helm-docs", "github.com/norwoodj/helm-docs", "v1.14.2"),
    Tool("promtool", "github.com/prometheus/prometheus/cmd/promtool", "github.com/prometheus/prometheus", "v0.315.0"),
)


def find(name: str) -> Path | None:
    """The tool as built in the cache folder, else as found on PATH, else None."""
    tool = next(tool for tool in TOOLS if tool.name == name)
    built = _place(tool)
    if built.is_file():
        return built
    found = shutil.which(name)
    return Path(found) if found else None


def build(tool: Tool) -> Path:
    """Build the tool unless it is there; raise StackError with what Go said."""
    place = _place(tool)
    if place.is_file():
        return place
    go = shutil.which("go")
    if go is None:
        raise StackError(f"{tool.name} is built by Go, and there is no `go` on PATH.", f"Install Go, or {tool.name}.")
    need_room(
        place.parent, 2_000_000_000, f"building {tool.name}", "Make room, or set STOCKSTREAM_CACHE to another disk."
    )
    with only_one(place.with_suffix(".lock"), threading.Event()):
        if not place.is_file():
            print(f"building {tool.name} {tool.version} (once; a minute or two)", flush=True)
            _build(go, tool, place)
    return place


def _place(tool: Tool) -> Path:
    return cache_directory() / "chart-tools" / f"{tool.name}-{tool.version}" / tool.name


def _build(go: str, tool: Tool, place: Path) -> None:
    """Build in a module of its own, so that replace directives hold; the binary appears whole or not at all."""
    with tempfile.TemporaryDirectory(dir=place.parent) as folder:
        for arguments in (
            ["mod", "init", "stockstream.invalid/tools"],
            *(["mod", "edit", f"-replace={each}"] for each in tool.replaced),
            ["get", f"{tool.package}@{tool.version}"],
            ["build", "-trimpath", "-ldflags=-s -w", "-o", tool.name, tool.package],
        ):
            _run([go, *arguments], folder)
        Path(folder, tool.name).rename(place)


def _run(command: list[str], folder: str) -> None:
    environment = {"GOFLAGS": "-mod=mod", "GOWORK": "off"}
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise StackError(
            f"{' '.join(command)} took more than {LIMIT_S} s.", "Try again on a quieter machine."
        ) from None
    if done.returncode:
        raise StackError(f"{' '.join(command)} failed:\n{done.stderr[-2_000:]}", "See what Go said.")


def main(arguments: list[str]) -> int:
    """Build every tool, or run the one that is named; 0 when all are there, else what the tool says."""
    try:
        if arguments:
            name, *rest = arguments
            return subprocess.run(
                [build(next(tool for tool in TOOLS if tool.name == name)), *rest], check=False
            ).returncode
        for tool in TOOLS:
            print(f"{tool.name} {tool.version}: {build(tool)}", flush=True)
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
