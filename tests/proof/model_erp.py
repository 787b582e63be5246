"""The small world of the model: hospitals that share patients, a few days, some attendances."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from track_dispatch.config import Hospital, load_hospital
from track_dispatch.config.policies import VolumeGate
from track_dispatch.records import COLUMNS, Channel, HospitalDay

if TYPE_CHECKING:
    from track_dispatch.records import ErpRow

#: The gate asks early: a day has few patients here. A reading that lacks so many is wrong.
GATE = VolumeGate(min_lines=3, min_history_days=1)
#: What all sequences begin with: days and lines end soon, batches are small.
POLICIES = {
    "batch_size": 2,
    "max_age_days": 15,
    "contact_cap_days": 30,
    "import_fields": None,  # what goes out is compared with the reading, field by field
    "ledger_retention_days": 400,
    "volume_gate": GATE,
    "extraction_max_age_hours": 36,
    "send_window": "00:00-24:00",
    "send_days": None,
    "min_age_years": 0,
    "staff_patterns": (),
}
#: The first two share a source, so that one attendance may come up in both by mistake; the third
#: shares nothing with them but patients. It looks back; what waits at the others may expire.
HOSPITALS: dict[str, Hospital] = {
    code: load_hospital(code).model_copy(update=POLICIES | {"look_back_days": days})
    for code, days in {"HMSM": 0, "HMV": 0, "OTOA": 2}.items()
}
CODES = tuple(HOSPITALS)
BEGINNING = datetime.fromisoformat("2026-03-04T12:00:00+00:00")
#: The first two are the same weekday of two weeks; the last two lie ahead when a sequence begins.
DAYS = tuple(date(2026, 3, 2) + timedelta(days=number) for number in (-7, 0, 1, 7, 16))
MONDAY_BEFORE, MONDAY, TUESDAY, NEXT_MONDAY, MUCH_LATER = DAYS

#: Attendances of each source: a number is one patient's visit.
NUMBERS = tuple(f"{920_000_001 + number}" for number in range(8))
#: Those that a wrong query brings along: none of the sequence knows them.
SURPLUS = tuple(f"{930_000_001 + number}" for number in range(12))
#: Two areas with a survey, and a label that is none of the six.
LABELS = ("EXAMES", "INTERNACAO", "UTI")

SHARED_CPF = "529.982.247-25"
SHARED_EMAIL = "familia@exemplo.test"


@dataclass(frozen=True, slots=True)
class Mark:
    """What an ERP holds that keeps a patient from being asked, if the hospital's policy says so.

    Attributes:
        forbids: tells it of a hospital, under its settings of today.
        name: how the name is written.
        age: `x_idade`.
    """

    forbids: Callable[[Hospital], bool]
    name: str = "{}"
    age: str = ""


MARKS = {
    "": Mark(lambda _: False),
    "newborn": Mark(lambda hospital: bool(hospital.newborn_patterns), "RN DE {}"),
    "death": Mark(lambda hospital: bool(hospital.death_patterns), "{} FALECIDA"),
    "test": Mark(lambda hospital: bool(hospital.test_patterns), "HOMOLOGACAO {}"),
    "staff": Mark(lambda hospital: bool(hospital.staff_patterns), "RECEPCAO {}"),
    "child": Mark(lambda hospital: hospital.min_age_years > 17, age="17,9"),
    "odd age": Mark(lambda hospital: hospital.min_age_years > 0, age="2 meses"),
}


@dataclass(frozen=True, slots=True)
class Patient:
    """What identifies the patient of an attendance, as the ERP holds it; "" where it holds none."""

    name: str = ""
    email: str = ""
    phone: str = ""
    cpf: str = ""

    @property
    def contacts(self) -> frozenset[str]:
        """Every address and number, as opt-outs name them."""
        phone = f"phone:55{self.phone}" if self.phone else ""
        return frozenset(filter(None, (self.email and f"email:{self.email}", phone)))

    @property
    def cpf_value(self) -> str:
        """The CPF as opt-outs name it."""
        return "cpf:" + "".join(filter(str.isdecimal, self.cpf)) if self.cpf else ""

    @property
    def values(self) -> frozenset[str]:
        """All that an opt-out may name."""
        return self.contacts | ({self.cpf_value} if self.cpf else frozenset())

    @property
    def persons(self) -> frozenset[str]:
        """What the patient is known by as a person."""
        names = {
            f"name:{contact.partition(':')[2]}\x1f{self.name.lower()}" for contact in self.contacts
        }
        return frozenset(names | {self.cpf_value} if self.cpf else names)

    def contact_by(self, channel: str) -> str:
        """Return the contact that a channel reaches the patient by."""
        kind = "email:" if channel == Channel.EMAIL else "phone:"
        return next(contact for contact in self.contacts if contact.startswith(kind))

    def is_same_person(self, other: Patient) -> bool:
        """Tell whether both are known for one person: by CPF, or by the name with a contact."""
        by_cpf = bool(self.cpf) and self.cpf == other.cpf
        return by_cpf or (self.name == other.name and not self.contacts.isdisjoint(other.contacts))


@dataclass(frozen=True, slots=True)
class Attendance:
    """What the ERP holds of one attendance.

    Attributes:
        codes: the hospitals whose query finds it; two of one source is a mistake in `companies`.
        day: its business day.
        label: its area, as the ERP names it.
        contact: "a" or "b" for one or another e-mail address, "phone", "both", "none".
        shares: with others: "" nothing, "cpf", "contact" (a family's address), "person" (name and
            address).
        dead: the patient died.
        mark: what else may forbid to ask (`MARKS`).
        twice: two rows of it.
    """

    codes: tuple[str, ...] = (CODES[0],)
    day: date = MONDAY
    label: str = LABELS[0]
    contact: str = "a"
    shares: str = ""
    dead: bool = False
    mark: str = ""
    twice: bool = False

    def patient(self, number: str) -> Patient:
        """Return who it is about."""
        patient = self._patient(number)
        return replace(patient, name=MARKS[self.mark].name.format(patient.name))

    def is_forbidden(self, hospital: Hospital) -> bool:
        """Tell whether the patient may not be asked under a hospital's settings."""
        return self.dead or MARKS[self.mark].forbids(hospital)

    def _patient(self, number: str) -> Patient:
        if self.contact == "none":
            return Patient(name="FULANA SINTETICA")
        cpf = SHARED_CPF if self.shares == "cpf" else ""
        phone = f"27998123{number[-3:]}"
        if self.contact == "phone":
            return Patient("FULANA SINTETICA", phone=phone, cpf=cpf)
        if self.shares == "contact":
            return Patient(f"PESSOA {'ABCDEFGHIJ'[int(number[-1])] * 3}", email=SHARED_EMAIL)
        if self.shares == "person":
            return Patient("FULANA SINTETICA", email=SHARED_EMAIL)
        return Patient(
            "FULANA SINTETICA",
            email=f"fulana.{self.contact}{number[-3:]}@exemplo.test",
            phone=phone if self.contact == "both" else "",
            cpf=cpf,
        )

    def rows(self, number: str) -> list[ErpRow]:
        """Return its rows as the reader yields them."""
        patient = self.patient(number)
        row = dict.fromkeys(COLUMNS, "") | {
            "cd_atendimento": number,
            "data_atendimento": f"{self.day} 08:00:00",
            "data_saida_alta": f"{self.day} 09:00:00",
            "name": patient.name,
            "email": patient.email,
            "phone": patient.phone,
            "cpf": patient.cpf,
            "area_pesquisa": self.label,
            "unidade": "ERP",
            "setor": "A",
            "x_obito": "S" if self.dead else "N",
            "x_idade": MARKS[self.mark].age,
        }
        return [row, {**row, "setor": "B"}] if self.twice else [row]


def number_in_source(number: str, found: Attendance) -> str:
    """Return the number that an attendance has in its ERP: no two ERPs of the model share one."""
    return number if set(found.codes) <= set(CODES[:2]) else f"94{number[2:]}"


def read_erp(erp: Mapping[str, Attendance], day: HospitalDay) -> list[ErpRow]:
    """Return the rows of a hospital's day."""
    return [
        row
        for number, found in sorted(erp.items())
        if day.hospital in found.codes and found.day == day.business_day
        for row in found.rows(number)
    ]


def surplus(day: HospitalDay) -> dict[str, Attendance]:
    """Return attendances that a wrong query brings along."""
    return dict.fromkeys(SURPLUS, Attendance(codes=(day.hospital,), day=day.business_day))
