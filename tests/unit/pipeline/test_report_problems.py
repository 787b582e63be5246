"""What the report calls a problem: approvals, odd readings, odd answers, a stop."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert

from tests.unit.ledger.put_steps import DAY, HMS_DAY, TODAY
from track_dispatch.ledger import schema
from track_dispatch.ledger.approvals import release_day
from track_dispatch.ledger.decisions import Decision, decide_batch
from track_dispatch.ledger.settling import CLAIMED_ANEW
from track_dispatch.ledger.sql import moment_in
from track_dispatch.ledger.stop_switch import stop_service
from track_dispatch.pipeline.problems import ProblemKind
from track_dispatch.records import HospitalDay
from track_dispatch.states import BRASILIA, Verb

if TYPE_CHECKING:
    from tests.unit.ledger.steps import Steps

from tests.unit.pipeline.report_rig import RUN, kinds, read, told

# -- approvals ---------------------------------------------------------------------


@pytest.mark.parametrize("answer", [None, "timeout"])
def test_an_approval_that_nobody_gave_is_red(steps: Steps, answer: str | None) -> None:
    steps.put_lines(5, "held")
    steps.put_question(5, usual=1, answer=answer)
    read(steps, 5)

    (problem,) = told(steps).problems

    assert (problem.kind, problem.lines, problem.usual) == (ProblemKind.UNANSWERED, 5, 1)
    assert "ninguém respondeu" in problem.text()


def test_an_approval_that_airflow_waits_for_is_told_with_its_end(steps: Steps) -> None:
    """Before, every look at it said that nobody had answered, from its first minute on."""
    steps.put_lines(5, "held")
    steps.put_question(5, usual=1, open_for=3600, run_id="run-2")
    read(steps, 5)
    (until,) = [row.open_until for row in steps.rows(schema.approvals)]

    (problem,) = told(steps).problems

    assert (problem.kind, problem.run_id) == (ProblemKind.ASKED, "run-2")
    assert problem.needs_person
    assert problem.text() == (
        "5 linhas retidas, usual 1: a aprovação espera uma resposta em Ações Necessárias até"
        f" {until.astimezone(BRASILIA):%d/%m/%Y %H:%M} (hora de Brasília)"
    )


def test_a_run_that_is_over_waits_no_longer_for_what_it_asked(steps: Steps) -> None:
    """Its approval failed, or somebody marked it: the form is gone before its time is."""
    steps.put_lines(5, "held")
    steps.put_question(5, open_for=3600)
    read(steps, 5)

    assert kinds(steps) == ["unanswered"]


def test_a_release_after_a_time_out_ends_the_red(steps: Steps) -> None:
    """Before, the report stayed red for ever."""
    steps.put_lines(5, "held", extraction=(extraction := read(steps, 5)))
    steps.put_question(5, answer="timeout")
    before = kinds(steps)
    release = Decision(Verb.RELEASE, "ana", "conferido")
    release_day(steps.ledger, HMS_DAY, release, max_age_hours=36, today=TODAY)
    steps.run_sql("update envelopes set payload = null, waiting = 0")
    steps.run_sql("update lines set state = 'accepted'")

    assert (before, kinds(steps)) == (["unanswered"], [])
    assert extraction


@pytest.mark.parametrize("answer", ["approved", ""])
def test_lines_that_are_held_since_the_answer_are_red(steps: Steps, answer: str) -> None:
    steps.put_lines(2, "held")
    if answer:
        steps.put_question(5, answer=answer)
    read(steps, 2)

    assert kinds(steps) == ["held"]


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
    steps: Steps, attendances: int, numbers: dict[str, int], problem: str
) -> None:
    steps.put_lines(2, "accepted")
    read(steps, attendances, **numbers)

    assert kinds(steps) == [problem]


def test_an_empty_day_that_never_was_empty_is_red(steps: Steps) -> None:
    for weeks in range(1, 5):
        past = HospitalDay("HMS", DAY - timedelta(weeks=weeks))
        read(steps, 7, day=past, run_id="earlier")
    read(steps, 0)

    assert told(steps).last_words() == ["0 atendimentos, usual 7: ERP ou SQL?"]


def test_an_unknown_area_is_red(steps: Steps) -> None:
    steps.put_lines(2, "excluded", area="", channel="", reason="unknown_area")
    read(steps, 2)

    assert kinds(steps) == ["unknown_area"]


@pytest.mark.parametrize(("others", "red"), [("refused", True), ("accepted", False)])
def test_a_unit_that_track_refused_as_a_whole_is_red(
    steps: Steps, others: str, *, red: bool
) -> None:
    steps.put_lines(2, "refused", reason="refused_4xx")
    steps.put_lines(1, others, first=11, reason="refused_4xx" if red else None)
    steps.put_lines(3, "excluded", channel="", first=21, reason="opt_out")
    read(steps, 6)

    assert kinds(steps) == (["unit_refused"] if red else [])


def test_a_unit_that_failed_for_good_is_named(steps: Steps) -> None:
    steps.put_lines(2)
    read(steps, 2)
    steps.run_sql("update units set failed_series = 'a'")

    assert kinds(steps) == ["ready", "unit_failed"]
    assert "EXAMES · e-mail: o envio falhou em definitivo" in told(steps).last_words()[1]


def test_a_failure_of_which_nothing_is_left_is_no_matter(steps: Steps) -> None:
    steps.put_lines(2, "accepted")
    read(steps, 2)
    steps.run_sql("update units set failed_series = 'a'")

    assert kinds(steps) == []


def test_what_track_took_twice_is_red(steps: Steps) -> None:
    put = steps.put_lines(2, "accepted")
    read(steps, 2)
    with steps.ledger.writing() as connection:
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

    assert kinds(steps) == ["claimed_anew"]


def test_a_stop_is_told_where_it_keeps_lines_back(steps: Steps) -> None:
    steps.put_lines(1)
    read(steps, 1)
    stop_service(steps.ledger, hospital="OTOA", why="captcha", status=405, actor=RUN)
    stopped = kinds(steps)
    steps.run_sql("update envelopes set payload = null")
    steps.run_sql("update lines set state = 'accepted'")

    assert stopped == ["stopped", "ready"]
    assert kinds(steps) == []


def test_an_unsent_batch_is_red_until_it_is_read_again(steps: Steps) -> None:
    batch = steps.put_batch(2).batch
    read(steps, 2)
    doubtful = kinds(steps)
    decision = Decision(Verb.SETTLE_UNSENT, "ana", "não chegou")
    decide_batch(steps.ledger, str(batch), decision, today=TODAY)

    assert (doubtful, kinds(steps)) == (["in_doubt"], ["reopened"])
