"""The policies under Airflow: a day that asks a person, a night that waits, an old day wanted."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from sqlalchemy import select
from typer.testing import CliRunner

from demo.world import ROOT
from stand_ins.track_api import faults
from tests.airflow_world import parsed_dag
from tests.e2e.hms_patients import plant
from tests.e2e.policies import set_policies
from track_dispatch.cli import app
from track_dispatch.hooks.ledger import open_ledger
from track_dispatch.ledger import schema
from track_dispatch.records import Area

if TYPE_CHECKING:
    from tests.airflow_world import AirflowWorld, Played
    from track_dispatch.ledger.database import Ledger

DAY = date(2026, 3, 10)
GATE = {"min_lines": 2, "min_history_days": 1}


def everything(ledger: Ledger) -> dict[str, list[Any]]:
    """Return every table as it stands."""
    with ledger.reading() as connection:
        return {
            table.name: sorted(map(str, connection.execute(select(table)).all()))
            for table in schema.metadata.sorted_tables
        }


@pytest.fixture
def asking(world: AirflowWorld, include: Path) -> Played:
    """Let a usual day be sent, and an odd one ask."""
    set_policies(include, volume_gate=GATE)
    usual = DAY - timedelta(weeks=1)
    plant(world.erp(), usual)
    assert world.run_day("HMS", usual).state == "success"
    plant(world.erp(), DAY, 5)
    return world.run_day("HMS", DAY)


def test_an_odd_day_waits_for_a_person_with_its_lines_held(
    world: AirflowWorld, asking: Played
) -> None:
    assert (asking.state, asking.tasks["approve_volume"]) == ("running", "awaiting_input")
    assert world.lines("HMS", DAY) == {"held": 5}
    assert len(world.track.received) == 1


def test_a_backfill_of_an_odd_day_asks_nobody(world: AirflowWorld, include: Path) -> None:
    set_policies(include, volume_gate=GATE)
    usual = DAY - timedelta(weeks=1)
    plant(world.erp(), usual)
    world.run_day("HMS", usual)
    plant(world.erp(), DAY, 5)

    run = world.run_day("HMS", DAY, kind="backfill")

    assert (run.state, run.tasks["approve_volume"]) == ("success", "skipped")
    assert world.lines("HMS", DAY) == {"accepted": 5}


def test_what_is_asked_are_counts_in_portuguese(world: AirflowWorld, asking: Played) -> None:
    from airflow import settings  # noqa: PLC0415
    from airflow.models.hitl import HITLDetail  # noqa: PLC0415

    detail = settings.Session().scalars(select(HITLDetail)).one()

    assert (
        "**10/03/2026**: **5 convites**; o usual neste dia da semana é **1**; **5 linhas esperam**"
        in detail.body
    )
    assert "volume fora do comum" in detail.subject


def test_the_ledger_knows_until_when_airflow_waits(world: AirflowWorld, asking: Played) -> None:
    from airflow import settings  # noqa: PLC0415
    from airflow.models import TaskInstance  # noqa: PLC0415

    (task,) = settings.Session().scalars(
        select(TaskInstance).where(TaskInstance.state == "awaiting_input")
    )
    with open_ledger() as ledger, ledger.reading() as connection:
        until = connection.scalar(select(schema.approvals.c.open_until))

    assert abs((until - task.trigger_timeout).total_seconds()) < 60


def test_an_approved_day_is_sent_and_green(world: AirflowWorld, asking: Played) -> None:
    done = world.answer(asking, "Approve", by="ana")

    assert done.state == "success"
    assert world.lines("HMS", DAY) == {"accepted": 5}


def test_a_rejected_day_stays_held_and_is_green(world: AirflowWorld, asking: Played) -> None:
    done = world.answer(asking, "Reject", by="ana")

    assert done.state == "success"
    assert world.lines("HMS", DAY) == {"held": 5}
    assert len(world.track.received) == 1


def test_silence_leaves_the_day_held_and_red_and_it_can_be_asked_again(
    world: AirflowWorld, asking: Played
) -> None:
    silent = world.answer(asking, "Reject", by=None)
    again = world.clear_from(silent, "volume_gate")
    done = world.answer(again, "Approve", by="ana")

    assert silent.state == "failed"
    assert "ninguém respondeu" in silent.said("report")
    assert again.tasks["approve_volume"] == "awaiting_input"
    assert done.state == "success"
    assert world.lines("HMS", DAY) == {"accepted": 5}


def test_a_yes_lets_nothing_go_that_the_form_did_not_show(
    world: AirflowWorld, asking: Played
) -> None:
    """The day is read again while the form waits: whoever clears the gate sees the new number."""
    plant(world.erp(), DAY, 9)
    read_again = world.clear(asking, "extract", "transform")
    done = world.answer(read_again, "Approve", by="ana")
    after_one_yes = world.lines("HMS", DAY)
    again = world.clear_from(done, "volume_gate")

    assert (done.state, after_one_yes) == ("failed", {"held": 14})
    assert "14 linhas retidas, usual 1: ninguém respondeu" in done.said("report")
    assert world.answer(again, "Approve", by="ana").state == "success"
    assert world.lines("HMS", DAY) == {"accepted": 14}


def hour_in(hours: int) -> int:
    """Return the hour of the day at HMS in so many hours from now."""
    return (datetime.now(ZoneInfo("America/Sao_Paulo")) + timedelta(hours=hours)).hour


def open_later(include: Path) -> None:
    """Open the window within two hours, whenever that is; the next run is two hours later."""
    set_policies(
        include,
        send_window=f"{hour_in(2):02}:00-{hour_in(2):02}:59",
        schedule=f"0 {hour_in(4)} * * *",
    )


def test_before_the_window_dispatch_waits_without_a_worker(
    world: AirflowWorld, include: Path
) -> None:
    plant(world.erp(), DAY, 2)
    open_later(include)

    run = world.run_day("HMS", DAY)

    assert (run.state, run.tasks["dispatch"]) == ("running", "deferred")
    assert world.lines("HMS", DAY) == {"ready": 2}
    assert world.track.requests == {}


def test_a_long_wait_for_the_window_is_not_counted_against_the_limit_of_dispatch(
    world: AirflowWorld, include: Path
) -> None:
    """Its limit is of the work. Where this fails, Airflow has begun to count the wait, too."""
    plant(world.erp(), DAY, 2)
    open_later(include)
    run = world.run_day("HMS", DAY)
    limit = parsed_dag(run.dag_id).get_task("dispatch").execution_timeout
    set_policies(include, send_window="00:00-24:00")

    done = world.end_wait(run, after=2 * limit)

    assert (run.tasks["dispatch"], done.tasks["dispatch"]) == ("deferred", "success")
    assert world.lines("HMS", DAY) == {"accepted": 2}


def test_what_waits_for_a_window_after_the_next_run_is_left_to_that_run(
    world: AirflowWorld, include: Path
) -> None:
    """A run that waited for days would keep the next one from starting."""
    plant(world.erp(), DAY, 2)
    closed = date.today().weekday() + 3  # noqa: DTZ011 - any zone's day will do: days ahead
    names = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    set_policies(include, send_days=[names[closed % 7]], look_back_days=6)

    run = world.run_day("HMS", DAY)
    left = world.lines("HMS", DAY)
    set_policies(include, send_days=None, look_back_days=0)
    next_run = world.run_day("HMS", DAY + timedelta(days=1))

    assert (run.state, run.tasks["dispatch"]) == ("success", "success")
    assert left == {"ready": 2}
    assert (next_run.state, world.lines("HMS", DAY)) == ("success", {"accepted": 2})


@pytest.mark.parametrize(
    ("kind", "conf", "state", "lines"),
    [
        ("manual", {"include_old": True}, "success", {"accepted": 2}),
        ("manual", {}, "success", {"excluded(too_old)": 2}),
        ("backfill", {"include_old": True}, "failed", {}),
    ],
)
def test_old_days_are_sent_on_a_persons_wish_in_a_manual_run_only(
    world: AirflowWorld,
    include: Path,
    kind: str,
    conf: dict[str, bool],
    state: str,
    lines: dict[str, int],
) -> None:
    set_policies(include, max_age_days=15)
    plant(world.erp(), DAY, 2)
    day = {"business_day": DAY.isoformat()} if kind == "manual" else {}

    run = world.run_day("HMS", DAY, kind=kind, conf=conf | day)

    assert (run.state, world.lines("HMS", DAY)) == (state, lines)


def test_a_dry_run_counts_what_would_go_and_writes_and_sends_nothing(
    world: AirflowWorld, caplog: pytest.LogCaptureFixture
) -> None:
    patients = plant(world.erp(), DAY, 2)
    plant(world.erp(), DAY, by="nothing")
    with open_ledger() as ledger:
        before = everything(ledger)
    dry = {"business_day": DAY.isoformat(), "mode": "dry_run"}

    run = world.run_day("HMS", DAY, conf=dry)

    with open_ledger() as ledger:
        assert everything(ledger) == before
    assert (run.state, world.track.requests) == ("success", {})
    assert run.tasks.pop("rehearse") == "success"
    assert set(run.tasks.values()) == {"skipped"}
    assert "PRONTO SOCORRO GERAL · e-mail: 2 convidar" in caplog.text
    assert "excluir: sem contato utilizável" in caplog.text
    assert "SIMULAÇÃO" in caplog.text
    for patient in patients:
        assert patient.attendance_id not in caplog.text


def test_a_dry_run_that_breaks_off_is_red(world: AirflowWorld) -> None:
    dry = {"business_day": DAY.isoformat(), "mode": "dry_run"}
    world.erp().stop()

    run = world.run_day("HMS", DAY, conf=dry)

    assert (run.state, run.tasks["rehearse"]) == ("failed", "failed")


def test_after_a_dry_run_the_same_day_is_sent_as_ever(world: AirflowWorld) -> None:
    plant(world.erp(), DAY, 2)
    world.run_day("HMS", DAY, conf={"business_day": DAY.isoformat(), "mode": "dry_run"})

    assert world.run_day("HMS", DAY).state == "success"
    assert world.lines("HMS", DAY) == {"accepted": 2}


def test_the_shell_tells_who_would_be_asked_and_writes_nothing(world: AirflowWorld) -> None:
    first, second = plant(world.erp(), DAY, 2)
    (unreachable,) = plant(world.erp(), DAY, by="nothing")
    world.run_day("HMS", DAY)
    (new,) = plant(world.erp(), DAY)
    with open_ledger() as ledger:
        before = everything(ledger)

    told = CliRunner().invoke(app, ["dry-run", "hms", "--day", DAY.isoformat()]).stdout

    with open_ledger() as ledger:
        assert everything(ledger) == before
    states = {line.split()[0]: line.split("  ")[-1] for line in told.splitlines()}
    assert states[new.attendance_id] == "ready"
    assert states[unreachable.attendance_id] == "excluded (no_contact)"
    assert {states[done.attendance_id] for done in (first, second)} == {"accepted"}


def test_one_person_of_two_attendances_is_asked_once_by_the_areas_priority(
    world: AirflowWorld,
) -> None:
    (visit,) = plant(world.erp(), DAY)
    (therapy,) = plant(world.erp(), DAY, area=Area.ONCOLOGIA)
    world.erp().execute(
        "update dbamv.atendime set cd_paciente = (select cd_paciente from dbamv.atendime"
        f" where cd_atendimento = {visit.attendance_id})"
        f" where cd_atendimento = {therapy.attendance_id}"
    )

    run = world.run_day("HMS", DAY)

    assert run.state == "success"
    assert world.lines("HMS", DAY) == {"accepted": 1, "excluded(same_person)": 1}
    assert set(world.track.accepted_ids()) == {therapy.attendance_id}


def test_a_rehearsal_sends_invented_patients_to_our_own_people_only(
    world: AirflowWorld, include: Path
) -> None:
    ours = [{"email": "nos@example.test"}, {"phone": "5527988887777"}]
    set_policies(include, rehearsal_contacts=ours, rehearsal_lines=2)
    patients = plant(world.erp(), DAY, 5)
    with open_ledger() as ledger:
        before = everything(ledger)

    run = world.run_day("HMS", DAY, conf={"business_day": DAY.isoformat(), "mode": "rehearsal"})

    with open_ledger() as ledger:
        after = everything(ledger)
    assert run.state == "success"
    assert run.tasks.pop("rehearse") == "success"
    assert set(run.tasks.values()) == {"skipped"}
    posted = [line for post in world.track.received for line in (post.body or {})["import_lines"]]
    contacts = [line.get("email") or line["phone"] for line in posted]
    assert sorted(contacts) == ["5527988887777", "nos@example.test"]
    for patient in patients:
        assert not set(patient.values()) & {value for line in posted for value in line.values()}
    for table, rows in {"batches": 2, "requests": 1}.items():
        assert len(after.pop(table)) - len(before.pop(table)) == rows
    assert after == before


def test_a_rehearsal_that_track_refuses_is_red_and_not_repeated(
    world: AirflowWorld, include: Path
) -> None:
    set_policies(include, rehearsal_contacts=[{"email": "nos@example.test"}])
    plant(world.erp(), DAY)
    world.track.script(faults.answer(500))

    run = world.run_day(
        "HMS", DAY, conf={"business_day": DAY.isoformat(), "mode": "rehearsal"}, retries=None
    )

    assert (run.state, run.tasks["rehearse"]) == ("failed", "failed")
    assert len(world.track.received) == 1


def test_a_rehearsal_without_contacts_says_so(world: AirflowWorld) -> None:
    plant(world.erp(), DAY)

    run = world.run_day("HMS", DAY, conf={"business_day": DAY.isoformat(), "mode": "rehearsal"})

    assert "rehearsal_contacts is empty" in run.said("rehearse")
    assert world.track.requests == {}


@pytest.mark.parametrize("mode", ["live", "dry_run", "rehearsal"])
def test_a_hospital_that_another_file_contradicts_reads_nobody(
    world: AirflowWorld, include: Path, mode: str
) -> None:
    """One survey of two hospitals: nobody could tell whose patient has answered."""
    plant(world.erp(), DAY)
    hpc = (ROOT / "include" / "hospitals" / "hpc.yaml").read_text(encoding="utf-8")
    (include / "hospitals" / "hpc.yaml").write_text(hpc, encoding="utf-8")
    exams = yaml.safe_load(hpc)["surveys"]["exames"]
    set_policies(include, surveys={"exames": exams}, rehearsal_contacts=[{"email": "nos@x.test"}])

    run = world.run_day("HMS", DAY, conf={"business_day": DAY.isoformat(), "mode": mode})

    said = run.said("extract") or run.said("rehearse")
    assert (run.state, world.lines("HMS", DAY)) == ("failed", {})
    assert f"surveys.exames: {exams} is also a survey in hospitals/hpc.yaml" in said
    assert world.track.requests == {}


@pytest.mark.parametrize("first", [None, DAY + timedelta(days=1)])
def test_a_hospital_that_is_not_live_asks_nobody_and_is_green(
    world: AirflowWorld, include: Path, first: date | None
) -> None:
    set_policies(include, first_business_day=first)
    plant(world.erp(), DAY, 2)

    run = world.run_day("HMS", DAY)

    assert (run.state, world.lines("HMS", DAY)) == ("success", {"excluded(before_go_live)": 2})
    assert parsed_dag("track_hms").timetable.can_be_scheduled is (first is not None)
    assert world.track.received == ()
