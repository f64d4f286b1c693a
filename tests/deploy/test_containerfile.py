"""The image's recipe by the rules it promises to keep; `make image-check` runs what it installs."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from containerfile import FILE, ROOT, stages
from rendered_chart import CHART

HEAD, BUILD, FINAL = stages()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = ("dist/requirements.lock", "dist/build.lock")
MAKEFILE = (ROOT / "Makefile").read_text()
PACKAGES = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


def test_hadolint_finds_nothing() -> None:
    found = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if found is None:
        pytest.skip("no hadolint here; the dev extra brings it")

    done = subprocess.run([found, str(FILE)], capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout) == (0, "")


def test_the_base_can_be_pinned_by_digest() -> None:
    """Both stages stand on one base, and a release gives its digest without editing the file."""
    bases = [stage.all("FROM")[0].partition(" AS ")[0] for stage in (BUILD, FINAL)]

    assert bases == ["${BASE}${BASE_DIGEST:+@${BASE_DIGEST}}"] * 2
    assert re.search(r"BASE_DIGEST=sha256:…", FILE.read_text())
    assert re.fullmatch(r"BASE=docker\.io/library/python:3\.\d+-slim-\w+", HEAD.all("ARG")[0])


def test_the_base_is_a_python_that_the_project_supports() -> None:
    minor = re.search(r"python:3\.(\d+)", HEAD.all("ARG")[0])

    assert minor
    assert int(minor[1]) >= 11


def test_it_runs_as_a_user_that_is_a_number_and_not_root() -> None:
    """runAsNonRoot can be checked only of numbers; the chart names the same user."""
    user = FINAL.all("USER")[-1]

    assert re.fullmatch(r"[1-9]\d{4,}:[1-9]\d{4,}", user)
    assert f"runAsUser: {user.partition(':')[0]}" in (CHART / "values.yaml").read_text()
    assert [word for word, _ in FINAL.instructions].index("USER") > max(
        number for number, (word, _) in enumerate(FINAL.instructions) if word in ("RUN", "COPY")
    )


def test_nothing_that_builds_or_installs_is_left() -> None:
    """The final stage takes the environment only, and loses pip, setuptools and what could bring them back."""
    removed = {part for command in FINAL.commands() for part in command if "uninstall" in command}

    assert FINAL.all("COPY") == ["--from=build /opt/stockstream /opt/stockstream"]
    assert {"pip", "setuptools", "wheel"} <= removed
    assert "ensurepip" in " ".join(FINAL.all("RUN"))
    assert ["/opt/stockstream/bin/python", "-m", "pip", "uninstall", "--yes", "pip", "setuptools"] in BUILD.commands()
    assert not re.search(r"apt-get|apk |gcc|build-essential|curl|wget", FILE.read_text())


def test_it_installs_what_was_tested_and_compiles_nothing() -> None:
    installs = [command for command in BUILD.commands() if "install" in command]

    assert all("--only-binary" in install for install in installs)
    assert installs[-1][-2:] == [".;", "fi"]  # none of its extras
    assert BUILD.environment()["PIP_CONSTRAINT"] == "/src/constraints.txt"


def test_where_there_is_a_lock_every_file_is_installed_by_its_hash() -> None:
    """The build backend's too: no index is asked for the product's wheel, and the environment that made it stays behind."""
    recipe = " ".join(BUILD.all("RUN")[1].split()).removeprefix("if [ -f requirements.lock ]; then ")
    locked, _, by_release = recipe.partition("; else ")
    steps = [shlex.split(step) for step in locked.split(" && ")]
    installs = [step for step in steps if "install" in step]
    [wheel] = [step for step in steps if "wheel" in step]

    assert "export PIP_CONSTRAINT=''" == locked.partition(" && ")[0]
    assert [step[-1] for step in installs if "--require-hashes" in step] == ["requirements.lock", "build.lock"]
    assert [step[-1] for step in installs if "--require-hashes" not in step] == ["/opt/build/wheels/*.whl"]
    assert {"--no-index", "--no-deps"} <= set(installs[-1])
    assert {"--no-index", "--no-deps", "--no-build-isolation", "--check-build-dependencies"} <= set(wheel)
    assert (installs[1][0], wheel[0]) == ("/opt/build/bin/python",) * 2
    assert steps[-1][-1] == "check"  # a lock that lacks what pyproject.toml asks for
    assert by_release.startswith("/opt/stockstream/bin/python -m pip install --only-binary :all: .; fi ")
    assert f"mv {' '.join(path.replace('dist/', 'dist/lock/') for path in LOCKS)} dist/" in MAKEFILE


def test_every_package_is_copied_and_nothing_else() -> None:
    """And the ignore file lets exactly that through."""
    ignore = (ROOT / ".containerignore").read_text()
    let_in = {line.removeprefix("!") for line in ignore.splitlines() if line.startswith("!")}

    assert set(BUILD.copied()) == {
        "pyproject.toml",
        "constraints.txt",
        "README.md",
        *(f"{path[:-1]}[k]" for path in LOCKS),
        *PACKAGES,
    }
    assert {path.replace("[k]", "k") for path in BUILD.copied()} == let_in
    assert "\n*\n" in ignore
    assert (ROOT / ".dockerignore").read_text() == ignore


def test_no_secret_and_no_health_check_of_its_own() -> None:
    """Secrets come at run time, as files; health is asked over HTTP by whoever runs it."""
    for stage in (HEAD, BUILD, FINAL):
        assert not stage.all("HEALTHCHECK")
        assert not stage.all("ADD")
        for argument in [*stage.all("ARG"), *stage.environment()]:
            assert not re.search(r"PASSWORD|TOKEN|SECRET|KEY", argument)


def test_it_says_what_it_is() -> None:
    labels = " ".join(FINAL.all("LABEL"))

    for name in ("title", "description", "version", "revision"):
        assert f"org.opencontainers.image.{name}=" in labels


def test_version_of_image_chart_and_package_agree() -> None:
    version = PROJECT["project"]["version"]
    chart = re.search(r'^appVersion: "(.+)"$', (CHART / "Chart.yaml").read_text(), re.MULTILINE)

    assert chart
    assert chart[1] == version
    assert f"VERSION={version}" in FINAL.all("ARG")
