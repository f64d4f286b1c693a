"""What an EPCIS event says of stock: its business step and dispositions as scan type and states. Pure."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from connectors.inbound import cbv
from connectors.inbound.unmapped import Unmapped, several, text
from schemas.records import ScanType

Event = Mapping[str, Any]


class Terms(NamedTuple):
    """Scan type, the disposition it takes goods from or brings them into, and the one a move brings them to."""

    scan_type: ScanType
    disposition: str | None
    to_disposition: str | None = None


def step_name(event: Event, at: str) -> str:
    given = text(event, "bizStep", at)
    if given is None:
        if event["type"] == "AggregationEvent" and event.get("action") in ("ADD", "DELETE"):
            return "packing" if event["action"] == "ADD" else "unpacking"
        raise Unmapped(f"{at}bizStep", "is missing", f"send one of {', '.join(cbv.STEPS)}")
    return cbv.word(given)


def step_of(event: Event, name: str, at: str) -> cbv.Step:
    step = cbv.STEPS.get(name)
    if step is None:
        if name in cbv.QUIET:
            raise Unmapped(f"{at}bizStep", f"{name} has no effect on stock", cbv.QUIET[name])
        raise Unmapped(f"{at}bizStep", f"{event['bizStep']!r} is not taken", f"send one of {', '.join(cbv.STEPS)}")
    action = event.get("action")
    if action not in ("OBSERVE", "ADD", "DELETE"):
        raise Unmapped(f"{at}action", f"{action!r} is no action", "send OBSERVE, ADD or DELETE")
    takes = step.actions
    if event["type"] == "AggregationEvent":
        takes = {"packing": frozenset({"ADD"}), "unpacking": frozenset({"DELETE"})}.get(
            name, frozenset({"OBSERVE", "ADD"}) if name == "loading" else frozenset({"OBSERVE"})
        )
    if action not in takes:
        raise Unmapped(f"{at}action", f"{action} does not go with {name}", f"send {' or '.join(sorted(takes))}")
    return step


def dispositions(event: Event, at: str) -> tuple[str | None, str | None]:
    """The state of the goods after the event, and before it where the event unsets one."""
    given = text(event, "disposition", at)
    after = None if given is None else _disposition(given, f"{at}disposition")
    persistent = event.get("persistentDisposition") or {}
    if not isinstance(persistent, Mapping):
        raise Unmapped(f"{at}persistentDisposition", "is not an object", "send {set: […], unset: […]}")
    states: list[str | None] = [after, None]
    for number, name in enumerate(("set", "unset")):
        where = f"{at}persistentDisposition."
        told = {
            _disposition(value, f"{where}{name}[{place}]")
            for place, value in enumerate(several(persistent, name, where))
        }
        told.discard(None)
        if len(told) > 1:
            raise Unmapped(f"{where}{name}", f"means {' and '.join(sorted(map(str, told)))} at once", "name one")
        states[number] = next(iter(told), states[number])
    return states[0], states[1]


def _disposition(given: object, path: str) -> str | None:
    if not isinstance(given, str):
        raise Unmapped(path, f"{given!r} is not text", "send a disposition of the Core Business Vocabulary")
    name = cbv.word(given)
    if name in cbv.NEUTRAL:
        return None
    if name not in cbv.DISPOSITIONS:
        known = ", ".join(sorted({*cbv.DISPOSITIONS, *cbv.NEUTRAL}))
        raise Unmapped(path, f"{given!r} is not taken", f"send one of {known}")
    return cbv.DISPOSITIONS[name]


def terms(step: cbv.Step, name: str, after: str | None, before: str | None, at: str) -> Terms:
    """What the step means for goods in the state `after` it and, where that is told, `before` it; raise Unmapped."""
    if name == cbv.INSPECTING:
        if after is None:
            raise Unmapped(
                f"{at}disposition",
                "inspecting does not say how the goods were found",
                "send sellable_accessible to release them, or non_conformant, damaged or expired to hold them",
            )
        scan_type: ScanType = "RELEASE" if after == "available" else "HOLD"
        leaves = before or ("quality_hold" if scan_type == "RELEASE" else "available")
        return Terms(scan_type, _differs(leaves, after, at), after)
    if step.scan_type == "HOLD":
        after = after or "quality_hold"
        return Terms("HOLD", _differs(before or "available", after, at), after)
    if step.scan_type == "PUTAWAY":
        return Terms("PUTAWAY", before, after)
    if step.scan_type in ("RECEIPT", "COUNT"):
        returned = step.scan_type == "RECEIPT" and after == "returned"
        return Terms("RETURN" if returned else step.scan_type, after)
    if step.scan_type in ("PICK", "PACK"):
        return Terms(step.scan_type, None)
    if before is None and after == "returned":
        raise Unmapped(
            f"{at}disposition",
            f"{name} of returned goods does not say which stock they leave",
            "add persistentDisposition.unset with the state they were in",
        )
    return Terms(step.scan_type, before or (None if after == "available" else after))


def _differs(leaves: str, enters: str, at: str) -> str:
    if leaves == enters:
        raise Unmapped(f"{at}disposition", f"moves goods from {leaves} to {enters}", "send the state that is new")
    return leaves
