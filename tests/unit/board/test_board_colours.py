"""A cell of the board is as red as the report of the last run that read its day."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from track_dispatch.board.facts import RED, Cell, DayStatus, Scope, read_board, read_day
from track_dispatch.config import BrokenHospital, load_hospital
from track_dispatch.ledger.stop_switch import stop_service
from track_dispatch.pipeline import Run
from track_dispatch.pipeline.morning import morning
from track_dispatch.pipeline.problems import ProblemKind
from track_dispatch.pipeline.report import Report, report
from track_dispatch.records import Actor, HospitalDay

if TYPE_CHECKING:
    from tests.unit.ledger.steps import Steps
    from track_dispatch.ledger.database import Ledger

DAY = date(2026, 3, 10)
LIVE_SINCE = date(2026, 3, 8)
HMS = load_hospital("HMS").model_copy(
    update={
        "send_window": "10:00-20:00",
        "send_days": None,
        "schedule": "0 9 * * *",
        "first_business_day": LIVE_SINCE,
    }
)
#: 10:00 at the hospital on the day after, and 21:00, when what is ready waits for the next run.
OPEN, CLOSED = datetime(2026, 3, 11, 13, tzinfo=UTC), datetime(2026, 3, 12, 0, tzinfo=UTC)
LOOKER = Actor("report", run_id="run-1", try_number=1)


def back(days: int) -> HospitalDay:
    return HospitalDay("HMS", DAY - timedelta(days=days))


def board_cells(ledger: Ledger, now: datetime, **scope: Any) -> dict[HospitalDay, Cell]:
    with ledger.reading() as connection:
        found = read_board(connection, replace(Scope([HMS], now), **scope), days=5)
    return {cell.day: cell for cell in found.rows[0].cells}


def told(ledger: Ledger, run_id: str, day: date, now: datetime) -> Report:
    return report(Run(HMS, day, replace(LOOKER, run_id=run_id)), ledger=ledger, now=now)


def put_something(steps: Steps, random: Random, day: HospitalDay, first: int) -> int:
    """Put lines of a day in random states; return how many."""
    lines = 0
    for state in random.sample(
        ["accepted", "refused", "ready", "held", "reopened", "sending", "in_doubt", "excluded"],
        k=random.randint(0, 3),
    ):
        count, at = random.randint(1, 4), {"day": day, "first": first + lines}
        if state in {"sending", "in_doubt"}:
            steps.put_batch(count, state, batch_state=state, lease=600, **at)
        elif state == "excluded":
            reason = random.choice(["no_contact", "unknown_area"])
            steps.put_lines(count, state, channel="", reason=reason, **at)
        else:
            steps.put_lines(count, state, **at)
        if state == "held" and random.random() < 0.7:
            answer = random.choice([None, "timeout", "rejected", "approved"])
            open_for = random.choice([-1, 3600])
            steps.put_question(count, day=day, answer=answer, open_for=open_for, run_id="another")
        lines += count
    return lines


def put_usual_weeks(steps: Steps, random: Random, day: HospitalDay) -> None:
    """Put what the same weekday of past weeks had: enough to find an empty day odd, or not."""
    for weeks in range(1, 1 + random.choice([0, 3, 5])):
        past = HospitalDay(day.hospital, day.business_day - timedelta(weeks=weeks))
        steps.put_extraction(random.choice([0, 7, 7, 7, 7]), day=past, run_id="earlier")


@pytest.mark.parametrize("seed", range(25))
def test_a_cell_is_as_red_as_the_report_and_for_its_reasons(steps: Steps, seed: int) -> None:
    random = Random(seed)
    for number in range(3):
        day = back(number)
        put_usual_weeks(steps, random, day)
        lines = 0
        if random.random() < 0.7:
            lines = put_something(steps, random, day, first=1 + 100 * number)
        missing = random.choice([{}, {}, {}, {"lacking": 2}, {"rows": lines + 1}])
        if random.random() < 0.2:
            missing = {"completed_at": None, "applied_at": None}
        steps.put_extraction(lines, day=day, run_id="run-1", **missing)
    if random.random() < 0.4:
        stop_service(steps.ledger, hospital="HMS", why="captcha", status=405, actor=LOOKER)
    now = random.choice([OPEN, CLOSED])

    shown = board_cells(steps.ledger, now)
    reported = told(steps.ledger, "run-1", DAY, now)

    for number in range(3):
        cell = shown[back(number)]
        of_day = [one for one in reported.problems if one.day == cell.day]
        of_all = [one for one in reported.problems if one.kind is ProblemKind.STOPPED]
        assert [one for one in cell.problems if one.day] == of_day
        assert set(cell.problems) <= {*of_day, *of_all}
        assert (cell.status in RED) == bool(cell.problems)
    assert bool(reported.problems) == any(shown[back(number)].status in RED for number in range(3))


def test_a_day_that_came_empty_and_never_does_is_red_on_the_board(steps: Steps) -> None:
    for weeks in range(1, 5):
        past = HospitalDay("HMS", DAY - timedelta(weeks=weeks))
        steps.put_extraction(7, day=past, run_id="earlier")
    steps.put_extraction(0, day=back(0))

    cell = board_cells(steps.ledger, OPEN)[back(0)]

    assert (cell.status, [one.kind for one in cell.problems]) == (
        DayStatus.PROBLEM,
        [ProblemKind.EMPTY_DAY],
    )


def test_the_last_run_that_read_a_day_decides(steps: Steps) -> None:
    steps.put_lines(3, "accepted", day=back(0))
    steps.put_extraction(2, day=back(0), run_id="run-1", hours_old=2)  # one line too many
    steps.put_extraction(3, day=back(0), run_id="run-2", hours_old=1)

    assert board_cells(steps.ledger, OPEN)[back(0)].status is DayStatus.COMPLETE
    assert not told(steps.ledger, "run-2", DAY, OPEN).problems


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("in_doubt", DayStatus.IN_DOUBT),
        ("held", DayStatus.HELD),
        ("ready", DayStatus.PROBLEM),
        ("reopened", DayStatus.GOES_ON),
        ("accepted", DayStatus.COMPLETE),
    ],
)
def test_a_cell_tells_what_is_open(steps: Steps, state: str, status: DayStatus) -> None:
    if state == "in_doubt":
        steps.put_batch(2, state, day=back(0))
    else:
        steps.put_lines(2, state, day=back(0))
    steps.put_extraction(2, day=back(0))

    assert board_cells(steps.ledger, OPEN)[back(0)].status is status


def test_a_question_that_airflow_waits_for_leads_to_its_answer(steps: Steps) -> None:
    steps.put_lines(2, "held", day=back(0))
    steps.put_question(2, day=back(0), open_for=3600, run_id="asks")
    steps.put_extraction(2, day=back(0))
    with steps.ledger.reading() as connection:
        found = read_board(connection, Scope([HMS], OPEN)).matters
    (matter,) = [one for one in found if one.problem.day]

    assert matter.problem.kind is ProblemKind.ASKED
    assert (matter.asks, matter.run_id, matter.verb) == (True, "asks", None)
    assert board_cells(steps.ledger, OPEN)[back(0)].status is DayStatus.HELD


def test_what_waits_for_the_hours_of_dispatch_is_no_problem(steps: Steps) -> None:
    steps.put_lines(2, "ready", day=back(0))
    steps.put_extraction(2, day=back(0))

    assert board_cells(steps.ledger, CLOSED)[back(0)].status is DayStatus.WAITING


def test_a_run_that_is_not_over_is_not_red_yet(steps: Steps) -> None:
    steps.put_extraction(2, day=back(0), completed_at=None, applied_at=None)
    running = {("track_hms", "run-1")}

    assert board_cells(steps.ledger, OPEN)[back(0)].status is DayStatus.PROBLEM
    assert board_cells(steps.ledger, OPEN, active=running)[back(0)].status is DayStatus.RUNNING


def test_days_that_nobody_read_are_missing_early_or_before_the_beginning(steps: Steps) -> None:
    early = datetime(2026, 3, 11, 11, tzinfo=UTC)  # 8:00 at the hospital
    steps.put_extraction(0, day=HospitalDay("HMS", LIVE_SINCE))

    found = board_cells(steps.ledger, early)

    assert [found[back(days)].status for days in (0, 1, 2, 3)] == [
        DayStatus.EARLY,
        DayStatus.MISSING,
        DayStatus.COMPLETE,
        DayStatus.NOT_LIVE,
    ]


def test_a_broken_file_is_a_row_of_its_own(ledger: Ledger) -> None:
    broken = BrokenHospital("HSL", "track_hsl", "bad")
    with ledger.reading() as connection:
        found = read_board(connection, Scope([HMS, broken], OPEN), days=2)

    assert {cell.status for cell in found.rows[1].cells} == {DayStatus.NO_FILE}
    assert [one.problem.kind for one in found.for_person if one.problem.hospital == "HSL"] == [
        ProblemKind.BROKEN_FILE
    ]


def test_the_board_tells_the_matters_and_the_numbers_of_the_morning(steps: Steps) -> None:
    steps.put_batch(4, day=back(30), hours_old=1)
    steps.put_lines(3, "accepted", day=back(0), first=50)
    steps.put_extraction(3, day=back(0))
    stop_service(steps.ledger, hospital="HMS", why="captcha", status=405, actor=LOOKER)

    with steps.ledger.reading() as connection:
        found = read_board(connection, Scope([HMS], OPEN))
    seen = morning([HMS], ledger=steps.ledger, actor=LOOKER, moment=OPEN)

    assert tuple(one.problem for one in found.matters) == seen.problems
    (doubtful,) = [one for one in found.matters if one.doubts]
    assert [one.id for one in doubtful.doubts] == [one.id for one in seen.doubts]
    assert found.extracted == 3
    assert sum(found.counted.values()) == 3


def test_what_is_open_in_a_hospital_that_one_may_not_see_is_not_told(steps: Steps) -> None:
    other = HospitalDay("HSL", DAY)
    steps.put_batch(4, day=other)
    with steps.ledger.reading() as connection:
        shown = read_board(connection, Scope([HMS], OPEN))
        hidden = read_board(connection, Scope([HMS], OPEN, hidden=["HSL"]))

    assert {one.problem.day for one in shown.matters} >= {other}  # its file is gone: somebody must
    assert all(one.problem.hospital != "HSL" for one in hidden.matters)
    assert all(one.day.hospital != "HSL" for one in hidden.notices)


def test_a_day_is_shown_as_on_the_board_with_its_batches(steps: Steps) -> None:
    steps.put_batch(4, day=back(0))
    steps.put_lines(2, "excluded", channel="", day=back(0), first=9, reason="no_contact")
    steps.put_extraction(6, day=back(0))

    with steps.ledger.reading() as connection:
        found = read_day(connection, Scope([HMS], OPEN), HMS, DAY)

    assert found.cell == board_cells(steps.ledger, OPEN)[back(0)]
    assert [one.lines for one in found.batches] == [4]
    assert found.excluded == {"no_contact": 2}
    assert sum(sum(states.values()) for states in found.units.values()) == 6
