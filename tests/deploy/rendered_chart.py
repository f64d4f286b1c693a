"""The chart as Helm renders it under each values file: objects, pods, and what a container is given.

Needs helm, built by `make chart` into the cache folder or found on PATH; tests that use it skip without.
"""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.chart_tools import find

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "stockstream"
VALUES = {path.name.removesuffix("-values.yaml"): path for path in sorted((CHART / "ci").glob("*-values.yaml"))}
RELEASE, NAMESPACE = "demo", "shop"
Object = dict[str, Any]

needs_helm = pytest.mark.skipif(find("helm") is None, reason="no helm; `make chart` builds it into the cache folder")
every_values_file = pytest.mark.parametrize("values", VALUES, ids=str)


class Refused(Exception):
    """Helm would not render; what it said."""


def tool(name: str) -> str:
    found = find(name)
    if found is None:
        pytest.skip(f"no {name}; `make chart` builds it into the cache folder")
    return str(found)


def helm(*arguments: str) -> str:
    """Run helm; its output, or Refused with its complaint."""
    done = subprocess.run([tool("helm"), *arguments], capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise Refused(done.stderr)
    return done.stdout


@cache
def text(values: str, *sets: str, chart: Path = CHART) -> str:
    """What the cluster would be sent, hooks included. A set is `path.to.value=JSON`, or the path of a further file."""
    given = [part for each in sets for part in ("--values" if each.endswith(".yaml") else "--set-json", each)]
    return helm("template", RELEASE, str(chart), "--namespace", NAMESPACE, "--values", str(VALUES[values]), *given)


def objects(values: str, *sets: str, chart: Path = CHART) -> list[Object]:
    return [each for each in yaml.safe_load_all(text(values, *sets, chart=chart)) if each]


def of_kind(values: str, kind: str, *sets: str) -> dict[str, Object]:
    return {each["metadata"]["name"]: each for each in objects(values, *sets) if each["kind"] == kind}


@dataclass(frozen=True)
class Container:
    """A container with the pod around it."""

    owner: Object
    pod: Object
    container: Object

    @property
    def component(self) -> str:
        return str(self.owner["metadata"]["labels"]["app.kubernetes.io/component"])

    @property
    def command(self) -> list[str]:
        return [*self.container["command"], *self.container.get("args", [])]

    @property
    def environment(self) -> dict[str, str]:
        return {each["name"]: each.get("value", "") for each in self.container["env"]}

    def sources(self) -> dict[str, tuple[str, str]]:
        """Path in the container → (`configMap/NAME` or `secret/NAME`, key); a whole secret ends in `*`."""
        volumes = {volume["name"]: volume for volume in self.pod["spec"]["volumes"]}
        found = {}
        for mount in self.container["volumeMounts"]:
            volume = volumes[mount["name"]]
            for kind, naming in (("configMap", "name"), ("secret", "secretName")):
                if kind in volume:
                    items = volume[kind].get("items", [{"key": "*", "path": "*"}])
                    for item in items:
                        place = f"{kind}/{volume[kind][naming]}"
                        found[f"{mount['mountPath']}/{item['path']}"] = (place, item["key"])
        return found


def pods(values: str, *sets: str) -> Iterator[tuple[Object, Object]]:
    """Whoever makes pods, and the pod's template."""
    for each in objects(values, *sets):
        if each["kind"] in ("Deployment", "StatefulSet", "DaemonSet", "Job"):
            yield each, each["spec"]["template"]


def containers(values: str, *sets: str) -> Iterator[Container]:
    for owner, pod in pods(values, *sets):
        spec = pod["spec"]
        for container in [*spec.get("initContainers", []), *spec["containers"]]:
            yield Container(owner, pod, container)


def selects(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return selector.items() <= labels.items()
