"""The search for patients' data would find it: in every disguise, in every place."""

from __future__ import annotations

import base64
import json
import pickle
import shutil
import sqlite3
import unicodedata
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from tests.e2e.leaks import AIRFLOW, LEDGER, find, search, secrets_of
from track_dispatch.ledger.creation import init_ledger
from track_dispatch.ledger.keys import new_keys

NAME = "CONCEIÇÃO ARAÚJO GONÇALVES"
ADDRESS = "conceicao.goncalves7@correio.test"
CPF = "52998224725"
PHONE = "27998761234"
ID = "21739685098"
SECRETS = secrets_of([NAME, ADDRESS, CPF, PHONE, ID])


def without_accents(text: str) -> str:
    return unicodedata.normalize("NFD", text).encode("ascii", "ignore").decode()


def in_base64(text: str, *, after: str = "", urlsafe: bool = False) -> str:
    encode = base64.urlsafe_b64encode if urlsafe else base64.b64encode
    return encode(f"{after}{text}?>".encode()).decode()


TEXT_DISGUISES: dict[str, Callable[[str], str | bytes]] = {
    "none": lambda value: value,
    "upper case": str.upper,
    "lower case": str.lower,
    "title case": str.title,
    "without accents": without_accents,
    "accents apart": lambda value: unicodedata.normalize("NFD", value),
    "URL": quote,
    "form": quote_plus,
    "JSON": json.dumps,
    "JSON in JSON": lambda value: json.dumps(json.dumps({"name": value})),
    "bytes of Python": lambda value: repr(value.encode()),
    "UTF-8": str.encode,
    "latin-1": lambda value: value.encode("latin-1"),
    "base64": in_base64,
    "base64, second alignment": lambda value: in_base64(value, after="1"),
    "base64, third alignment": lambda value: in_base64(value, after="12"),
    "base64 for URLs": lambda value: in_base64(value, urlsafe=True),
    "base64 of JSON in lower case": lambda value: in_base64(json.dumps(value.lower())),
    "in the middle": lambda value: f"line=[{value}], {value}.",
}


@pytest.mark.parametrize("value", [NAME, ADDRESS, CPF, PHONE, ID])
@pytest.mark.parametrize("disguise", TEXT_DISGUISES)
def test_a_disguise_is_seen_through(disguise: str, value: str) -> None:
    assert find(SECRETS, TEXT_DISGUISES[disguise](value)) != set()


@pytest.mark.parametrize(
    "written",
    [
        "529.982.247-25",
        "529982247-25",
        "(27) 99876-1234",
        "+55 27 99876-1234",
        "5527998761234",
        "27.99876.1234",
        "x21739685098y",
        "conceicao.goncalves7 @ correio.test",
        "mailto:conceicao.goncalves7@correio.test.",
        "Conceição Araújo",
        "Araújo_Gonçalves",
        "conceicao-goncalves",
    ],
)
def test_what_is_written_otherwise_is_found(written: str) -> None:
    assert find(SECRETS, written) != set()


@pytest.mark.parametrize(
    "innocent",
    [
        "Rua Gonçalves, 7",
        "2026-03-10T09:00:00.123456Z 127.0.0.1:41234",
        "HMS 2026-03-10 PRONTO SOCORRO GERAL · e-mail",
        "de300de3-2146-5258-92e8-2b873a439953",
        "gAAAAABpYmFzZTY0IG9mIG5vdGhpbmcgYXQgYWxs",
        "PACIENTE TESTE 27 998",
    ],
)
def test_what_tells_of_nobody_is_left_in_peace(innocent: str) -> None:
    assert find(SECRETS, innocent) == set()


def test_words_of_test_records_are_nobodys_name() -> None:
    assert find(secrets_of(["PACIENTE TESTE AMORIM"]), "paciente teste") == set()


@pytest.fixture(scope="module")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a home with an Airflow database, of the columns that matter, and a true ledger."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "logs").mkdir()
    (folder / "tmp").mkdir()
    for table, column in AIRFLOWS_COLUMNS:
        execute(folder / AIRFLOW, f"create table {table} (id integer, {column} blob)")
    init_ledger(f"sqlite:///{folder / LEDGER}", new_keys())
    return folder


@pytest.fixture
def home(empty_home: Path, tmp_path: Path) -> Path:
    """Copy the home for a test to leak into."""
    shutil.copytree(empty_home, tmp_path, dirs_exist_ok=True)
    return tmp_path


AIRFLOWS_COLUMNS = (
    ("xcom", "value"),
    ("rendered_task_instance_fields", "rendered_fields"),
    ("task_instance_note", "content"),
    ("dag_run", "conf"),
    ("log", "extra"),
)


def execute(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(statement, values)


def in_airflow(table: str, column: str) -> Callable[[Path, str], None]:
    statement = f"insert into {table} ({column}) values (?)"
    return lambda home, value: execute(home / AIRFLOW, statement, value)


def pickled(home: Path, value: str) -> None:
    execute(home / AIRFLOW, "insert into dag_run (conf) values (?)", pickle.dumps({"conf": value}))


def in_ledger(table: str, column: str) -> Callable[[Path, str], None]:
    """Leak into a column of the ledger; what else a row must have is of its type, and dull."""

    def leak(home: Path, value: str) -> None:
        with closing(sqlite3.connect(home / LEDGER)) as ledger, ledger:
            columns = ledger.execute(f"pragma table_info({table})").fetchall()
            row = {
                name: DULL.get((table, name), 1)
                for _, name, _, needed, default, key in columns
                if (needed and default is None) or key
            } | {column: value}
            places = ", ".join("?" * len(row))
            ledger.execute(
                f"insert into {table} ({', '.join(row)}) values ({places})", list(row.values())
            )

    return leak


#: What the database's own checks want, and as much of a payload as there may be.
DULL = {("lines", "state"): "ready", ("batches", "state"): "settled", ("envelopes", "waiting"): 1}
#: Where the ledger keeps texts or bytes of its own making: every table that has any.
LEDGERS_COLUMNS = (
    ("extractions", "run_id"),
    ("staged", "ids"),
    ("staged", "payload"),
    ("units", "area"),
    ("envelopes", "payload"),
    ("lines", "reason"),
    ("lines", "digest"),
    ("identities", "key"),
    ("batches", "receipt"),
    ("events", "places"),
    ("events", "detail"),
    ("events", "came_from"),
    ("decisions", "why"),
    ("stops", "why"),
    ("approvals", "decided_by"),
    ("optouts", "full_hash"),
    ("optouts", "source"),
    ("forgotten", "key"),
)
as_a_key = in_ledger("lines", "attendance_id")


def test_every_table_of_the_ledger_is_one_of_the_places(home: Path) -> None:
    """But those of moments, counts, Alembic's revision and digests of connections only."""
    with closing(sqlite3.connect(home / LEDGER)) as ledger:
        tables = ledger.execute("select name from sqlite_master where type = 'table'").fetchall()
    looked_into = {table for table, _ in LEDGERS_COLUMNS}

    assert {name for (name,) in tables} - looked_into == {
        "ledger_version",
        "ledger",
        "identity_keys",
        "refused_log_ons",
        "requests",
        "horizons",
    }


def in_a_file(name: str) -> Callable[[Path, str], object]:
    return lambda home, value: (home / name).write_text(f"before {value} after")


def as_a_name(home: Path, value: str) -> None:
    (home / "tmp" / value.replace("/", "_")).touch()


PLACES: dict[str, Callable[[Path, str], object]] = {
    **{
        f"column {table}.{column} of {AIRFLOW}": in_airflow(table, column)
        for table, column in AIRFLOWS_COLUMNS
    },
    **{
        f"column {table}.{column} of {LEDGER}": in_ledger(table, column)
        for table, column in LEDGERS_COLUMNS
    },
    f"column dag_run.conf of {AIRFLOW} ": pickled,
    f"file {AIRFLOW}": in_airflow("xcom", "value"),
    "file logs/attempt=1.log": in_a_file("logs/attempt=1.log"),
    "file tmp/rows.json": in_a_file("tmp/rows.json"),
    "file printed": in_a_file("printed"),
    "name tmp/": as_a_name,
}


def test_a_home_without_leaks_has_none(home: Path) -> None:
    assert search(home, SECRETS, [ID]) == []


@pytest.mark.parametrize(
    ("value", "disguise"),
    [
        (NAME, "JSON"),
        (NAME, "without accents"),
        (ADDRESS, "URL"),
        (CPF, "base64"),
        (PHONE, "none"),
        (ID, "none"),
    ],
)
@pytest.mark.parametrize("place", PLACES)
def test_a_leak_is_found_in_every_place(home: Path, place: str, value: str, disguise: str) -> None:
    PLACES[place](home, str(TEXT_DISGUISES[disguise](value)))

    found = search(home, SECRETS, [ID])

    assert [leak for leak in found if leak.startswith(f"the {place.strip()}")] != []


@pytest.mark.parametrize("value", [NAME, ADDRESS, CPF, PHONE])
def test_a_leak_is_found_in_the_ledgers_file(home: Path, value: str) -> None:
    as_a_key(home, value)

    assert {leak.rpartition(":")[0] for leak in search(home, SECRETS, [ID])} == {
        f"the file {LEDGER}"
    }


def test_the_ledger_may_know_an_attendance_by_its_id(home: Path) -> None:
    as_a_key(home, ID)

    assert search(home, SECRETS, [ID]) == []


@pytest.mark.parametrize("name", [AIRFLOW, LEDGER])
@pytest.mark.parametrize("value", [NAME, ADDRESS, CPF, PHONE])
def test_a_wal_tells_what_its_database_no_longer_holds(home: Path, name: str, value: str) -> None:
    with closing(sqlite3.connect(home / name, isolation_level=None)) as database:
        database.execute("pragma journal_mode = wal")
        database.execute("pragma secure_delete = on")
        database.execute("pragma wal_autocheckpoint = 0")
        database.execute("create table gone (value)")
        database.execute("insert into gone values (?)", (value,))
        database.execute("delete from gone")

        assert {leak.rpartition(":")[0] for leak in search(home, SECRETS, [ID])} == {
            f"the file {name}-wal"
        }


def test_a_text_is_found_that_the_database_keeps_in_two_pieces(home: Path) -> None:
    for start in range(4040, 4080):
        value = f"{'.' * start}{NAME}{'.' * 4096}"
        execute(home / AIRFLOW, "insert into xcom (value) values (?)", value)

    found = search(home, SECRETS, [ID])

    assert f"the column xcom.value of {AIRFLOW}: conceicao araujo" in found
