"""What is installed with us: licences told and allowed, releases pinned, files locked; no index is named anywhere."""

import re
import sys
from pathlib import Path

import pytest

from local import image_host, licences
from local.licences import LicenceError, allows
from local.lock import lock

ROOT = Path(__file__).resolve().parents[2]
GROUPS = "local dev docs"
ON_THE_IMAGE_S_PYTHON = sys.version_info[:2] == (3, 11) and sys.platform == "linux"


@pytest.mark.skipif(not ON_THE_IMAGE_S_PYTHON, reason="packages differ by platform; the page is the image's")
def test_the_licence_list_is_up_to_date():
    """`make licences` would write what stands there; and it ends badly where a licence is not allowed."""
    assert (ROOT / "THIRD_PARTY.md").read_text() == licences.page()


def test_every_package_has_a_release_in_the_constraints():
    """setuptools alone has none: it comes with the environment, and no image has it."""
    assert set() == licences.closure(GROUPS) - licences.pinned().keys() - {"setuptools"}


def test_constraints_are_names_and_releases_only():
    """No address, no path, no hash: they hold with any index."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()

    assert [] == [line for line in lines if not re.fullmatch(r"#.*|[A-Za-z0-9._-]+==[A-Za-z0-9.!+_-]+", line)]
    assert "//" not in "".join(lines)


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("EPL-2.0 OR GPL-2.0-or-later", True),
        ("MIT AND GPL-3.0-only", False),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", True),
        ("(GPL-3.0-only OR AGPL-3.0-only) AND MIT", False),
        ("GPL-2.0-only WITH Classpath-exception-2.0", False),
    ],
)
def test_an_image_takes_what_its_licences_allow(expression, allowed):
    """OR is a choice, AND is both; a copyleft of whole programs is not for an image."""
    assert allows(licences.PERMISSIVE | licences.FILE_LEVEL, expression) is allowed


def test_a_licence_nobody_can_tell_is_named():
    """A package that is not there, or an expression that is none, ends the list instead of leaving a gap."""
    with pytest.raises(LicenceError, match="no-such-package is not installed"):
        licences.licence("no-such-package")
    with pytest.raises(LicenceError, match="is no SPDX expression"):
        allows(licences.PERMISSIVE, "MIT Apache-2.0")


def test_a_lock_has_a_hash_for_each_file_and_no_address():
    """From pip's report; ourselves left out."""
    report = {
        "environment": {"python_version": "3.11", "sys_platform": "linux", "platform_machine": "x86_64"},
        "install": [
            {
                "metadata": {"name": name, "version": "1.0"},
                "download_info": {
                    "url": "https://index.example/x.whl",
                    "archive_info": {"hashes": {"sha256": "ab" * 32}},
                },
            }
            for name in ("Zeta", "alpha")
        ]
        + [{"metadata": {"name": "stockstream", "version": "0.1.0"}, "download_info": {"dir_info": {}}}],
    }
    written = lock(report)

    assert written.splitlines()[2:] == [f"{name}==1.0 --hash=sha256:{'ab' * 32}" for name in ("alpha", "Zeta")]
    assert "index.example" not in written
    assert written.splitlines()[1].startswith("# Python 3.11, linux x86_64: ")


def test_a_host_that_is_not_the_image_s_is_named():
    """Without a lock its packages would pass for the image's."""
    assert "" == image_host.differs("3.11", "linux")
    assert "here is Python 3.13 on linux, and the image has Python 3.11" in image_host.differs("3.13", "linux")
    assert "on darwin" in image_host.differs("3.11", "darwin")


def test_a_file_without_a_hash_is_not_locked():
    """Better no lock than one with a hole."""
    report = {"install": [{"metadata": {"name": "x", "version": "1"}, "download_info": {"dir_info": {}}}]}
    with pytest.raises(ValueError, match="x 1: pip tells no sha256"):
        lock(report)
