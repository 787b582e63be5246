"""A decision needs a person and a reason, and the reason no patient; it says what it is about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.unit.ledger.put_steps import DAY, HMS_DAY
from track_dispatch.errors import ConfigError
from track_dispatch.ledger.decisions import OF_BATCHES
from track_dispatch.ledger.stop_switch import stop_service
from track_dispatch.pipeline.decide import (
    LONGEST_WHY,
    OF_DAYS,
    Done,
    Order,
    carry_out,
    make_decision,
)
from track_dispatch.records import Actor
from track_dispatch.states import SHELL_ONLY, Verb

if TYPE_CHECKING:
    from tests.unit.ledger.steps import Steps
    from track_dispatch.ledger.database import Ledger

#: 22:00 of DAY at HMS: in UTC the next day has begun.
NOW = datetime(2026, 3, 11, 1, tzinfo=UTC)


def decide(ledger: Ledger, verb: Verb, **order: object) -> Done:
    decision = make_decision(verb, decided_by="ana", why="por um motivo")
    return carry_out(Order(**order), decision, ledger=ledger, now=NOW)  # type: ignore[arg-type]


# -- who and why -------------------------------------------------------------------


@pytest.mark.parametrize("person", [None, "", "   "])
def test_nobody_decides_nothing(person: str | None) -> None:
    with pytest.raises(ConfigError, match="nobody"):
        make_decision(Verb.ABANDON, decided_by=person, why="porque sim")


@pytest.mark.parametrize("why", ["", "  ", "ok", "x" * (LONGEST_WHY + 1)])
def test_a_reason_is_a_sentence(why: str) -> None:
    with pytest.raises(ConfigError, match="say why"):
        make_decision(Verb.ABANDON, decided_by="ana", why=why)


def test_a_reason_that_looks_like_a_patient_is_refused_whoever_brings_it() -> None:
    with pytest.raises(ConfigError, match="leave patients out"):
        make_decision(Verb.ABANDON, decided_by="ana", why="ligou do 27 99999-0000")


def test_the_user_of_airflow_may_log_in_by_an_address() -> None:
    """It is nobody's choice here, and no patient's: else that person could not decide at all."""
    decision = make_decision(Verb.RESUME, decided_by=" ana@exemplo.test ", why="por um motivo")

    assert decision.decided_by == "ana@exemplo.test"


# -- what it is about --------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "missing"),
    [
        *((verb, "batch") for verb in sorted(OF_BATCHES)),
        *((verb, "hospital") for verb in sorted(OF_DAYS)),
        (Verb.RESTORED, "as_of"),
    ],
)
def test_what_a_decision_is_about_must_be_said(ledger: Ledger, verb: Verb, missing: str) -> None:
    with pytest.raises(ConfigError, match=f"{missing} is missing"):
        decide(ledger, verb)


@pytest.mark.parametrize(
    ("verb", "order"),
    [
        (Verb.RESUME, {"batch": "b1"}),
        (Verb.RESUME, {"hospital": "HMS"}),
        (Verb.SETTLE_SENT, {"batch": "b1", "business_day": DAY}),
        (Verb.RELEASE, {"hospital": "HMS", "business_day": DAY, "batch": "b1"}),
        (Verb.ABANDON, {"batch": "b1", "as_of": NOW}),
        (Verb.ABANDON, {"batch": "b1", "confirmed": True}),
    ],
)
def test_what_does_not_belong_to_a_decision_is_refused(
    ledger: Ledger, verb: Verb, order: dict[str, object]
) -> None:
    """Before, a batch beside *Retomar o envio de todos* was passed over, and all went on."""
    stop_service(ledger, hospital="HMS", why="captcha", status=405, actor=Actor("dispatch"))

    with pytest.raises(ConfigError, match="does not belong"):
        decide(ledger, verb, **order)

    assert decide(ledger, Verb.RESUME).lines == 1


def test_a_hospital_that_is_not_there_is_named(ledger: Ledger) -> None:
    with pytest.raises(ConfigError, match="HMX"):
        decide(ledger, Verb.RELEASE, hospital="HMX", business_day=DAY)


def test_an_erasure_is_not_carried_out_by_a_form(ledger: Ledger) -> None:
    with pytest.raises(ConfigError):
        decide(ledger, Verb.ERASE, hospital=None)


def test_every_verb_is_known_here() -> None:
    known = {*OF_BATCHES, *OF_DAYS, Verb.RESUME, *SHELL_ONLY}

    assert known == set(Verb)


# -- what it does ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "state"),
    [
        (Verb.SETTLE_SENT, "accepted"),
        (Verb.SETTLE_UNSENT, "reopened"),
        (Verb.ABANDON, "abandoned"),
    ],
)
def test_a_batch_whose_lease_is_over_is_decided_though_nobody_expired_it(
    steps: Steps, verb: Verb, state: str
) -> None:
    put = steps.put_batch(2, "sending", batch_state="sending", lease=-1)

    done = decide(steps.ledger, verb, batch=put.batch)

    assert (done.verb, done.lines) == (verb, 2)
    assert steps.states() == [state] * 2


def test_a_last_day_is_over_by_the_hospitals_clock(steps: Steps) -> None:
    today = steps.put_batch(1, ask_until=DAY)
    yesterday = steps.put_batch(1, first=9, ask_until=DAY - timedelta(days=1))

    on_time = decide(steps.ledger, Verb.SETTLE_UNSENT, batch=today.batch).decided
    too_late = decide(steps.ledger, Verb.SETTLE_UNSENT, batch=yesterday.batch).decided

    assert on_time is not None
    assert too_late is not None
    assert (on_time.too_late, too_late.too_late) == (0, 1)


def test_a_batch_of_a_hospital_without_a_file_is_decided(steps: Steps) -> None:
    put = steps.put_batch(1, day=HMS_DAY._replace(hospital="GONE"))

    assert decide(steps.ledger, Verb.SETTLE_UNSENT, batch=put.batch).lines == 1


def test_an_accepted_batch_is_reopened_when_it_is_confirmed(steps: Steps) -> None:
    put = steps.put_batch(2, "accepted", batch_state="settled", lease=None)

    with pytest.raises(ConfigError, match="confirm"):
        decide(steps.ledger, Verb.REOPEN_ACCEPTED, batch=put.batch)
    untouched = steps.states()
    done = decide(steps.ledger, Verb.REOPEN_ACCEPTED, batch=put.batch, confirmed=True)

    assert untouched == ["accepted"] * 2
    assert done.decided is not None
    assert (done.decided.day, done.decided.reopened) == (HMS_DAY, 2)


def test_a_day_is_released_while_its_reading_is_fresh(steps: Steps) -> None:
    steps.put_lines(1, "held", extraction=steps.put_extraction(1, hours_old=35))
    steps.put_lines(1, "held", first=9, extraction=steps.put_extraction(1, hours_old=37))

    done = decide(steps.ledger, Verb.RELEASE, hospital="hms", business_day=DAY).decided

    assert done is not None
    assert (done.ready, done.reopened) == (1, 1)


def test_refused_lines_of_a_day_are_reopened(steps: Steps) -> None:
    steps.put_lines(2, "refused", reason="refused_4xx")

    assert decide(steps.ledger, Verb.RETRY_REFUSED, hospital="HMS", business_day=DAY).lines == 2


def test_a_restored_backup_puts_what_waits_in_doubt(steps: Steps) -> None:
    steps.put_lines(2)

    done = decide(steps.ledger, Verb.RESTORED, as_of=datetime(2026, 3, 1, tzinfo=UTC))

    assert done.lines == 2
    assert steps.fates() == {"in_doubt": 2}
