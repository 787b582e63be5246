"""Conditions and values that say less, or more, than they look: told, with what to write."""

from __future__ import annotations

import pytest

from tests.unit.extraction.query_mutants import KEEP, MV, WARDS, and_, found_in, mutant

_ROW = "this condition on dbamv.paciente loses whoever has no row there: write it into"
_TWICE = "stands here twice: write what was meant"
_ONE = "comes out the same whatever it asks"
_OR, _AND = "`or` between these excludes nobody", "`and` between these never holds"
_BLOCK = "from attendances_of_day a"
_SERVICES = "(select x.cd_servico from dbamv.servico x)"
_REASON = "(select 1 from dbamv.mot_alt r where r.cd_mot_alt = a.cd_tip_res)"
_PATIENT = "(select 1 from dbamv.paciente x where x.cd_paciente = a.cd_paciente)"

LOSING: dict[str, str] = {
    # of a table that is joined
    "p.cd_paciente is not null": _ROW,
    "not p.email is null": _ROW,
    "not (p.email is null or p.nr_cpf is null)": _ROW,
    "(p.email is not null or p.nr_celular is not null)": _ROW,
    "coalesce(p.email, p.nr_celular) is not null": _ROW,
    "upper(p.email) is not null": _ROW,
    "p.nr_cpf || p.email is not null": _ROW,
    "nvl(p.email, 'N') = 'S'": _ROW,
    "nvl(p.email, 'N') in ('S', 'T')": _ROW,
    "nvl(p.email, 'N') between 'S' and 'T'": _ROW,
    "nvl(p.email, p.nr_cpf) like '%@%'": _ROW,
    "decode(p.email, null, 'N', 'S') = 'S'": _ROW,
    "nvl2(p.email, 'S', 'N') = 'S'": _ROW,
    "case when p.email is null then 1 else 0 end = 0": _ROW,
    "case p.email when 'a' then 1 end = 1": _ROW,
    "p.cd_paciente is null": "paciente loses whoever has a row there: write not exists",
    # always, or never
    "(a.cd_servico = 1 or a.cd_servico is null or a.cd_servico is not null)": _OR,
    "(a.cd_servico = 1 or a.cd_servico <> 1 or a.cd_servico is null)": _OR,
    "(a.cd_servico is null or a.cd_servico in (1, 2) or not a.cd_servico in (2, 1))": _OR,
    "(a.cd_servico is null or a.cd_servico > 1 or a.cd_servico < 2)": _OR,
    "(a.cd_tip_res is not null or a.cd_tip_res not in (6, 8))": _OR,
    f"(exists {_PATIENT} or not exists {_PATIENT})": _OR,
    "(a.cd_servico < 1 and a.cd_servico > 2)": _AND,
    "a.tp_atendimento = 'I' and a.tp_atendimento = 'A'": _AND,
    "a.cd_ori_ate in (1, 2) and (a.cd_ori_ate is null or a.cd_ori_ate not in (1, 2))": _AND,
    "a.cd_ori_ate is null and a.cd_ori_ate = 3": _AND,
    "a.cd_cid between 'A' and 'B' and a.cd_cid = 'C'": _AND,
    f"exists {_PATIENT} and not exists {_PATIENT}": _AND,
    # given twice
    "a.cd_servico in (6, 8, 6)": f"6 {_TWICE}",
    "a.cd_servico - a.cd_servico = 0": f"a.cd_servico {_TWICE}",
    # exclusions
    "not (a.cd_tip_res in (6, 8) or a.cd_mot_alt = 5)": "puts out whoever has no a.cd_mot_alt",
    "not a.cd_servico > 5": "puts out whoever has no a.cd_servico",
    "upper(a.cd_cid) not like 'O8%'": "write (upper(a.cd_cid) is null or ...)",
    "substr(a.cd_cid, 1, 1) <> 'O'": "puts out whoever has no substr(a.cd_cid, 1, 1)",
    "(a.cd_tip_res is not null and a.cd_cid is null or a.cd_tip_res <> 6)": "whoever has no a.cd_t",
    "decode(a.cd_servico, 1, 'S') <> 'N'": "puts them out: write its else",
    "case a.cd_servico when 1 then 'S' end not in ('N')": "puts them out: write its else",
    f"not (a.cd_cid = 'A' or a.cd_servico in {_SERVICES})": "`not in` a query is never true once",
    f"not exists {_REASON}": "cd_mot_alt and cd_tip_res are codes of two tables",
}
#: What comes out, where its e-mail address should.
EMPTY: dict[str, str] = {
    "nullif(p.email, p.email)": f"p.email {_TWICE}",
    "nullif(p.email, (p.email))": f"p.email {_TWICE}",
    "coalesce(p.email, p.nr_cpf, p.email)": f"p.email {_TWICE}",
    "nvl(p.email, p.email)": f"p.email {_TWICE}",
    "greatest(nvl(p.email, 'a'), nvl(p.email, 'a'))": _TWICE,
    "decode(p.email, p.email, 'b', 'c')": f"p.email {_TWICE}",
    "decode(p.email, 'a', 'b', 'a', 'c')": f"'a' {_TWICE}",
    "decode(p.email, 'a', 'b', 'b')": _ONE,
    "nvl2(p.email, 'a', 'a')": _ONE,
    "case when p.nr_cpf is null then p.email else p.email end": _ONE,
    "nvl(p.email, null)": "null makes all of it null, or changes nothing",
    "p.email || null": "null makes all of it null, or changes nothing",
    "least(p.email, 'x')": "is null wherever p.email is: write nvl(p.email, ...)",
}
#: An analyst's change of a whole query.
CHANGED: dict[str, tuple[str, str, str, str]] = {
    "distinct": (
        MV,
        "select\n  '40085'",
        "select distinct\n  '40085'",
        "select distinct is not",
    ),
    "union": (MV, "union all", "union", "write union all, which keeps two"),
    "a group": (MV, KEEP, f"{KEEP} group by a.cd_atendimento", "makes one row of several"),
    "a group in a block": (MV, _BLOCK, f"{_BLOCK} group by a.cd_cid", "makes one row of several"),
    "the largest of all": (MV, "a.cd_cid,\n", "max(a.cd_cid) as cd_cid,\n", "makes one row of se"),
    "a join by another code": (
        *(MV, "on p.cd_paciente = a.cd_paciente", "on p.cd_paciente = a.cd_atendimento"),
        "cd_atendimento and cd_paciente are codes of two tables",
    ),
    "a child of its patient": (
        *(MV, "child.cd_atendimento_pai = a.cd_atendimento"),
        "child.cd_atendimento_pai = a.cd_paciente",
        "cd_atendimento and cd_paciente are codes of two tables",
    ),
    "a key of what was not found": (
        *(WARDS, "where a.area_pesquisa is not null"),
        "where a.area_pesquisa is not null and w.cd_unid_int is not null",
        "dbamv.unid_int loses whoever has no row",
    ),
}
TAKEN = [
    "(p.email is null or p.email like '%@%')",
    "nvl(p.email, 'S') = 'S'",
    "decode(p.email, null, 'S', 'a', 'N', 'S') = 'S'",
    "case when p.email like '%x%' then 'N' else 'S' end = 'S'",
    "p.email is null",
    "(a.cd_cid is null or upper(a.cd_cid) not like 'O8%')",
    "(upper(a.cd_cid) is null or upper(a.cd_cid) not like 'O8%')",
    "a.cd_cid is not null and a.cd_cid not in ('A', 'B')",
    "not (a.cd_tip_res is not null and a.cd_tip_res in (6, 8))",
    "case a.cd_servico when 1 then 'S' else 'x' end <> 'N'",
    "(a.cd_servico = 1 or a.cd_servico = 2 or a.cd_servico is null)",
    "(a.cd_servico > 1 or a.cd_servico < 1)",
    "a.cd_servico > 1 and a.cd_servico < 2",
    "a.cd_servico in (select x.cd_servico from dbamv.servico x)",
    "greatest(nvl(a.cd_servico, 0), 1) = 1",
]


@pytest.mark.parametrize("condition", LOSING)
def test_a_condition_that_loses_patients_or_none_is_told(condition: str) -> None:
    assert LOSING[condition] in found_in(mutant(MV, *and_(condition)))


@pytest.mark.parametrize("value", EMPTY)
def test_a_value_that_comes_to_nothing_is_told(value: str) -> None:
    assert EMPTY[value] in found_in(mutant(MV, "p.email as", f"{value} as"))


@pytest.mark.parametrize("name", CHANGED)
def test_a_change_that_loses_attendances_is_told(name: str) -> None:
    code, old, new, message = CHANGED[name]

    assert message in found_in(mutant(code, old, new))


def test_a_condition_on_what_a_block_has_joined_is_told() -> None:
    block = f"{_BLOCK}\n  left join dbamv.ser_dis y on y.cd_ser_dis = a.cd_ser_dis"
    brought = mutant(MV, _BLOCK, block).replace(
        "as area_pesquisa\n", "as area_pesquisa, upper(y.ds_ser_dis) as clinic\n"
    )

    assert found_in(brought) == ""
    assert "a.clinic, which a join has brought, loses whoever has no row" in found_in(
        brought.replace(KEEP, f"{KEEP} and a.clinic is not null")
    )
    assert found_in(brought.replace(KEEP, f"{KEEP} and nvl(a.clinic, 'X') <> 'Y'")) == ""


@pytest.mark.parametrize("condition", TAKEN)
def test_a_condition_that_says_what_becomes_of_nulls_passes(condition: str) -> None:
    assert found_in(mutant(MV, *and_(condition))) == ""
