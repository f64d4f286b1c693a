"""Every key and field name of the Redis view, for the process that keeps it and for those that read it.

Imports nothing: a reader takes this module and a Redis client, no more. Keys begin with the application id, so several
sites share a server. Values are UTF-8; records are JSON objects with the fields of `schemas/records.py`.

    {app}:sku:{sku}                     HASH  location → Availability; r:location → its revision
    {app}:offer:{channel}:{sku}         HASH  v → ChannelAvailability; r → its revision
    {app}:offers:{channel}              ZSET  SKUs with an offer, all of score 0: page with ZRANGEBYLEX
    {app}:feeds                         HASH  source|location → FeedStatus; r:source|location → its computed_at
    {app}:exception:{exception_id}      HASH  v → ExceptionRaised, `original` in base64; s → OPEN, RESOLVED, REPLAYED
                                              or DISMISSED; w → ExceptionResolved; r, t, o: the view's own
    {app}:exceptions:open, :closed      ZSET  exception ids by raised_at, by resolved_at
    {app}:exceptions:open:groups        SET   every category|severity|owner there was
    {app}:exceptions:open:{group}       ZSET  open ones of such a group, by raised_at
    {app}:reservation:{reservation_id}  HASH  v → ReservationReply; r → its revision
    {app}:view                          HASH  epoch; offset:topic:partition → next offset; built:topic:partition where
                                              the end was reached once; instance:id → how that instance is
"""

from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

VALUE: Final = "v"
REVISION: Final = "r"
STATUS: Final = "s"
RESOLUTION: Final = "w"
OPEN: Final = "OPEN"

EPOCH: Final = "epoch"
"""Field of `{app}:view` that is there as long as the data is; a new one means that the view is built anew."""
INSTANCE: Final = "instance:"
OFFSET: Final = "offset:"
BUILT: Final = "built:"
INSTANCE_EXPIRES_MS: Final = 10_000
"""A reader ignores an instance that has not been heard of for this long (wall clock)."""
CLOSED_KEPT: Final = 10_000
"""Settled exceptions that are kept, the newest."""
RESERVATION_KEPT_S: Final = 30 * 86_400

T = TypeVar("T", str, bytes)


def sku(app: str, number: str) -> str:
    """HASH: what one SKU has, by location."""
    return f"{app}:sku:{number}"


def revision_of(field: str) -> str:
    """The companion field with the revision of a location's or feed's field."""
    return f"r:{field}"


def records(fields: Mapping[T, T]) -> dict[T, T]:
    """Of an SKU's or the feeds' hash: the records, without the revisions beside them."""
    return {
        field: value
        for field, value in fields.items()
        if not (field.startswith("r:") if isinstance(field, str) else field.startswith(b"r:"))
    }


def offer(app: str, channel: str, number: str) -> str:
    """HASH: what one channel may offer of one SKU."""
    return f"{app}:offer:{channel}:{number}"


def offers(app: str, channel: str) -> str:
    """ZSET: SKUs the channel has an offer for, in lexicographic order."""
    return f"{app}:offers:{channel}"


def feeds(app: str) -> str:
    """HASH: every feed's status, field `source|location`."""
    return f"{app}:feeds"


def exception(app: str, exception_id: str) -> str:
    """HASH: one exception and what became of it. Without VALUE it is a note of the view's: not there for readers."""
    return f"{app}:exception:{exception_id}"


def exceptions_open(app: str) -> str:
    """ZSET: ids of open exceptions by raised_at (ms)."""
    return f"{app}:exceptions:open"


def group(category: str, severity: str, owner: str) -> str:
    """Whom open exceptions are counted for."""
    return f"{category}|{severity}|{owner}"


def exception_groups(app: str) -> str:
    """SET: every group there was."""
    return f"{app}:exceptions:open:groups"


def exceptions_of(app: str, name: str) -> str:
    """ZSET: ids of a group's open exceptions by raised_at (ms)."""
    return f"{app}:exceptions:open:{name}"


def exceptions_closed(app: str) -> str:
    """ZSET: ids of the newest CLOSED_KEPT settled exceptions by resolved_at (ms)."""
    return f"{app}:exceptions:closed"


def reservation(app: str, reservation_id: str) -> str:
    """HASH: the state of one reservation; kept RESERVATION_KEPT_S after its last change."""
    return f"{app}:reservation:{reservation_id}"


def view(app: str) -> str:
    """HASH: how far the view is and who keeps it."""
    return f"{app}:view"


def offset_field(topic: str, partition: int) -> str:
    """Field of `view`: the next offset of this partition to apply."""
    return f"{OFFSET}{topic}:{partition}"


def built_field(topic: str, partition: int) -> str:
    """Field of `view`: there once this partition has been read to its end since the view's epoch began."""
    return f"{BUILT}{topic}:{partition}"


def instance_field(instance: str) -> str:
    """Field of `view`: JSON {state, percent, at (wall ms), lag (records, null: unknown), seconds_left, partitions}.

    State: `rebuilding`, the view is not whole, whichever partitions this instance has; `catching up`, it is whole but
    old, for this instance's partitions have not been read to their end since it took them over; `live`.
    """
    return f"{INSTANCE}{instance}"


def data_prefixes(app: str) -> Iterable[str]:
    """What the keys of the view's data begin with; other keys under `{app}:` are not its own."""
    kinds = ("sku:", "offer:", "offers:", "feeds", "exception:", "exceptions:", "reservation:")
    return tuple(f"{app}:{kind}" for kind in kinds)
