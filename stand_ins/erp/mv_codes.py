"""The catalogues of the made-up Soul MVs: every installation numbers its own.

Each list holds the codes that the hospital's rules name, some beside them, and None.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from stand_ins.erp.attendances import Site
from stand_ins.erp.patients import FIRST, LAST
from stand_ins.erp.tables import Tables

PHYSICIANS = range(101, 131)

_CLINICS = ("CARDIOLOGIA", "ORTOPEDIA", "PEDIATRIA", "ONCOLOGIA CLÍNICA", "NEUROLOGIA", "UROLOGIA")
_DEADLY_OUTCOMES = (5, 11)
_REASON_KINDS = {6: "O", 7: "O", 17: "T", 22: "D"}
_DELETED_DEPARTMENT = 999
#: The department that makes an outpatient of HAT one of oncology.
_ONCOLOGY = 637


@dataclass(frozen=True, slots=True)
class Codes:
    """The codes that a hospital's attendances draw from; one that stands twice comes up twice.

    Attributes:
        clinic_origins: `cd_ori_ate` of outpatients.
        exam_origins: the same of exams and of the day hospital.
        services: `cd_servico` of emergencies.
        clinics: `cd_ser_dis` of outpatients.
        outcomes: `cd_tip_res` of emergencies; 5 and 11 are deaths.
        reasons: `cd_mot_alt` of admissions; 6 and 7 are deaths.
        specialities: `cd_especialid` of outpatients; empty where nobody looks at it.
        beds: `cd_leito` of admissions; empty where nobody looks at it.
        named_origins: what an origin is called, where the surveys show it.
        departments: `cd_setor` of an origin, where the surveys show it; then emergencies and
            admissions have an origin, too.
        emergencies_of_entry: whether an emergency is of the day it came, not of that it left.
    """

    clinic_origins: tuple[int | None, ...]
    exam_origins: tuple[int | None, ...]
    services: tuple[int | None, ...]
    clinics: tuple[int | None, ...]
    outcomes: tuple[int | None, ...]
    reasons: tuple[int | None, ...]
    specialities: tuple[int | None, ...] = ()
    beds: tuple[int | None, ...] = ()
    named_origins: dict[int, str] = field(default_factory=dict)
    departments: dict[int, int] = field(default_factory=dict)
    emergencies_of_entry: bool = False


_FIRST = Codes(
    clinic_origins=(1, 1, 1, 2, 2, 9, 21, 21, None),
    exam_origins=(7, 7, 46, 13, 19, 29, 103, 125, 19, 50, None),
    services=(1, 5, 27, 40, 3, 23, None),
    clinics=(2, 6, 9, 15, 17, 30, 33, 46, 51, 85, 90, None),
    outcomes=(1, 2, 3, 4, 5, 11, 2, 2, 3, 3, None),
    reasons=(1, 2, 3, 6, 7, 17, 22, 1, 1, 2, 3, None),
)
_HMC = Codes(
    clinic_origins=(1, 1, 1, 5, 7, 17, 19, 6, 18, 24, 27, None),
    exam_origins=(16, 16, 15, 17, 24, None),
    services=(3, 23, 35, 37, 40, 40, 23, 4, 36, None),
    clinics=(9, 15, 30, 31, 33, 46, 10, 45, 17, 18, 32, 83, 88, None),
    outcomes=(1, 2, 3, 5, 7, 18, 2, 3, 6, 17, 21, None),
    reasons=(1, 2, 3, 1, 2, 3, 26, 38, 44, 24, 25, 36, 39, 40, 43, 55, 56, None),
)
_HPC = Codes(
    clinic_origins=(2, 2, 3, 1, 5, 22, None),
    exam_origins=(2, 15, 20, 22, 22, 3, 14, 21, None),
    services=(4, 7, 3, 2, 4, 7, 1, 5, None),
    clinics=(6, 14, 17, 20, 7, 15, 21, 32, 40, 31, None),
    outcomes=(1, 2, 3, 5, 7, 19, 2, 3, 6, 17, 20, None),
    reasons=(1, 2, 3, 1, 2, 3, 23, 37, 24, 25, 36, None),
)
_HMSM = Codes(
    clinic_origins=(1, 1, 2, 6, 5, 7, None),
    exam_origins=(10, 5, 4, 7, 7, 3, 6, 11, None),
    services=(3, 23, 37, 40, 40, 23, 4, 36, None),
    clinics=(9, 22, 33, 34, 46, 62, 10, 45, 17, 18, 32, None),
    outcomes=(1, 2, 3, 7, 9, 2, 3, 6, 8, None),
    reasons=(1, 2, 3, 1, 2, 3, 10, 14, 50, 11, 12, 13, 51, None),
)
_HMV = Codes(
    clinic_origins=(30, 30, 30, 29, 29, 28, 31, None),
    exam_origins=(0, 13, 15, 13, 15, 1, 14, 16, None),
    services=(40, 41, 5, 82, 3, 23, 4, 42, 81, None),
    clinics=(1, 17, 32, 46, None),
    outcomes=(1, 2, 3, 7, 9, 2, 3, 6, 8, None),
    reasons=(1, 2, 3, 1, 2, 3, 10, 14, 50, 11, 12, 13, 51, None),
    specialities=(9, 22, 28, 33, 8, 23, 27, None),
    named_origins={28: "PEQUENAS CIRURGIAS", 29: "ONCOLOGIA", 30: "AMBULATORIO"},
)
_HSF = Codes(
    clinic_origins=(1, 2, 15, None),
    exam_origins=(15, 15, 15, 14, 16, None),
    services=(23, 37, 40, 40, 23, 37, 3, 36, None),
    clinics=(30, 33, 46, 29, 31, 45, 17, None),
    outcomes=(1, 2, 3, 5, 7, 18, 2, 3, 6, 17, 21, None),
    reasons=(1, 2, 3, 1, 2, 3, 10, 14, 48, 11, 12, 13, 49, 50, 51, None),
)
_HSL = Codes(
    clinic_origins=(1, 2, 6, None),
    exam_origins=(2, 2, 2, 1, 3, None),
    services=(40, 5, 3, 4, 6, 23, 39, None),
    clinics=(22, 30, 62, 23, 29, 61, 17, 18, 32, None),
    outcomes=(1, 2, 3, 5, 7, 18, 2, 3, 6, 17, 21, None),
    reasons=(1, 2, 3, 1, 2, 3, 10, 14, 48, 57, 11, 12, 13, *range(49, 57), None),
)
_HAT = Codes(
    clinic_origins=(1, 2, 3, 3, 4, 5, None),
    exam_origins=(6, 7, 8, None),
    services=(3, 23, 40, None),
    clinics=(1, 17, 32, None),
    outcomes=(1, 2, 3, 4, 7, 2, 3, 5, 6, 8, 13, 14, 17, None),
    reasons=(1, 2, 3, 1, 2, 3, 6, 7, None),
    beds=(*range(1, 12), None),
    # origin 5 belongs to no department
    departments={1: 601, 2: 602, 3: _ONCOLOGY, 4: 636, 6: 610, 7: 611, 8: _DELETED_DEPARTMENT},
    emergencies_of_entry=True,
)

_BY_SOURCE = {"hmc": _HMC, "hpc": _HPC, "hmsm": _HMSM, "hsf": _HSF, "hsl": _HSL, "hat": _HAT}


def codes_of(site: Site, company: int) -> Codes:
    """Return the codes of a hospital: companies of one source may number their own."""
    if site.codes:
        return Codes(**site.codes)
    return _HMV if (site.source, company) == ("hmsm", 2) else _BY_SOURCE.get(site.source, _FIRST)


def catalogue(codes: Sequence[Codes] = (_FIRST,)) -> Tables:
    """Return the rows that no attendance makes: physicians, clinics, origins and codes."""
    return {
        "prestador": [
            {"cd_prestador": code, "nm_prestador": f"DR(A). {FIRST[code % 41]} {LAST[code % 20]}"}
            for code in PHYSICIANS
        ],
        "ser_dis": [
            {"cd_ser_dis": code, "ds_ser_dis": f"{_CLINICS[code % len(_CLINICS)]} {code}"}
            for code in _all(one.clinics for one in codes)
        ],
        **_origins(codes),
        "especialid": [
            {"cd_especialid": code, "ds_especialid": f"{_CLINICS[code % len(_CLINICS)]} E{code}"}
            for code in _all(one.specialities for one in codes)
        ],
        "leito": [
            {"cd_leito": code, "cd_unid_int": code // 4} for code in _all(one.beds for one in codes)
        ],
        "unid_int": [{"cd_unid_int": n, "ds_unid_int": f"ALA {n}"} for n in range(3)],
        "servico": [
            {"cd_servico": code, "ds_servico": f"SERVIÇO {code}"}
            for code in _all(one.services for one in codes)
        ],
        "tip_res": [
            {"cd_tip_res": code, "sn_obito": "S" if code in _DEADLY_OUTCOMES else "N"}
            for code in _all(one.outcomes for one in codes)
        ],
        "mot_alt": [
            {"cd_mot_alt": code, "tp_mot_alta": _REASON_KINDS.get(code, "A")}
            for code in _all(one.reasons for one in codes)
        ],
    }


def _origins(codes: Sequence[Codes]) -> Tables:
    """Return the origins of attendances, and the departments that they belong to."""
    departments = {origin: code for one in codes for origin, code in one.departments.items()}
    names = {origin: name for one in codes for origin, name in one.named_origins.items()}
    return {
        "ori_ate": [
            {
                "cd_ori_ate": code,
                "ds_ori_ate": names.get(code, f"ORIGEM {code}"),
                "tp_origem": "A" if any(code in one.clinic_origins for one in codes) else "E",
                "cd_setor": departments.get(code),
            }
            for code in _all((*one.clinic_origins, *one.exam_origins) for one in codes)
        ],
        "setor": [
            {"cd_setor": code, "nm_setor": f"SETOR {code}"}
            for code in sorted({*departments.values()} - {_DELETED_DEPARTMENT})
        ],
    }


def _all(lists: Iterable[Iterable[int | None]]) -> list[int]:
    """Return each code once, in order."""
    return sorted({code for codes in lists for code in codes if code is not None})
