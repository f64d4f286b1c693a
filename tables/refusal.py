"""Why intake does not take a record: the category of its exception, what it concerns, and what it waits for."""

from collections.abc import Iterable


class Refused(Exception):
    """A record that intake cannot place. With `waits` it is parked until one of those reference keys changes."""

    def __init__(
        self,
        category: str,
        subject: tuple[str, str],
        message: str,
        *,
        waits: Iterable[str] = (),
        owner: str | None = None,
        partner: str | None = None,
    ) -> None:
        super().__init__(message)
        self.category, self.subject, self.message = category, subject, message
        self.waits, self.owner, self.partner = frozenset(waits), owner, partner
