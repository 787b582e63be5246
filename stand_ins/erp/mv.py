"""A made-up Soul MV: the attendances of any of its sources, and the catalogue they name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from stand_ins.erp.attendances import Day, Site, midnight, with_neighbours
from stand_ins.erp.mv_codes import PHYSICIANS, Codes, catalogue, codes_of
from stand_ins.erp.patients import Patient, newborn
from stand_ins.erp.tables import Row, Tables

_CIDS = ("A09", "I10", "J18", "K35", "M54")
_BIRTHS = ("O60", "O800", "O82", "O842")


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
        **catalogue([codes_of(site, company) for company in site.companies]),
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
        rng, codes = self.day.rng, self._codes(company)
        came, left = self._stay(kind, of_entry=codes.emergencies_of_entry)
        return self._row(
            company,
            kind,
            came,
            dt_alta=midnight(left),
            hr_alta=None if rng.random() < 0.05 else left,
            cd_servico=rng.choice(codes.services),
            cd_cid=rng.choice((*_CIDS, None)),
            cd_tip_res=rng.choice(codes.outcomes) if kind == "U" else None,
            cd_mot_alt=rng.choice(codes.reasons) if kind == "I" else None,
            cd_atendimento_pai=mother,
            cd_leito=rng.choice(codes.beds) if codes.beds and kind == "I" else None,
            cd_ori_ate=rng.choice((*codes.departments, None)) if codes.departments else None,
            name=name,
        )

    def _stay(self, kind: str, *, of_entry: bool) -> tuple[datetime, datetime]:
        """Return when somebody came and left; whichever decides the day lies on it."""
        moment = self.day.moment()
        if kind == "I":
            return self.day.days_before(9), moment
        hours = timedelta(hours=self.day.rng.randint(0, 9))
        return (moment, moment + hours) if of_entry else (moment - hours, moment)

    def _came_on_the_day(self, company: int, kind: str) -> None:
        rng, came, codes = self.day.rng, self.day.moment(), self._codes(company)
        # who comes late may leave on the next day, or not yet
        left = came + timedelta(hours=rng.randint(0, 6)) if rng.random() < 0.6 else None
        self._row(
            company,
            kind,
            came,
            dt_alta=midnight(left) if left else None,
            hr_alta=left,
            cd_ori_ate=rng.choice(codes.clinic_origins if kind == "A" else codes.exam_origins),
            cd_ser_dis=rng.choice(codes.clinics) if kind == "A" else None,
            cd_especialid=rng.choice(codes.specialities) if codes.specialities else None,
        )

    def _codes(self, company: int) -> Codes:
        return codes_of(self.day.site, company)

    def _birth(self, company: int) -> None:
        rng = self.day.rng
        mother = self._left_on_the_day(company, "I")
        mother |= {"cd_cid": rng.choice(_BIRTHS), "cd_mot_alt": rng.choice((1, 2, None))}
        of = self.people[int(str(mother["cd_atendimento"]))].name
        for _ in range(rng.choice((1, 1, 2))):
            child = self._left_on_the_day(
                company, "I", name=newborn(rng, of), mother=mother["cd_atendimento"]
            )
            child |= {"cd_cid": "Z380"}

    def _row(
        self, company: int, kind: str, came: datetime, *, name: str | None = None, **codes: object
    ) -> Row:
        attendance_id = self.day.next_id()
        who = self.people[attendance_id] = self.day.somebody(attendance_id, name=name)
        # 999: a physician who was deleted
        physician = self.day.rng.choice((*PHYSICIANS, None, 999))
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
