"""The report trusts work done: what makes a run green or red, and what waits."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.ledger.put_steps import DAY, HMS_DAY
from track_dispatch.ledger.sql import moment_in
from track_dispatch.ledger.stop_switch import stop_service
from track_dispatch.ledger.views import DayFacts, LineCount
from track_dispatch.pipeline.problems import DayProblem, ProblemKind
from track_dispatch.pipeline.report import COMPLETE, JudgedRun, RunFacts, judge
from track_dispatch.records import HospitalDay
from track_dispatch.states import LineState, Reason

if TYPE_CHECKING:
    from tests.unit.ledger.steps import Steps

from tests.unit.pipeline.report_rig import BEFORE, HMS, RUN, kinds, read, told

# -- green -------------------------------------------------------------------------


def test_a_day_whose_every_line_is_settled_is_green(steps: Steps) -> None:
    steps.put_lines(3, "accepted")
    steps.put_lines(1, "refused", first=11, reason="refused_4xx")
    steps.put_lines(2, "abandoned", first=21)
    steps.put_lines(4, "excluded", channel="", first=31, reason="no_survey")
    read(steps, 10)

    found = told(steps)

    assert found.problems == ()
    assert list(found.text()) == [
        "HMS · dia 10/03/2026",
        "10 registros do ERP = 10 atendimentos + 0 repetidos",
        "10 atendimentos = 10 deste dia + 0 já conhecidos em outro dia + 0 de outro hospital",
        "10 deste dia = 4 excluídas, 3 aceitas, 1 recusada, 2 abandonadas",
        "EXAMES · e-mail: 3 aceitas, 1 recusada, 2 abandonadas",
        "excluídas: 4 área sem pesquisa (no_survey)",
        "VERDE: o dia está completo",
    ]
    assert found.summary() == {
        "rows": 10,
        "accepted": 3,
        "refused": 1,
        "abandoned": 2,
        "excluded": 4,
        **dict.fromkeys(("ready", "held", "reopened", "sending", "in_doubt"), 0),
    }


def test_one_software_in_a_run_is_nothing_to_tell(steps: Steps) -> None:
    software = {"package_version": "0.1.0+aaa", "include_digest": "bbb"}
    steps.put_batch(3, "accepted", batch_state="settled", batch={"run_id": "run-1", **software})
    read(steps, 3, **software)

    assert list(told(steps).text())[-2:] == ["EXAMES · e-mail: 3 aceitas", f"VERDE: {COMPLETE}"]


@pytest.mark.parametrize(
    "other",
    [
        {"package_version": "0.1.0+ccc", "include_digest": "bbb"},
        {"package_version": "0.1.0+aaa", "include_digest": "ccc"},
    ],
    ids=["another package", "another include folder"],
)
def test_a_run_of_workers_that_differ_is_green_and_warns(
    steps: Steps, other: dict[str, str]
) -> None:
    steps.put_batch(3, "accepted", batch_state="settled", batch={"run_id": "run-1", **other})
    read(steps, 3, hours_old=1, package_version="0.1.0+aaa", include_digest="bbb")

    found = told(steps)

    assert found.problems == ()
    warning, colour = list(found.text())[-2:]
    assert colour == f"VERDE: {COMPLETE}"
    assert warning.startswith(
        "ATENÇÃO: esta execução rodou com versões diferentes do programa ou de include/"
        " (0.1.0+aaa include bbb desde "
    )
    assert f"; {other['package_version']} include {other['include_digest']} desde " in warning


def test_a_persons_no_keeps_lines_held_and_the_day_green(steps: Steps) -> None:
    steps.put_lines(5, "held")
    steps.put_question(5, answer="rejected")
    read(steps, 5)

    assert kinds(steps) == []
    assert "5 linhas retidas, por decisão de uma pessoa" in list(told(steps).text())


def test_an_empty_day_with_little_to_compare_is_green(steps: Steps) -> None:
    for weeks in range(1, 4):
        past = HospitalDay("HMS", DAY - timedelta(weeks=weeks))
        read(steps, 7, day=past, run_id="earlier")
    read(steps, 0)

    assert kinds(steps) == []
    assert "0 deste dia = nenhum" in list(told(steps).text())


def test_a_lookback_that_brings_less_is_told_and_balances(steps: Steps) -> None:
    steps.put_lines(3, "accepted")
    steps.put_lines(1, "excluded", channel="", first=31, reason="gone")
    read(steps, 2, absent=2)

    found = told(steps)

    assert found.problems == ()
    assert "2 deste dia + 2 que esta leitura não traz = 1 excluída, 3 aceitas" in found.text()


# -- work that was not done --------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"completed_at": None, "applied_at": None}, "not_extracted"),
        ({"applied_at": None}, "not_transformed"),
    ],
)
@pytest.mark.parametrize("day", [HMS_DAY, BEFORE], ids=["own day", "day before"])
def test_a_day_that_the_run_began_and_did_not_finish_is_red(
    steps: Steps, day: HospitalDay, columns: dict[str, Any], problem: str
) -> None:
    read(steps, 0)
    read(steps, 0, day=BEFORE)
    read(steps, 0, day=day, hours_old=-1, **columns)

    found = told(steps)

    assert [(one.kind, one.day) for one in found.problems] == [(problem, day)]
    assert any("VERMELHO" in line for line in found.text())


def test_a_run_that_did_nothing_is_red(steps: Steps) -> None:
    """Airflow shows green when `extract` fails and the report runs."""
    steps.put_lines(1, "accepted")
    read(steps, 1, run_id="another-run")

    assert kinds(steps) == ["not_extracted"]


def test_what_a_later_run_superseded_counts_as_done(steps: Steps) -> None:
    read(steps, 0, run_id="another-run")
    read(steps, 0, applied_at=None, superseded_at=moment_in())

    assert kinds(steps) == []


# -- what is left open -------------------------------------------------------------


@pytest.mark.parametrize("state", ["ready", "reopened"])
@pytest.mark.parametrize("day", [HMS_DAY, BEFORE], ids=["own day", "day before"])
def test_a_line_left_open_on_any_day_that_the_run_read_is_red(
    steps: Steps, day: HospitalDay, state: str
) -> None:
    steps.put_lines(2, state, day=day)
    for one in (HMS_DAY, BEFORE):
        read(steps, 2 if one == day else 0, day=one)

    (problem,) = told(steps).problems

    assert (problem.kind, problem.day, problem.lines) == (state, day, 2)


def test_a_day_that_the_run_did_not_read_is_not_its_matter(steps: Steps) -> None:
    steps.put_lines(2, day=BEFORE)
    read(steps, 2, day=BEFORE, run_id="another-run")
    read(steps, 0)

    assert kinds(steps) == []


def test_lines_on_their_way_are_red_and_in_doubt_when_their_lease_is_over(steps: Steps) -> None:
    steps.put_batch(2, "sending", batch_state="sending", lease=300)
    expired = steps.put_batch(3, "sending", batch_state="sending", lease=-1, first=11)
    read(steps, 5)

    found = told(steps)

    assert [(one.kind, one.lines) for one in found.problems] == [("in_doubt", 3), ("sending", 2)]
    assert f"em dúvida: EXAMES · e-mail: 3 linhas · lote {expired.batch}" in list(found.text())


def test_what_was_reopened_says_how_to_send_it_now(steps: Steps) -> None:
    steps.put_lines(2, "reopened")
    read(steps, 2)

    (line,) = told(steps).last_words()

    assert "Acionar track_hms com business_day=2026-03-10" in line


def test_a_problem_of_another_day_names_it(steps: Steps) -> None:
    steps.put_lines(2, day=BEFORE)
    read(steps, 2, day=BEFORE)
    read(steps, 0)

    found = told(steps)

    assert found.last_words() == [
        "dia 09/03/2026: 2 linhas prontas não foram enviadas: limpe dispatch (Enviar ao Track)"
    ]
    assert "HMS · dia 09/03/2026 (relido)" in list(found.text())
    assert found.summary()["ready"] == 0  # of its own day


# -- waiting for the hours of dispatch ---------------------------------------------


@pytest.mark.parametrize(
    ("clock", "window", "waits"),
    [
        ("2026-03-11T13:00+00:00", "08:00-20:00", False),  # open: it should have gone
        ("2026-03-11T23:30+00:00", "08:00-20:00", False),  # opens before the next run: it deferred
        ("2026-03-11T23:30+00:00", "10:00-20:00", True),  # the next run comes first
    ],
)
def test_lines_that_wait_for_the_hours_of_dispatch_are_green(
    steps: Steps, clock: str, window: str, *, waits: bool
) -> None:
    steps.put_lines(2)
    read(steps, 2)
    hospital = HMS.model_copy(update={"send_window": window})

    found = told(steps, now=datetime.fromisoformat(clock), hospital=hospital)

    assert [one.kind for one in found.problems] == ([] if waits else ["ready"])
    last = list(found.text())[-1]
    assert last.startswith("VERDE: aguardando envio: 2 linhas" if waits else "VERMELHO: 2 linhas")


def test_a_closed_weekday_waits_for_the_run_of_the_next_open_day(steps: Steps) -> None:
    steps.put_lines(2)
    read(steps, 2)
    hospital = HMS.model_copy(update={"send_days": ("mon",)})  # it is a Wednesday

    assert kinds(steps, hospital=hospital) == []


def test_a_stop_is_told_while_lines_wait_for_the_hours(steps: Steps) -> None:
    steps.put_lines(2)
    read(steps, 2)
    stop_service(steps.ledger, hospital="OTOA", why="captcha", status=405, actor=RUN)
    hospital = HMS.model_copy(update={"send_days": ("mon",)})

    found = told(steps, hospital=hospital)

    assert [one.kind for one in found.problems] == ["stopped"]
    assert [line.split(":")[0] for line in found.text()][-2:] == ["ATENÇÃO", "VERMELHO"]


# -- words -------------------------------------------------------------------------


def facts_of(*counts: LineCount) -> RunFacts:
    run = JudgedRun(HMS_DAY, "run-1", waits=False)
    return RunFacts(run, (DayFacts(HMS_DAY, counts),))


@pytest.mark.parametrize("reason", [*Reason, "of_a_later_version"])
def test_every_reason_has_words(reason: str) -> None:
    """Before, one without a label turned every report red."""
    found = judge(facts_of(LineCount("EXAMES", "", LineState.EXCLUDED, reason, 2)))

    assert any(line.startswith("excluídas: 2 ") and reason in line for line in found.text())


@pytest.mark.parametrize("kind", ProblemKind)
def test_every_problem_has_words(kind: ProblemKind) -> None:
    words = DayProblem(kind, "HMS", HMS_DAY, lines=1234, usual=5678, detail="DETALHE").text()

    assert "{" not in words
    assert len(words) > 20


def test_a_report_names_no_patient(steps: Steps) -> None:
    steps.put_lines(2)
    steps.put_batch(1, first=9)
    read(steps, 3)

    said = "\n".join(told(steps).text())

    for secret in ("900000001", "MARIA", "example.test"):
        assert secret not in said
