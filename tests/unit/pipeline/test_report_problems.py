"""What the report calls a problem: approvals, odd readings, odd answers, a stop."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert

from tests.unit.ledger.decisions_rig import (
    DAY,
    HMS_DAY,
    TODAY,
    put_batch,
    put_lines,
    put_question,
    run_statement,
)
from track_dispatch.ledger import schema
from track_dispatch.ledger.approvals import release_day
from track_dispatch.ledger.decisions import Decision, decide_batch
from track_dispatch.ledger.settling import CLAIMED_ANEW
from track_dispatch.ledger.sql import moment_in
from track_dispatch.ledger.stop_switch import stop_service
from track_dispatch.pipeline.problems import ProblemKind
from track_dispatch.records import HospitalDay
from track_dispatch.states import Verb

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger

from tests.unit.pipeline.report_rig import RUN, kinds, read, told

# -- approvals ---------------------------------------------------------------------


@pytest.mark.parametrize("answer", [None, "timeout"])
def test_an_approval_that_nobody_gave_is_red(ledger: Ledger, answer: str | None) -> None:
    put_lines(ledger, 5, "held")
    put_question(ledger, 5, usual=1, answer=answer)
    read(ledger, 5)

    (problem,) = told(ledger).problems

    assert (problem.kind, problem.lines, problem.usual) == (ProblemKind.UNANSWERED, 5, 1)
    assert "ninguém respondeu" in problem.text()


def test_a_release_after_a_time_out_ends_the_red(ledger: Ledger) -> None:
    """Before, the report stayed red for ever."""
    put_lines(ledger, 5, "held", extraction=(extraction := read(ledger, 5)))
    put_question(ledger, 5, answer="timeout")
    before = kinds(ledger)
    release = Decision(Verb.RELEASE, "ana", "conferido")
    release_day(ledger, HMS_DAY, release, max_age_hours=36, today=TODAY)
    run_statement(ledger, "update envelopes set payload = null, waiting = 0")
    run_statement(ledger, "update lines set state = 'accepted'")

    assert (before, kinds(ledger)) == (["unanswered"], [])
    assert extraction


@pytest.mark.parametrize("answer", ["approved", ""])
def test_lines_that_are_held_since_the_answer_are_red(ledger: Ledger, answer: str) -> None:
    put_lines(ledger, 2, "held")
    if answer:
        put_question(ledger, 5, answer=answer)
    read(ledger, 2)

    assert kinds(ledger) == ["held"]


# -- odd readings and answers ------------------------------------------------------


@pytest.mark.parametrize(
    ("attendances", "numbers", "problem"),
    [
        (2, {"rows": 3}, "unbalanced"),
        (3, {"other_hospital": 1}, "other_hospital"),
        (2, {"absent": 0, "lacking": 40}, "lacking"),
    ],
)
def test_an_odd_reading_is_red(
    ledger: Ledger, attendances: int, numbers: dict[str, int], problem: str
) -> None:
    put_lines(ledger, 2, "accepted")
    read(ledger, attendances, **numbers)

    assert kinds(ledger) == [problem]


def test_an_empty_day_that_never_was_empty_is_red(ledger: Ledger) -> None:
    for weeks in range(1, 5):
        past = HospitalDay("HMS", DAY - timedelta(weeks=weeks))
        read(ledger, 7, day=past, run_id="earlier")
    read(ledger, 0)

    assert told(ledger).last_words() == ["0 atendimentos, usual 7: ERP ou SQL?"]


def test_an_unknown_area_is_red(ledger: Ledger) -> None:
    put_lines(ledger, 2, "excluded", area="", channel="", reason="unknown_area")
    read(ledger, 2)

    assert kinds(ledger) == ["unknown_area"]


@pytest.mark.parametrize(("others", "red"), [("refused", True), ("accepted", False)])
def test_a_unit_that_track_refused_as_a_whole_is_red(
    ledger: Ledger, others: str, *, red: bool
) -> None:
    put_lines(ledger, 2, "refused", reason="refused_4xx")
    put_lines(ledger, 1, others, first=11, reason="refused_4xx" if red else None)
    put_lines(ledger, 3, "excluded", channel="", first=21, reason="opt_out")
    read(ledger, 6)

    assert kinds(ledger) == (["unit_refused"] if red else [])


def test_a_unit_that_failed_for_good_is_named(ledger: Ledger) -> None:
    put_lines(ledger, 2)
    read(ledger, 2)
    run_statement(ledger, "update units set failed_series = 'a'")

    assert kinds(ledger) == ["ready", "unit_failed"]
    assert "EXAMES · e-mail: o envio falhou em definitivo" in told(ledger).last_words()[1]


def test_a_failure_of_which_nothing_is_left_is_no_matter(ledger: Ledger) -> None:
    put_lines(ledger, 2, "accepted")
    read(ledger, 2)
    run_statement(ledger, "update units set failed_series = 'a'")

    assert kinds(ledger) == []


def test_what_track_took_twice_is_red(ledger: Ledger) -> None:
    put = put_lines(ledger, 2, "accepted")
    read(ledger, 2)
    with ledger.writing() as connection:
        connection.execute(
            insert(schema.events).values(
                at=moment_in(),
                envelope=put.envelope,
                places="1",
                transition="answered_late",
                state="accepted",
                detail=CLAIMED_ANEW,
                actor="dispatch",
            )
        )

    assert kinds(ledger) == ["claimed_anew"]


def test_a_stop_is_told_where_it_keeps_lines_back(ledger: Ledger) -> None:
    put_lines(ledger, 1)
    read(ledger, 1)
    stop_service(ledger, hospital="OTOA", why="captcha", status=405, actor=RUN)
    stopped = kinds(ledger)
    run_statement(ledger, "update envelopes set payload = null")
    run_statement(ledger, "update lines set state = 'accepted'")

    assert stopped == ["stopped", "ready"]
    assert kinds(ledger) == []


def test_an_unsent_batch_is_red_until_it_is_read_again(ledger: Ledger) -> None:
    batch = put_batch(ledger, 2).batch
    read(ledger, 2)
    doubtful = kinds(ledger)
    decision = Decision(Verb.SETTLE_UNSENT, "ana", "não chegou")
    decide_batch(ledger, str(batch), decision, today=TODAY)

    assert (doubtful, kinds(ledger)) == (["in_doubt"], ["reopened"])
