"""What days with every fault leave behind, at log level DEBUG, tells of no patient.

The stand-ins run here; Airflow runs in another process (`Elsewhere`), and everything that process
leaves is searched: databases by table and by byte, WAL, logs, temporary files, file names, output.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from demo.world import World, chosen_hospitals
from tests.e2e.elsewhere import Elsewhere, Result, environment
from tests.e2e.faulty_track import DOUBTS, MISFITS, REFUSALS, STOPS
from tests.e2e.known_patients import known_patients
from tests.e2e.leaks import AIRFLOW, LEDGER, Secrets, search

DAYS = [date(2026, 3, day) for day in range(10, 16)]
#: What Track answers on the first days.
SCRIPTS = {"refusals": REFUSALS, "doubts": DOUBTS, "misfits": MISFITS, "stops": STOPS}
POLICIES = {
    "batch_size": 10,
    "contact_cap_days": 30,  # what the ledger keeps for it is searched, too
    "import_fields": "all",  # whatever may go out, may come back in an answer
    "post_deadline_seconds": 2,
    "lease_margin_seconds": 1,
    "look_back_days": 0,  # each day meets its own fault alone
}


@dataclass(frozen=True)
class Left:
    """What the days left behind.

    Attributes:
        home: the folder with all of it.
        secrets: what must not be there.
        ids: the attendance ids among them, which the ledger may hold as its keys.
        results: the runs by what was wrong.
    """

    home: Path
    secrets: Secrets
    ids: frozenset[str]
    results: Mapping[str, Result]


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Left]:
    """Run the days; connections stay open, for the last one to close empties a WAL."""
    home = tmp_path_factory.mktemp("privacy") / "home"
    hospitals = chosen_hospitals(["HMS", "HSMC"])
    with ExitStack() as open_, World(hospitals, days=DAYS) as stand_ins:
        with Elsewhere(home, stand_ins, environment(home, **POLICIES)) as elsewhere:
            for name in (AIRFLOW, LEDGER):
                reader = open_.enter_context(closing(sqlite3.connect(home / name)))
                reader.execute("select count(*) from sqlite_master").fetchall()
            results = dict(_faulty_days(stand_ins, elsewhere))
        secrets, ids = known_patients(stand_ins, DAYS)
        yield Left(home, secrets, ids, results)


def _faulty_days(stand_ins: World, elsewhere: Elsewhere) -> Iterator[tuple[str, Result]]:
    track, erp = stand_ins.track, stand_ins.erps["hms"]
    for what, day, script in zip(SCRIPTS, DAYS, SCRIPTS.values(), strict=False):
        track.script(*script)
        met = [elsewhere.run_day("HMS", day)]
        while track.scripted_left:  # what stops a dispatch leaves the rest to the next one
            met.append(elsewhere.clear_from("dispatch"))
            assert len(met) <= len(script)
        met.append(elsewhere.clear_from("dispatch"))
        yield what, Result(met[0].state, _all_errors(met))
    with closing(sqlite3.connect(elsewhere.home / LEDGER)) as ledger, ledger:
        ledger.execute("update stops set resumed_at = stopped_at")  # as a person does

    erp.faults.drop_after_rows = 20
    yield "dropped", elsewhere.run_day("HMS", DAYS[4])
    erp.faults.drop_after_rows = None
    [(name, cpf)] = erp.execute(
        "select nm_paciente, nr_cpf from dbamv.paciente where nr_cpf is not null limit 1"
    )
    erp.faults.errors = [("atendime", 1722, f"invalid number: '{name}' '{cpf}'")]
    yield "error", elsewhere.clear_from("extract")
    erp.faults.errors = []
    erp.execute(
        "insert into dbamv.atendime select * replace (null as cd_atendimento)"
        " from dbamv.atendime where tp_atendimento = 'U' and dt_alta = ?",
        [DAYS[4]],
    )
    yield "bad row", elsewhere.clear_from("extract")

    with closing(sqlite3.connect(elsewhere.home / LEDGER)) as ledger:
        ledger.execute(
            "create trigger no_lines before insert on lines"
            " begin select raise(abort, 'as the test wants it'); end"
        )
        yield "no lines", elsewhere.run_day("HMS", DAYS[5])
        ledger.execute("drop trigger no_lines")
        ledger.execute(
            "create trigger no_end before update on lines"
            " when new.state = 'accepted' and exists (select * from envelopes join units on"
            " units.id = unit where envelopes.id = new.address / 1000 and area = 'EXAMES')"
            " begin select raise(abort, 'as the test wants it'); end"
        )
        yield "no end", elsewhere.clear_from("extract")
        ledger.execute("drop trigger no_end")
    yield "good day", elsewhere.run_day("HSMC", DAYS[5])


def _all_errors(results: Sequence[Result]) -> dict[str, list[str]]:
    return {
        f"{number} {task}": chain
        for number, result in enumerate(results)
        for task, chain in result.errors.items()
    }


@pytest.mark.parametrize(
    ("what", "state", "errors"),
    [
        ("refusals", "failed", {"RedDayError"}),  # maternity's only line is refused: a whole unit
        ("doubts", "failed", {"DeliveryUncertainError"}),
        ("misfits", "failed", {"ConfigError"}),
        ("stops", "failed", {"ServiceStoppedError", "NotDeliveredError"}),
        ("dropped", "failed", {"SourceUnavailableError"}),
        ("error", "failed", {"SourceContractError"}),
        ("bad row", "success", set()),
        ("no lines", "failed", {"LedgerError"}),
        ("no end", "failed", {"DeliveryUncertainError"}),
        ("good day", "success", set()),
    ],
)
def test_the_days_met_their_faults(left: Left, what: str, state: str, errors: set[str]) -> None:
    result = left.results[what]
    met = {error for chain in result.errors.values() for error in chain}

    assert (result.state, errors - met) == (state, set())


def test_the_log_was_at_level_debug(left: Left) -> None:
    printed = (left.home / "printed").read_text(encoding="utf-8")

    assert [
        word for word in ("urllib3.connectionpool", "track_ledger") if word not in printed
    ] == []


def test_nothing_that_is_left_tells_of_a_patient(left: Left) -> None:
    assert search(left.home, left.secrets, left.ids) == []


def test_the_ledgers_wal_was_among_what_was_searched(left: Left) -> None:
    assert (left.home / f"{LEDGER}-wal").stat().st_size > 0
