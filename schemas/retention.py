"""How long a site's topics keep their records, where it wants other than the catalogue: STOCKSTREAM_RETENTION_DAYS."""

import re
from typing import Final

from schemas.catalogue import Topic, catalogue, kept
from schemas.environment import PREFIX, SettingError

VARIABLE: Final = f"{PREFIX}RETENTION_DAYS"
FOREVER: Final = "forever"


def retention(text: str) -> dict[str, int | None]:
    """Days by topic, None for ever, of `topic=days,topic=forever`; raise SettingError that says what cannot be.

    Nothing that anybody still has to read may go: less than a topic needs is refused, with what needs it.
    """
    found: dict[str, int | None] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, days = (each.strip() for each in part.partition("="))
        if name in found:
            raise SettingError(f"{VARIABLE}: {name} is there twice")
        found[name] = _days(_topic(name), days)
    for topic in kept(catalogue().topics, found):
        _outlasting(topic, found)
    return found


def written(name: str, days: int | None) -> str:
    """An entry of the setting."""
    return f"{name}={FOREVER if days is None else days}"


def _topic(name: str) -> Topic:
    try:
        topic = catalogue().topic(name)
    except KeyError:
        raise SettingError(
            f"{VARIABLE}: there is no topic {name!r}; write topic=days,topic=days; `stockstream topics list` has the names"
        ) from None
    if topic.cleanup == "compact":
        raise SettingError(f"{VARIABLE}: {name} is compacted: it keeps the newest record of each key, however old")
    return topic


def _days(topic: Topic, text: str) -> int | None:
    if text == FOREVER:
        return None
    if not re.fullmatch(r"[0-9]{1,5}", text):
        raise SettingError(f"{VARIABLE}: {topic.name}={text} is neither a whole number of days nor {FOREVER!r}")
    if int(text) < (least := topic.least_retention_days):
        raise SettingError(
            f"{VARIABLE}: {topic.name}={text} is too short: {least} days at least, or a reader that was away misses records"
        )
    return int(text)


def _outlasting(topic: Topic, chosen: dict[str, int | None]) -> None:
    """Raise SettingError where the topic loses what records of another, kept longer, still need."""
    for other in kept(map(catalogue().topic, topic.outlasts), chosen):
        if topic.retention_days is not None and (
            other.retention_days is None or other.retention_days > topic.retention_days
        ):
            raise SettingError(
                f"{VARIABLE}: {written(topic.name, topic.retention_days)} is shorter than "
                f"{written(other.name, other.retention_days)}, whose records need it; keep it as long, or that shorter"
            )
