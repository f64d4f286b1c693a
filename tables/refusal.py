"""Why intake does not take a record: the category of its exception, what it concerns, and what it waits for."""

from collections.abc import Iterable


class Refused(Exception):
    """A record that intake cannot place. With `waits` it is parked until one of those reference keys changes."""

    MOST = 300  # characters of what a record may put into keys and subjects
    MOST_WAITS = 50

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
        self.category, self.message = category, message
        self.subject = subject[0], subject[1][: self.MOST]
        self.owner, self.partner = owner, partner
        self.waits: frozenset[str] = frozenset()
        self.wait_for(waits)

    def wait_for(self, waits: Iterable[str]) -> None:
        """Set what is waited for. Some of many will do: when they come, the record is tried and names the rest."""
        self.waits = frozenset(sorted(wait for wait in waits if len(wait) <= self.MOST)[: self.MOST_WAITS])
