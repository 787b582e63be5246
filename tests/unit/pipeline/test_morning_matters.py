"""All hospitals at once: every open matter of whatever day, and each row by its own schedule."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert

from track_dispatch.config import BrokenHospital, load_hospital
from track_dispatch.ledger import schema
from track_dispatch.ledger.stop_switch import stop_service
from track_dispatch.pipeline.morning import COLUMNS, Morning, MorningRow, NoRun, due_day, morning
from track_dispatch.records import Actor, HospitalDay

if TYPE_CHECKING:
    from tests.unit.ledger.steps import Steps
    from track_dispatch.ledger.database import Ledger

SAO_PAULO = ZoneInfo("America/Sao_Paulo")
HMS, OTOSD, HSMC = (load_hospital(code) for code in ("HMS", "OTOSD", "HSMC"))
DUE = date(2026, 3, 2)
DAY = HospitalDay("HMS", DUE)
#: The morning after, when track_morning runs.
MORNING = datetime(2026, 3, 3, 9, 15, tzinfo=SAO_PAULO)
LOOKER = Actor("morning", run_id="scheduled__1", try_number=1)


def look(ledger: Ledger, *hospitals: Any, moment: datetime = MORNING, **more: Any) -> Morning:
    return morning(hospitals or (HMS,), ledger=ledger, actor=LOOKER, moment=moment, **more)


def row(ledger: Ledger, *hospitals: Any, **more: Any) -> MorningRow:
    (found,) = look(ledger, *hospitals, **more).rows
    return found


def done(steps: Steps, day: HospitalDay = DAY, first: int = 1) -> None:
    """Leave a day as a green run leaves it."""
    steps.put_lines(3, "accepted", day=day, first=first)
    steps.put_extraction(3, day=day)


def back(days: int, hospital: str = "HMS") -> HospitalDay:
    return HospitalDay(hospital, DUE - timedelta(days=days))


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
def test_each_hospitals_row_is_its_latest_day_that_is_due(code: str, clock: str, day: date) -> None:
    moment = datetime.fromisoformat(f"2026-03-03T{clock}").replace(tzinfo=SAO_PAULO)

    assert due_day(load_hospital(code), moment) == day


# -- the row -----------------------------------------------------------------------


def test_a_day_that_is_done_is_green(steps: Steps) -> None:
    done(steps)

    found = look(steps.ledger)

    assert found.red == []
    assert list(found.text())[-1] == "VERDE: nada a fazer"
    cells = dict(zip(COLUMNS, found.rows[0].cells(), strict=True))
    assert (cells["o que fazer"], cells["lidos"], cells["aceitas"]) == ("nada", "3", "3")


def test_a_day_that_nobody_extracted_is_missing(ledger: Ledger) -> None:
    found = look(ledger)

    assert found.rows[0].cells()[3] == "FALTA"
    assert found.red == [
        (
            "HMS: nenhuma execução leu 02/03/2026: veja se track_hms está pausada e acione cada"
            " dia, ou Backfill"
        )
    ]
    assert list(found.text())[-1].startswith("VERMELHO: há o que fazer")


def test_a_day_whose_run_is_still_under_way_is_late(steps: Steps) -> None:
    steps.put_extraction(0, day=DAY, completed_at=None, applied_at=None)

    (problem,) = look(steps.ledger).problems

    assert problem.kind == "not_extracted"


def test_the_run_that_began_the_day_last_is_judged_with_all_its_days(steps: Steps) -> None:
    done(steps)
    steps.put_extraction(3, day=DAY, run_id="later", hours_old=-1)
    steps.put_extraction(0, day=back(1), run_id="later", completed_at=None, applied_at=None)

    (problem,) = look(steps.ledger).problems

    assert (problem.kind, problem.day) == ("not_extracted", back(1))


def test_a_lease_that_ran_out_in_the_night_is_a_doubt_in_the_morning(steps: Steps) -> None:
    steps.put_batch(2, "sending", batch_state="sending", lease=-1, day=DAY)
    steps.put_extraction(2, day=DAY)

    found = look(steps.ledger)

    assert found.rows[0].cells()[-1] == "2"
    assert [problem.kind for problem in found.problems] == ["in_doubt"]


def test_a_hospital_whose_file_is_broken_is_red(ledger: Ledger) -> None:
    found = look(ledger, BrokenHospital("HMS", "track_hms", "chanels"))

    assert found.rows[0].cells()[:4] == ("HMS", "-", "ver acima", "não há")
    assert found.red == ["HMS: arquivo com erro: avise a engenharia de dados"]


@pytest.mark.parametrize("first", [date(2026, 3, 3), None])
def test_a_hospital_that_has_not_begun_is_not_missing(ledger: Ledger, first: date | None) -> None:
    beginner = HMS.model_copy(update={"first_business_day": first})

    found = look(ledger, beginner)

    assert (found.red, found.rows[0].cells()[3]) == ([], "não começou")


# -- whatever day ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "kind"),
    [("ready", "ready"), ("reopened", "reopened"), ("in_doubt", "in_doubt"), ("held", "held")],
)
def test_an_old_day_that_is_open_is_listed_until_it_is_not(
    steps: Steps, state: str, kind: str
) -> None:
    """Before, twelve lines in doubt on the 24th were no matter on the 27th."""
    done(steps)
    if state == "in_doubt":
        steps.put_batch(12, day=back(40), first=100)
    else:
        steps.put_lines(12, state, day=back(40), first=100)
    steps.put_extraction(12, day=back(40), run_id="long-ago")
    for days in range(1, 40):
        steps.put_extraction(0, day=back(days), run_id="long-ago")

    (problem,) = look(steps.ledger).problems

    assert (problem.kind, problem.day, problem.lines) == (kind, back(40), 12)


def test_a_day_is_told_once_although_the_run_and_the_ledger_tell_it(steps: Steps) -> None:
    steps.put_lines(2, day=DAY)
    steps.put_extraction(2, day=DAY)

    assert [problem.kind for problem in look(steps.ledger).problems] == ["ready"]


def test_a_held_day_that_a_person_rejected_is_nobodys_matter(steps: Steps) -> None:
    done(steps)
    steps.put_lines(5, "held", day=back(1), first=100)
    steps.put_question(5, day=back(1), answer="rejected")
    steps.put_extraction(5, day=back(1), run_id="yesterday")

    found = look(steps.ledger)

    assert found.red == []
    assert "ATENÇÃO: HMS · 01/03/2026: 5 linhas retidas, por decisão de uma pessoa" in found.text()


def test_a_hospital_without_a_file_is_listed_by_what_the_ledger_has(steps: Steps) -> None:
    done(steps)
    steps.put_lines(2, "held", day=back(3, "GONE"))

    found = look(steps.ledger)

    assert found.red == [
        (
            "GONE · 27/02/2026: 2 linhas retidas depois da última resposta: confira e libere com"
            " track_decide"
        )
    ]


def test_what_needs_a_person_comes_first(steps: Steps) -> None:
    steps.put_lines(1, "reopened", day=DAY)
    steps.put_extraction(1, day=DAY)
    steps.put_batch(2, day=HospitalDay("HSMC", DUE))
    steps.put_extraction(2, day=HospitalDay("HSMC", DUE))

    found = look(steps.ledger, HMS, HSMC, OTOSD)

    assert [(one.hospital, one.kind) for one in found.problems] == [
        ("HSMC", "in_doubt"),
        ("OTOSD", "not_read"),
        ("HMS", "reopened"),
    ]
    assert next(iter(found.text())).startswith("VERMELHO: HSMC · 02/03/2026: 2 linhas em dúvida")
    assert [line.startswith("hospital") for line in found.text()][3:5] == [False, True]


def test_days_that_airflow_stood_still_are_listed_as_one_range(steps: Steps) -> None:
    """Before, Monday's table looked at Sunday only."""
    done(steps)
    steps.put_extraction(0, day=back(5), run_id="before")
    steps.put_extraction(0, day=back(2), run_id="between")
    steps.put_extraction(0, day=back(3), run_id="broke-off", applied_at=None)

    (line,) = look(steps.ledger).red

    assert line.startswith("HMS: nenhuma execução leu 26/02/2026 a 27/02/2026, 01/03/2026:")


@pytest.mark.parametrize(
    ("first", "missing"),
    [
        (date(2026, 2, 27), "27/02/2026 a 01/03/2026"),  # its go-live: also what came before
        (date(2024, 1, 1), ""),  # the shipped date: a practice begins with its first reading
    ],
)
def test_days_are_missed_since_the_go_live(steps: Steps, first: date, missing: str) -> None:
    done(steps)
    hospital = HMS.model_copy(update={"first_business_day": first})

    red = look(steps.ledger, hospital).red

    assert [line.split(" leu ")[1].split(":")[0] for line in red] == ([missing] if missing else [])


def test_days_that_left_the_ledger_are_not_missed(steps: Steps) -> None:
    done(steps)
    with steps.ledger.writing() as connection:
        connection.execute(insert(schema.horizons).values(hospital="HMS", first_known_day=DUE))
    hospital = HMS.model_copy(update={"first_business_day": date(2025, 1, 1)})

    assert look(steps.ledger, hospital).red == []


def test_every_batch_in_doubt_is_named_for_who_decides(steps: Steps) -> None:
    done(steps)
    old = steps.put_batch(2, day=back(40), first=100).batch
    steps.put_extraction(2, day=back(40), run_id="long-ago")

    everywhere = list(look(steps.ledger).text())
    of_the_day = list(look(steps.ledger, business_day=DUE).text())

    named = f"HMS · 21/01/2026: em dúvida: EXAMES · e-mail: 2 linhas · lote {old}"
    assert named in everywhere
    assert not any(str(old) in line for line in of_the_day)


def test_what_expires_tomorrow_is_told(steps: Steps) -> None:
    done(steps)
    steps.put_lines(2, day=back(1), first=100, ask_until=MORNING.date())
    steps.put_lines(3, day=back(1), first=200, ask_until=MORNING.date() + timedelta(days=1))
    steps.put_extraction(5, day=back(1), run_id="yesterday")

    warnings = [line for line in look(steps.ledger).text() if line.startswith("ATENÇÃO")]

    assert warnings == ["ATENÇÃO: HMS · 01/03/2026: 2 linhas vencem amanhã se não saírem hoje"]


def test_while_the_switch_is_closed_the_morning_is_red_once(steps: Steps) -> None:
    steps.put_lines(2, day=DAY)
    steps.put_extraction(2, day=DAY)
    stop_service(steps.ledger, hospital="OTOA", why="captcha", status=405, actor=LOOKER)

    found = look(steps.ledger, HMS)

    assert [line.split(" desde")[0] for line in found.red] == [
        "envio parado para todos os hospitais",
        "HMS · 02/03/2026: 2 linhas prontas não foram enviadas: limpe dispatch (Enviar ao Track)",
    ]


def test_lines_that_wait_for_their_hours_are_no_matter(steps: Steps) -> None:
    steps.put_lines(2, day=DAY)
    steps.put_extraction(2, day=DAY)
    steps.put_lines(2, day=back(1), first=50)
    steps.put_extraction(2, day=back(1), run_id="yesterday")
    tuesday = MORNING
    hospital = HMS.model_copy(update={"send_days": ("fri",)})

    found = look(steps.ledger, hospital, moment=tuesday)

    assert found.red == []
    assert [line for line in found.text() if line.startswith("ATENÇÃO")] == [
        f"ATENÇÃO: HMS · {day}: 2 linhas esperam o horário de envio, até a próxima execução"
        for day in ("01/03/2026", "02/03/2026")
    ]


# -- one day -----------------------------------------------------------------------


def test_another_day_can_be_asked_for_and_only_that_is_told(steps: Steps) -> None:
    done(steps)
    steps.put_lines(2, day=back(1), first=100)
    later = datetime(2026, 3, 9, 15, tzinfo=UTC)

    assert look(steps.ledger, moment=later, business_day=DUE).red == []
    assert look(steps.ledger, moment=later, business_day=DUE - timedelta(days=9)).red != []
    assert look(steps.ledger, moment=later).red != []


def test_the_table_says_counts_and_no_patient(steps: Steps) -> None:
    steps.put_lines(2, day=DAY)
    steps.put_extraction(2, day=DAY)

    said = "\n".join(look(steps.ledger, HMS, OTOSD, HSMC).text())

    assert "02/03/2026" in said
    for secret in ("900000001", "MARIA", "example.test"):
        assert secret not in said


def test_the_table_fits_a_screen() -> None:
    """Before, what to do was beyond the right edge of 1,440 pixels."""
    run = datetime(2026, 3, 3, 12, tzinfo=UTC)
    rows = [
        MorningRow("OTOSD", DUE, run, extracted=98_765, counts=(98_765,) * 5, problems=12),
        *(MorningRow("ENCORE", DUE, reason) for reason in NoRun),
    ]

    *table, _ = Morning(tuple(rows), ()).text()

    assert max(map(len, table)) < 100
    assert {len(line) for line in table} == {len(table[0])}
    assert table[0].split()[:5] == ["hospital", "dia", "o", "que", "fazer"]


def test_one_day_is_told_without_the_other_days_that_its_run_read(steps: Steps) -> None:
    done(steps)
    steps.put_lines(2, day=back(1), first=100)
    steps.put_extraction(2, day=back(1))

    assert [one.day for one in look(steps.ledger).problems] == [back(1)]
    assert look(steps.ledger, business_day=DUE).red == []
    assert len(look(steps.ledger, business_day=DUE - timedelta(days=1)).red) == 1


def test_one_day_is_not_green_while_a_hospital_without_a_file_has_it_open(steps: Steps) -> None:
    done(steps)
    steps.put_lines(2, "held", day=HospitalDay("GONE", DUE))

    assert [one.hospital for one in look(steps.ledger, business_day=DUE).problems] == ["GONE"]
