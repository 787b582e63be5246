"""A made-up Tasy: attendances of HAC, of HPM and HST, of HSMC and of ENCORE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from stand_ins.erp.attendances import Day, Site, midnight, with_neighbours
from stand_ins.erp.patients import FIRST, LAST, Patient, patient
from stand_ins.erp.tables import Row, Tables

_PHYSICIANS = tuple(f"M{number}" for number in range(201, 225))


@dataclass(frozen=True, slots=True)
class _Codes:
    """The codes that an installation's attendances draw from, those of the rules among them."""

    types: dict[int | None, int]
    reasons: tuple[int | None, ...]
    departments: tuple[int | None, ...]
    classifications: tuple[int | None, ...] = (1, 2, 6, None)


_CODES = {
    "hac": _Codes(
        types={1: 20, 3: 40, 7: 22, 8: 25, 2: 3},
        reasons=(*(1, 2, 3) * 6, 7, 16, 21, 26, 27, 28, 30, 29, None),
        departments=(10, 53, 54, 54, 55, None),
        classifications=(1, 2, 6, 14, 16, 15, None),
    ),
    "hpm_hst": _Codes(
        types={1: 14, 3: 40, 7: 10, 8: 30, 2: 10, None: 1},
        reasons=(*(1, 2, 3) * 6, 7, 9, 13, 15, 16, 18, 14, None),
        departments=(10, 20, 150, 151, 154, 154, 155, 164, 269, 270, 271, None),
    ),
    "hsmc": _Codes(
        types={1: 14, 3: 45, 7: 10, 8: 28, 2: 3},
        reasons=(1, 2, 3, 1, 2, 3, 7, 18, 22, 24, None),
        departments=(10, 20, 54, 148, 151, 154, None),
    ),
    "encore": _Codes(
        types={1: 15, 3: 30, 7: 25, 8: 25, 2: 4, None: 1},
        reasons=(*(1, 2, 3) * 6, 7, 8, 9, 10, 16, 23, 22, None),
        departments=(10, 352, 353, 354, 355, 356, 357, 357, 365, 369, 370, 405, None),
        classifications=(1, 1, 2, 3, None),
    ),
}

#: Ages by the person's number; an infant's and an unknown one come up more often than in life, and
#: some are slips: a birth that lies ahead, one in 1900 or in the year 1.
_AGES = (0, 0, 1, None, -1, 107, 126, 2025, *range(2, 90))

#: So many emergencies end in an admission of the same person.
_ADMITTED_SHARE = 0.1


def tables(site: Site, days: Sequence[date], seed: int) -> tuple[Tables, dict[int, Patient]]:
    """Return all rows, and the patient of each attendance by its id."""
    rows: list[Row] = []
    people: dict[int, Patient] = {}
    for day, asked in with_neighbours(days).items():
        made = Day(site, day, seed, asked=asked)
        for company, (least, most) in site.companies.items():
            for _ in range(made.how_many(least, most)):
                row, who = _attendance(made, company)
                found = [row, *_admissions(made, row, who)]
                rows += found
                people |= {made_id(one): who for one in found}
    codes = {row["demo_setor"] for row in rows} - {None}
    found_tables: Tables = {
        "pessoa_fisica": [
            *(_person_row(one) for one in {p.number: p for p in people.values()}.values()),
            *_physicians(),
        ],
        "setor_atendimento": [
            {"cd_setor_atendimento": code, "ds_setor_atendimento": f"SETOR {code}"}
            for code in sorted(codes, key=str)
        ],
        "atendimento_paciente": rows,
    }
    return found_tables, people


def _codes_of(site: Site) -> _Codes:
    return _Codes(**site.codes) if site.codes else _CODES[site.source]


def made_id(row: Row) -> int:
    """Return the row's attendance id."""
    return int(str(row["nr_atendimento"]))


def _attendance(made: Day, company: int) -> tuple[Row, Patient]:
    rng, codes, left = made.rng, _codes_of(made.site), made.moment()
    attendance_id = made.next_id()
    kind = rng.choices(list(codes.types), list(codes.types.values()))[0]
    if kind == 1:  # nobody who comes back: his admission would reach into another made-up day
        who = patient(rng, attendance_id, area_code=made.site.area_code)
        came = made.days_before(9)
    else:
        who = made.somebody(attendance_id)
        came = max(midnight(left), left - timedelta(minutes=rng.randint(10, 600)))
    row: Row = {
        "nr_atendimento": attendance_id,
        "cd_pessoa_fisica": str(who.number),
        "cd_medico_resp": rng.choice((*_PHYSICIANS, None, "M999")),
        "dt_entrada": came,
        "dt_alta": left if rng.random() < 0.95 else None,
        "dt_cancelamento": came if rng.random() < 0.03 else None,
        "ie_tipo_atendimento": kind,
        "cd_motivo_alta": rng.choice(codes.reasons),
        "cd_estabelecimento": company,
        "ie_clinica": rng.choice((1, 4, 10, 13, None)),
        "nr_seq_classificacao": rng.choice(codes.classifications),
        "demo_primeiro_setor": rng.choice(codes.departments),
        "demo_setor": rng.choice(codes.departments),
    }
    return row, who


def _admissions(made: Day, row: Row, who: Patient) -> list[Row]:
    """Admit the patients of some emergencies, on the day or before it: not each of them counts."""
    comes_back = who.number != made_id(row)
    if row["ie_tipo_atendimento"] != 3 or comes_back or made.rng.random() > _ADMITTED_SHARE:
        return []
    admission: Row = {
        "nr_atendimento": made.next_id(),
        "ie_tipo_atendimento": 1,
        "dt_entrada": made.moment() - timedelta(days=made.rng.choice((0, 0, 1, 2))),
        "dt_alta": None,
        "dt_cancelamento": None,
    }
    return [row | admission]


def _physicians() -> list[Row]:
    return [
        {
            "cd_pessoa_fisica": code,
            "nm_pessoa_fisica": f"DR(A). {FIRST[place]} {LAST[place % len(LAST)]}",
        }
        for place, code in enumerate(_PHYSICIANS)
    ]


def _person_row(one: Patient) -> Row:
    return {
        "cd_pessoa_fisica": str(one.number),
        "nm_pessoa_fisica": one.name,
        "nr_ddd_celular": one.area_code,
        "nr_telefone_celular": one.phone,
        "nr_cpf": one.cpf,
        "demo_email": one.email,
        "demo_idade": _AGES[one.number % len(_AGES)],
    }
