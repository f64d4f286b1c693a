"""Turns pip's report of what it would install into a lock with a hash for each file: `make lock`.

Reads the report (`pip install --dry-run --report -`) from standard input and prints requirements without any address.
"""

import json
import sys
from typing import Any, Final

HEAD: Final = """\
# Of an image of this platform, each file by its hash; `make lock` makes it anew where an image is built.
# {place}: `pip install --require-hashes --only-binary :all: --requirement THIS_FILE`, as the Containerfile does.
"""


def lock(report: dict[str, Any], without: str = "stockstream") -> str:
    """Requirements with hashes, sorted by name; raise ValueError for a file that has no hash."""
    lines = []
    for item in report["install"]:
        name, version = item["metadata"]["name"], item["metadata"]["version"]
        if name == without:
            continue
        digest = item["download_info"].get("archive_info", {}).get("hashes", {}).get("sha256")
        if digest is None:
            raise ValueError(f"{name} {version}: pip tells no sha256 of its file; is it installed from a folder?")
        lines.append(f"{name}=={version} --hash=sha256:{digest}\n")
    place = "Python {python_version}, {sys_platform} {platform_machine}".format(**report["environment"])
    return HEAD.format(place=place) + "".join(sorted(lines, key=str.lower))


if __name__ == "__main__":
    sys.stdout.write(lock(json.load(sys.stdin)))
