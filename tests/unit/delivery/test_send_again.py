"""A person lets a batch in doubt go out once more: the same lines and key, or nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from demo.track_api import Fault, faults
from tests.unit.delivery.bench import NOW, UNIT, by_name, on_one_database, once_each
from tests.unit.delivery.test_dispatch_leases import claim_elsewhere, release_elsewhere
from tests.unit.delivery.test_switch import close_elsewhere
from track_dispatch.delivery.again import send_again
from track_dispatch.delivery.splitting import Tally
from track_dispatch.errors import (
    ConfigError,
    DeliveryUncertainError,
    LinesInFlightError,
    NotDeliveredError,
    ServiceStoppedError,
    TrackDispatchError,
)
from track_dispatch.ledger import schema
from track_dispatch.ledger.optouts import add_optout
from track_dispatch.records import Decision, Verb

if TYPE_CHECKING:
    from tests.unit.delivery.bench import Bench

DECISION = Decision(Verb.SEND_AGAIN, person="ana", why="não está no Track", run_id="manual__1")
#: Anything but an acceptance.
NO_ACCEPTANCE: list[tuple[Fault, type[TrackDispatchError]]] = [
    (faults.refuse(422, positions=(0,)), DeliveryUncertainError),
    (faults.refuse(422), DeliveryUncertainError),
    (faults.refuse(413), DeliveryUncertainError),
    (faults.answer(409), DeliveryUncertainError),
    (faults.drop(accepted=False), DeliveryUncertainError),
    (faults.too_many_requests(), NotDeliveredError),
    (faults.answer(404), ConfigError),
    (faults.captcha(), ServiceStoppedError),
]


def in_doubt(bench: Bench, count: int = 3, *, accepted: bool = False) -> tuple[str, list[str]]:
    """Put a batch in doubt and let its lease end; return its id and its attendances."""
    ids = bench.fill(count)
    bench.api.script(faults.drop(accepted=accepted))
    with pytest.raises(DeliveryUncertainError):
        bench.dispatch()
    bench.execute("update lines set lease_until = '2026-01-01 00:00:00'")
    bench.execute("update batches set lease_until = '2026-01-01 00:00:00'")
    (batch,) = bench.batches()
    return batch.id, ids


def again(bench: Bench, batch_id: str, *, by: Decision = DECISION, **desk: Any) -> Tally:
    with bench.desk(**desk) as opened:
        return send_again(opened, batch_id, by)


def decisions(bench: Bench) -> list[Any]:
    with bench.ledger.reading() as connection:
        return list(connection.execute(select(schema.decisions)))


def test_the_same_batch_goes_out_under_the_same_key_with_the_same_body(bench: Bench) -> None:
    batch_id, ids = in_doubt(bench)

    tally = again(bench, batch_id, now=NOW + timedelta(days=1))

    first, second = bench.api.received
    assert tally == Tally(accepted=3)
    assert (first.idempotency_key, second.idempotency_key) == (batch_id, batch_id)
    assert first.raw == second.raw
    assert bench.counts() == {"accepted": 3}
    assert bench.batch_states() == {"settled": 1}
    assert bench.api.accepted_ids() == once_each(ids)


def test_who_decided_it_and_why_is_on_record(bench: Bench) -> None:
    batch_id, _ = in_doubt(bench)
    again(bench, batch_id)

    (decision,) = decisions(bench)
    assert (decision.what, decision.person, decision.why, decision.batch_id, decision.lines) == (
        "send_again",
        "ana",
        "não está no Track",
        batch_id,
        3,
    )


def test_moments_that_have_passed_are_counted_anew(bench: Bench) -> None:
    batch_id, _ = in_doubt(bench)
    later = NOW + timedelta(days=9)  # the reminder of the first POST lay on the eighth day

    again(bench, batch_id, now=later)

    body = bench.api.received[-1].body
    assert body is not None
    assert body["reminder_at"] == int((later + timedelta(days=8)).timestamp())
    assert body["validity_at"] == int((later + timedelta(days=15)).timestamp())


def test_it_goes_out_once_for_each_decision(bench: Bench) -> None:
    """Clearing the run of track_decide must not send a third time."""
    batch_id, _ = in_doubt(bench)
    bench.api.script(faults.drop(accepted=True))
    with pytest.raises(DeliveryUncertainError):
        again(bench, batch_id)
    bench.execute("update lines set lease_until = '2026-01-01 00:00:00'")

    with pytest.raises(ConfigError, match="carried out before"):
        again(bench, batch_id)

    assert len(bench.posts) == 2
    assert bench.counts() == {"in_doubt": 3}


@pytest.mark.parametrize(("fault", "error"), NO_ACCEPTANCE, ids=by_name)
def test_whatever_is_no_acceptance_leaves_it_in_doubt_and_unsplit(
    bench: Bench, fault: Fault, error: type[TrackDispatchError]
) -> None:
    """The first POST may have been processed all the same."""
    batch_id, _ = in_doubt(bench)
    bench.api.script(fault)

    with pytest.raises(error):
        again(bench, batch_id)
    bench.api.behave()
    bench.execute("update stops set resumed_at = stopped_at")
    bench.dispatch()

    assert bench.sizes == [3, 3]
    assert bench.counts() == {"in_doubt": 3}
    assert bench.batch_states() == {"in_doubt": 1}


def test_an_unreachable_track_leaves_it_in_doubt_unclaimed(bench: Bench) -> None:
    batch_id, _ = in_doubt(bench)

    with bench.api.refusing(), pytest.raises(NotDeliveredError):
        again(bench, batch_id)

    assert bench.counts() == {"in_doubt": 3}
    assert decisions(bench) == []


def test_it_waits_for_the_end_of_the_lease(bench: Bench) -> None:
    bench.fill(2)
    bench.api.script(faults.drop(accepted=False))
    bench.dispatch_anyhow()
    (batch,) = bench.batches()

    with pytest.raises(LinesInFlightError) as caught:
        again(bench, batch.id)

    assert 0 < caught.value.retry_after <= bench.hospital.lease_seconds
    assert len(bench.posts) == 1


def test_it_waits_for_its_survey(bench: Bench) -> None:
    batch_id, _ = in_doubt(bench)
    bench.fill(1)
    other = claim_elsewhere(bench, UNIT)

    def pause(_: float) -> None:
        assert len(bench.posts) == 1
        assert decisions(bench) == []
        release_elsewhere(bench, other)

    assert again(bench, batch_id, pause=pause) == Tally(accepted=3)
    assert bench.api.violations == []


def test_it_respects_the_switch(bench: Bench) -> None:
    batch_id, _ = in_doubt(bench)
    close_elsewhere(bench)

    with pytest.raises(ServiceStoppedError):
        again(bench, batch_id)

    assert len(bench.posts) == 1


def test_what_is_too_old_is_not_sent(bench: Bench) -> None:
    batch_id, _ = in_doubt(bench)
    bench.settings["max_age_days"] = 15

    with pytest.raises(ConfigError, match="max_age_days"):
        again(bench, batch_id, now=NOW + timedelta(days=16))

    assert len(bench.posts) == 1


def test_what_has_lost_its_payloads_is_not_sent(bench: Bench) -> None:
    batch_id, _ = in_doubt(bench)
    bench.execute("update lines set payload = null")

    with pytest.raises(ConfigError, match="erased"):
        again(bench, batch_id)

    assert bench.counts() == {"in_doubt": 3}


def test_a_batch_that_is_not_whole_goes_out_under_a_new_key(bench: Bench) -> None:
    batch_id, ids = in_doubt(bench)
    bench.execute(
        f"update lines set state = 'abandoned', payload = null where attendance_id = '{ids[0]}'"
    )

    assert again(bench, batch_id) == Tally(accepted=2)
    assert bench.posts[-1] == ids[1:]
    assert bench.api.received[-1].idempotency_key != batch_id
    assert bench.batch_states() == {"split": 1, "settled": 1}


def test_who_opted_out_since_is_abandoned_and_the_rest_goes_out_under_a_new_key(
    bench: Bench,
) -> None:
    batch_id, ids = in_doubt(bench)
    gone = {"email": f"fulana{ids[1]}@exemplo.test"}
    add_optout(bench.ledger, gone, channel=None, source="balcão")

    assert again(bench, batch_id) == Tally(accepted=2)
    assert bench.fates()[ids[1]] == "abandoned"
    assert bench.posts[-1] == [ids[0], ids[2]]
    assert bench.api.received[-1].idempotency_key != batch_id


def test_where_everybody_opted_out_nothing_is_posted(bench: Bench) -> None:
    batch_id, _ = in_doubt(bench)
    add_optout(bench.ledger, {"phone": "5527999990000"}, channel=None, source="balcão")

    assert again(bench, batch_id) == Tally()
    assert len(bench.posts) == 1
    assert bench.counts() == {"abandoned": 3}
    assert bench.batch_states() == {"settled": 1}


@on_one_database
def test_no_machine_ever_sends_what_is_in_doubt(bench: Bench) -> None:
    in_doubt(bench, accepted=True)

    for _ in range(3):
        bench.dispatch()

    assert len(bench.posts) == 1
