"""What other databases take and Oracle refuses: told, with what to write."""

from __future__ import annotations

import re
from random import Random

import pytest

from tests.unit.extraction.query_mutants import KEEP, MV, TASY, WARDS, and_, found_in, mutant, ours
from track_dispatch.extraction.lint import lint

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
        *("\nfrom attendances_by_area", ",\nfrom attendances_by_area"),
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
        *(
            "\nfrom attendances_by_area",
            ',\n  p.email as "x_correio_eletronico_do_paciênte"\nfrom attendances_by_area',
        ),
        "is a name of 3[23] bytes",
    ),
    "two texts without a comma": (MV, "'O60', 'O80'", "'O60' 'O80'", "two texts side by side"),
    "a space of a word processor": (
        *(MV, KEEP, KEEP.replace(" ", "\u00a0", 1)),
        r"Oracle does not know \(U\+00A0\)",
    ),
    "one argument too many": (
        MV,
        *and_("nvl(p.email, '1', '2') = '1'"),
        r"NVL\(\) is given 3, .* 2 ",
    ),
    "one argument too few": (
        MV,
        "p.nr_cpf as",
        "nvl(p.nr_cpf) as",
        r"NVL\(\) is given 1, .* 2 arg",
    ),
    "a concatenation of three": (
        *(MV, "p.nr_cpf as", "concat(p.nr_cpf, '1', '2') as"),
        r"CONCAT\(\) is given 3",
    ),
    "a date and two numbers": (
        *(MV, *and_("add_months(a.hr_atendimento, 1, (2)) is not null")),
        r"ADD_MONTHS\(\) is given 3",
    ),
    "no argument": (MV, "p.nr_cpf as", "upper() as", r"UPPER\(\) is given 0, write its 1 arg"),
    "an order in a condition": (
        *(MV, "child.cd_atendimento_pai = a.cd_atendimento"),
        "child.cd_atendimento_pai = a.cd_atendimento order by child.cd_cid",
        "`order by` in a condition or a value",
    ),
    "more than a list holds": (
        *(MV, "not in (6, 8)", f"not in ({', '.join(map(str, range(1001)))})"),
        "1000 values at most",
    ),
    "a text without a length": (
        *(MV, "p.nr_cpf as", "cast(p.nr_cpf as varchar2) as"),
        "length of 1 to 4000",
    ),
    "a text that is too long": (
        *(MV, "p.nr_cpf as", "cast(p.nr_cpf as varchar2(4001)) as"),
        "length of 1 to 4000",
    ),
    "a number of too many digits": (
        *(MV, "p.nr_cpf as", "to_char(cast(a.cd_paciente as number(39))) as"),
        "38 digits at most",
    ),
    "trim of two letters": (
        *(MV, "p.nr_cpf as", "trim(both 'ab' from p.nr_cpf) as"),
        "trim takes one letter",
    ),
    "a window without an order": (
        *(MV, "p.nr_cpf as", "lag(p.nr_cpf) over (partition by a.cd_paciente) as"),
        r"without an order: write over \(",
    ),
    "a number of any row": (
        *(MV, "a.cd_cid,", "row_number() over (partition by a.cd_paciente) as n,"),
        "without an order",
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


@pytest.mark.parametrize("name", NOT_ORACLE)
def test_what_is_not_oracles_is_told_with_what_to_write(name: str) -> None:
    code, old, new, message = NOT_ORACLE[name]

    assert re.search(message, found_in(mutant(code, old, new)))


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
