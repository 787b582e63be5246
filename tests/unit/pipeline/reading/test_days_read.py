"""Which days a run reads from the ERP, and what becomes of them in the ledger."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

import pytest
from erp_days import DAY, NOW
from sqlalchemy import select

from stand_ins.oracle import Faults
from track_dispatch.config.policies import VolumeGate
from track_dispatch.errors import ConfigError, SourceContractError, SourceUnavailableError
from track_dispatch.ledger import schema
from track_dispatch.ledger.backups import restore
from track_dispatch.ledger.decisions import Decision
from track_dispatch.ledger.extractions import run_work
from track_dispatch.pipeline.housekeeping import run_housekeeping
from track_dispatch.pipeline.report import report
from track_dispatch.records import Actor
from track_dispatch.states import Verb

if TYPE_CHECKING:
    from erp_days import ErpDays

BEFORE = DAY - timedelta(days=1)
LONG_BEFORE = DAY - timedelta(days=5)


def spoil_dates(erp_days: ErpDays, day: date) -> None:
    """Let the rows of a day have a moment that the query does not write so."""
    erp_days.erp.faults.cells = {f" {datetime.combine(day, time(8))}": b"10/03/2026"}


def days_of(erp_days: ErpDays, name: str) -> dict[date, tuple[bool, bool]]:
    """Return the days that a run began to read, and whether it extracted and transformed them."""
    with erp_days.ledger.reading() as connection:
        work = run_work(connection, hospital="HMS", run_ids=[name])
    return {one.day.business_day: (one.extracted, one.transformed) for one in work}


def test_a_run_reads_and_applies_its_own_day(erp_days: ErpDays) -> None:
    erp_days.add(1)
    erp_days.add(2, x_obito="S")
    erp_days.add(3, BEFORE)
    run = erp_days.run()

    assert erp_days.extract(run) == {
        "business_day": "2026-03-10",
        "rows": 2,
        "other_days": 0,
        "other_days_failed": 0,
    }
    found = erp_days.transform(run)
    assert found.counts == {"ready": 1, "excluded(death)": 1}
    assert days_of(erp_days, "run-1") == {DAY: (True, True)}


def test_a_run_looks_back_as_far_as_the_policy_says(erp_days: ErpDays) -> None:
    erp_days.settings["look_back_days"] = 2
    for number in range(4):
        erp_days.add(number, DAY - timedelta(days=number))

    found = erp_days.read()

    assert (found.counts, found.earlier_days) == ({"ready": 1}, 2)
    assert set(erp_days.stands()) == {"0", "1", "2"}


def test_a_run_looks_back_on_no_day_before_the_first_one(erp_days: ErpDays) -> None:
    erp_days.settings |= {"look_back_days": 2, "first_business_day": BEFORE}

    assert erp_days.extract(erp_days.run())["other_days"] == 1


@pytest.mark.parametrize("state", ["ready", "held", "reopened"])
def test_a_run_reads_every_day_that_still_waits_with_the_erps_corrections(
    erp_days: ErpDays, state: str
) -> None:
    erp_days.add(1, LONG_BEFORE)
    erp_days.read("run-0", day=LONG_BEFORE)
    erp_days.sql("update lines set state = :state", state=state)
    erp_days.sql(f"update envelopes set reopened = {int(state == 'reopened')}")
    erp_days.grow_old()
    erp_days.clear(LONG_BEFORE)
    erp_days.add(1, LONG_BEFORE, x_obito="S")

    erp_days.read()

    assert erp_days.stands() == {"1": f"{LONG_BEFORE} excluded death"}


def test_a_backfill_reads_its_own_day_only(erp_days: ErpDays) -> None:
    erp_days.settings["look_back_days"] = 2
    erp_days.add(1, LONG_BEFORE)
    erp_days.read("run-0", day=LONG_BEFORE)
    erp_days.grow_old()

    assert erp_days.extract(erp_days.run(is_backfill=True))["other_days"] == 0


def test_another_day_that_fails_is_noted_and_does_nothing_else(erp_days: ErpDays) -> None:
    erp_days.settings["look_back_days"] = 2
    for number in range(3):
        erp_days.add(number, DAY - timedelta(days=number))
    spoil_dates(erp_days, BEFORE)

    run = erp_days.run()
    told = erp_days.extract(run)
    erp_days.transform(run)

    assert (told["rows"], told["other_days"], told["other_days_failed"]) == (1, 1, 1)
    assert set(erp_days.stands()) == {"0", "2"}
    assert days_of(erp_days, "run-1") == {
        DAY: (True, True),
        BEFORE: (False, False),
        DAY - timedelta(days=2): (True, True),
    }


def test_each_day_says_in_one_line_how_many_were_read_and_where_they_stand(
    erp_days: ErpDays, caplog: pytest.LogCaptureFixture
) -> None:
    """Before, "see the log of extract" led to a log that said nothing of the day."""
    caplog.set_level("INFO")
    erp_days.settings["look_back_days"] = 3
    erp_days.add(1)
    erp_days.add(2, x_obito="S")
    erp_days.add(3, x_obito="S")
    erp_days.add(4, email="")
    erp_days.add(5, BEFORE)
    with erp_days.ledger.writing() as connection:
        forgotten = {"hospital": "HMS", "first_known_day": DAY - timedelta(days=2)}
        connection.execute(schema.horizons.insert().values(forgotten))

    erp_days.read()

    said = [
        one.getMessage() for one in caplog.records if one.name.startswith("track_dispatch.pipe")
    ]
    assert "HMS 2026-03-07: the lines of this day were deleted" in said.pop(4)
    assert said.pop(3) == (
        "ATENÇÃO: HMS · 07/03/2026 (relido): não pôde ser lido: as linhas já foram apagadas"
        " (ledger_retention_days), e não se sabe mais quem foi perguntado"
    )
    assert said == [
        "HMS · 10/03/2026: 4 registros lidos do ERP",
        "HMS · 09/03/2026 (relido): 1 registro lido do ERP",
        "HMS · 08/03/2026 (relido): 0 registros lidos do ERP",
        "HMS · 10/03/2026: 1 pronta, 3 excluídas (excluídas: 2 óbito, 1 sem contato utilizável)",
        "HMS · 09/03/2026 (relido): 1 pronta",
        "HMS · 08/03/2026 (relido): nenhum atendimento",
    ]


def test_a_failure_of_the_own_day_fails_the_task(erp_days: ErpDays) -> None:
    erp_days.add(1)
    spoil_dates(erp_days, DAY)

    with pytest.raises(SourceContractError, match="holds a text that to_char"):
        erp_days.extract(erp_days.run())
    with pytest.raises(ConfigError, match="this run holds no complete extraction"):
        erp_days.transform(erp_days.run())


def test_an_erp_that_cannot_be_reached_fails_the_task_and_the_reading_is_on_record(
    erp_days: ErpDays,
) -> None:
    """What began and did not end makes the run's report red, also when the day was sent before."""
    erp_days.erp.faults = Faults(refuse=12516)

    with pytest.raises(SourceUnavailableError):
        erp_days.extract(erp_days.run())
    assert days_of(erp_days, "run-1") == {DAY: (False, False)}


@pytest.mark.parametrize(
    ("warned", "told"),
    [
        (
            (28002, "the password will expire within 5 days"),
            "a senha da conexão oracle_days vence em 5 dias (ORA-28002): combine a nova com o DBA",
        ),
        (
            (28002, "a senha vai expirar"),
            "a senha da conexão oracle_days vence em breve (ORA-28002): combine a nova com o DBA",
        ),
        (
            (28011, "the account will expire soon"),
            "o ERP avisou ORA-28011 ao aceitar a conexão oracle_days: pergunte ao DBA",
        ),
    ],
)
def test_what_the_erp_warned_of_is_in_the_report_once(
    erp_days: ErpDays, warned: tuple[int, str], told: str
) -> None:
    """Two days are read over one connection: before, only the log of extract named it."""
    erp_days.settings["look_back_days"] = 1
    erp_days.erp.faults = Faults(log_on_warning=warned)
    run = erp_days.run()
    erp_days.extract(run)
    erp_days.transform(run)

    found = report(run, ledger=erp_days.ledger, now=NOW)

    assert found.problems == ()
    assert [line for line in found.text() if "ATENÇÃO" in line] == [f"ATENÇÃO: {told}"]


def test_a_forgotten_day_is_not_even_read(erp_days: ErpDays) -> None:
    erp_days.sql("insert into horizons (hospital, first_known_day) values ('HMS', '2026-03-11')")

    with pytest.raises(ConfigError, match="the lines of this day were deleted"):
        erp_days.extract(erp_days.run())


def test_a_forgotten_day_that_is_looked_back_on_stops_nothing(erp_days: ErpDays) -> None:
    erp_days.settings["look_back_days"] = 1
    erp_days.sql("insert into horizons (hospital, first_known_day) values ('HMS', '2026-03-10')")
    erp_days.add(1)

    assert erp_days.read().counts == {"ready": 1}


def test_the_report_names_the_days_that_could_not_be_looked_back_on_and_stays_green(
    erp_days: ErpDays,
) -> None:
    """Before, extract's log said ATENÇÃO and the report nothing; nobody can mend it."""
    erp_days.settings["look_back_days"] = 4
    erp_days.sql("insert into horizons (hospital, first_known_day) values ('HMS', '2026-03-09')")
    erp_days.add(1, x_obito="S")
    erp_days.read()

    found = report(erp_days.run(), ledger=erp_days.ledger, now=NOW)

    assert found.problems == ()
    assert list(found.text())[-2:] == [
        (
            "ATENÇÃO: não relido: 06/03/2026 a 08/03/2026: as linhas já foram apagadas"
            " (ledger_retention_days), e não se sabe mais quem foi perguntado"
        ),
        "VERDE: o dia está completo",
    ]


def test_without_a_limit_of_age_who_waits_outlives_the_ledgers_retention(
    erp_days: ErpDays,
) -> None:
    """Before, the day was kept for its lines, and refused every morning because of its age."""
    erp_days.settings |= {"max_age_days": 0, "contact_cap_days": 0, "ledger_retention_days": 15}
    erp_days.add(1)
    erp_days.read()
    erp_days.sql("update lines set state = 'reopened'")
    erp_days.sql("update envelopes set waiting = 0, reopened = 1, payload = null")
    later = NOW + timedelta(days=16)
    run_housekeeping(
        [erp_days.hospital], ledger=erp_days.ledger, actor=Actor("housekeeping"), now=later
    )

    run = erp_days.run("run-2", day=DAY + timedelta(days=16))
    told = erp_days.extract(run, later)
    erp_days.transform(run, later)

    assert (told["other_days"], told["other_days_failed"]) == (1, 0)
    assert erp_days.stands() == {"1": f"{DAY} ready"}
    found = report(run, ledger=erp_days.ledger, now=later)
    assert found.facts.forgotten == ()


def test_without_an_extraction_of_its_own_a_run_applies_nothing(erp_days: ErpDays) -> None:
    erp_days.add(1)
    erp_days.extract(erp_days.run("run-0"))

    with pytest.raises(ConfigError, match="HMS 2026-03-10: this run holds no complete extraction"):
        erp_days.transform(erp_days.run())


def test_a_cleared_transform_does_nothing_more_and_succeeds(erp_days: ErpDays) -> None:
    erp_days.add(1)
    erp_days.read()
    with erp_days.ledger.reading() as connection:
        events = connection.execute(select(schema.events)).all()

    assert erp_days.transform(erp_days.run()).counts == {"ready": 1}
    with erp_days.ledger.reading() as connection:
        assert connection.execute(select(schema.events)).all() == events


# --- what is merged, and in what order ------------------------------------------------------


def test_the_rows_of_an_attendance_are_one_line_of_its_best_area(erp_days: ErpDays) -> None:
    erp_days.add(1, area_pesquisa="EXAMES")
    erp_days.add(1, area_pesquisa="MATERNIDADE")
    erp_days.add(1, area_pesquisa="AMBULATORIO", cd_atendimento=" 1 ")
    erp_days.add(2)
    erp_days.read()

    with erp_days.ledger.reading() as connection:
        row = connection.execute(select(schema.extractions)).one()
        areas = connection.scalars(select(schema.units.c.area)).all()
    assert (row.rows, row.rows_merged, row.attendances) == (4, 2, 2)
    assert sorted(areas) == ["INTERNACAO", "MATERNIDADE"]


def test_an_attendance_moved_between_two_days_of_a_run_is_asked_on_its_new_day(
    erp_days: ErpDays,
) -> None:
    erp_days.settings["look_back_days"] = 1
    erp_days.add(1)
    erp_days.read()
    erp_days.clear()
    erp_days.add(1, BEFORE)
    erp_days.read("run-2")

    assert erp_days.stands() == {"1": f"{BEFORE} ready"}


def test_of_one_person_on_a_day_one_is_asked(erp_days: ErpDays) -> None:
    erp_days.add(1, cpf="52998224725", area_pesquisa="EXAMES")
    erp_days.add(2, cpf="529.982.247-25", area_pesquisa="ONCOLOGIA")

    assert erp_days.read().counts == {"ready": 1, "excluded(same_person)": 1}
    assert erp_days.stands()["2"] == f"{DAY} ready"


def test_who_opted_out_of_a_channel_is_asked_by_the_next(erp_days: ErpDays) -> None:
    for channel, number in (("email", 1), ("", 2)):
        found = erp_days.ledger.keys.identity_hashes(f"email:p{number}@example.test")[0]
        erp_days.sql(
            "insert into optouts (full_hash, channel, hash, key, entry, kind, source, added_at)"
            " values (:full, :channel, :hash, :key, 'e', 'email', 'l', '2026-01-01 00:00:00')",
            full=found.full,
            channel=channel,
            hash=found.hash,
            key=found.key,
        )
        erp_days.add(number, phone="5527998761234")

    assert erp_days.read().counts == {"ready": 1, "excluded(opt_out)": 1}
    with erp_days.ledger.reading() as connection:
        channels = connection.scalars(select(schema.units.c.channel)).all()
    assert sorted(channels) == ["", "whatsapp"]


# --- how long one may be asked --------------------------------------------------------------

TOO_LATE = NOW + timedelta(days=15)


def test_a_day_that_is_too_old_asks_nobody_unless_a_person_wants_it(erp_days: ErpDays) -> None:
    erp_days.add(1)
    first = erp_days.read(now=TOO_LATE)
    second = erp_days.read("manual-1", now=TOO_LATE, include_old=True)

    assert (first.counts, second.counts) == ({"excluded(too_old)": 1}, {"ready": 1})
    with erp_days.ledger.reading() as connection:
        until = connection.scalar(select(schema.lines.c.ask_until))
    assert until == TOO_LATE.date() + timedelta(days=15)


def test_a_normal_reading_after_it_does_not_take_the_wish_back(erp_days: ErpDays) -> None:
    erp_days.add(1)
    erp_days.read("manual-1", now=TOO_LATE, include_old=True)
    erp_days.add(2)
    found = erp_days.read("run-2", now=TOO_LATE)

    assert erp_days.stands()["1"] == f"{DAY} ready"
    assert found.counts == {"ready": 1, "excluded(too_old)": 1}


def test_the_last_day_on_which_somebody_may_be_asked_is_a_day(erp_days: ErpDays) -> None:
    erp_days.add(1)

    assert erp_days.read(now=TOO_LATE - timedelta(days=1)).counts == {"ready": 1}


def test_without_a_limit_a_day_is_never_too_old(erp_days: ErpDays) -> None:
    erp_days.settings["max_age_days"] = 0
    erp_days.add(1)

    assert erp_days.read(now=NOW + timedelta(days=900)).counts == {"ready": 1}


# --- volume ---------------------------------------------------------------------------------


def odd_day(erp_days: ErpDays, lines: int = 5, **wishes: bool) -> Counter[str]:
    """Read a day after four weeks with one patient each."""
    erp_days.settings["max_age_days"] = 60
    for week in range(1, 5):
        day = DAY - timedelta(weeks=week)
        erp_days.add(1000 + week, day)
        erp_days.read(f"week-{week}", day=day)
    erp_days.sql("update envelopes set payload = null, waiting = 0")
    erp_days.sql("update lines set state = 'accepted', batch = 'b'")
    erp_days.settings["volume_gate"] = VolumeGate(min_lines=2)
    for number in range(lines):
        erp_days.add(number)
    erp_days.read(**wishes)
    return erp_days.states()


def test_an_odd_day_is_held_by_the_hospitals_policy(erp_days: ErpDays) -> None:
    assert odd_day(erp_days) == {"accepted": 4, "held": 5}


def test_a_backfill_is_never_held(erp_days: ErpDays) -> None:
    assert odd_day(erp_days, is_backfill=True) == {"accepted": 4, "ready": 5}


def test_an_empty_view_takes_nobody_away(erp_days: ErpDays) -> None:
    for number in range(30):
        erp_days.add(number)
    erp_days.read()
    erp_days.clear()
    erp_days.read("run-2")

    assert erp_days.states() == {"ready": 30}
    with erp_days.ledger.reading() as connection:
        lacking = connection.scalars(
            select(schema.extractions.c.lacking).order_by(schema.extractions.c.completed_at)
        ).all()
    assert lacking == [0, 30]


# --- after a restored backup ----------------------------------------------------------------


def test_a_late_attendance_of_a_day_before_the_restore_is_in_doubt(erp_days: ErpDays) -> None:
    restore(
        erp_days.ledger,
        as_of=NOW - timedelta(days=400),
        decision=Decision(Verb.RESTORED, decided_by="rui", why="disco trocado"),
    )
    erp_days.add(1)

    assert erp_days.read().counts == {"in_doubt": 1}
