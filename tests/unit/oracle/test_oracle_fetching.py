"""Binds, rows and values between python-oracledb and the stand-in."""

# ruff: noqa: DTZ001 - Oracle's DATE knows no zone

from __future__ import annotations

import datetime as dt
import random
import threading
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import oracledb
import pytest

if TYPE_CHECKING:
    from stand_ins.oracle import OracleStandIn


def one(cursor: oracledb.Cursor, sql: str, **binds: Any) -> Any:
    return cursor.execute(sql, binds).fetchone()[0]


# -- rows ------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 2, 3, 99, 100, 101, 102, 200, 201])
def test_row_counts_around_the_array_size(cursor: oracledb.Cursor, count: int) -> None:
    cursor.execute(
        "select cd_atendimento from dbamv.atendime where cd_atendimento < :n order by 1", n=count
    )

    assert [row[0] for row in cursor] == list(range(count))


@pytest.mark.parametrize(
    ("prefetch", "array"), [(0, 100), (2, 1), (1, 7), (100, 100), (1000, 1000), (5000, 10)]
)
def test_a_statement_runs_again_under_every_setting_of_prefetch(
    cursor: oracledb.Cursor, prefetch: int, array: int
) -> None:
    cursor.prefetchrows, cursor.arraysize = prefetch, array
    sql = "select cd_atendimento from dbamv.atendime where cd_atendimento < :n"

    counts = [len(cursor.execute(sql, n=limit).fetchall()) for limit in (0, 1, 100, 333)]

    assert counts == [0, 1, 100, 333]


def test_rows_stream_in_chunks(cursor: oracledb.Cursor) -> None:
    cursor.arraysize = cursor.prefetchrows = 1000
    cursor.execute("select * from dbamv.atendime order by cd_atendimento")

    sizes = [len(rows) for rows in iter(cursor.fetchmany, [])]

    assert sizes == [1000] * 10


def test_a_row_of_every_type(cursor: oracledb.Cursor) -> None:
    cursor.execute("select * from dbamv.atendime where cd_atendimento = 9999")

    row = cursor.fetchone()

    assert row == (
        9999,
        dt.datetime(2026, 11, 1) + dt.timedelta(minutes=9999),
        "São João 9999",
        3333.0,
        14998.5,
        None,
        dt.datetime(2026, 11, 1, 0, 0, 0, 123456) + dt.timedelta(seconds=9999),
        None,
        9999 * 1000003,
    )


def test_columns_are_described_with_oracles_types(cursor: oracledb.Cursor) -> None:
    cursor.execute("select cd, nm, dt, vl, cast(dt as timestamp) ts, null n from tasy.pessoa")

    assert [column[1] for column in cursor.description] == [
        oracledb.DB_TYPE_NUMBER,
        oracledb.DB_TYPE_VARCHAR,
        oracledb.DB_TYPE_DATE,
        oracledb.DB_TYPE_NUMBER,
        oracledb.DB_TYPE_TIMESTAMP,
        oracledb.DB_TYPE_VARCHAR,
    ]


def test_two_cursors_of_a_connection_take_turns(connection: oracledb.Connection) -> None:
    up, down = connection.cursor(), connection.cursor()
    up.arraysize = down.arraysize = 10
    up.execute("select cd_atendimento from dbamv.atendime order by 1")
    down.execute("select cd_atendimento from dbamv.atendime order by 1 desc")

    turns = [(up.fetchmany(10)[0][0], down.fetchmany(10)[0][0]) for _ in range(3)]

    assert turns == [(0, 9999), (10, 9989), (20, 9979)]


def test_columns_that_are_null_by_description(cursor: oracledb.Cursor) -> None:
    cursor.execute(
        "select null, cast(null as varchar2(10)) v, cast(null as number) n,"
        " cast(null as date) d, cast(null as timestamp) t, cd_vazio from dbamv.atendime"
    )

    assert set(cursor.fetchmany(250)) == {(None,) * 6}


def test_more_statements_than_the_client_keeps(cursor: oracledb.Cursor) -> None:
    actual = [one(cursor, f"select {i} from dual") for i in range(60)]

    assert actual == list(range(60))


def test_connections_work_side_by_side(server: OracleStandIn) -> None:
    counts: list[int] = []

    def work() -> None:
        with oracledb.connect(user="DBAMV", password="outra", dsn=server.dsn) as connection:
            cursor = connection.cursor()
            cursor.arraysize = 500
            counts.append(len(cursor.execute("select * from atendime").fetchall()))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert counts == [10_000] * 4


# -- binds -----------------------------------------------------------------------------------


def test_named_binds_are_found_outside_texts_and_comments(cursor: oracledb.Cursor) -> None:
    cursor.execute(
        """-- of :nobody
           select cd_atendimento, ':not_a_bind' txt -- nor :this
             from dbamv.atendime /* nor :that */
            where dt_atendimento >= :day_start and dt_atendimento < :day_end
              and (:day_start < :day_end or :day_end is null) order by 1""",
        day_start=dt.datetime(2026, 11, 1, 0, 10),
        day_end=dt.datetime(2026, 11, 1, 0, 13),
    )

    assert cursor.fetchall() == [(n, ":not_a_bind") for n in (10, 11, 12)]


def test_positional_binds(cursor: oracledb.Cursor) -> None:
    assert cursor.execute("select :1 - :2 from dual", [5, 3]).fetchone() == (2,)


def test_a_text_bind_serves_for_a_number(cursor: oracledb.Cursor) -> None:
    assert one(cursor, "select count(*) from tasy.pessoa where cd = :cd", cd="2") == 1


def test_a_statement_runs_again_with_values_of_other_types(cursor: oracledb.Cursor) -> None:
    values = [1, 2, "x", None, dt.datetime(2026, 1, 1), 3]

    assert [one(cursor, "select :v from dual", v=v) for v in values] == values


# -- values ----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [251, 252, 253, 254, 255, 4000, 32767, 70_000])
def test_texts_of_every_length(cursor: oracledb.Cursor, size: int) -> None:
    assert one(cursor, "select :v from dual", v="é" * size) == "é" * size


def test_texts_beyond_latin(cursor: oracledb.Cursor) -> None:
    text = "çãé ÇÃÉ ñ € 漢字 😀 it's"

    assert one(cursor, "select :v from dual", v=text) == text


@pytest.mark.parametrize(
    "value",
    [0, 1, -1, 9, 10, 99, 100, 101, -100, 12345, 10**18, -(10**18), 10**37, 2**63, 7 * 10**20],
)
def test_integers(cursor: oracledb.Cursor, value: int) -> None:
    cursor.execute(f"select :v, {value} from dual", v=value)

    assert cursor.fetchone() == (value, value)


@pytest.mark.parametrize("text", ["0.1", "-0.1", "0.05", "-0.005", "1e-9", "-12345.678901"])
def test_decimals(cursor: oracledb.Cursor, text: str) -> None:
    cursor.outputtypehandler = lambda c, _: c.var(Decimal, arraysize=c.arraysize)

    actual = one(cursor, "select cast(:v as number(30,12)) from dual", v=Decimal(text))

    assert actual == Decimal(text)


def test_numbers_of_every_size(cursor: oracledb.Cursor) -> None:
    generator = random.Random(7)
    cursor.outputtypehandler = lambda c, _: c.var(Decimal, arraysize=c.arraysize)
    numbers = [
        Decimal(generator.randint(0, 10 ** generator.randint(1, 30))).scaleb(
            -generator.randint(0, 8)
        )
        * generator.choice((1, -1))
        for _ in range(100)
    ]

    sql = "select cast(:v as number(38,8)) from dual"

    assert [one(cursor, sql, v=number) for number in numbers] == numbers


@pytest.mark.parametrize(("sql", "text"), [("10/2", "5"), ("5/2", "2.5"), ("1/3*3", "1")])
def test_a_number_without_precision_is_an_int_when_whole(
    cursor: oracledb.Cursor, sql: str, text: str
) -> None:
    assert repr(one(cursor, f"select {sql} from dual")) == text


@pytest.mark.parametrize(
    "value",
    [
        dt.datetime(2024, 2, 29, 23, 59, 59, 999999),
        dt.datetime(1900, 1, 1),
        dt.datetime(9999, 12, 31, 23, 59, 59),
        dt.datetime(1, 1, 1, 0, 0, 0, 1),
    ],
)
def test_timestamps_to_the_microsecond(cursor: oracledb.Cursor, value: dt.datetime) -> None:
    cursor.setinputsizes(v=oracledb.DB_TYPE_TIMESTAMP)

    assert one(cursor, "select cast(:v as timestamp) from dual", v=value) == value


def test_a_datetime_is_bound_as_a_date_to_the_second(cursor: oracledb.Cursor) -> None:
    moment = dt.datetime(2026, 11, 20, 23, 59, 59, 999999)

    assert one(cursor, "select :v from dual", v=moment) == moment.replace(microsecond=0)


def test_the_empty_text_is_null(cursor: oracledb.Cursor) -> None:
    assert one(cursor, "select nvl(:v, 'nulo') from dual", v="") == "nulo"
