"""A second reading of docs/hospitals.md for the MV hospitals, in plain Python.

Written from the facts, not from the SQL: it walks over the same rows and says what must come out.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

import expected_mv_hub_es
from erp_rows import COMPANIES, UNIDADES
from expected_mv_visit import Erp, Visit

if TYPE_CHECKING:
    from stand_ins.erp.tables import Tables
    from track_dispatch.records import ErpRow

    Match = tuple[str, str]

PRIORITY = (
    "ONCOLOGIA",
    "MATERNIDADE",
    "EXAMES",
    "INTERNACAO",
    "PRONTO SOCORRO GERAL",
    "AMBULATORIO",
)
HUB_ES = {"HMS", "HMC", "HPC", "HMV", "HMSM", "HSF", "HSL"}
OTO_EXAMS = {
    "HEMODINAMICA": {103},
    "IMAGEM": {19, 21, 22, 38, 47, 104, 106, 109, 121, 123},
    "LABORATORIO": {13, 14, 16, 35, 37, 50, 88, 112, 125, 126},
    "ENDOSCOPIA": {29, 100, 110},
}


def expected(code: str, tables: Tables, day: date) -> dict[str, ErpRow]:
    """Return what the hospital's extraction of the day must hold, by attendance id."""
    erp = Erp(tables)
    found = {}
    for row in tables["atendime"]:
        visit = Visit(row, erp)
        if code in COMPANIES and visit.company not in COMPANIES[code]:
            continue
        if not visit.is_of(day, by_discharge="I" if code == "HAT" else "UI"):
            continue
        if code in HUB_ES and not _over_by(visit, day):
            continue
        areas = dict(_matches(code, visit))
        for area in PRIORITY:
            if area in areas:
                found[str(visit.id)] = _line(code, visit, area, areas[area])
                break
    return found


def _over_by(visit: Visit, day: date) -> bool:
    end = datetime.combine(day, time.min) + timedelta(days=1)
    return visit.came < end and (visit.left is None or visit.left < end)


def _matches(code: str, visit: Visit) -> Iterator[Match]:
    if code in HUB_ES:
        return expected_mv_hub_es.matches(code, visit)
    return _hat(visit) if code == "HAT" else _oto(visit)


def _oto(visit: Visit) -> Iterator[Match]:
    if visit.kind == "U" and not visit.died:
        rooms = {5: "PA_OBSTÉTRICO", 40: "PA_PEDIATRICO"}
        yield "PRONTO SOCORRO GERAL", rooms.get(visit.service, "PA_ADULTO")
    if visit.kind == "I" and not visit.died:
        if visit.is_mother:
            yield "MATERNIDADE", "MATERNIDADE"
        elif not visit.is_birth:
            yield "INTERNACAO", "INTERNACAO"
    if visit.kind == "E":
        for name, origins in OTO_EXAMS.items():
            if visit.origin in origins:
                yield "EXAMES", name
    if visit.kind == "A":
        named = visit.clinic in (9, 15, 30, 31, 33, 46)
        yield "AMBULATORIO", (visit.clinic_name or "") if named else "AMBULATORIO_GERAL"


def _hat(visit: Visit) -> Iterator[Match]:
    if "NAO" in (visit.patient.get("email") or "").upper():
        return
    department = visit.department.get("nm_setor") or ""
    match visit.kind:
        case "U" if visit.outcome not in (5, 6, 8, 13, 14, 17):
            yield "PRONTO SOCORRO GERAL", department
        case "I" if not visit.died:
            if not (visit.patient.get("nm_paciente") or "").startswith("RN "):
                yield "INTERNACAO", visit.ward_name or ""
        case "A":
            is_oncology = visit.department.get("cd_setor") == 637
            yield "ONCOLOGIA" if is_oncology else "AMBULATORIO", department
        case "E":
            yield "EXAMES", department


def _line(code: str, visit: Visit, area: str, setor: str) -> ErpRow:
    patient = visit.patient
    phone = [patient.get("nr_ddi_celular") or "55"]
    phone += [patient.get("nr_ddd_celular") or "", patient.get("nr_celular") or ""]
    leaving_counts = code == "HAT" and visit.kind == "I"
    return {
        "ID_Cliente_Hfocus": "40094" if code == "HAT" else "40085",
        "cd_atendimento": str(visit.id),
        "data_atendimento": moment(visit.left if leaving_counts else visit.came),
        "data_saida_alta": moment(visit.left),
        "name": patient.get("nm_paciente") or "",
        "email": patient.get("email") or "",
        "phone": "".join(phone),
        "cpf": patient.get("nr_cpf") or "",
        "medico": visit.physician or "",
        "area_pesquisa": area,
        "unidade": UNIDADES[code],
        "setor": setor,
    }


def moment(value: datetime | None) -> str:
    """Write a moment as the import line has it."""
    return "" if value is None else value.isoformat(sep=" ", timespec="seconds")
