"""Singling out what Track refuses: who is refused, how many POSTs it takes, where it stops."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from demo.track_api import ErrorsForm, Fault, faults
from tests.unit.delivery.bench import by_name, once_each
from track_dispatch.delivery.splitting import Tally
from track_dispatch.errors import (
    ConfigError,
    DeliveryUncertainError,
    NotDeliveredError,
    ServiceStoppedError,
    TrackDispatchError,
)

if TYPE_CHECKING:
    from tests.unit.delivery.bench import Bench

UNNAMED = faults.refuse(422)
DOUBT = faults.answer(500)


# -- 400 and 422 -------------------------------------------------------------------


@pytest.mark.parametrize("form", ErrorsForm)
@pytest.mark.parametrize("status", [400, 422])
def test_a_line_that_track_names_is_refused_and_the_rest_goes_out(
    bench: Bench, status: int, form: ErrorsForm
) -> None:
    ids = bench.fill(5)
    bench.api.reject({ids[1]}, status=status, form=form)

    tally = bench.dispatch()

    assert tally == Tally(accepted=4, refused=1)
    assert bench.posts == [ids, [ids[0], *ids[2:]]]
    assert bench.fates()[ids[1]] == "refused refused_4xx"
    assert bench.api.accepted_ids() == once_each([ids[0], *ids[2:]])


def test_the_ledger_keeps_which_field_track_faults_and_nothing_of_the_line(bench: Bench) -> None:
    ids = bench.fill(3)
    bench.api.script(faults.refuse(positions=(2,)))

    bench.dispatch()

    assert bench.details() == {ids[2]: "email"}
    assert bench.lines()[ids[2]].payload is None


def test_one_bad_line_of_a_hundred_is_found_in_few_posts(bench: Bench) -> None:
    ids = bench.fill(100)
    bench.api.reject({ids[37]}, named=False)

    tally = bench.dispatch()

    assert tally == Tally(accepted=99, refused=1)
    assert bench.fates()[ids[37]] == "refused refused_4xx"
    assert len(bench.posts) <= 1 + 2 * math.ceil(math.log2(100))
    assert max(bench.api.accepted_ids().values()) == 1


@pytest.mark.parametrize("named", [True, False])
def test_several_bad_lines_are_refused_and_no_other(bench: Bench, *, named: bool) -> None:
    ids = bench.fill(9)
    bad = {ids[0], ids[4], ids[5], ids[8]}
    bench.api.reject(bad, named=named)

    tally = bench.dispatch()

    assert tally == Tally(accepted=5, refused=4)
    assert {id_ for id_, fate in bench.fates().items() if fate == "refused refused_4xx"} == bad
    assert bench.api.accepted_ids() == once_each(id_ for id_ in ids if id_ not in bad)


def test_every_part_is_a_batch_of_its_own(bench: Bench) -> None:
    ids = bench.fill(2)
    bench.api.reject({ids[0]}, named=False)

    bench.dispatch()

    keys = [post.idempotency_key for post in bench.api.received]
    assert len(set(keys)) == len(keys) == 3
    found = {(batch.state, batch.status, batch.split_from) for batch in bench.batches()}
    assert found == {("split", 422, None), ("settled", 201, keys[0]), ("settled", 422, keys[0])}


def test_parts_are_posted_one_at_a_time(bench: Bench) -> None:
    ids = bench.fill(8)
    bench.api.reject({ids[2], ids[7]}, named=False)

    bench.dispatch()

    assert bench.api.violations == []


@pytest.mark.parametrize("named", [True, False])
def test_a_unit_of_which_nothing_gets_through_refuses_nobody(bench: Bench, *, named: bool) -> None:
    bench.fill(6, batch_size=3)
    bench.api.reject(lambda line: True, named=named)

    with pytest.raises(ConfigError, match="refuses every line of this unit"):
        bench.dispatch()

    assert bench.counts() == {"ready": 6}
    assert bench.batch_states()["sending"] == 0


def test_a_mended_setting_lets_the_whole_unit_out(bench: Bench) -> None:
    ids = bench.fill(4)
    bench.api.reject(lambda line: True, named=False)
    bench.dispatch_anyhow()
    bench.api.behave()

    tally = bench.dispatch()

    assert tally == Tally(accepted=4)
    assert bench.api.accepted_ids() == once_each(ids)


@pytest.mark.parametrize("named", [True, False])
def test_a_line_claimed_alone_is_refused(bench: Bench, *, named: bool) -> None:
    ids = bench.fill(3, batch_size=2)
    bench.api.reject({ids[2]}, named=named)

    tally = bench.dispatch()

    assert tally == Tally(accepted=2, refused=1)
    assert bench.fates()[ids[2]] == "refused refused_4xx"


def test_a_refused_line_is_not_posted_again(bench: Bench) -> None:
    ids = bench.fill(2)
    bench.api.reject({ids[0]})
    bench.dispatch()

    bench.dispatch()

    assert bench.sizes == [2, 1]


# -- 413 ---------------------------------------------------------------------------


def test_a_batch_too_large_is_halved(bench: Bench) -> None:
    ids = bench.fill(4)
    bench.api.script(faults.refuse(413))

    tally = bench.dispatch()

    assert tally == Tally(accepted=4)
    assert bench.posts == [ids, ids[:2], ids[2:]]


def test_a_single_line_too_large_is_refused(bench: Bench) -> None:
    ids = bench.fill(4)
    bench.api.reject({ids[3]}, status=413, named=False)

    tally = bench.dispatch()

    assert tally == Tally(accepted=3, refused=1)
    assert bench.fates()[ids[3]] == "refused refused_4xx"
    assert bench.details() == {ids[3]: "too_large"}


# -- a split that ends early -------------------------------------------------------


def test_after_a_doubt_nothing_is_split_further_and_the_rest_goes_as_new_batches(
    bench: Bench,
) -> None:
    ids = bench.fill(8)
    bench.api.script(UNNAMED, DOUBT)

    with pytest.raises(DeliveryUncertainError):
        bench.dispatch()

    assert bench.posts == [ids, ids[:4], ids[4:]]
    assert bench.counts() == {"in_doubt": 4, "accepted": 4}
    splits = [batch.split_from is not None for batch in bench.batches() if batch.status == 201]
    assert splits == [False]


def test_a_doubt_clears_who_stood_accused_while_nothing_got_through(bench: Bench) -> None:
    ids = bench.fill(4)
    bench.api.script(faults.refuse(positions=(0,)), DOUBT)

    with pytest.raises(DeliveryUncertainError):
        bench.dispatch()

    assert bench.posts == [ids, ids[1:], ids[:1]]
    assert bench.counts() == {"in_doubt": 3, "accepted": 1}


def test_a_doubt_does_not_clear_who_is_known_to_be_at_fault(bench: Bench) -> None:
    ids = bench.fill(8)
    bench.api.script(UNNAMED, None, faults.refuse(positions=(0,)), DOUBT)

    with pytest.raises(DeliveryUncertainError):
        bench.dispatch()

    assert bench.posts == [ids, ids[:4], ids[4:], ids[5:]]
    assert bench.counts() == {"accepted": 4, "refused refused_4xx": 1, "in_doubt": 3}


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
    bench: Bench, fault: Fault, error: type[TrackDispatchError]
) -> None:
    ids = bench.fill(8)
    bench.api.script(UNNAMED, UNNAMED, None, fault)

    with pytest.raises(error):
        bench.dispatch()

    assert bench.posts == [ids, ids[:4], ids[:2], ids[2:4]]
    assert bench.counts() == {"accepted": 2, "ready": 6}
    assert bench.batch_states() == {"split": 2, "settled": 1, "not_delivered": 1}


def test_a_split_that_was_broken_off_goes_on_with_the_next_dispatch(bench: Bench) -> None:
    ids = bench.fill(8)
    bench.api.script(UNNAMED, None, faults.too_many_requests())
    bench.dispatch_anyhow()

    bench.dispatch()

    assert bench.api.accepted_ids() == once_each(ids)


def test_a_stop_in_the_middle_of_a_split_leaves_nothing_in_flight(bench: Bench) -> None:
    bench.fill(8)
    bench.api.script(UNNAMED, UNNAMED)

    with pytest.raises(NotDeliveredError, match="stopped"):
        bench.dispatch(stopped=lambda: len(bench.posts) == 2)

    assert bench.sizes == [8, 4]
    assert bench.counts() == {"ready": 8}
    assert bench.batch_states() == {"split": 1, "not_delivered": 1}
