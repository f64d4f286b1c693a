"""The HTTP API: availability, reservations and ingest, a process of its own."""
