"""Singling out what Track refuses: who is refused, how many POSTs it takes, where it stops."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from stand_ins.track_api import ErrorsForm, Fault, faults
from tests.unit.delivery.delivery_rig import OPT_OUT, UNIT, by_name, once_each
from track_dispatch.delivery.context import Tally
from track_dispatch.errors import (
    ConfigError,
    DeliveryUncertainError,
    NotDeliveredError,
    ServiceStoppedError,
    TrackDispatchError,
)
from track_dispatch.ledger.privacy import add_optouts
from track_dispatch.records import Area

if TYPE_CHECKING:
    from tests.unit.delivery.delivery_rig import Rig

UNNAMED = faults.refuse(422)
UNCERTAIN = faults.answer(500)


# -- 400 and 422 -------------------------------------------------------------------


@pytest.mark.parametrize("form", ErrorsForm)
@pytest.mark.parametrize("status", [400, 422])
def test_a_line_that_track_names_is_refused_and_the_rest_goes_out(
    rig: Rig, status: int, form: ErrorsForm
) -> None:
    ids = rig.fill(5)
    rig.api.reject({ids[1]}, status=status, form=form)

    tally = rig.dispatch()

    assert tally == Tally(accepted=4, refused=1)
    assert rig.posts == [ids, [ids[0], *ids[2:]]]
    assert rig.fates()[ids[1]] == "refused refused_4xx"
    assert rig.api.accepted_ids() == once_each([ids[0], *ids[2:]])


def test_the_ledger_keeps_which_field_track_faults_and_nothing_of_the_line(rig: Rig) -> None:
    ids = rig.fill(3)
    rig.api.script(faults.refuse(positions=(2,)))

    rig.dispatch()

    assert rig.details() == {ids[2]: "email"}
    assert rig.kept_payloads() == 0


def test_one_bad_line_of_a_hundred_is_found_in_few_posts(rig: Rig) -> None:
    ids = rig.fill(100)
    rig.api.reject({ids[37]}, named=False)

    tally = rig.dispatch()

    assert tally == Tally(accepted=99, refused=1)
    assert rig.fates()[ids[37]] == "refused refused_4xx"
    assert len(rig.posts) <= 1 + 2 * math.ceil(math.log2(100))
    assert max(rig.api.accepted_ids().values()) == 1


@pytest.mark.parametrize("named", [True, False])
def test_several_bad_lines_are_refused_and_no_other(rig: Rig, *, named: bool) -> None:
    ids = rig.fill(9)
    bad = {ids[0], ids[4], ids[5], ids[8]}
    rig.api.reject(bad, named=named)

    tally = rig.dispatch()

    assert tally == Tally(accepted=5, refused=4)
    assert {id_ for id_, fate in rig.fates().items() if fate == "refused refused_4xx"} == bad
    assert rig.api.accepted_ids() == once_each(id_ for id_ in ids if id_ not in bad)


def test_every_part_is_a_batch_of_its_own(rig: Rig) -> None:
    ids = rig.fill(2)
    rig.api.reject({ids[0]}, named=False)

    rig.dispatch()

    keys = [post.idempotency_key for post in rig.api.received]
    assert len(set(keys)) == len(keys) == 3
    found = {(batch.state, batch.status, batch.parent) for batch in rig.batches()}
    assert found == {("split", 422, None), ("settled", 201, keys[0]), ("settled", 422, keys[0])}
    assert {batch.lease_until for batch in rig.batches()} == {None}


def test_every_part_takes_a_request_of_the_budget(rig: Rig) -> None:
    ids = rig.fill(4)
    rig.api.reject({ids[0]}, named=False)

    rig.dispatch()

    assert rig.requests_taken() == rig.api.requests.total()


def test_parts_are_posted_one_at_a_time(rig: Rig) -> None:
    ids = rig.fill(8)
    rig.api.reject({ids[2], ids[7]}, named=False)

    rig.dispatch()

    assert rig.api.violations == []


def test_the_envelopes_behind_a_refused_one_go_out_after_it(rig: Rig) -> None:
    ids = rig.fill(6, batch_size=2)
    rig.api.reject({ids[2]})

    tally = rig.dispatch()

    assert tally == Tally(accepted=5, refused=1)
    assert rig.posts == [ids[:2], ids[2:4], [ids[3]], ids[4:]]


@pytest.mark.parametrize("named", [True, False])
def test_a_unit_of_which_nothing_gets_through_refuses_nobody(
    rig: Rig, caplog: pytest.LogCaptureFixture, *, named: bool
) -> None:
    refused = rig.fill(6, batch_size=3)
    others = rig.fill(2, unit=replace(UNIT, area=Area.AMBULATORIO))
    rig.api.reject(set(refused), named=named)

    with pytest.raises(ConfigError, match="refuses every line of this unit"):
        rig.dispatch()

    assert f"ATENÇÃO: {UNIT}: o envio falhou em definitivo, o resto segue" in caplog.text
    assert rig.counts() == {"ready": 6, "accepted": 2}
    assert rig.batch_states()["sending"] == 0
    assert rig.api.accepted_ids() == once_each(others)


def test_a_mended_setting_lets_the_whole_unit_out(rig: Rig) -> None:
    ids = rig.fill(4)
    rig.api.reject(lambda line: True, named=False)
    rig.dispatch_anyhow()
    rig.api.behave()

    tally = rig.dispatch(series="cleared")

    assert tally == Tally(accepted=4)
    assert rig.api.accepted_ids() == once_each(ids)


@pytest.mark.parametrize("named", [True, False])
def test_a_line_claimed_alone_is_refused(rig: Rig, *, named: bool) -> None:
    ids = rig.fill(3, batch_size=2)
    rig.api.reject({ids[2]}, named=named)

    tally = rig.dispatch()

    assert tally == Tally(accepted=2, refused=1)
    assert rig.fates()[ids[2]] == "refused refused_4xx"


def test_a_refused_line_is_not_posted_again(rig: Rig) -> None:
    ids = rig.fill(2)
    rig.api.reject({ids[0]})
    rig.dispatch()

    rig.dispatch()

    assert rig.sizes == [2, 1]


# -- 413 ---------------------------------------------------------------------------


def test_a_batch_too_large_is_halved(rig: Rig) -> None:
    ids = rig.fill(4)
    rig.api.script(faults.refuse(413))

    tally = rig.dispatch()

    assert tally == Tally(accepted=4)
    assert rig.posts == [ids, ids[:2], ids[2:]]


def test_a_single_line_too_large_is_refused(rig: Rig) -> None:
    ids = rig.fill(4)
    rig.api.reject({ids[3]}, status=413, named=False)

    tally = rig.dispatch()

    assert tally == Tally(accepted=3, refused=1)
    assert rig.fates()[ids[3]] == "refused refused_4xx"
    assert rig.details() == {ids[3]: "too_large"}


# -- a split that ends early -------------------------------------------------------


def test_after_an_unknown_outcome_nothing_is_split_further_and_the_rest_is_claimed_anew(
    rig: Rig,
) -> None:
    ids = rig.fill(8)
    rig.api.script(UNNAMED, UNCERTAIN)

    with pytest.raises(DeliveryUncertainError):
        rig.dispatch()

    assert rig.posts == [ids, ids[:4], ids[4:]]
    assert rig.counts() == {"in_doubt": 4, "accepted": 4}
    splits = [batch.parent is not None for batch in rig.batches() if batch.status == 201]
    assert splits == [False]


def test_an_unknown_outcome_clears_who_stood_suspected_while_nothing_got_through(
    rig: Rig,
) -> None:
    ids = rig.fill(4)
    rig.api.script(faults.refuse(positions=(0,)), UNCERTAIN)

    with pytest.raises(DeliveryUncertainError):
        rig.dispatch()

    assert rig.posts == [ids, ids[1:], ids[:1]]
    assert rig.counts() == {"in_doubt": 3, "accepted": 1}


def test_an_unknown_outcome_does_not_clear_who_is_known_to_be_at_fault(rig: Rig) -> None:
    ids = rig.fill(8)
    rig.api.script(UNNAMED, None, faults.refuse(positions=(0,)), UNCERTAIN)

    with pytest.raises(DeliveryUncertainError):
        rig.dispatch()

    assert rig.posts == [ids, ids[:4], ids[4:], ids[5:]]
    assert rig.counts() == {"accepted": 4, "refused refused_4xx": 1, "in_doubt": 3}


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (faults.too_many_requests(), NotDeliveredError),
        (faults.captcha(), ServiceStoppedError),
        (faults.answer(404), ConfigError),
    ],
    ids=by_name,
)
def test_a_split_that_is_not_taken_releases_what_is_not_settled(
    rig: Rig, fault: Fault, error: type[TrackDispatchError]
) -> None:
    ids = rig.fill(8)
    rig.api.script(UNNAMED, UNNAMED, None, fault)

    with pytest.raises(error):
        rig.dispatch()

    assert rig.posts == [ids, ids[:4], ids[:2], ids[2:4]]
    assert rig.counts() == {"accepted": 2, "ready": 6}
    assert rig.batch_states() == {"split": 2, "settled": 1, "not_delivered": 1}


def test_a_split_that_was_broken_off_goes_on_with_the_next_dispatch(rig: Rig) -> None:
    ids = rig.fill(8)
    rig.api.script(UNNAMED, None, faults.too_many_requests())
    rig.dispatch_anyhow()

    rig.dispatch()

    assert rig.api.accepted_ids() == once_each(ids)


def test_a_stop_in_the_middle_of_a_split_leaves_nothing_in_flight(rig: Rig) -> None:
    rig.fill(8)
    rig.api.script(UNNAMED, UNNAMED)

    with pytest.raises(NotDeliveredError, match="stopped"):
        rig.dispatch(stopped=lambda: len(rig.posts) == 2)

    assert rig.sizes == [8, 4]
    assert rig.counts() == {"ready": 8}
    assert rig.batch_states() == {"split": 1, "not_delivered": 1}


@pytest.mark.parametrize("others", [0, 1])
def test_who_opts_out_between_two_parts_is_not_asked_and_the_others_are(
    rig: Rig, others: int
) -> None:
    """Each part asks anew; who may not go any more is left to the next claim."""
    ids = rig.fill(3 + others)
    half = (len(ids) + 1) // 2
    gone = f"email:fulana{ids[-1]}@exemplo.test"
    rig.api.script(UNNAMED)
    rig.during_post(
        2, lambda: add_optouts(rig.ledger, [([gone], None)], source="balcão", decision=OPT_OUT)
    )

    tally = rig.dispatch()

    assert tally == Tally(accepted=2 + others)
    assert rig.posts == [ids, ids[:half], *([ids[half:-1]] if others else [])]
    assert rig.fates()[ids[-1]] == "excluded opt_out"
    assert rig.api.accepted_ids() == once_each(ids[:-1])
    assert rig.kept_payloads() == 0
