"""Oracle's SQL as the extraction uses it, and what Oracle refuses of it."""

# ruff: noqa: DTZ001 - Oracle's DATE knows no zone

from __future__ import annotations

import datetime as dt
from typing import Any

import oracledb
import pytest

DAY = "to_date('29/02/2024 13:45', 'DD/MM/YYYY HH24:MI')"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        # null and text
        ("''", None),
        ("case when '' is null then 'null' end", "null"),
        ("nvl(null, 'x')", "x"),
        ("nvl(trim('  '), 'vazio')", "vazio"),
        ("coalesce(null, null, 'y')", "y"),
        ("'a' || null || 'b' || ''", "ab"),
        ("case when null || '' is null then 'null' end", "null"),
        ("q'[it's]'", "it's"),
        ("upper('ção') || lower('ÇÃO')", "ÇÃOção"),
        ("substr('abcdef', 2, 3)", "bcd"),
        ("replace('a-b-c', '-')", "abc"),
        ("instr('abc', 'c') + length('ção')", 6),
        ("regexp_replace('(11) 9-8765', '[^0-9]', '')", "1198765"),
        ("regexp_replace('(11) 9-8765', '[^0-9]')", "1198765"),
        ("nvl(regexp_replace('abc', '[^0-9]', ''), 'nada')", "nada"),
        ("case when 'Élcio' like 'É%' then 'sim' end", "sim"),
        ("case when regexp_like('a1', '[0-9]') then 'sim' end", "sim"),
        # numbers
        ("decode(2, 1, 'um', 2, 'dois', 'outro')", "dois"),
        ("decode(null, null, 'igual', 'diferente')", "igual"),
        ("substr('ABC', 0, 2)", "AB"),
        ("to_char(12) || '/' || to_char(0.5)", "12/.5"),
        ("to_number('12')", 12),
        ("mod(7, 3)", 1),
        ("trunc(2.789, 1)", 2.7),
        ("trunc(-2.789)", -2),
        ("case when 5 between 1 and 9 then 'sim' end", "sim"),
        # dates
        (f"to_char({DAY}, 'YYYY-MM-DD HH24:MI:SS')", "2024-02-29 13:45:00"),
        (f"to_char({DAY}, 'SYYYY-MM-DD HH24:MI:SS')", " 2024-02-29 13:45:00"),
        (f"to_char({DAY}, 'YYYY-MM-DD\"T\"HH24:MI')", "2024-02-29T13:45"),
        (f"to_char(trunc({DAY}), 'HH24:MI')", "00:00"),
        (f"trunc({DAY}) + ({DAY} - trunc({DAY}))", dt.datetime(2024, 2, 29, 13, 45)),
        (f"{DAY} + 1", dt.datetime(2024, 3, 1, 13, 45)),
        (f"{DAY} - 1/24", dt.datetime(2024, 2, 29, 12, 45)),
        (f"{DAY} + interval '2' hour", dt.datetime(2024, 2, 29, 15, 45)),
        (f"{DAY} - interval '1' day", dt.datetime(2024, 2, 28, 13, 45)),
        ("trunc(date '2024-02-29', 'MM') - 1", dt.datetime(2024, 1, 31)),
        ("date '2024-03-01' - date '2024-02-01'", 29),
        ("to_date('2024-02-29', 'YYYY-MM-DD HH24:MI:SS')", dt.datetime(2024, 2, 29)),
        (
            "to_timestamp('2024-01-02 03:04:05.123456', 'YYYY-MM-DD HH24:MI:SS.FF6')",
            dt.datetime(2024, 1, 2, 3, 4, 5, 123456),
        ),
        ("trunc(months_between(date '2024-02-29', date '1990-03-01') / 12)", 33),
        ("add_months(date '2024-01-31', 1)", dt.datetime(2024, 2, 29)),
        # the ERP's own functions
        ("tasy.obter_compl_pf(3, 1, 'E')", "E:3:1"),
    ],
)
def test_an_expression(cursor: oracledb.Cursor, expression: str, expected: Any) -> None:
    assert cursor.execute(f"select {expression} from dual").fetchall() == [(expected,)]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select count(*) from (select 1 a from dual union all select 1 from dual)", [(2,)]),
        ("select nm from tasy.pessoa where cd in (1, 3) order by cd", [("Ana",), ("Conceição",)]),
        (
            "select nm from tasy.pessoa order by dt desc",  # null comes first
            [("Élcio",), ("Conceição",), ("Ana",)],
        ),
        ("select /*+ first_rows */ nm from TASY.PESSOA where CD = 2", [("Élcio",)]),
        (
            """with a as (
                 select p.*, row_number() over (partition by 1 order by cd desc) n
                 from tasy.pessoa p
               )
               select nm from a where n = 1""",
            [("Conceição",)],
        ),
        (
            """select p.nm, q.nm
               from tasy.pessoa p
               left join tasy.pessoa q on q.cd = p.cd + 1
               where p.cd > 1
               order by p.cd""",
            [("Élcio", "Conceição"), ("Conceição", None)],
        ),
        (
            """select cd from tasy.pessoa p where not exists (
                 select 1 from tasy.pessoa q where q.cd > p.cd and q.vl is not null
               )""",
            [(3,)],
        ),
    ],
)
def test_a_query(cursor: oracledb.Cursor, sql: str, expected: list[tuple[Any, ...]]) -> None:
    assert cursor.execute(sql).fetchall() == expected


def test_a_column_is_named_in_upper_case_unless_it_was_quoted(cursor: oracledb.Cursor) -> None:
    cursor.execute(
        'select cd, nm as "Nome", vl valor, "dt" from (select p.cd, p.nm, p.vl, dt as "dt"'
        " from tasy.pessoa p)"
    )

    assert [column[0] for column in cursor.description] == ["CD", "Nome", "VALOR", "dt"]


def test_a_star_keeps_the_quoted_names(cursor: oracledb.Cursor) -> None:
    cursor.execute('select * from (select cd, nm "cd_pessoa" from tasy.pessoa)')

    assert [column[0] for column in cursor.description] == ["CD", "cd_pessoa"]


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("selec 1 from dual", "ORA-00900"),
        ("select 1 from dual;", "ORA-00933"),
        ("select 1", "ORA-00923"),
        ("select from dual", "ORA-00936"),
        ("select nm from tasy.pessoa limit 5", "ORA-00933"),
        ("select nm from tasy.pessoa fetch first 1 rows only", "ORA-00933"),
        ("select nm from tasy.pessoa order by cd offset 1 rows", "ORA-00933"),
        ("select nm from tasy.pessoa where cd = 1 and true", "ORA-00904"),
        ("select nm from tasy.pessoa where not false", "ORA-00904"),
        ("select nm from tasy.pessoa where nm ilike 'a%'", "ORA-00920"),
        ("select cast(cd as text) from tasy.pessoa", "ORA-00902"),
        ("select substring(nm, 1, 2) from tasy.pessoa", "ORA-00904"),
        ("select left(nm, 2) from tasy.pessoa", "ORA-00904"),
        ("select ifnull(nm, 'x') from tasy.pessoa", "ORA-00904"),
        ("select strftime(dt, '%Y') from tasy.pessoa", "ORA-00904"),
        ("select string_agg(nm, ',') from tasy.pessoa", "ORA-00904"),
        ("select if(cd = 1, 2, 3) from tasy.pessoa", "ORA-00904"),
        ("select cd % 2 from tasy.pessoa", "ORA-00911"),
        ("select cd from tasy.pessoa where cd == 2", "ORA-00936"),
        ("select cd from tasy.pessoa qualify row_number() over (order by cd) = 1", "ORA-00933"),
        ("select cd from tasy.pessoa group by all", "ORA-00936"),
        ("select cd from tasy.pessoa union all by name select 1 cd from dual", "ORA-00928"),
        ("select distinct on (cd) nm from tasy.pessoa", "ORA-00936"),
        ("select * exclude (cd) from tasy.pessoa", "ORA-00904"),
        ("select cd, from tasy.pessoa", "ORA-00936"),
        ("select cd from tasy.pessoa where cd", "ORA-00920"),
        ("select case when cd then 1 end from tasy.pessoa", "ORA-00920"),
        ("select cd = 1 from tasy.pessoa", "ORA-00923"),
        ("select p.cd from tasy.pessoa p semi join tasy.pessoa q on q.cd = p.cd", "ORA-00933"),
        (f"select cd as {'n' * 31} from tasy.pessoa", "ORA-00972"),
        (f'select cd as "{"ã" * 16}" from tasy.pessoa', "ORA-00972"),
        (f"select {'n' * 31}.cd from tasy.pessoa {'n' * 31}", "ORA-00972"),
        ("select nm from tasy.pessoa as p", "ORA-00933"),
        ("select p.nm from (select nm from tasy.pessoa) as p", "ORA-00933"),
        ("select * from nao_existe", "ORA-00942"),
        ("select * from nao.existe", "ORA-00942"),
        ('select * from tasy."pessoa"', "ORA-00942"),
        ("select naoexiste from tasy.pessoa", "ORA-00904"),
        ('select "nm" from tasy.pessoa', "ORA-00904"),
        ('select a.nome from (select nm as "nome" from tasy.pessoa) a', "ORA-00904"),
        ("select nao.existe(1) from dual", "ORA-00904"),
        ("select cd from tasy.pessoa p join tasy.pessoa q on q.cd = p.cd", "ORA-00918"),
        ("select cd, count(*) from tasy.pessoa", "ORA-00979"),
        ("select 1, 2 from dual union all select 1 from dual", "ORA-01789"),
        ("select to_number('x') from dual", "ORA-01722"),
        ("select to_date('x', 'YYYY-MM-DD') from dual", "ORA-01858"),
        ("select 1/0 from dual", "ORA-01476"),
        ("select (select cd from tasy.pessoa) from dual", "ORA-01427"),
        ("select sysdate from dual", "ORA-03001"),
        ("select 1 from dual where rownum < 2", "ORA-03001"),
        ("select 1 from dual connect by level < 3", "ORA-03001"),
        ("begin null; end;", "ORA-03001"),
    ],
)
def test_an_error_has_oracles_number_and_the_session_goes_on(
    cursor: oracledb.Cursor, sql: str, code: str
) -> None:
    actual = []
    for _ in range(2):
        with pytest.raises(oracledb.DatabaseError) as caught:
            cursor.execute(sql).fetchall()
        actual.append(caught.value.args[0].full_code)
        actual.append(cursor.execute("select 'viva' from dual").fetchone()[0])

    assert actual == [code, "viva"] * 2


def test_a_syntax_error_tells_its_position(cursor: oracledb.Cursor) -> None:
    with pytest.raises(oracledb.DatabaseError) as caught:
        cursor.execute("select nm\nfrom tasy.pessoa where cd = = 1")

    assert caught.value.args[0].offset > len("select nm\n")


@pytest.mark.parametrize(
    "sql",
    [
        "insert into tasy.pessoa (cd) values (9)",
        "insert into tasy.pessoa (cd) values (9) returning cd into :v",
        "update tasy.pessoa set nm = 'x'",
        "delete from tasy.pessoa",
        "merge into tasy.pessoa p using dual d on (p.cd = 1) when matched then update set nm = 'x'",
        "truncate table tasy.pessoa",
        "create table t (id number)",
        "drop table tasy.pessoa",
        "select nm from tasy.pessoa for update",
    ],
)
def test_nothing_can_be_changed(cursor: oracledb.Cursor, sql: str) -> None:
    binds = {"v": cursor.var(oracledb.DB_TYPE_NUMBER)} if ":v" in sql else {}
    with pytest.raises(oracledb.DatabaseError, match=r"ORA-01031|ORA-03001"):
        cursor.execute(sql, binds)

    assert cursor.execute("select max(nm), count(*) from tasy.pessoa").fetchall() == [("Élcio", 3)]


def test_an_error_does_not_quote_the_data(cursor: oracledb.Cursor) -> None:
    with pytest.raises(oracledb.DatabaseError) as caught:
        cursor.execute("select to_number(nm) from tasy.pessoa where cd = 1").fetchall()

    assert "Ana" not in str(caught.value)
