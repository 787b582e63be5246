"""The operations DAGs as a person meets them: the morning, a decision, the night."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from stand_ins.track_api import faults
from tests.e2e.hms_patients import plant
from tests.e2e.policies import set_policies
from track_dispatch.operators.texts import NOT_DECIDED

if TYPE_CHECKING:
    from tests.airflow_world import AirflowWorld, Played

DAY = date(2026, 3, 10)
MORNING = datetime(2026, 3, 11, 12, 15, tzinfo=UTC)
END_LEASES = "update batches set lease_until = '2026-01-01 00:00:00' where lease_until is not null"


def decide(world: AirflowWorld, *, by: str | None = "ana", **conf: Any) -> Played:
    """Trigger track_decide as the UI's form does."""
    return world.run("track_decide", run_after=datetime.now(UTC), by=by, conf=conf)


def in_doubt(world: AirflowWorld, *, accepted: bool) -> str:
    """Lose the answer to a day's only batch, let its lease end; return the batch's id."""
    plant(world.erp(), DAY, 2)
    world.track.script(faults.drop(accepted=accepted))
    assert world.run_day("HMS", DAY).state == "failed"
    world.alter_ledger(END_LEASES)
    return str(world.track.received[0].idempotency_key)


def test_the_report_names_the_batch_that_a_person_decides_about(
    world: AirflowWorld, caplog: pytest.LogCaptureFixture
) -> None:
    batch = in_doubt(world, accepted=True)

    assert f"em dúvida: PRONTO SOCORRO GERAL · e-mail: 2 linhas · lote {batch}" in caplog.text


def test_a_doubt_settled_as_sent_makes_the_day_green_and_sends_nothing(
    world: AirflowWorld,
) -> None:
    batch = in_doubt(world, accepted=True)

    decided = decide(world, what="settle_sent", batch=batch, why="visto no Track")
    run = world.run_day("HMS", DAY)

    assert (decided.state, run.state) == ("success", "success")
    assert world.lines("HMS", DAY) == {"accepted": 2}
    assert set(world.track.accepted_ids().values()) == {1}


def test_a_doubt_settled_as_unsent_goes_out_once_with_the_days_next_run(
    world: AirflowWorld,
) -> None:
    batch = in_doubt(world, accepted=False)

    decided = decide(world, what="settle_unsent", batch=batch, why="não chegou")
    reopened = world.lines("HMS", DAY)
    cleared = world.clear(decided)
    run = world.run_day("HMS", DAY)

    assert (decided.state, cleared.state) == ("success", "failed")
    assert reopened == {"reopened": 2}
    assert (run.state, world.lines("HMS", DAY)) == ("success", {"accepted": 2})
    assert set(world.track.accepted_ids().values()) == {1}


def test_reopened_lines_are_read_again_by_the_next_days_run(world: AirflowWorld) -> None:
    batch = in_doubt(world, accepted=False)
    decide(world, what="settle_unsent", batch=batch, why="não chegou")

    run = world.run_day("HMS", DAY + timedelta(days=1))

    assert run.state == "success"
    assert world.lines("HMS", DAY) == {"accepted": 2}


def test_an_accepted_batch_that_track_never_processed_goes_out_again_on_a_persons_word(
    world: AirflowWorld,
) -> None:
    plant(world.erp(), DAY, 2)
    run = world.run_day("HMS", DAY)
    (post,) = world.track.received

    order = {"what": "reopen_accepted", "batch": str(post.idempotency_key), "why": "sumiu no Track"}
    unconfirmed = decide(world, **order)
    decided = decide(world, **order, confirmed=True)
    reopened = world.lines("HMS", DAY)
    again = world.clear(run)

    assert "marque a confirmação" in unconfirmed.said("decide")
    assert (decided.state, reopened) == ("success", {"reopened": 2})
    assert (again.state, world.lines("HMS", DAY)) == ("success", {"accepted": 2})
    assert len(world.track.received) == 2


def test_nobody_decides_in_anothers_name(world: AirflowWorld) -> None:
    """The person is the user who triggered the run, never a Param."""
    batch = in_doubt(world, accepted=True)

    forged = decide(world, what="abandon", batch=batch, why="por mim", by_whom="rui")
    nobody = decide(world, by=None, what="abandon", batch=batch, why="por ninguém")

    assert "by_whom" in forged.said("decide")
    assert "ninguém responde" in nobody.said("decide")
    assert world.lines("HMS", DAY) == {"in_doubt": 2}


def test_who_decides_without_a_batch_is_told(world: AirflowWorld) -> None:
    run = decide(world, what="abandon", why="porque")

    assert run.state == "failed"
    assert "VERMELHO: nada foi decidido: esta decisão precisa do campo Lote" in run.said("decide")
    assert left_for_the_board(run) == ["esta decisão precisa do campo Lote: preencha-o"]


def left_for_the_board(run: Played) -> list[Any]:
    """Return why a run decided nothing, as Airflow's API gives it to the board."""
    from airflow.models.xcom import XComModel  # noqa: PLC0415 - after the world's Airflow
    from airflow.utils.session import create_session  # noqa: PLC0415

    with create_session() as session:
        found = XComModel.get_many(run_id=run.run_id, key=NOT_DECIDED, task_ids="decide")
        return [row.value for row in session.scalars(found)]


def test_after_a_captcha_all_hospitals_stop_until_a_person_resumes(world: AirflowWorld) -> None:
    patients = plant(world.erp(), DAY, 2)
    world.track.script(faults.captcha())
    stopped = world.run_day("HMS", DAY)
    waiting = world.clear(stopped, "dispatch", "report")
    posts = len(world.track.received)

    resumed = decide(world, what="resume", why="captcha resolvido")
    done = world.clear(stopped, "dispatch", "report")

    assert (stopped.state, waiting.state, posts) == ("failed", "failed", 1)
    assert "envio parado" in stopped.said("report")
    assert (resumed.state, done.state) == ("success", "success")
    assert set(world.track.accepted_ids()) == {patient.attendance_id for patient in patients}


def test_a_refusal_that_a_person_allows_goes_out_when_the_day_is_extracted_again(
    world: AirflowWorld,
) -> None:
    patient, _ = plant(world.erp(), DAY, 2)
    world.track.refuse_in_acceptance([patient.attendance_id])
    run = world.run_day("HMS", DAY)
    world.track.behave()
    world.clear(run)
    not_yet = world.lines("HMS", DAY)

    decide(world, what="retry_refused", hospital="HMS", business_day=str(DAY), why="corrigido")
    done = world.clear(run)

    assert not_yet == {"accepted": 1, "refused(refused_2xx)": 1}
    assert (done.state, world.lines("HMS", DAY)) == ("success", {"accepted": 2})
    assert set(world.track.accepted_ids().values()) == {1}


def test_the_morning_is_green_when_every_hospital_is_done(world: AirflowWorld) -> None:
    plant(world.erp(), DAY)
    world.run_day("HMS", DAY)

    assert world.run("track_morning", run_after=MORNING).state == "success"


@pytest.mark.parametrize("what", ["missing", "red"])
def test_the_morning_is_red_when_a_hospital_is_missing_or_red(
    world: AirflowWorld, what: str
) -> None:
    if what == "red":
        in_doubt(world, accepted=True)

    run = world.run("track_morning", run_after=MORNING)

    assert run.state == "failed"
    assert "HMS" in run.said("morning")


def test_a_red_morning_is_told_to_the_webhook_in_counts(
    world: AirflowWorld, monkeypatch: pytest.MonkeyPatch, webhook: Any
) -> None:
    in_doubt(world, accepted=True)
    monkeypatch.setenv("AIRFLOW_CONN_TRACK_ALERT", webhook.connection)

    world.run("track_morning", run_after=MORNING)

    (told,) = webhook.received
    assert "HMS · 10/03/2026: 2 linhas em dúvida" in told["text"]
    for post in world.track.received:
        for line in post.lines:
            assert line.cd_atendimento not in told["text"]


@pytest.mark.parametrize(
    ("status", "why"),
    [(302, "não aceitou, HTTP 302"), (None, "o endereço não responde")],
)
def test_a_morning_that_nobody_was_told_of_says_so_last(
    world: AirflowWorld,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    webhook: Any,
    status: int | None,
    why: str,
) -> None:
    webhook.status = status
    address = webhook.connection if status else "http://127.0.0.1:9/"
    monkeypatch.setenv("AIRFLOW_CONN_TRACK_ALERT", address)

    run = world.run("track_morning", run_after=MORNING)

    last = run.said("morning").splitlines()[-1]
    assert "nenhuma execução" in run.said("morning")
    assert last.startswith(f"VERMELHO: o aviso (track_alert) não foi entregue: {why};")
    said = [one.getMessage() for one in caplog.records if one.name.endswith("operations")]
    assert said[-1] == last


def test_the_night_tidies_the_ledger(world: AirflowWorld, include: Path) -> None:
    set_policies(include, ledger_retention_days=730)
    plant(world.erp(), DAY)
    world.run_day("HMS", DAY)
    for table in ("units", "extractions"):
        world.alter_ledger(f"update {table} set business_day = '2020-01-01'")
    world.alter_ledger("update batches set created_at = '2020-01-02 00:00:00'")
    assert world.lines("HMS", date(2020, 1, 1)) == {"accepted": 1}

    run = world.run("track_housekeeping", run_after=MORNING)

    assert run.state == "success"
    assert world.lines("HMS", date(2020, 1, 1)) == {}
