"""A day of a hospital from Oracle to Track, and every way of doing it again."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from stand_ins.track_api import Fate, faults
from tests.airflow_world import parsed_dag
from tests.e2e.hms_patients import plant
from tests.e2e.policies import set_policies
from track_dispatch.config import software_here
from track_dispatch.hooks.ledger import open_ledger
from track_dispatch.ledger import schema
from track_dispatch.records import Area

if TYPE_CHECKING:
    from stand_ins.track_api import Fault
    from tests.airflow_world import AirflowWorld
    from tests.e2e.conftest import OpenWorld

DAY = date(2026, 3, 10)
NOTHING = {
    "rows": 0,
    "ready": 0,
    "excluded": 0,
    "held": 0,
    "sending": 0,
    "accepted": 0,
    "refused": 0,
    "in_doubt": 0,
    "reopened": 0,
    "abandoned": 0,
}
#: What the report says of a day on which nobody came.
NOBODY = (
    "0 registros do ERP = 0 atendimentos + 0 repetidos",
    "0 atendimentos = 0 deste dia + 0 já conhecidos em outro dia + 0 de outro hospital",
    "0 deste dia = nenhum",
)


@pytest.fixture
def two_units(world: AirflowWorld) -> AirflowWorld:
    """Plant three patients with an address and two with a telephone."""
    plant(world.erp(), DAY, 3)
    plant(world.erp(), DAY, 2, area=Area.AMBULATORIO, by="phone")
    return world


def test_a_day_is_green_and_its_report_counts_every_patient(two_units: AirflowWorld) -> None:
    plant(two_units.erp(), DAY, by="nothing")
    plant(two_units.erp(), date(2026, 3, 9), 4)

    run = two_units.run_day("HMS", DAY)

    assert run.state == "success"
    assert two_units.report(run) == NOTHING | {"rows": 6, "accepted": 5, "excluded": 1}


def test_the_report_is_what_the_analyst_reads_last(
    two_units: AirflowWorld, caplog: pytest.LogCaptureFixture
) -> None:
    plant(two_units.erp(), DAY, by="nothing")

    two_units.run_day("HMS", DAY)

    said = [one.getMessage() for one in caplog.records if one.name.endswith("hospital_surveys")]
    assert said == [
        "HMS · dia 10/03/2026",
        "6 registros do ERP = 6 atendimentos + 0 repetidos",
        "6 atendimentos = 6 deste dia + 0 já conhecidos em outro dia + 0 de outro hospital",
        "6 deste dia = 1 excluída, 5 aceitas",
        "AMBULATORIO · WhatsApp: 2 aceitas",
        "PRONTO SOCORRO GERAL · e-mail: 3 aceitas",
        "excluídas: 1 sem contato utilizável (no_contact)",
        "HMS · dia 09/03/2026 (relido)",
        *NOBODY,
        "HMS · dia 08/03/2026 (relido)",
        *NOBODY,
        "VERDE: o dia está completo",
    ]


def test_one_task_sends_every_area_over_every_channel(two_units: AirflowWorld) -> None:
    run = two_units.run_day("HMS", DAY)

    assert run.tasks == {
        "extract": "success",
        "transform": "success",
        "volume_gate": "success",
        "approve_volume": "skipped",
        "dispatch": "success",
        "report": "success",
        "rehearse": "skipped",
    }


def test_a_live_run_starts_no_process_to_skip_what_is_not_for_it(
    two_units: AirflowWorld,
) -> None:
    run = two_units.run_day("HMS", DAY)

    assert two_units.tries(run) == {
        task: 1 for task, state in run.tasks.items() if state == "success"
    }


def test_a_live_run_whose_extract_is_marked_skipped_rehearses_nothing(
    two_units: AirflowWorld,
) -> None:
    run = two_units.run_day("HMS", DAY, marked={"extract": "skipped"})

    assert run.tasks["rehearse"] == "skipped"


def test_a_day_of_the_demo_is_green_under_airflows_own_dag_test(open_world: OpenWorld) -> None:
    world = open_world(("HSMC",), days=[DAY])

    finished = parsed_dag("track_hsmc").test(
        logical_date=None, run_conf={"business_day": DAY.isoformat()}
    )

    assert finished.state == "success"
    assert world.track.accepted_ids().total() > 0


@pytest.mark.parametrize("kind", ["manual", "scheduled", "backfill"])
def test_a_second_run_of_the_day_sends_nothing_again(two_units: AirflowWorld, kind: str) -> None:
    two_units.run_day("HMS", DAY)
    again = two_units.run_day("HMS", DAY, kind=kind)

    assert again.state == "success"
    assert two_units.track.requests["distributions"] == 2


def test_a_cleared_task_sends_nothing(two_units: AirflowWorld) -> None:
    run = two_units.run_day("HMS", DAY)

    posts = {}
    for task_id in ("extract", "transform", "volume_gate", "dispatch", "report"):
        run = two_units.clear(run, task_id)
        posts[task_id] = (run.state, two_units.track.requests["distributions"])

    assert posts == dict.fromkeys(posts, ("success", 2))


def test_a_cleared_task_with_all_that_follows_sends_nothing(two_units: AirflowWorld) -> None:
    run = two_units.run_day("HMS", DAY)

    posts = {}
    for task_id in ("extract", "transform", "volume_gate", "dispatch", "report"):
        run = two_units.clear_from(run, task_id)
        posts[task_id] = (run.state, two_units.track.requests["distributions"])

    assert posts == dict.fromkeys(posts, ("success", 2))


def test_a_cleared_run_asks_only_who_came_late_into_the_erp(two_units: AirflowWorld) -> None:
    run = two_units.run_day("HMS", DAY)
    (late,) = plant(two_units.erp(), DAY)

    run = two_units.clear(run)

    assert run.state == "success"
    assert [post.ids(Fate.ACCEPTED) for post in two_units.track.received[2:]] == [
        [late.attendance_id]
    ]


#: The fault, and how many POSTs are answered in peace before it: one batch, or one unit.
HALF_WAY = {
    "too many requests at the second batch": (faults.too_many_requests(1), 1),
    "connection refused at the second batch": (faults.refuse_connections(), 1),
    "wrong address at the second batch": (faults.answer(404), 1),
    "key revoked at the second unit": (faults.answer(401), 2),
    "too many requests at the second unit": (faults.too_many_requests(1), 2),
}


@pytest.mark.parametrize(("fault", "posts_before"), HALF_WAY.values(), ids=HALF_WAY)
def test_what_a_broken_dispatch_left_is_sent_after_it_is_cleared(
    world: AirflowWorld, include: Path, fault: Fault, posts_before: int
) -> None:
    set_policies(include, batch_size=2)
    plant(world.erp(), DAY, 3)
    plant(world.erp(), DAY, 2, area=Area.ONCOLOGIA)
    world.track.script(*[None] * posts_before, *[fault] * 2)
    broken = world.run_day("HMS", DAY)
    accepted_before = world.track.accepted_ids().total()
    world.track.behave()
    world.track.listen_again()
    world.alter_ledger("update stops set resumed_at = stopped_at")  # as a person does

    whole = world.clear(broken, "dispatch", "report")

    assert (broken.state, whole.state) == ("failed", "success")
    assert accepted_before < 5
    assert set(world.track.accepted_ids().values()) == {1}
    assert world.lines("HMS", DAY) == {"accepted": 5}


def test_airflow_itself_tries_again_what_track_did_not_take(two_units: AirflowWorld) -> None:
    two_units.track.script(faults.too_many_requests(5))

    waiting = two_units.run_day("HMS", DAY, retries=None)
    whole = two_units.retry(waiting)

    assert (waiting.tasks["dispatch"], whole.state) == ("up_for_retry", "success")
    assert two_units.lines("HMS", DAY) == {"accepted": 5}


def test_two_runs_of_a_day_beside_each_other_ask_everybody_once(two_units: AirflowWorld) -> None:
    first = two_units.run_day("HMS", DAY, before="dispatch")
    second = two_units.run_day("HMS", DAY, kind="backfill")
    first = two_units.go_on(first)

    assert (first.state, second.state) == ("success", "success")
    assert set(two_units.track.accepted_ids().values()) == {1}
    assert two_units.lines("HMS", DAY) == {"accepted": 5}


def test_a_run_that_another_one_overtook_is_green(two_units: AirflowWorld) -> None:
    first = two_units.run_day("HMS", DAY, before="transform")
    two_units.run_day("HMS", DAY)

    assert two_units.go_on(first).state == "success"
    assert two_units.track.requests["distributions"] == 2


def test_lines_in_doubt_stay_so_whatever_is_cleared(two_units: AirflowWorld) -> None:
    two_units.track.script(*[faults.drop(accepted=True)] * 2)
    run = two_units.run_day("HMS", DAY)
    two_units.track.behave()

    again = two_units.clear(run)

    assert (run.state, again.state) == ("failed", "failed")
    assert two_units.lines("HMS", DAY) == {"in_doubt": 5}
    assert two_units.track.requests["distributions"] == 2


def test_a_dispatch_that_is_cleared_after_a_doubt_says_so_again(two_units: AirflowWorld) -> None:
    """The cleared task has nothing to send and succeeds: the day must not look done for that."""
    two_units.track.script(faults.drop(accepted=True))
    run = two_units.run_day("HMS", DAY)
    two_units.track.behave()

    again = two_units.clear(run, "dispatch", "report")

    assert (run.state, again.state) == ("failed", "failed")
    assert "linhas em dúvida: confira no Track e decida" in again.said("report")
    assert two_units.track.requests["distributions"] == 2


def test_lines_in_doubt_stay_so_in_another_run(two_units: AirflowWorld) -> None:
    two_units.track.script(*[faults.drop(accepted=True)] * 2)
    two_units.run_day("HMS", DAY)
    two_units.track.behave()

    again = two_units.run_day("HMS", DAY, kind="backfill")

    assert "5 linhas em dúvida" in again.said("report")
    assert two_units.track.requests["distributions"] == 2


SUNDAY_AT_THREE = datetime(2026, 3, 15, 6, tzinfo=UTC)  # in São Paulo


@pytest.mark.parametrize("logical_date", [None, SUNDAY_AT_THREE], ids=["REST", "trigger form"])
def test_a_manual_run_without_a_day_takes_yesterday_at_any_hour(
    world: AirflowWorld, logical_date: datetime | None
) -> None:
    (patient,) = plant(world.erp(), date(2026, 3, 14))
    plant(world.erp(), date(2026, 3, 15))

    run = world.run("track_hms", run_after=SUNDAY_AT_THREE, logical_date=logical_date)

    assert run.state == "success"
    assert world.track.accepted_ids() == {patient.attendance_id: 1}


@pytest.mark.parametrize("kind", ["scheduled", "backfill"])
def test_a_chosen_day_is_refused_where_every_run_has_its_own(
    two_units: AirflowWorld, kind: str
) -> None:
    run = two_units.run_day("HMS", DAY, kind=kind, conf={"business_day": "2026-03-09"})

    assert run.state == "failed"
    assert "it would give every run the same day" in run.said("extract")
    assert list(two_units.erp().statements) == []


def test_a_day_that_is_not_over_is_refused(two_units: AirflowWorld) -> None:
    run = two_units.run_day("HMS", DAY, run_after=datetime(2026, 3, 10, 23, tzinfo=UTC))

    assert run.state == "failed"
    assert "is not over" in run.said("extract")
    assert list(two_units.erp().statements) == []


def test_every_reading_and_batch_says_what_software_it_came_from(two_units: AirflowWorld) -> None:
    two_units.run_day("HMS", DAY)

    here = tuple(software_here())
    with open_ledger() as ledger, ledger.reading() as connection:
        for table in (schema.extractions, schema.batches):
            columns = (table.c.package_version, table.c.include_digest)
            assert {tuple(row) for row in connection.execute(select(*columns))} == {here}
