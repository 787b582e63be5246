"""What other databases take and Oracle refuses, or reads otherwise: told, with what to write."""

from __future__ import annotations

import re
from functools import lru_cache
from random import Random

import pytest

from track_dispatch.config import load_hospital
from track_dispatch.extraction.lint import lint
from track_dispatch.extraction.query import render

#: One hospital of each ERP, and the one whose queries ask most tables.
MV, TASY, WARDS = "HMV", "HAC", "HAT"

KEEP = "where a.area_pesquisa is not null"
ALIVE = "where a.dt_alta >= :day_start"


@lru_cache
def ours(code: str) -> str:
    return render(load_hospital(code))


def mutant(code: str, old: str, new: str) -> str:
    """Return the hospital's query with the last of these passages written otherwise."""
    before, found, after = ours(code).rpartition(old)
    assert found, f"{code} has no {old}"
    return before + new + after


def and_(condition: str) -> tuple[str, str]:
    """Return a further condition of the whole query."""
    return KEEP, f"{KEEP} and {condition}"


NOT_ORACLE: dict[str, tuple[str, str, str, str]] = {
    "true": (MV, *and_("true"), "TRUE is not .* write a condition"),
    "false": (MV, *and_("not false"), "FALSE is not .* write a condition"),
    "is true": (MV, *and_("(a.cd_cid = 'X') is true"), "TRUE is not"),
    "ilike": (MV, *and_("p.email ilike '%NAO%'"), "ILIKE is not .* write upper"),
    "rlike": (MV, *and_("p.email rlike 'NAO'"), "RLIKE is not .* regexp_like"),
    "similar to": (MV, *and_("p.email similar to 'NAO'"), "SIMILAR is not"),
    "cast to text": (MV, "p.nr_cpf as", "cast(p.nr_cpf as text) as", "TEXT is not .* varchar2"),
    "cast to varchar": (
        MV,
        "p.nr_cpf as",
        "cast(p.nr_cpf as varchar(9)) as",
        r"VARCHAR\(\) is not",
    ),
    "cast to int": (MV, "p.nr_cpf as", "cast(p.nr_cpf as int) as", "INT is not .* number"),
    "cast by colons": (MV, "p.nr_cpf as", "p.nr_cpf::varchar2 as", ":: is not .* cast"),
    "substring": (MV, "p.nr_cpf as", "substring(p.nr_cpf, 1, 9) as", r"SUBSTRING\(\) .* substr"),
    "left": (MV, "p.nr_cpf as", "left(p.nr_cpf, 9) as", r"LEFT\(\) is not .* substr"),
    "ifnull": (MV, "p.nr_cpf as", "ifnull(p.nr_cpf, '0') as", r"IFNULL\(\) is not .* nvl"),
    "if": (MV, "p.nr_cpf as", "if(p.nr_cpf is null, '0', '1') as", r"IF\(\) is not .* case"),
    "len": (MV, *and_("len(p.nr_cpf) = 11"), r"LEN\(\) is not .* length"),
    "position": (MV, *and_("position('@' in p.email) > 0"), r"POSITION\(\) is not .* instr"),
    "modulo": (MV, *and_("a.cd_paciente % 2 = 0"), "% is not .* mod"),
    "double equals": (MV, *and_("a.cd_paciente == 2"), "== is not .* write ="),
    "null-safe equals": (MV, *and_("a.cd_paciente <=> 2"), "<=> is not"),
    "distinct from": (MV, *and_("a.cd_cid is distinct from 'X'"), "is not in the SQL"),
    "qualify": (
        MV,
        *(KEEP, f"{KEEP} qualify row_number() over (order by a.cd_paciente) = 1"),
        "QUALIFY is not .* row_number",
    ),
    "group by all": (MV, KEEP, f"{KEEP} group by all", "group by all is not .* by name"),
    "union by name": (MV, "union all", "union all by name", "union by name is not"),
    "limit": (MV, KEEP, f"{KEEP} limit 10", "LIMIT is not .* every row"),
    "fetch first": (MV, KEEP, f"{KEEP} fetch first 10 rows only", "FETCH is not .* every row"),
    "offset": (MV, KEEP, f"{KEEP} offset 10 rows", "OFFSET is not .* every row"),
    "top": (MV, "select\n  '40085'", "select top 10\n  '40085'", "TOP is not .* every row"),
    "rownum": (MV, *and_("rownum < 10"), "ROWNUM is not .* every row"),
    "sample": (MV, "dbamv.paciente p", "dbamv.paciente sample(10) p", r"SAMPLE\(\) is not"),
    "distinct on": (
        MV,
        *("select\n  '40085'", "select distinct on (a.cd_paciente)\n  '40085'"),
        "distinct on is not .* row_number",
    ),
    "comma before from": (
        MV,
        *('end as "setor"\nfrom', 'end as "setor",\nfrom'),
        "FROM follows nothing: write what is before it, no comma",
    ),
    "interval": (TASY, "< :day_end", "< :day_end - interval '1' hour", "INTERVAL is .* number of"),
    "timestamp": (MV, *and_("a.hr_alta > timestamp '2024-01-01 00:00:00'"), "TIMESTAMP .* date"),
    "to_timestamp": (MV, *and_("a.hr_alta > to_timestamp('x', 'YYYY')"), r"TO_TIMESTAMP\(\) is"),
    "now": (MV, *and_("a.hr_alta < now()"), r"reads the clock \(NOW\)"),
    "minus": (MV, KEEP, f"{KEEP} minus select 1 from dual", "MINUS is not .* not exists"),
    "with recursive": (MV, "with attend", "with recursive attend", "RECURSIVE is not"),
    "outer join by a mark": (
        WARDS,
        *("on d.cd_setor = oa.cd_setor", "on d.cd_setor(+) = oa.cd_setor"),
        r"\(\+\) is not .* left join",
    ),
    "using": (
        WARDS,
        *("on d.cd_setor = oa.cd_setor", "using (cd_setor)"),
        r"USING\(\) is not",
    ),
    "natural join": (WARDS, "left join dbamv.setor d", "natural join dbamv.setor d", "NATURAL is"),
    "cross apply": (MV, KEEP, f"cross apply dbamv.leito q {KEEP}", "CROSS is not"),
    "semi join": (MV, KEEP, f"semi join dbamv.leito q on q.x = a.x {KEEP}", "SEMI is not"),
    "a database link": (
        MV,
        "dbamv.paciente p",
        "dbamv.paciente@other p",
        "paciente@other is not",
    ),
    "a dot without a schema": (
        MV,
        *("left join dbamv.paciente p", "left join .paciente p"),
        "a dot follows nothing: write the schema",
    ),
    "two commas": (MV, "'O60', 'O80'", "'O60', , 'O80'", ", follows nothing: write what is"),
    "a comma at the end": (MV, "in (6, 8)", "in (6, )", r"\) follows nothing: write what is"),
    "from first": (MV, "p.email as", "(from dbamv.leito x select 1) as", "FROM follows nothing"),
    "not null without is": (MV, KEEP, "where a.area_pesquisa not null", "write `is not null`"),
    "no columns": (MV, "select 1\n", "select\n", "FROM follows nothing"),
    "when without then": (MV, "in (5, 82) then", "in (5, 82)", "no `then`"),
    "a partition": (
        MV,
        "dbamv.paciente p",
        "dbamv.paciente partition (p1) p",
        r"PARTITION\(\) is not",
    ),
    "a function of tables": (MV, "dbamv.paciente p", "table(dbamv.f(1)) p", r"TABLE\(\) is not"),
    "a package": (MV, *and_("utl_http.request('x') is null"), r"request\(\) of another schema"),
    "a function of the database": (MV, *and_("sys_context('a', 'b') = 'c'"), r"SYS_CONTEXT\(\)"),
    "the user": (MV, *and_("user = 'X'"), "USER is not"),
    "the session": (MV, *and_("sessiontimezone = 'X'"), "sessiontimezone names no table"),
    "pivot": (MV, KEEP, f"pivot (max(x) for y in (1)) {KEEP}", r"PIVOT\(\) is not"),
    "connect by": (MV, KEEP, f"{KEEP} connect by prior a.x = a.y", "CONNECT is not"),
    "lateral": (MV, KEEP, f", lateral (select 1 from dual) q {KEEP}", r"LATERAL\(?\)? is not"),
    "a json path": (MV, "p.nr_cpf as", "p.nr_cpf->>'x' as", "->> is not"),
    "an array": (MV, "p.nr_cpf as", "array[p.nr_cpf] as", "is not in the SQL"),
    "a shift": (MV, *and_("a.cd_paciente << 2 = 0"), "is not in the SQL"),
    "a name of 31 bytes": (MV, " p\n", f" {'p' * 31}\n", "is a name of 31 bytes: write at most 30"),
    "a quoted name of 31 bytes": (
        MV,
        *('"setor"', '"setor",\n  p.email as "x_correio_eletronico_do_paciênte"'),
        "is a name of 3[23] bytes",
    ),
    "a hint": (
        *(MV, "select\n  '40085'", "select /*+ full(a) */\n  '40085'"),
        "optimizer hint, .* leave it out",
    ),
    "a hint to the end of the line": (
        *(MV, "select\n  '40085'", "select --+ full(a)\n  '40085'"),
        "optimizer hint",
    ),
}


#: What Oracle runs, and reads otherwise than it looks.
MISREAD: dict[str, tuple[str, str, str, str]] = {
    # nulls and empty texts
    "null in a list": (MV, "not in (6, 8)", "not in (6, null)", "null equals nothing"),
    "null alone in a list": (MV, "not in (6, 8)", "not in (null)", "null equals nothing"),
    "equals null": (MV, *and_("p.email = null"), "null equals nothing, .* write `is null`"),
    "is not equal to null": (MV, *and_("p.email <> null"), "null equals nothing"),
    "a case of null": (
        MV,
        "case a.area_pesquisa",
        "case p.email when null then '0' end || case a.area_pesquisa",
        "null equals nothing",
    ),
    "not in a query": (
        MV,
        *and_("a.cd_atendimento not in (select x.cd_atendimento_pai from dbamv.atendime x)"),
        "`not in` a query is never true .* write `not exists`",
    ),
    "not an empty text": (MV, *and_("p.email <> ''"), "'' is null in Oracle"),
    "an empty text": (MV, *and_("(p.email is null or p.email = '')"), "'' is null in Oracle"),
    "an empty text in a list": (MV, "in (0) then", "in (0) and p.email in ('') then", "'' is null"),
    "an empty text for null": (MV, "p.nr_cpf as", "nvl(p.nr_cpf, '') as", "'' is null"),
    "an exclusion of nulls": (
        MV,
        *("(a.cd_tip_res is null or a.cd_tip_res not in (6, 8))", "a.cd_tip_res not in (6, 8)"),
        "puts out whoever has no a.cd_tip_res, too: write",
    ),
    "an inequality": (
        MV,
        *("(a.cd_tip_res is null or a.cd_tip_res not in (6, 8))", "a.cd_tip_res <> 6"),
        "puts out whoever has no a.cd_tip_res",
    ),
    "not like": (MV, *and_("a.cd_cid not like 'O%'"), "puts out whoever has no a.cd_cid"),
    # formats of the session
    "a date as text": (MV, *and_("a.hr_alta > '01/02/2024'"), "a date beside a text goes by"),
    "a date between texts": (
        TASY,
        *("a.dt_entrada < :day_end", "a.dt_entrada between '01/02/2024' and '02/02/2024'"),
        "a date beside a text goes by",
    ),
    "to_date without a format": (
        MV,
        *and_("a.hr_alta > to_date('01/02/2024')"),
        "to_date without a format goes by the session's: write to_date",
    ),
    "to_date with the name of a month": (
        MV,
        *and_("a.hr_alta > to_date('01-FEV-2024', 'DD-MON-YYYY')"),
        "a format with names or guesses goes by",
    ),
    "to_date with a century to guess": (
        MV,
        *and_("a.hr_alta > to_date('01/02/24', 'DD/MM/YY')"),
        "a format with names or guesses goes by",
    ),
    "to_char without a format": (MV, "p.email as", "to_char(a.hr_alta) as", "to_char without a"),
    "to_char with the weekday": (
        MV,
        *and_("to_char(a.hr_alta, 'D') = '1'"),
        "a format with names or guesses goes by",
    ),
    "trunc to the weekday": (
        MV,
        *("p.email as", "to_char(trunc(a.hr_alta, 'DAY'), 'YYYY') as"),
        "a format with names or guesses goes by",
    ),
    "a date cast to text": (MV, "p.email as", "cast(a.hr_alta as varchar2(9)) as", "cast goes by"),
    "a text cast to date": (MV, *and_("a.hr_alta > cast('01/02/24' as date)"), "cast goes by"),
    "a date within a text": (MV, "p.email as", "p.email || a.hr_alta as", "turns a date into text"),
    "a part of a date": (MV, "p.email as", "substr(a.hr_alta, 1, 9) as", "turns a date into text"),
    "a date like a text": (MV, *and_("a.hr_alta like '01%'"), "a date beside a text goes by"),
    "a date that is none": (MV, *and_("a.hr_alta > date '01/02/2024'"), "is no date literal"),
    "text where a date is": (MV, "a.hr_alta, date", "nvl(a.hr_alta, 'x'), date", "a date beside a"),
    # numbers and texts
    "a number beside a column of texts": (MV, *and_("p.nr_cpf = 1"), "a number beside a text"),
    "a text beside a column of numbers": (
        MV,
        *("a.cd_ori_ate = 30", "a.cd_ori_ate = '30'"),
        "a number beside a text",
    ),
    "numbers for codes of texts": (MV, "'O60', 'O80'", "60, 80", "a number beside a text"),
    "texts for codes of numbers": (MV, "not in (6, 8)", "not in ('6', '8')", "a number beside a"),
    "a column that joins another kind": (
        TASY,
        *("on p.cd_pessoa_fisica = a.cd_pessoa_fisica", "on p.cd_pessoa_fisica = a.nr_atendimento"),
        "a number beside a text",
    ),
    "a number from a subquery": (TASY, ") = 54", ") = '54'", "a number beside a text"),
    "a date beside a number": (MV, *and_("a.hr_alta > 20240201"), "a date beside a number"),
    "results of two kinds": (MV, "then e.ds_especialid", "then a.cd_ori_ate", "a number beside a"),
    # always the same
    "a column beside itself": (
        MV,
        *("p.cd_paciente = a.cd_paciente", "p.cd_paciente = p.cd_paciente"),
        "compares p.cd_paciente with itself",
    ),
    "a column among its codes": (MV, "in (0) then", "in (0, a.cd_ori_ate) then", "with itself"),
    "two constants": (MV, *and_("1 = 1"), "compares constants, always the same"),
    "a condition twice": (
        MV,
        *("in (5, 82) then", "in (40, 41) then"),
        "an earlier `when` has: this one is never reached",
    ),
    "exists of anything": (
        MV,
        *("child.cd_atendimento_pai = a.cd_atendimento", "child.cd_atendimento_pai = 1"),
        "asks nothing of the row around it",
    ),
    "exists of its own columns": (
        MV,
        *("child.cd_atendimento_pai = a.cd_atendimento", "child.cd_atendimento_pai = child.cd_cid"),
        "asks nothing of the row around it",
    ),
    "an alias of the block around": (
        MV,
        *("from attendances_of_day a", "from attendances_of_day b"),
        "a.cd_cid names no table of its SELECT",
    ),
    "a table of nobody": (
        MV,
        *("left join dbamv.paciente p", "left join paciente p"),
        "paciente names no schema: write schema.paciente",
    ),
    "a column of nobody": (
        MV,
        *("child.cd_atendimento_pai = a.cd_atendimento", "cd_atendimento_pai = a.cd_atendimento"),
        "cd_atendimento_pai names no table",
    ),
    "a value for a condition": (MV, *and_("a.cd_cid"), "is a value and no condition"),
    "a value among conditions": (
        MV,
        "a.cd_ori_ate = 30",
        "a.cd_ori_ate and 30",
        "is a value and no",
    ),
    "a value in a case": (MV, "when a.cd_ori_ate in (0)", "when a.cd_ori_ate", "is a value and no"),
    "a condition for a value": (MV, "p.nr_cpf as", "p.nr_cpf = '1' as", "a condition and no value"),
    # the day
    "midnight left out": (
        TASY,
        "dt_entrada >= :day_start",
        "dt_entrada > :day_start",
        ">= :day_st",
    ),
    "the next midnight": (TASY, "dt_entrada < :day_end", "dt_entrada <= :day_end", "< :day_end"),
    "mirrored": (TASY, "a.dt_entrada < :day_end", ":day_end >= a.dt_entrada", "< :day_end"),
    "between both": (
        TASY,
        *(
            "a.dt_entrada >= :day_start\n    and a.dt_entrada < :day_end",
            "a.dt_entrada between :day_start and :day_end",
        ),
        "compares :day_end by between",
    ),
    "binds exchanged": (
        TASY,
        "dt_entrada >= :day_start",
        "dt_entrada >= :day_end",
        "by >=: write <",
    ),
    "or beside the day": (
        TASY,
        "a.dt_alta is not null\n",
        "1 = 1 or a.dt_alta is not null\n",
        "no column has both beginning and end",
    ),
    "parentheses lost": (
        MV,
        *(
            "(a.cd_tip_res is null or a.cd_tip_res not in (6, 8))",
            "a.cd_tip_res is null or a.cd_tip_res not in (6, 8)",
        ),
        "`and` binds closer than the `or`",
    ),
    # rows lost and multiplied
    "an inner join": (
        MV,
        "left join dbamv.paciente p",
        "join dbamv.paciente p",
        "dbamv.paciente los",
    ),
    "an inner join in a block": (
        MV,
        *(
            "from attendances_of_day a",
            "from attendances_of_day a\n  join dbamv.leito l on l.cd_leito = a.cd_leito",
        ),
        "dbamv.leito loses whoever",
    ),
    "a comma": (MV, KEEP, f", dbamv.leito l {KEEP} and l.cd_leito = 1", "dbamv.leito loses"),
    "a condition on a joined table": (MV, *and_("p.email like '%@%'"), "paciente loses whoever"),
    "half of a join": (
        WARDS,
        "on l.cd_leito = a.cd_leito",
        "on l.cd_leito = l.cd_unid_int",
        "more th",
    ),
    "a join by another column": (
        MV,
        *("on p.cd_paciente = a.cd_paciente", "on p.nr_cpf = a.cd_cid"),
        "more than once: write its whole key into `on`, p.cd_paciente = ...",
    ),
    "a join by or": (
        MV,
        *("on p.cd_paciente = a.cd_paciente", "on p.cd_paciente = a.cd_paciente or p.nr_cpf = '1'"),
        "paciente may bring an attendance more than once",
    ),
    "a join to a view": (
        TASY,
        *(
            "left join tasy.pessoa_fisica m\n  on m.cd_pessoa_fisica = a.cd_medico_resp",
            "left join tasy.atendimento_paciente_v m\n  on m.nr_atendimento = a.nr_atendimento",
        ),
        "has no key in sql/tables.yaml",
    ),
    "a join to a table that nobody declared": (
        MV,
        *(KEEP, f"left join dbamv.carteira k on k.cd_carteira = p.email {KEEP} and k.x is null"),
        "dbamv.carteira has no key in sql/tables.yaml, .* declare the key",
    ),
    "children by a join": (
        MV,
        *(
            KEEP,
            (
                "left join dbamv.atendime c on c.cd_atendimento_pai = a.cd_atendimento "
                f"{KEEP} and c.cd_atendimento is null"
            ),
        ),
        "dbamv.atendime may bring an attendance more than once",
    ),
    "a scalar subquery without max": (
        TASY,
        *("select max(v.cd_setor_atendimento)", "select v.cd_setor_atendimento"),
        "may return several rows, which stops the day: write max",
    ),
    "a join that nothing needs": (
        MV,
        *(KEEP, f"left join dbamv.leito l on l.cd_leito = a.cd_servico {KEEP}"),
        "dbamv.leito is joined and none of its columns is used: leave it out",
    ),
    "a block that nothing asks": (
        MV,
        *(
            "with attendances_of_day as (",
            "with x as (select a.cd_leito from dbamv.leito a), attendances_of_day as (",
        ),
        "x is asked by nothing: leave it out",
    ),
}


#: What an analyst may write, and pass.
ALLOWED: dict[str, tuple[str, str, str]] = {
    "another hospital's own function": (TASY, "p.nr_cpf as", "tasy.obter_cpf(a.nr_atendimento) as"),
    "a function once a query": (TASY, "p.nr_cpf as", "(select tasy.obter_cpf(1) from dual) as"),
    "a list of names": (
        MV,
        *(
            "p.email as",
            (
                "(select listagg(x.email, ',') within group (order by x.email) "
                "from dbamv.paciente x where x.cd_paciente = a.cd_paciente) as"
            ),
        ),
    ),
    "the last of several": (
        MV,
        *(
            "p.email as",
            (
                "(select max(x.email) keep (dense_rank last order by x.cd_paciente) "
                "from dbamv.paciente x where x.nr_cpf = p.nr_cpf) as"
            ),
        ),
    ),
    "a scalar subquery by the key": (
        MV,
        *(
            "p.email as",
            "(select x.email from dbamv.paciente x where x.cd_paciente = a.cd_paciente) as",
        ),
    ),
    "a block with a group": (
        MV,
        *(
            KEEP,
            (
                "left join (select x.cd_leito, count(*) as n from dbamv.leito x group by "
                f"x.cd_leito) q on q.cd_leito = a.cd_servico {KEEP} and nvl(q.n, 0) < 2"
            ),
        ),
    ),
    "the first of a window": (
        MV,
        *(
            "a.cd_cid,",
            "row_number() over (partition by a.cd_paciente order by a.hr_alta desc) as n,",
        ),
    ),
    "a number as text": (MV, "p.email as", "to_char(a.cd_atendimento) as"),
    "a date with a format": (MV, "p.email as", "to_char(a.hr_alta, 'YYYY-MM-DD\"T\"HH24:MI') as"),
    "a text that is a date": (MV, *and_("a.hr_alta > to_date('2024-02-01', 'YYYY-MM-DD')")),
    "a mark for null": (MV, *and_("nvl(a.cd_cid, 'X') <> 'O60'")),
    "an inner join in exists": (
        MV,
        *(
            "where child.cd_atendimento_pai",
            "join dbamv.leito l on l.cd_leito = child.cd_leito where child.cd_atendimento_pai",
        ),
    ),
    "an order": (MV, KEEP, f"{KEEP} order by a.cd_atendimento nulls last"),
    "other signs": (MV, *and_("(a.cd_servico is null or a.cd_servico != 2)")),
    "a name of 30 bytes": (MV, '"setor"', f'"setor",\n  p.email as "x_{"p" * 28}"'),
    "a comment": (MV, KEEP, f"-- + ILIKE true\n{KEEP} /* now() */"),
    "a text of foreign words": (MV, "'PA_ADULTO'", "'LIMIT :: true'"),
}


def found_in(sql: str, **arguments: tuple[int, int]) -> str:
    return "\n".join(finding.message for finding in lint(sql, file="x", **arguments))


@pytest.mark.parametrize("name", NOT_ORACLE)
def test_what_is_not_oracles_is_told_with_what_to_write(name: str) -> None:
    code, old, new, message = NOT_ORACLE[name]

    assert re.search(message, found_in(mutant(code, old, new)))


@pytest.mark.parametrize("name", MISREAD)
def test_what_oracle_reads_otherwise_is_told_with_what_to_write(name: str) -> None:
    code, old, new, message = MISREAD[name]

    assert re.search(message, found_in(mutant(code, old, new)))


@pytest.mark.parametrize("name", ALLOWED)
def test_what_oracle_reads_as_it_looks_passes(name: str) -> None:
    code, old, new = ALLOWED[name]

    assert found_in(mutant(code, old, new)) == ""


#: What newer releases have, by the first that has it.
NEWER = {
    "standard_hash(p.nr_cpf, 'SHA256')": (12, 1),
    "validate_conversion(p.nr_cpf as number)": (12, 2),
    "(select any_value(x.email) from dbamv.paciente x where x.nr_cpf = p.nr_cpf)": (19, 0),
    f"p.{'n' * 31}": (12, 2),
}


@pytest.mark.parametrize("value", NEWER)
def test_what_a_newer_release_has_is_told_only_below_it(value: str) -> None:
    sql, first = mutant(MV, "p.nr_cpf as", f"{value} as"), NEWER[value]
    before = max(release for release in ((11, 2), (12, 1), (12, 2), (18, 0)) if release < first)

    assert re.search("Oracle 1[128]", found_in(sql, floor=before))
    assert found_in(sql, floor=first) == ""


@pytest.mark.parametrize("code", [MV, TASY, WARDS])
def test_whatever_is_typed_has_an_answer(code: str) -> None:
    """A word is dropped, doubled, or stands in another's place."""
    sql, random = ours(code), Random(code)
    words = [found.span() for found in re.finditer(r"\w+|[^\w\s]", sql)]
    for _ in range(12):
        (start, end), (first, last) = random.sample(words, 2)
        for new in ("", sql[start:end] * 2, sql[first:last]):
            found = lint(sql[:start] + new + sql[end:], file="x")
            assert all(one.line > 0 and one.column > 0 for one in found)
