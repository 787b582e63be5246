"""A rehearsal sends invented patients to our own people, over the real way, and nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from erp_days import CONN_ID, ErpDays
from sqlalchemy import select

from demo.world import surveys_of
from stand_ins.track_api import TrackStandIn
from stand_ins.track_api.faults import answer, saying
from tests.unit.delivery.delivery_rig import DAY, HOSPITAL, NOW, Rig
from track_dispatch.config.policies import RehearsalContact
from track_dispatch.errors import (
    BudgetSpentError,
    ConfigError,
    LinesInFlightError,
    NotDeliveredError,
    QuietHoursError,
    ServiceStoppedError,
)
from track_dispatch.ledger import schema
from track_dispatch.pipeline import Mode, Run
from track_dispatch.pipeline.rehearse import NOBODYS_CPF, rehearsal
from track_dispatch.records import Actor, Area

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger

OURS = RehearsalContact(email="ensaio@ours.test", phone="5527990000001")


@pytest.fixture
def api() -> Iterator[TrackStandIn]:
    with TrackStandIn(surveys=surveys_of(HOSPITAL), clock=lambda: NOW) as stand_in:
        yield stand_in


@pytest.fixture
def rig(erp_days: ErpDays, ledger: Ledger, api: TrackStandIn) -> Iterator[Rig]:
    """Return a hospital that reads the ERP and posts to the stand-in."""
    settings = {
        "import_fields": None,
        "oracle_conn_id": CONN_ID,
        "sql": "mv/days.sql",
        "rehearsal_contacts": (OURS,),
        "rehearsal_lines": 2,
        "volume_gate": None,
    }
    with Rig(ledger, api, settings=settings) as opened:
        yield opened


def rehearsed(rig: Rig) -> dict[str, int]:
    actor = Actor("rehearse", run_id="manual__1", try_number=1)
    run = Run(rig.hospital, DAY, actor, mode=Mode.REHEARSAL)
    with rig.context() as context:
        return rehearsal(run, context=context).summary()


def patients(erp_days: ErpDays) -> None:
    """Let the day have three inpatients, one exam and one who died."""
    for number in range(3):
        erp_days.add(900_000_000 + number, DAY, name="ANASTACIA PLANTADA", setor="UTI")
    erp_days.add(900_000_010, DAY, area_pesquisa="EXAMES", name="BERENICE PLANTADA")
    erp_days.add(900_000_011, DAY, area_pesquisa="ONCOLOGIA", x_obito="S")


def test_a_few_of_each_area_go_to_our_people_and_are_nobodys(
    erp_days: ErpDays, rig: Rig, api: TrackStandIn
) -> None:
    patients(erp_days)

    assert rehearsed(rig) == {"INTERNACAO": 2, "EXAMES": 1}
    lines = [line for post in api.received for line in (post.body or {})["import_lines"]]
    assert len(lines) == 3
    assert {line["email"] for line in lines} == {"ensaio@ours.test"}
    assert {line["cpf"] for line in lines} == {NOBODYS_CPF}
    assert all(line["cd_atendimento"].startswith("ENSAIO-") for line in lines)
    assert not any(b"PLANTADA" in post.raw.upper() for post in api.received)


def test_a_hospital_rehearses_before_its_first_day(
    erp_days: ErpDays, rig: Rig, api: TrackStandIn
) -> None:
    patients(erp_days)
    rig.settings["first_business_day"] = None

    assert rehearsed(rig) == {"INTERNACAO": 2, "EXAMES": 1}
    assert not any(b"PLANTADA" in post.raw.upper() for post in api.received)


def test_a_rehearsal_is_on_record_without_a_line(erp_days: ErpDays, rig: Rig) -> None:
    patients(erp_days)
    rehearsed(rig)

    with rig.ledger.reading() as connection:
        batches = connection.execute(select(schema.batches)).all()
        lines = connection.execute(select(schema.lines)).all()
    assert [(row.unit, row.state) for row in batches] == [(None, "settled")] * 2
    assert lines == []


def test_without_somebody_to_receive_it_there_is_no_rehearsal(rig: Rig) -> None:
    rig.settings["rehearsal_contacts"] = ()

    with pytest.raises(ConfigError, match="rehearsal_contacts is empty"):
        rehearsed(rig)


def test_outside_the_hours_nobody_is_rehearsed_with(erp_days: ErpDays, rig: Rig) -> None:
    patients(erp_days)
    rig.settings["send_window"] = "20:00-21:00"

    with pytest.raises(QuietHoursError):
        rehearsed(rig)


def test_a_standing_stop_holds_for_rehearsals_too(
    erp_days: ErpDays, rig: Rig, api: TrackStandIn
) -> None:
    patients(erp_days)
    erp_days.sql(
        "insert into stops (stopped_at, why, hospital, actor)"
        " values ('2026-01-01 00:00:00', 'captcha', 'HMS', 'dispatch')"
    )

    with pytest.raises(ServiceStoppedError):
        rehearsed(rig)
    assert api.received == ()


def test_a_survey_with_a_batch_in_flight_is_left_alone(
    erp_days: ErpDays, rig: Rig, api: TrackStandIn
) -> None:
    patients(erp_days)
    until = "9999-01-01 00:00:00.000000" + ("+00" if rig.ledger.on_postgresql else "")
    for number, area in enumerate(Area):
        erp_days.sql(
            "insert into batches (id, claim, survey, state, lines, lease_until, validity_at,"
            " created_at, changed_at)"
            " values (:id, 'c', :survey, 'sending', 1, :until, 0, :until, :until)",
            id=f"b-{number}",
            survey=str(HOSPITAL.survey(area)),
            until=until,
        )

    with pytest.raises(LinesInFlightError):
        rehearsed(rig)
    assert api.received == ()


def test_a_spent_budget_of_requests_holds_for_rehearsals_too(erp_days: ErpDays, rig: Rig) -> None:
    patients(erp_days)
    rig.settings["requests_per_5_minutes"] = 1

    with pytest.raises(BudgetSpentError):
        rehearsed(rig)


def test_an_answer_that_is_no_acceptance_fails_the_rehearsal(
    erp_days: ErpDays, rig: Rig, api: TrackStandIn
) -> None:
    patients(erp_days)
    api.script(answer(422))

    with pytest.raises(ConfigError, match="Nothing of it is a patient's"):
        rehearsed(rig)


def test_a_rehearsal_tells_the_members_of_the_answer_and_that_they_prove_acceptance(
    erp_days: ErpDays, rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    patients(erp_days)

    with caplog.at_level("INFO", logger="track_dispatch.pipeline"):
        rehearsed(rig)

    told = "HTTP 201 with the members uuid, which proves acceptance (uuid, id)"
    assert sum(told in message for message in caplog.messages) == 2


def test_an_answer_that_proves_nothing_is_told_by_its_members_before_the_first_patient(
    erp_days: ErpDays, rig: Rig, api: TrackStandIn
) -> None:
    patients(erp_days)
    api.script(saying("protocol", {"protocol": "2026-1", "message": "ok"}, accepted=True))

    with pytest.raises(ConfigError, match=r"members protocol, message, and `acceptance` asks for"):
        rehearsed(rig)
    rig.settings["acceptance"] = ("protocol",)
    api.script(*[saying("protocol", {"protocol": "2026-1"}, accepted=True)] * 2)

    assert rehearsed(rig) == {"INTERNACAO": 2, "EXAMES": 1}


def test_a_rehearsal_names_what_in_the_answer_is_no_good_news(
    erp_days: ErpDays, rig: Rig, api: TrackStandIn
) -> None:
    patients(erp_days)
    content = {"uuid": "d-1", "stuck": True, "job": {"state": "frozen", "5527": False}}
    api.script(saying("unread", content, accepted=True))

    with pytest.raises(
        ConfigError, match=r"members uuid, stuck, job; no good news: stuck, state, and "
    ):
        rehearsed(rig)


def test_without_a_track_that_answers_nothing_is_posted(
    erp_days: ErpDays, rig: Rig, api: TrackStandIn
) -> None:
    patients(erp_days)

    with api.refusing(), pytest.raises(NotDeliveredError):
        rehearsed(rig)
