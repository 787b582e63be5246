"""How a refused batch comes apart, without a wire: no line is lost, none is posted twice."""

from __future__ import annotations

from collections.abc import Collection
from types import MappingProxyType

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.delivery.delivery_rig import UNIT
from track_dispatch.delivery.answer_body import LineError
from track_dispatch.delivery.answer_table import OutcomeKind
from track_dispatch.delivery.responses import Outcome, Part, Suspects, isolate, leftovers
from track_dispatch.ledger.batches import Batch
from track_dispatch.ledger.envelopes import SealedLine

PLACES = st.lists(st.integers(0, 999), min_size=1, max_size=40, unique=True).map(sorted)


def batch_of(places: Collection[int], id_: str = "b") -> Batch:
    lines = tuple(SealedLine(place, place, f"A{place}", (), (), (), b"{}") for place in places)
    return Batch(id_, "c", "s", UNIT, 1, 1, lines, validity_at=1, reminder_at=None)


def refusal(positions: Collection[int] = ()) -> Outcome:
    faults = {position: LineError("invalid", "email") for position in positions}
    return Outcome(OutcomeKind.REFUSED, "refused", status=422, faults=MappingProxyType(faults))


def taken_apart(batch: Batch, bad: Collection[int], *, named: bool) -> tuple[set[int], set[int]]:
    """Post a batch and its parts to a Track that refuses the bad; return accepted, suspected."""
    accepted: set[int] = set()
    suspected: set[int] = set()
    to_post = [batch]
    while to_post:
        posted = to_post.pop()
        wrong = [at for at, line in enumerate(posted.lines) if line.place in bad]
        if not wrong:
            assert accepted.isdisjoint(posted.places)
            accepted |= posted.places
            continue
        suspects, parts = isolate(posted, refusal(wrong if named else ()))
        suspected.update(suspects.faults if suspects else ())
        to_post += [batch_of([line.place for line in part.lines], "part") for part in parts]
    return accepted, suspected


@given(PLACES, st.sets(st.integers(0, 999)), st.booleans())
def test_whoever_is_bad_is_suspected_and_nobody_else(
    places: list[int], bad: set[int], named: bool
) -> None:
    accepted, suspected = taken_apart(batch_of(places), bad, named=named)

    assert suspected == bad & set(places)
    assert accepted == set(places) - bad


@given(PLACES, st.data())
def test_what_a_claim_leaves_behind_is_each_of_its_lines_once(
    places: list[int], data: st.DataObject
) -> None:
    batch = batch_of(places)
    named = data.draw(st.sets(st.sampled_from(range(len(places)))))
    refuse = data.draw(st.booleans())
    suspects, parts = isolate(batch, refusal(named))
    blamed = set(suspects.faults) if suspects else set()

    (left,) = leftovers(parts, [suspects] if suspects else [], refuse=refuse)

    assert set(left.refused) == (blamed if refuse else set())
    assert left.released == set(places) - set(left.refused)
    assert left.status == 422


def test_lines_are_left_in_the_batch_that_they_were_posted_in_last() -> None:
    whole, half = batch_of(range(8), "whole"), batch_of(range(4), "half")
    parts = [Part(whole, 422, whole.lines[4:]), Part(half, 400, half.lines[2:])]
    suspects = [Suspects(half, 400, {0: "email", 1: "phone"})]

    found = {left.batch.id: left for left in leftovers(parts, suspects, refuse=True)}

    assert found["whole"].released == {4, 5, 6, 7}
    assert found["half"].released == {2, 3}
    assert found["half"].refused == {0: "email", 1: "phone"}
    assert (found["whole"].status, found["half"].status) == (422, 400)
