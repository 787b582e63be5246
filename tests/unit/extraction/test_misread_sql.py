"""What Oracle runs and reads otherwise than it looks: told, with what to write; the rest passes."""

from __future__ import annotations

import re

import pytest

from tests.unit.extraction.query_mutants import KEEP, MV, TASY, WARDS, and_, found_in, mutant

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
    "a date that is none": (MV, *and_("a.hr_alta > date '01/02/2024'"), "is not a date literal"),
    "text where a date is": (
        *(MV, "to_char(a.hr_alta,", "to_char(nvl(a.hr_alta, 'x'),"),
        "a date beside a",
    ),
    "the month for the minutes": (MV, "p.email as", "to_char(a.hr_alta, 'HH24:MM') as", "write MI"),
    "the month for the minutes of a text": (
        MV,
        *and_("a.hr_alta > to_date('2024-02-01 10:12', 'YYYY-MM-DD HH24:MM')"),
        "write MI",
    ),
    "half a day": (
        MV,
        "p.email as",
        "to_char(a.hr_alta, 'YYYY-MM-DD HH:MI') as",
        "names or guesses",
    ),
    "a format in Portuguese": (
        MV,
        *and_("a.hr_alta > to_date('2024-02-01', 'AAAA-MM-DD')"),
        "names or guesses",
    ),
    "trunc to what is none": (
        MV,
        *("p.email as", "to_char(trunc(a.hr_alta, 'WEEK'), 'YYYY') as"),
        "names or guesses",
    ),
    "a date of another format": (
        MV,
        *and_("a.hr_alta > to_date('01/02/2024', 'YYYY-MM-DD')"),
        "is not a date in this format",
    ),
    "the 30th of February": (MV, *and_("a.hr_alta > date '2024-02-30'"), "not a date literal"),
    "the 30th of February by format": (
        MV,
        *and_("a.hr_alta > to_date('2024-02-30', 'YYYY-MM-DD')"),
        "is not a date in this format",
    ),
    "a date made a date": (
        MV,
        *and_("to_date(a.hr_alta, 'YYYY-MM-DD') is null"),
        "to_date of a date goes by",
    ),
    # values that stop a day
    "a number of a text": (
        MV,
        "p.email as",
        "to_char(to_number(p.nr_cpf)) as",
        "not a number stops",
    ),
    "a text cast to number": (
        MV,
        *("p.email as", "to_char(cast(p.nr_cpf as number)) as"),
        "is not a number stops the day: write",
    ),
    "a division by a column": (MV, *and_("a.cd_paciente / a.cd_servico > 1"), "by zero stops"),
    "a division by zero": (MV, *and_("a.cd_paciente / 0.0 > 1"), "by zero stops"),
    # patterns
    "a pattern that looks ahead": (MV, *and_("regexp_like(a.cd_cid, '(?=O)8')"), "the pattern has"),
    "a pattern without capitals": (MV, *and_("regexp_like(a.cd_cid, '(?i)o8')"), "the pattern has"),
    "a pattern of words": (MV, *and_(r"regexp_like(a.cd_cid, '\bO8')"), "the pattern has"),
    "a pattern that holds on": (MV, *and_("regexp_like(a.cd_cid, 'O++')"), "the pattern has"),
    "a pattern everywhere": (MV, *and_("regexp_like(a.cd_cid, 'O', 'g')"), "last argument may be"),
    "a list in any order": (
        MV,
        *("p.email as", "(select listagg(x.email, ',') from dbamv.paciente x) as"),
        "lists in any order",
    ),
    "a list without doubles": (
        MV,
        *(
            "p.email as",
            (
                "(select listagg(distinct x.email, ',') within group (order by x.email) "
                "from dbamv.paciente x where x.cd_paciente = a.cd_paciente) as"
            ),
        ),
        "no distinct before Oracle 19",
    ),
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
    "a union of two kinds": (
        MV,
        *(
            "union all\n  select\n    a.cd_atendimento,",
            "union all\n  select\n    to_char(a.cd_atendimento) as cd_atendimento,",
        ),
        "a number beside a text",
    ),
    # always the same
    "between exchanged": (MV, *and_("a.cd_paciente between 10 and 9"), "nothing is between these"),
    "between days exchanged": (
        MV,
        *and_("a.hr_alta between date '2024-02-01' and date '2024-01-31'"),
        "nothing is between these",
    ),
    "one of two inequalities": (
        MV,
        *and_("(a.cd_cid is null or a.cd_cid <> 'A' or a.cd_cid <> 'B')"),
        "excludes nobody: write what was meant",
    ),
    "a wildcard beside equals": (MV, *and_("a.cd_cid = 'O8%'"), "% stands for itself"),
    "a wildcard in a list": (MV, "'O60', 'O80'", "'O6%', 'O80'", "% stands for itself"),
    "small letters in capitals": (
        MV,
        *and_("(a.cd_cid is null or upper(a.cd_cid) not like 'o8%')"),
        "no text in capitals is this",
    ),
    "capitals in small letters": (MV, *and_("lower(a.cd_cid) = 'O80'"), "no text in small letters"),
    "a condition beside a value": (
        MV,
        *("p.nr_cpf as", "case p.nr_cpf when p.nr_cpf = '1' then '2' end as"),
        "a condition, not a value",
    ),
    "a condition in a function": (MV, *and_("nvl(a.cd_cid = 'X', 'N') = 'S'"), "a condition, not"),
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
    "a value for a condition": (MV, *and_("a.cd_cid"), "a value, not a condition"),
    "a value among conditions": (
        MV,
        "a.cd_ori_ate = 30",
        "a.cd_ori_ate and 30",
        "is a value, not",
    ),
    "a value in a case": (MV, "when a.cd_ori_ate in (0)", "when a.cd_ori_ate", "is a value, not"),
    "a condition for a value": (MV, "p.nr_cpf as", "p.nr_cpf = '1' as", "a condition, not a value"),
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
                "left join (select x.cd_servico, count(*) as n from dbamv.atendime x group by "
                f"x.cd_servico) q on q.cd_servico = a.cd_servico {KEEP} and nvl(q.n, 0) < 2"
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
    "an escape": (MV, *and_("a.cd_cid like '%!_%' escape '!'")),
    "a number of a cleaned text": (
        MV,
        *("p.email as", "to_char(to_number(regexp_replace(p.nr_cpf, '[^0-9]', ''))) as"),
    ),
    "a division by what is not zero": (
        MV,
        *and_("(a.cd_paciente / nullif(a.cd_servico, 0) > 1 or a.cd_paciente / 0.5 > 1)"),
    ),
    "a month": (MV, "p.email as", "to_char(trunc(a.hr_alta, 'MM'), 'DD/MM/YYYY HH24:MI:SS') as"),
    "a number with a mask": (MV, "p.email as", "to_char(a.cd_atendimento, 'FM0000') as"),
    "a pattern": (MV, *and_(r"regexp_like(a.cd_cid, '^(O|Z)[0-9]{2,3}\.?\d*$', 'i')")),
    "one letter trimmed": (MV, "p.email as", "ltrim(trim(both '0' from p.nr_cpf), 'ab') as"),
    "all arguments": (
        MV,
        "p.email as",
        "instr(p.email, ',', -1, (1)) || decode(p.nr_cpf, '1', '2') as",
    ),
    "a list of texts": (MV, "'O60', 'O80'", "'O60', -- 'a' 'b'\n 'O80'"),
    "a space in a text": (MV, "'PA_ADULTO'", "'PA\u00a0ADULTO'"),
    "an order": (MV, KEEP, f"{KEEP} order by a.cd_atendimento nulls last"),
    "other signs": (MV, *and_("(a.cd_servico is null or a.cd_servico != 2)")),
    "a name of 30 bytes": (
        MV,
        "\nfrom attendances_by_area",
        f',\n  p.email as "x_{"p" * 28}"\nfrom attendances_by_area',
    ),
    "a comment": (MV, KEEP, f"-- + ILIKE true\n{KEEP} /* now() */"),
    "a text of foreign words": (MV, "'PA_ADULTO'", "'LIMIT :: true'"),
}


@pytest.mark.parametrize("name", MISREAD)
def test_what_oracle_reads_otherwise_is_told_with_what_to_write(name: str) -> None:
    code, old, new, message = MISREAD[name]

    assert re.search(message, found_in(mutant(code, old, new)))


@pytest.mark.parametrize("name", ALLOWED)
def test_what_oracle_reads_as_it_looks_passes(name: str) -> None:
    code, old, new = ALLOWED[name]

    assert found_in(mutant(code, old, new)) == ""
