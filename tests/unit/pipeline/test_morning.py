"""All hospitals in one table: who is missing, late or red, each by its own schedule."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from tests.unit.delivery.bench import DAY, UNIT
from tests.unit.delivery.test_dispatch_leases import claim_elsewhere
from tests.unit.delivery.test_switch import close_elsewhere
from track_dispatch.config import BrokenHospital, load_hospital
from track_dispatch.ledger.staging import stage_extraction
from track_dispatch.pipeline.morning import due_day, morning
from track_dispatch.records import Actor

if TYPE_CHECKING:
    from tests.unit.delivery.bench import Bench
    from track_dispatch.ledger.database import Ledger
    from track_dispatch.pipeline.morning import HospitalDay, Morning

SAO_PAULO = ZoneInfo("America/Sao_Paulo")
HMS, OTOSD, HSMC = (load_hospital(code) for code in ("HMS", "OTOSD", "HSMC"))
#: The morning after DAY, when track_morning runs.
MORNING = datetime(2026, 3, 3, 9, 15, tzinfo=SAO_PAULO)
LOOKER = Actor("morning", run_id="scheduled__1", try_number=1)


def look(ledger: Ledger, *hospitals: Any, moment: datetime = MORNING, **more: Any) -> Morning:
    return morning(hospitals or (HMS,), ledger=ledger, actor=LOOKER, moment=moment, **more)


def row(ledger: Ledger, *hospitals: Any, **more: Any) -> HospitalDay:
    (found,) = look(ledger, *hospitals, **more).rows
    return found


@pytest.mark.parametrize(
    ("code", "clock", "day"),
    [
        ("HMS", "09:04", date(2026, 3, 1)),  # 9:00, and five minutes to do it
        ("HMS", "09:05", date(2026, 3, 2)),
        ("HMS", "23:59", date(2026, 3, 2)),
        ("OTOS", "09:15", date(2026, 3, 2)),  # 9:10 in Fortaleza
        ("OTOSD", "09:15", date(2026, 3, 1)),  # 9:15 in Fortaleza: its day comes tomorrow
        ("OTOSD", "09:20", date(2026, 3, 2)),
        ("HSMC", "09:15", date(2026, 3, 2)),  # 8:00 in Cuiabá is 9:00 in São Paulo
        ("HSMC", "09:04", date(2026, 3, 1)),
    ],
)
def test_each_hospital_is_judged_by_its_latest_day_that_is_due(
    code: str, clock: str, day: date
) -> None:
    moment = datetime.fromisoformat(f"2026-03-03T{clock}").replace(tzinfo=SAO_PAULO)

    assert due_day(load_hospital(code), moment) == day


def test_a_day_that_is_done_is_green(bench: Bench) -> None:
    bench.fill(3)
    bench.dispatch()

    found = look(bench.ledger)

    assert found.red == []
    assert list(found.text())[-1] == "VERDE: nada a fazer"
    assert found.rows[0].cells()[3:] == ("3", "3", "0", "0", "0", "0", "nada")


def test_a_day_that_nobody_extracted_is_missing(ledger: Ledger) -> None:
    found = look(ledger)

    assert found.rows[0].run == "FALTA"
    assert "track_hms" in found.red[0]
    assert list(found.text())[-1] == "VERMELHO: há o que fazer"


def test_a_day_whose_run_is_still_under_way_is_late(bench: Bench) -> None:
    bench.fill(2)

    assert "prontas" in row(bench.ledger).problems[0]


def test_an_extraction_that_broke_off_is_red(ledger: Ledger) -> None:
    def breaking() -> Any:
        yield [{"cd_atendimento": "1"}]
        raise ConnectionError

    with pytest.raises(ConnectionError):
        stage_extraction(
            ledger, breaking(), source="hms", hospital="HMS", business_day=DAY, actor=LOOKER
        )

    assert "extração" in row(ledger).problems[0]


def test_a_lease_that_ran_out_in_the_night_is_a_doubt_in_the_morning(bench: Bench) -> None:
    bench.fill(2)
    claim_elsewhere(bench, UNIT)
    bench.end_leases()

    found = row(bench.ledger)

    assert found.cells()[-2] == "2"
    assert "em dúvida" in found.problems[0]


def test_a_hospital_whose_file_is_broken_is_red(ledger: Ledger) -> None:
    found = row(ledger, BrokenHospital("HMS", "track_hms", "chanels"))

    assert found.cells()[:3] == ("HMS", "-", "não há")
    assert found.problems


def test_a_hospital_that_has_not_begun_is_not_missing(ledger: Ledger) -> None:
    beginner = HMS.model_copy(update={"first_business_day": date(2026, 3, 3)})

    assert look(ledger, beginner).red == []


def test_while_the_switch_is_closed_the_morning_is_red(bench: Bench) -> None:
    bench.fill(1)
    bench.dispatch()
    close_elsewhere(bench)

    found = look(bench.ledger)

    assert [text.split(" desde")[0] for text in found.red] == [
        "envio parado para todos os hospitais"
    ]


def test_another_day_can_be_asked_for(bench: Bench) -> None:
    bench.fill(1)
    bench.dispatch()
    later = datetime(2026, 3, 9, 15, tzinfo=UTC)

    assert look(bench.ledger, moment=later, business_day=DAY).red == []
    assert look(bench.ledger, moment=later).red != []


def test_the_table_says_counts_and_no_patient(bench: Bench) -> None:
    ids = bench.fill(2)

    said = "\n".join([*look(bench.ledger, HMS, OTOSD, HSMC).text()])

    assert "HMS" in said
    assert "02/03/2026" in said
    for secret in (*ids, "Fulana", "exemplo.test"):
        assert secret not in said
    assert UNIT.hospital in said
