"""One value that nobody can read stops no day: it becomes empty, and its row says which it was."""

from __future__ import annotations

import logging
from datetime import datetime

import pytest
from many_rows import DAY, MANY, SELECT, opened

from stand_ins.oracle import OracleStandIn
from track_dispatch.errors import SourceContractError
from track_dispatch.extraction.query import ErpColumns
from track_dispatch.records import COLUMNS, UNREADABLE_COLUMN

#: A row of the day, by its place from 0, and what its text columns hold.
PLACE = 1203
SECRET = f"PESSOA SECRETA {PLACE}"
MARKED = f"case when m.nm = '{SECRET}' then m.nm else 'x' end"
#: How a query returns a moment.
MOMENT = "to_char({}, 'SYYYY-MM-DD HH24:MI:SS')"
#: Bytes that are no text: of another character set, cut off, half a surrogate pair, of no meaning.
NO_TEXTS = [b"JOS\xc9 SECRETA", b"SECRETA \xc3", b"SECRETA \xed\xa0\xbd", b"SECRETA \xff\xfe"]


@pytest.fixture(autouse=True)
def logging_is_set_up(server: OracleStandIn) -> None:
    """Airflow does it with the first connection, and would take the test's own handler away."""
    with opened():
        pass


def of_column(name: str, expression: str) -> str:
    """Return the query with another expression for a column."""
    column = {"cd_atendimento": "m.cd_atendimento", "area_pesquisa": "'EXAMES'"} | dict.fromkeys(
        ("data_atendimento", "data_saida_alta"), MOMENT.format("m.moment")
    )
    return SELECT.replace(f'{column.get(name, "m.nm")} as "{name}"', f'{expression} as "{name}"')


def read(sql: str, *, rows: int = 3000) -> list[ErpColumns]:
    limited = f"{sql}  and m.cd_atendimento < {950_000_000 + rows}"
    with opened() as erp:
        return list(erp.read(limited, day=DAY, action="TEST", chunk_rows=1000))


def unreadable(chunks: list[ErpColumns]) -> dict[int, str]:
    """Return what is marked, by the row's place in the day."""
    marks = [m for c in chunks for m in c.get(UNREADABLE_COLUMN, [""] * len(c["cd_atendimento"]))]
    return {place: mark for place, mark in enumerate(marks) if mark}


@pytest.mark.parametrize("spoilt", NO_TEXTS, ids=repr)
@pytest.mark.parametrize("name", ["name", "email", "cpf", "medico", "area_pesquisa"])
def test_a_text_that_is_none_becomes_empty_and_marked(
    server: OracleStandIn, caplog: pytest.LogCaptureFixture, name: str, spoilt: bytes
) -> None:
    server.faults.cells = {SECRET: spoilt}
    sql = SELECT.replace('m.nm as "', "'x' as \"").replace("'EXAMES' as \"s", "'x' as \"s")
    expression = "'EXAMES'" if name == "area_pesquisa" else "'x'"

    with caplog.at_level(logging.WARNING):
        chunks = read(sql.replace(f'{expression} as "{name}"', f'{MARKED} as "{name}"'))

    assert unreadable(chunks) == {PLACE: name}
    assert [chunk[name][PLACE % 1000] for chunk in chunks] == ["x", "", "x"]
    assert [UNREADABLE_COLUMN in chunk for chunk in chunks] == [False, True, False]
    assert [one.getMessage() for one in caplog.records] == [
        f"reading the ERP (TEST): could not be read: row {PLACE + 1} ({name})"
    ]


def test_all_columns_of_a_row_are_named(server: OracleStandIn) -> None:
    server.faults.cells = {SECRET: b"\xff"}

    assert unreadable(read(SELECT)) == {PLACE: "name,email,phone,cpf,medico"}


@pytest.mark.parametrize("expression", ["null", "'  '", "cast(null as number(9))"])
def test_a_row_without_attendance_id_gets_one_of_its_own(
    server: OracleStandIn, expression: str
) -> None:
    lacking = f"case when m.nm in ('{SECRET}', 'PESSOA SECRETA 7') then {expression} else "
    value = "to_char(m.cd_atendimento)" if "cast" not in expression else "m.cd_atendimento"

    chunks = read(of_column("cd_atendimento", f"{lacking}{value} end"))

    assert unreadable(chunks) == {7: "cd_atendimento", PLACE: "cd_atendimento"}
    assert [chunks[0]["cd_atendimento"][7], chunks[1]["cd_atendimento"][PLACE - 1000]] == [
        f"{DAY} #8",
        f"{DAY} #{PLACE + 1}",
    ]


@pytest.mark.parametrize("bad", ["4712-01-01 (BC) 00:00:00", "0001-01-01 00:00:00"])
@pytest.mark.parametrize("name", ["data_atendimento", "data_saida_alta"])
def test_a_date_that_no_calendar_has_becomes_empty_and_marked(
    server: OracleStandIn, name: str, bad: str
) -> None:
    server.execute(f"create or replace table dbamv.odd as select timestamp_s '{bad}' as moment")
    odd = f"case when m.nm = '{SECRET}' then (select o.moment from dbamv.odd o) else m.moment end"

    chunks = read(of_column(name, MOMENT.format(odd)))

    assert unreadable(chunks) == {PLACE: name}
    assert [chunk[name][PLACE % 1000] for chunk in chunks] == [
        "2026-11-20 08:00:00",
        "",
        "2026-11-20 08:00:00",
    ]


@pytest.mark.parametrize(
    "written",
    [
        *(" 0000-00-00 00:00:00", "-0001-01-01 00:00:00", " 2026-00-10 08:00:00"),
        *(" 2026-10-00 08:00:00", " 2026-02-30 08:00:00", " 2026-13-01 08:00:00"),
        *(" 2432-82-75 50:08:01", " 2026-11-20 24:00:01", " 2026-11-20 08:60:00"),
    ],
)
@pytest.mark.parametrize("name", ["data_atendimento", "data_saida_alta"])
def test_a_date_that_the_erp_writes_though_there_is_none_becomes_empty_and_marked(
    server: OracleStandIn, name: str, written: str
) -> None:
    server.faults.cells = {" 2026-11-21 09:00:00": written.encode()}
    odd = f"case when m.nm = '{SECRET}' then m.moment + 25/24 else m.moment end"

    chunks = read(of_column(name, MOMENT.format(odd)))

    assert unreadable(chunks) == {PLACE: name}
    assert chunks[1][name][PLACE - 1000] == ""


def test_a_date_that_is_let_through_says_how_to_keep_it_back(server: OracleStandIn) -> None:
    server.faults.cells = {datetime.fromisoformat("2026-11-20 08:00:00"): bytes(7)}

    with pytest.raises(SourceContractError, match=r"\(TEST\): .*to_char\(.*SYYYY") as told:
        read(of_column("data_atendimento", "m.moment"))

    assert told.value.__context__ is None


def test_a_null_is_no_value_that_cannot_be_read(server: OracleStandIn) -> None:
    null = f"case when m.nm <> '{SECRET}' then m.moment end"

    chunks = read(of_column("data_saida_alta", MOMENT.format(null)))

    assert unreadable(chunks) == {}
    assert chunks[1]["data_saida_alta"][PLACE - 1000] == ""


def test_the_log_names_so_many_rows_and_counts_the_rest(
    server: OracleStandIn, caplog: pytest.LogCaptureFixture
) -> None:
    server.faults.cells = {f"PESSOA SECRETA {place}": b"\xff" for place in range(100, 125)}

    with caplog.at_level(logging.WARNING):
        read(of_column("phone", "'1'"), rows=MANY)

    [one] = [record.getMessage() for record in caplog.records]
    assert one.endswith("row 120 (name,email,cpf,medico), and 5 rows more")
    assert one.count("row ") == 20
    assert "SECRETA" not in caplog.text


def test_a_day_in_order_has_the_agreed_columns_only(server: OracleStandIn) -> None:
    assert {tuple(chunk) for chunk in read(SELECT)} == {COLUMNS}
