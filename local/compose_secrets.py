"""The secrets of compose.yaml, made once: API key, webhook signing secret, shop's token, Grafana's password.

Run as `python -m local.compose_secrets FOLDER`; what is there already is kept. For a developer's machine: production
brings its own.
"""

import base64
import secrets
import sys
from pathlib import Path
from typing import Final

from connectors.api import api_keys
from connectors.api.security import SCOPES

KEYS: Final = "api-keys.yaml"
"""The API's keys, hashes only."""
KEY: Final = "api-key"
"""The one key in the clear, for `curl`."""


def make(folder: Path) -> list[str]:
    """Make what is missing; the names of what was made."""
    folder.mkdir(parents=True, exist_ok=True)
    plain = {
        "webhook-secret": f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}",
        "shop-token": secrets.token_urlsafe(32),
        "grafana-password": secrets.token_urlsafe(16),
    }
    made = [name for name in plain if not (folder / name).exists()]
    for name in made:
        _write(folder / name, plain[name])
    if not (folder / KEYS).exists() or not (folder / KEY).exists():
        text, _ = api_keys.create(
            folder / KEYS, "compose", sorted(SCOPES), channel=None, partner=None, expires=None, rate=None
        )
        (folder / KEYS).chmod(0o644)
        _write(folder / KEY, text)
        made += [KEYS, KEY]
    return made


def _write(path: Path, text: str) -> None:
    """For every container that mounts the volume, whatever its user."""
    path.write_text(text)
    path.chmod(0o644)


def main() -> None:
    made = make(Path(sys.argv[1]))
    print(f"{', '.join(made)} made in {sys.argv[1]}" if made else "all secrets are there already")


if __name__ == "__main__":
    main()
