"""The outbox under anything that may happen: nothing is committed before it was told, and chains never break."""

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.outbound.commerce.outbox import Change, Outbox
from tests.connectors.commerce_site import offer

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 4)),
        st.tuples(st.just("skip"), st.just(0)),
        st.tuples(st.just("take"), st.integers(1, 3)),
        st.tuples(st.just("done"), st.just(0)),
        st.tuples(st.just("back"), st.just(0)),
        st.tuples(st.just("hold"), st.just(0)),
        st.tuples(st.just("look"), st.just(0)),
        st.tuples(st.just("again"), st.just(0)),
        st.tuples(st.just("rule"), st.just(0)),
    ),
    max_size=60,
)


@given(steps=STEPS)
@settings(max_examples=300, deadline=None)
def test_whatever_happens_no_change_is_lost_and_no_chain_breaks(steps):
    """Offsets below the committed end are told; the receiver sees no gap; in the end it has the newest of each SKU.

    And where nothing is left to be told anew, all it was told is by the newest rule.
    """
    outbox, told, newest, offsets = Outbox(), dict[str, int](), dict[str, int](), list[tuple[str, int]]()
    out: list[list[Change]] = []
    held: list[Change] = []
    latest: dict[str, Change] = {}
    rule, packed, by = 0, dict[str, int](), dict[str, int]()
    outbox.live([0])

    def receive(changes: list[Change]) -> None:
        for change in changes:
            assert change.before[0] <= told.get(change.sku, 0)
            told[change.sku] = max(told.get(change.sku, 0), change.offer["revision"])
            by[change.sku] = packed.get(change.sku, rule)

    for what, number in [*steps, ("end", 0)]:
        match what:
            case "add":
                sku = f"SKU-{number}"
                revision = newest.get(sku, 0) + 1
                record = offer("webshop", sku, revision, revision, (revision - 1, revision - 1))
                newest[sku] = revision
                latest[sku] = Change(sku, 0, len(offsets), "", record, len(offsets))
                outbox.add(0, len(offsets), latest[sku])
                offsets.append((sku, revision))
            case "rule":
                rule += 1
                for change in latest.values():
                    outbox.anew(change)
            case "skip":
                outbox.add(0, len(offsets), None)
                offsets.append(("", 0))
            case "take":
                taken = outbox.take(number)
                packed |= {change.sku: rule for change in taken}
                busy = {change.sku for batch in out for change in batch}
                assert not busy & {change.sku for change in taken}
                if taken:
                    out.append(taken)
            case "done" if out:
                batch = out.pop(0)
                receive(batch)
                outbox.done(batch)
            case "again" if out:
                batch = out.pop(0)
                outbox.tell_again(batch[0])
                receive(batch[1:])
                outbox.done(batch)
            case "back" if out:
                outbox.put_back(out.pop(0))
            case "hold" if out:
                batch = out.pop(0)
                receive(batch)
                for change in batch:
                    outbox.hold(change)
                outbox.done(batch)
                held += batch
            case "look" if held:
                change = held.pop(0)
                if outbox.look_again(change):
                    outbox.put_back([change])
            case "end":
                for batch in out:
                    outbox.put_back(batch)
                for change in held:
                    if outbox.look_again(change):
                        outbox.put_back([change])
                rest = outbox.take(1_000)
                packed |= {change.sku: rule for change in rest}
                receive(rest)
                outbox.done(rest)
        for end in outbox.ends().values():
            assert all(told.get(sku, 0) >= revision for sku, revision in offsets[:end] if sku)
            outbox.committed({0: end})
        if not outbox.telling_anew(0):
            assert all(under == rule for under in by.values())

    assert newest == told
    assert not outbox.telling_anew(0)
    assert 0 == len(outbox)


def test_nothing_is_taken_before_the_partition_was_read_to_its_end():
    """After a restart old records come first: the newest of a SKU is known only at the end."""
    outbox = Outbox()
    outbox.add(0, 0, Change("A", 0, 0, "", offer("webshop", "A", 1, 1), 0.0))
    assert [] == outbox.take(10)
    outbox.add(0, 1, Change("A", 0, 1, "", offer("webshop", "A", 2, 2, (1, 1)), 1.0))
    outbox.live([0])

    [change] = outbox.take(10)
    assert (2, 0) == (change.offer["revision"], change.offer["previous_revision"])


def test_a_partition_that_went_to_another_reader_is_forgotten():
    """What was with a receiver then is neither put back nor committed here."""
    outbox = Outbox()
    outbox.add(0, 0, Change("A", 0, 0, "", offer("webshop", "A", 1, 1), 0.0))
    outbox.live([0])
    taken = outbox.take(1)
    outbox.drop([0])
    outbox.put_back(taken)

    assert not outbox.holds(taken[0])
    assert {} == outbox.ends()
    assert [] == outbox.take(1)
