"""A later release whose intake reads one topic more. Run as `python wider_release.py COMMAND…`."""

from streams import wiring

wiring.INBOUND = (*wiring.INBOUND, "webhooks.subscriptions")  # type: ignore[assignment]

if __name__ == "__main__":
    from cli.main import main

    main()
