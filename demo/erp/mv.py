"""A made-up Soul MV: attendances of HMS, and of the OTO group with ING."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from demo.erp.attendances import Day, Site, midnight, with_neighbours
from demo.erp.patients import FIRST, LAST

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from demo.erp.patients import Patient
    from demo.erp.tables import Row, Tables

_PHYSICIANS = range(101, 131)
_CLINICS = ("CARDIOLOGIA", "ORTOPEDIA", "PEDIATRIA", "ONCOLOGIA CLÍNICA", "NEUROLOGIA", "UROLOGIA")
_CLINIC_ORIGINS = (1, 1, 1, 2, 2, 9, 21, 21, None)
_EXAM_ORIGINS = (7, 7, 46, 13, 19, 29, 103, 125, 19, 50, None)
_SERVICES = (1, 5, 27, 40, 3, 23)
_SER_DIS = (2, 6, 9, 15, 17, 30, 33, 46, 51, 85, 90)
_OUTCOMES = {1: "N", 2: "N", 3: "N", 4: "N", 5: "S", 11: "S"}
_REASONS = {1: "A", 2: "A", 3: "A", 6: "O", 7: "O", 17: "T", 22: "D"}
_CIDS = ("A09", "I10", "J18", "K35", "M54")
_BIRTHS = ("O60", "O800", "O82", "O842")


def catalogue() -> Tables:
    """Return the rows that no attendance makes: physicians, clinics, origins and codes."""
    return {
        "prestador": [
            {"cd_prestador": code, "nm_prestador": f"DR(A). {FIRST[code % 41]} {LAST[code % 20]}"}
            for code in _PHYSICIANS
        ],
        "ser_dis": [
            {"cd_ser_dis": code, "ds_ser_dis": f"{_CLINICS[code % len(_CLINICS)]} {code}"}
            for code in _SER_DIS
        ],
        "ori_ate": [
            {"cd_ori_ate": code, "ds_ori_ate": f"ORIGEM {code}"}
            for code in sorted(filter(None, {*_CLINIC_ORIGINS, *_EXAM_ORIGINS}))
        ],
        "servico": [{"cd_servico": code, "ds_servico": f"SERVIÇO {code}"} for code in _SERVICES],
        "tip_res": [{"cd_tip_res": code, "sn_obito": dead} for code, dead in _OUTCOMES.items()],
        "mot_alt": [{"cd_mot_alt": code, "tp_mot_alta": kind} for code, kind in _REASONS.items()],
    }


def tables(site: Site, days: Sequence[date], seed: int) -> tuple[Tables, dict[int, Patient]]:
    """Return all rows, and the patient of each attendance by its id."""
    rows: list[Row] = []
    people: dict[int, Patient] = {}
    for day, asked in with_neighbours(days).items():
        made = _MvDay(Day(site, day, seed, asked=asked))
        for company, (least, most) in site.companies.items():
            for _ in range(made.day.how_many(least, most)):
                made.attendance(company)
        rows += made.rows
        people |= made.people
    companies = [
        {"cd_multi_empresa": number, "ds_razao_social": f"EMPRESA {number}"}
        for number in site.companies
    ]
    patients = [_patient_row(one) for one in {p.number: p for p in people.values()}.values()]
    found: Tables = {
        **catalogue(),
        "multi_empresas": companies,
        "paciente": patients,
        "atendime": rows,
    }
    return found, people


class _MvDay:
    """The rows of one day as they are made."""

    def __init__(self, day: Day) -> None:
        self.day = day
        self.rows: list[Row] = []
        self.people: dict[int, Patient] = {}

    def attendance(self, company: int) -> None:
        """Make one attendance; a mother brings one child or two."""
        rng = self.day.rng
        kind = rng.choices(("U", "A", "E", "I", "mother"), (44, 28, 14, 11, 3))[0]
        if kind == "mother":
            self._birth(company)
        elif kind in ("U", "I"):
            self._left_on_the_day(company, kind)
        else:
            self._came_on_the_day(company, kind)

    def _left_on_the_day(
        self, company: int, kind: str, *, name: str | None = None, mother: object = None
    ) -> Row:
        rng, left = self.day.rng, self.day.moment()
        came = self.day.days_before(9) if kind == "I" else left - timedelta(hours=rng.randint(0, 9))
        return self._row(
            company,
            kind,
            came,
            dt_alta=midnight(left),
            hr_alta=None if rng.random() < 0.05 else left,
            cd_servico=rng.choice((*_SERVICES, None)),
            cd_cid=rng.choice((*_CIDS, None)),
            cd_tip_res=rng.choice((*_OUTCOMES, 2, 2, 3, 3, None)) if kind == "U" else None,
            cd_mot_alt=rng.choice((*_REASONS, 1, 1, 2, 3, None)) if kind == "I" else None,
            cd_atendimento_pai=mother,
            name=name,
        )

    def _came_on_the_day(self, company: int, kind: str) -> None:
        rng, came = self.day.rng, self.day.moment()
        # who comes late may leave on the next day, or not yet
        left = came + timedelta(hours=rng.randint(0, 6)) if rng.random() < 0.6 else None
        self._row(
            company,
            kind,
            came,
            dt_alta=midnight(left) if left else None,
            hr_alta=left,
            cd_ori_ate=rng.choice(_CLINIC_ORIGINS if kind == "A" else _EXAM_ORIGINS),
            cd_ser_dis=rng.choice((*_SER_DIS, None)) if kind == "A" else None,
        )

    def _birth(self, company: int) -> None:
        rng = self.day.rng
        mother = self._left_on_the_day(company, "I")
        mother |= {"cd_cid": rng.choice(_BIRTHS), "cd_mot_alt": rng.choice((1, 2, None))}
        of = self.people[int(str(mother["cd_atendimento"]))].name.strip()
        for _ in range(rng.choice((1, 1, 2))):
            child = self._left_on_the_day(
                company, "I", name=f"RN DE {of}", mother=mother["cd_atendimento"]
            )
            child |= {"cd_cid": "Z380"}

    def _row(
        self, company: int, kind: str, came: datetime, *, name: str | None = None, **codes: object
    ) -> Row:
        attendance_id = self.day.next_id()
        who = self.people[attendance_id] = self.day.somebody(attendance_id, name=name)
        # 999: a physician who was deleted
        physician = self.day.rng.choice((*_PHYSICIANS, None, 999))
        row: Row = {
            "cd_atendimento": attendance_id,
            "cd_paciente": who.number,
            "cd_prestador": physician,
            "cd_multi_empresa": company,
            "tp_atendimento": kind,
            "dt_atendimento": midnight(came),
            "hr_atendimento": came,
            **codes,
        }
        self.rows.append(row)
        return row


def _patient_row(one: Patient) -> Row:
    return {
        "cd_paciente": one.number,
        "nm_paciente": one.name,
        "email": one.email,
        "nr_cpf": one.cpf,
        "nr_ddi_celular": one.country_code,
        "nr_ddd_celular": one.area_code,
        "nr_celular": one.phone,
    }
