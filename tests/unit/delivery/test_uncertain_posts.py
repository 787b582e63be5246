"""After an unknown outcome, and before the first POST: Track is asked before it is trusted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from stand_ins.track_api import Fault, faults
from tests.unit.delivery.delivery_rig import UNIT, by_name, on_one_database, once_each
from track_dispatch.delivery.context import Tally
from track_dispatch.errors import (
    ConfigError,
    DeliveryUncertainError,
    NotDeliveredError,
    ServiceStoppedError,
    TrackDispatchError,
)
from track_dispatch.records import Area

if TYPE_CHECKING:
    from tests.unit.delivery.delivery_rig import Rig

UNCERTAIN = faults.answer(500)
NEXT_UNIT = replace(UNIT, area=Area.AMBULATORIO)

NO_PROPER_ANSWER = [
    (faults.answer(503), NotDeliveredError),
    (faults.html(), NotDeliveredError),
    (faults.drop(accepted=False), NotDeliveredError),
    (faults.too_many_requests(30), NotDeliveredError),
    (faults.captcha(), ServiceStoppedError),
    (faults.answer(401), ServiceStoppedError),
    (faults.answer(403), ServiceStoppedError),
    (faults.answer(404), ConfigError),
    (faults.redirect(), ConfigError),
]


# -- before the first POST ---------------------------------------------------------


@on_one_database
@pytest.mark.parametrize(("fault", "error"), NO_PROPER_ANSWER, ids=by_name)
def test_without_a_proper_answer_to_a_question_nothing_is_claimed(
    rig: Rig, fault: Fault, error: type[TrackDispatchError]
) -> None:
    rig.fill(2)
    rig.api.script_surveys(fault)

    with pytest.raises(error):
        rig.dispatch()

    assert rig.api.requests == {"surveys": 1}
    assert (rig.counts(), rig.batches()) == ({"ready": 2}, [])


def test_an_outage_costs_no_doubt(rig: Rig) -> None:
    ids = rig.fill(2)

    with rig.api.refusing(), pytest.raises(NotDeliveredError):
        rig.dispatch()
    rig.dispatch()

    assert rig.api.accepted_ids() == once_each(ids)


@on_one_database
def test_without_trusted_tls_nothing_is_claimed(rig: Rig) -> None:
    rig.fill(2)

    with pytest.raises(NotDeliveredError, match="TLS"):
        rig.dispatch(url=rig.api.url.replace("http:", "https:"))

    assert (rig.counts(), rig.batches()) == ({"ready": 2}, [])


# -- after an unknown outcome ------------------------------------------------------


def test_the_rest_goes_on_after_another_question(rig: Rig) -> None:
    ids = rig.fill(4, batch_size=1)
    rig.api.script(UNCERTAIN)

    with pytest.raises(DeliveryUncertainError):
        rig.dispatch()

    assert rig.api.requests == {"surveys": 2, "distributions": 4}
    assert rig.requests_taken() == 6
    assert rig.counts() == {"in_doubt": 1, "accepted": 3}
    assert rig.api.accepted_ids() == once_each(ids[1:])


def test_a_second_unknown_outcome_ends_the_dispatch_whatever_the_unit(rig: Rig) -> None:
    rig.fill(2, unit=UNIT, batch_size=1)
    rig.fill(3, unit=NEXT_UNIT)
    rig.api.script(UNCERTAIN, None, UNCERTAIN)

    with pytest.raises(DeliveryUncertainError, match=r"2 lines .* the rest is ready"):
        rig.dispatch()

    assert rig.sizes == [1, 1, 1]
    assert rig.counts() == {"in_doubt": 2, "accepted": 1, "ready": 2}


@on_one_database
@pytest.mark.parametrize(
    "fault",
    [
        faults.failure_within(),
        faults.without_receipt(),
        faults.plain_text(),
        faults.in_parts(),
        faults.redirect(302),
        faults.html(),
    ],
    ids=by_name,
)
def test_a_strange_answer_to_everything_costs_two_doubts(rig: Rig, fault: Fault) -> None:
    ids = rig.fill(6, batch_size=1)
    rig.api.script(*[fault] * 6)

    with pytest.raises(DeliveryUncertainError, match="the rest is ready"):
        rig.dispatch()

    assert rig.counts() == {"in_doubt": 2, "ready": 4}
    assert rig.posts == [[id_] for id_ in ids[:2]]


def test_the_next_dispatch_sends_the_rest_and_nothing_in_doubt(rig: Rig) -> None:
    ids = rig.fill(4, batch_size=1)
    rig.api.script(UNCERTAIN, UNCERTAIN)
    rig.dispatch_anyhow()

    tally = rig.dispatch()

    assert tally == Tally(accepted=2)
    assert rig.posts == [[id_] for id_ in ids]


def test_a_dispatch_that_finds_nothing_to_send_says_what_is_still_in_doubt(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.fill(2)
    rig.api.script(UNCERTAIN)
    rig.dispatch_anyhow()

    with caplog.at_level("INFO", logger="track_dispatch"):
        rig.dispatch()

    assert "ATENÇÃO: HMS: 2 linhas continuam em dúvida" in caplog.text


def test_no_proper_answer_after_an_unknown_outcome_ends_the_dispatch(rig: Rig) -> None:
    rig.fill(3, batch_size=1)
    rig.api.script(UNCERTAIN)
    rig.api.script_surveys(None, faults.answer(503))

    with pytest.raises(NotDeliveredError):
        rig.dispatch()

    assert rig.sizes == [1]
    assert rig.counts() == {"in_doubt": 1, "ready": 2}


def test_the_error_tells_how_many_lines_and_names_nobody(rig: Rig) -> None:
    ids = rig.fill(3, batch_size=2)
    rig.api.script(UNCERTAIN)

    with pytest.raises(DeliveryUncertainError, match="2 lines") as caught:
        rig.dispatch()

    assert [id_ for id_ in ids if id_ in str(caught.value)] == []
