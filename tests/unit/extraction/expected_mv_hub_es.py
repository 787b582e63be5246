"""A second reading of docs/hospitals.md#hub_es, seven hospitals, in plain Python."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from expected_mv_visit import Visit

    Match = tuple[str, str]

PS, WARD = "PRONTO SOCORRO GERAL", ("INTERNACAO", "INTERNACAO")
CHILD, OBSTETRIC, GYNAECOLOGIC = "PA_PEDIATRICO", "PA_OBSTETRICO", "PA_GINECOLOGICO"
HMS_REASONS = {6, 7, 9, *range(17, 23)}


@dataclass(frozen=True)
class Column:
    """A column of the table in docs/hospitals.md#hub_es; what a cell leaves open is empty."""

    outcomes: set[int]
    reasons: set[int]
    rooms: dict[int, str]
    services: set[int] = field(default_factory=set)
    more_reasons: set[int] = field(default_factory=set)
    day_origin: int | None = None
    origins_out: set[int] = field(default_factory=set)
    clinics_out: set[int] = field(default_factory=set)
    clinics_named: set[int] = field(default_factory=set)
    exams: dict[tuple[str, int], str] = field(default_factory=dict)
    oncology: set[int] = field(default_factory=set)


COLUMNS = {
    "HMC": Column(
        outcomes={6, 17, 21},
        services={3, 23, 35, 37, 40},
        rooms={40: CHILD},
        reasons={24, 25, 36, 39, 40, 41, 42, 43, 56},
        more_reasons={55},
        day_origin=16,
        origins_out={18},
        clinics_out={17, 18, 32, 83, 88},
        clinics_named={9, 15, 30, 31, 33, 46},
        exams={("A", 24): "HIPERBARICA"},
        oncology={6, 18, 27},
    ),
    "HPC": Column(
        outcomes={6, 17, 20},
        services={4, 7, 3, 2},
        rooms={3: CHILD, 2: OBSTETRIC},
        reasons={24, 25, 36},
        day_origin=22,
        origins_out={1},
        clinics_out={32, 40},
        clinics_named={6, 14, 17, 20},
        exams={("E", 2): "IMAGEM", ("E", 15): "IMAGEM", ("E", 20): "LABORATORIO"},
        oncology={1},
    ),
    "HMSM": Column(
        outcomes={6, 8},
        services={3, 23, 37, 40},
        rooms={40: CHILD},
        reasons={11, 12, 13, 51},
        day_origin=7,
        origins_out={6},
        clinics_out={17, 18, 32},
        clinics_named={9, 22, 33, 34, 46, 62},
        exams={("E", 10): "HEMODINAMICA", ("E", 5): "IMAGEM", ("E", 4): "LABORATORIO"},
        oncology={6},
    ),
    "HSF": Column(
        outcomes={6, 17, 21},
        services={23, 37, 40},
        rooms={40: CHILD},
        reasons={11, 12, 13, 49, 50, 51},
        day_origin=15,
        clinics_named={30, 33, 46},
    ),
    "HSL": Column(
        outcomes={6, 17, 21},
        rooms={40: CHILD, 5: OBSTETRIC},
        reasons={11, 12, 13, *range(49, 57)},
        day_origin=2,
        clinics_out={17, 18, 32},
        clinics_named={22, 30, 62},
    ),
    "HMV": Column(
        outcomes={6, 8},
        rooms={40: CHILD, 41: CHILD, 5: GYNAECOLOGIC, 82: GYNAECOLOGIC},
        reasons={11, 12, 13, 51},
        exams={("E", 0): "HEMODINAMICA", ("E", 15): "LABORATORIO", ("E", 13): "IMAGEM"},
    ),
}


def matches(code: str, visit: Visit) -> Iterator[Match]:
    """Yield area and setor of every area that the visit matches."""
    if code == "HMS":
        yield from _hms(visit)
        return
    column = COLUMNS[code]
    if visit.kind == "U" and visit.outcome not in column.outcomes:
        if not column.services or visit.service in column.services:
            yield PS, column.rooms.get(visit.service, "PA_ADULTO")
    elif visit.kind == "I" and visit.reason not in column.reasons:
        if visit.is_mother:
            yield "MATERNIDADE", "MATERNIDADE"
        if not visit.is_birth and visit.reason not in column.more_reasons:
            yield WARD
    elif visit.kind == "E" and visit.origin is not None and visit.origin == column.day_origin:
        yield WARD
    if exam := column.exams.get((visit.kind, visit.origin)):
        yield "EXAMES", exam
    if visit.kind == "A":
        yield from _hmv_clinics(visit) if code == "HMV" else _clinics(column, visit)


def _clinics(column: Column, visit: Visit) -> Iterator[Match]:
    if visit.origin in column.oncology:
        yield "ONCOLOGIA", "ONCOLOGIA"
    if visit.origin not in column.origins_out and visit.clinic not in column.clinics_out:
        yield "AMBULATORIO", _clinic(visit, column.clinics_named)


def _hmv_clinics(visit: Visit) -> Iterator[Match]:
    if visit.origin_kind != "A":
        return
    area, own_name = {
        29: ("ONCOLOGIA", {9, 22, 33}),
        30: ("AMBULATORIO", {9, 22, 28, 33}),
    }.get(visit.origin, ("", set()))
    if area:
        name = visit.speciality_name if visit.speciality in own_name else visit.origin_name
        yield area, name or ""


def _hms(visit: Visit) -> Iterator[Match]:
    if visit.kind == "A":
        if visit.origin == 21:
            yield "ONCOLOGIA", "ONCOLOGIA"
        elif visit.origin == 9:
            yield WARD
        elif visit.clinic is not None:
            yield "AMBULATORIO", _clinic(visit, {2, 3, 6, 11, 30, 51, 76, 85})
    if visit.kind == "E" and visit.origin in (46, 7):
        yield "EXAMES", "HEMODINAMICA" if visit.origin == 46 else "LABORATORIO"
    if visit.kind == "I" and visit.reason not in HMS_REASONS:
        if visit.is_mother:
            yield "MATERNIDADE", "MATERNIDADE"
        if visit.parent is None and not visit.is_birth:
            yield WARD
    if visit.kind == "U" and visit.outcome not in (1, 4, 11):
        rooms = {1: "PA_OBSTÉTRICO", 27: "PA_PEDIATRICO"}
        yield PS, rooms.get(visit.service, "PA_ADULTO")


def _clinic(visit: Visit, named: set[int]) -> str:
    return visit.clinic_name or "" if visit.clinic in named else "GERAL_AMBULATORIO"
