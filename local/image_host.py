"""Whether this host installs the packages that the image has: the Containerfile's Python, on Linux.

Run as `python -m local.image_host`; ends with 1 and says what differs. Which packages are needed depends on both.
"""

import re
import sys
from pathlib import Path
from typing import Final

RECIPE: Final = Path(__file__).resolve().parents[1] / "Containerfile"


def differs(python: str, platform: str) -> str:
    """What to say of a host with this minor release of Python; nothing where it is the image's."""
    base = re.search(r"^ARG BASE=\S*python:(\d+\.\d+)", RECIPE.read_text(), re.MULTILINE)
    if base is None:
        return f"{RECIPE.name}: ARG BASE names no Python"
    if (python, platform) == (base[1], "linux"):
        return ""
    return (
        f"here is Python {python} on {platform}, and the image has Python {base[1]} on linux: its packages are others. "
        f"Bring dist/requirements.lock from where the image is built (`make lock`), or name that Python: "
        f"PYTHON=python{base[1]}"
    )


if __name__ == "__main__":
    sys.exit(differs(f"{sys.version_info[0]}.{sys.version_info[1]}", sys.platform) or None)
