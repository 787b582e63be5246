"""After an unknown outcome, and before the first POST: Track is asked before it is trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from demo.track_api import Fault, faults
from tests.unit.delivery.bench import by_name, on_one_database, once_each
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

DOUBT = faults.answer(500)

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
    bench: Bench, fault: Fault, error: type[TrackDispatchError]
) -> None:
    bench.fill(2)
    bench.api.script_surveys(fault)

    with pytest.raises(error):
        bench.dispatch()

    assert bench.api.requests == {"surveys": 1}
    assert (bench.counts(), bench.batches()) == ({"ready": 2}, [])


def test_an_outage_costs_no_doubt(bench: Bench) -> None:
    ids = bench.fill(2)

    with bench.api.refusing(), pytest.raises(NotDeliveredError):
        bench.dispatch()
    bench.dispatch()

    assert bench.api.accepted_ids() == once_each(ids)


def test_without_trusted_tls_nothing_is_claimed(bench: Bench) -> None:
    bench.fill(2)

    with pytest.raises(NotDeliveredError, match="TLS"):
        bench.dispatch(url=bench.api.url.replace("http:", "https:"))

    assert (bench.counts(), bench.batches()) == ({"ready": 2}, [])


# -- after an unknown outcome ------------------------------------------------------


def test_the_rest_of_the_unit_goes_on_after_another_question(bench: Bench) -> None:
    ids = bench.fill(4, batch_size=1)
    bench.api.script(DOUBT)

    with pytest.raises(DeliveryUncertainError):
        bench.dispatch()

    assert bench.api.requests == {"surveys": 2, "distributions": 4}
    assert bench.counts() == {"in_doubt": 1, "accepted": 3}
    assert bench.api.accepted_ids() == once_each(ids[1:])


def test_a_second_unknown_outcome_stops_the_unit(bench: Bench) -> None:
    bench.fill(5, batch_size=1)
    bench.api.script(DOUBT, None, DOUBT)

    with pytest.raises(DeliveryUncertainError):
        bench.dispatch()

    assert bench.sizes == [1, 1, 1]
    assert bench.counts() == {"in_doubt": 2, "accepted": 1, "ready": 2}


def test_the_next_dispatch_sends_the_rest_and_nothing_in_doubt(bench: Bench) -> None:
    ids = bench.fill(4, batch_size=1)
    bench.api.script(DOUBT, DOUBT)
    bench.dispatch_anyhow()

    tally = bench.dispatch()

    assert tally == Tally(accepted=2)
    assert bench.posts == [[id_] for id_ in ids]


def test_no_proper_answer_after_a_doubt_ends_the_unit(bench: Bench) -> None:
    bench.fill(3, batch_size=1)
    bench.api.script(DOUBT)
    bench.api.script_surveys(None, faults.answer(503))

    with pytest.raises(NotDeliveredError):
        bench.dispatch()

    assert bench.sizes == [1]
    assert bench.counts() == {"in_doubt": 1, "ready": 2}


def test_the_error_tells_how_many_lines_and_names_nobody(bench: Bench) -> None:
    ids = bench.fill(3, batch_size=2)
    bench.api.script(DOUBT)

    with pytest.raises(DeliveryUncertainError, match="2 lines") as caught:
        bench.dispatch()

    assert [id_ for id_ in ids if id_ in str(caught.value)] == []
