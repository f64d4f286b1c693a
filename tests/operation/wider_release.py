"""A later release whose intake reads one topic more. Run as `python wider_release.py COMMAND…`."""

from cli.main import main
from streams import wiring

if __name__ == "__main__":
    wiring.INBOUND = (*wiring.INBOUND, "webhooks.subscriptions")  # type: ignore[assignment]
    main()
