"""A made-up Tasy: attendances of HSMC."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from demo.erp.attendances import Day, Site, with_neighbours
from demo.erp.patients import FIRST, LAST

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from demo.erp.patients import Patient
    from demo.erp.tables import Row, Tables

_PHYSICIANS = tuple(f"M{number}" for number in range(201, 225))
_TYPES = {1: 14, 3: 45, 7: 10, 8: 28, 2: 3}
_REASONS = (1, 2, 3, 1, 2, 3, 7, 18, 22, 24, None)
_DEPARTMENTS = (10, 20, 54, 148, 151, 154)


def tables(site: Site, days: Sequence[date], seed: int) -> tuple[Tables, dict[int, Patient]]:
    """Return all rows, and the patient of each attendance by its id."""
    rows: list[Row] = []
    people: dict[int, Patient] = {}
    for day, asked in with_neighbours(days).items():
        made = Day(site, day, seed, asked=asked)
        for company, (least, most) in site.companies.items():
            for _ in range(made.how_many(least, most)):
                row, who = _attendance(made, company)
                rows.append(row)
                people[made_id(row)] = who
    patients = [_person_row(one) for one in {p.number: p for p in people.values()}.values()]
    physicians: list[Row] = [
        {
            "cd_pessoa_fisica": code,
            "nm_pessoa_fisica": f"DR(A). {FIRST[place]} {LAST[place % len(LAST)]}",
        }
        for place, code in enumerate(_PHYSICIANS)
    ]
    found: Tables = {
        "pessoa_fisica": [*patients, *physicians],
        "setor_atendimento": [
            {"cd_setor_atendimento": code, "ds_setor_atendimento": f"SETOR {code}"}
            for code in _DEPARTMENTS
        ],
        "atendimento_paciente": rows,
    }
    return found, people


def made_id(row: Row) -> int:
    """Return the row's attendance id."""
    return int(str(row["nr_atendimento"]))


def _attendance(made: Day, company: int) -> tuple[Row, Patient]:
    rng, attendance_id, left = made.rng, made.next_id(), made.moment()
    who = made.somebody(attendance_id)
    kind = rng.choices(list(_TYPES), list(_TYPES.values()))[0]
    came = made.days_before(9) if kind == 1 else left - timedelta(minutes=rng.randint(10, 600))
    row: Row = {
        "nr_atendimento": attendance_id,
        "cd_pessoa_fisica": str(who.number),
        "cd_medico_resp": rng.choice((*_PHYSICIANS, None, "M999")),
        "dt_entrada": came,
        "dt_alta": left if rng.random() < 0.95 else None,
        "dt_cancelamento": came if rng.random() < 0.03 else None,
        "ie_tipo_atendimento": kind,
        "cd_motivo_alta": rng.choice(_REASONS),
        "cd_estabelecimento": company,
        "ie_clinica": rng.choice((1, 4, 10, 13, None)),
        "nr_seq_classificacao": rng.choice((1, 2, 6, None)),
        "demo_primeiro_setor": rng.choice((*_DEPARTMENTS, None)),
        "demo_setor": rng.choice((*_DEPARTMENTS, None)),
    }
    return row, who


def _person_row(one: Patient) -> Row:
    return {
        "cd_pessoa_fisica": str(one.number),
        "nm_pessoa_fisica": one.name,
        "nr_ddd_celular": one.area_code,
        "nr_telefone_celular": one.phone,
        "nr_cpf": one.cpf,
        "demo_email": one.email,
        "demo_idade": one.number % 90,
    }
