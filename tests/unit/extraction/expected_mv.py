"""A second reading of hospitals.md for HMS, the OTO group and ING, in plain Python.

Written from the facts, not from the SQL: it walks over the same rows and says what must come out.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from erp_rows import COMPANIES, UNIDADES

if TYPE_CHECKING:
    from demo.erp.tables import Tables
    from track_dispatch.records import ErpRow

PRIORITY = (
    "ONCOLOGIA",
    "MATERNIDADE",
    "EXAMES",
    "INTERNACAO",
    "PRONTO SOCORRO GERAL",
    "AMBULATORIO",
)
BIRTHS = (
    *("O60", "O80", "O82", "O84", "O757", "O800", "O801", "O809", "O810", "O820", "O821", "O822"),
    *("O829", "O839", "O840", "O842", "Z380", "Z382"),
)
HMS_REASONS = {6, 7, 9, *range(17, 23)}
EXAMS = {
    "HEMODINAMICA": {103},
    "IMAGEM": {19, 21, 22, 38, 47, 104, 106, 109, 121, 123},
    "LABORATORIO": {13, 14, 16, 35, 37, 50, 88, 112, 125, 126},
    "ENDOSCOPIA": {29, 100, 110},
}


def expected(code: str, tables: Tables, day: date) -> dict[str, ErpRow]:
    """Return what the hospital's extraction of the day must hold, by attendance id."""
    look = {
        name: {next(iter(row.values())): row for row in tables.get(name, [])}
        for name in ("paciente", "prestador", "ser_dis", "tip_res", "mot_alt")
    }
    mothers = {row.get("cd_atendimento_pai") for row in tables["atendime"]} - {None}
    read = _hms if code == "HMS" else _oto
    found = {}
    for row in map(_Record, tables["atendime"]):
        if code in COMPANIES and row.cd_multi_empresa not in COMPANIES[code]:
            continue
        if not _is_of_day(row, day) or (code == "HMS" and not _over_by(row, day)):
            continue
        areas = read(row, look, row.cd_atendimento in mothers)
        for area in PRIORITY:
            if area in areas:
                found[str(row.cd_atendimento)] = _line(code, row, look, area, areas[area])
                break
    return found


class _Record:
    """A row whose columns are attributes, null where it has none."""

    def __init__(self, row: dict[str, Any]) -> None:
        self.row = row

    def __getattr__(self, column: str) -> Any:
        return self.row.get(column)


def _is_of_day(row: _Record, day: date) -> bool:
    deciding = row.dt_alta if row.tp_atendimento in ("U", "I") else row.dt_atendimento
    return deciding is not None and deciding.date() == day


def _over_by(row: _Record, day: date) -> bool:
    end = datetime.combine(day, time.min) + timedelta(days=1)
    return row.hr_atendimento < end and (row.hr_alta is None or row.hr_alta < end)


def _hms(row: _Record, look: dict[str, Any], is_mother: bool) -> dict[str, str]:
    areas = {}
    if row.tp_atendimento == "A":
        if row.cd_ori_ate == 21:
            areas["ONCOLOGIA"] = "ONCOLOGIA"
        if row.cd_ori_ate == 9:
            areas["INTERNACAO"] = "INTERNACAO"
        if row.cd_ser_dis is not None and row.cd_ori_ate not in (21, 9):
            named = row.cd_ser_dis in (2, 3, 6, 11, 30, 51, 76, 85)
            areas["AMBULATORIO"] = _clinic(row, look) if named else "GERAL_AMBULATORIO"
    if row.tp_atendimento == "E" and row.cd_ori_ate in (46, 7):
        areas["EXAMES"] = "HEMODINAMICA" if row.cd_ori_ate == 46 else "LABORATORIO"
    if row.tp_atendimento == "I" and row.cd_mot_alt not in HMS_REASONS:
        if is_mother:
            areas["MATERNIDADE"] = "MATERNIDADE"
        if row.cd_atendimento_pai is None and row.cd_cid not in BIRTHS:
            areas["INTERNACAO"] = "INTERNACAO"
    if row.tp_atendimento == "U" and row.cd_tip_res not in (1, 4, 11):
        rooms = {1: "PA_OBSTÉTRICO", 27: "PA_PEDIATRICO"}
        areas["PRONTO SOCORRO GERAL"] = rooms.get(row.cd_servico, "PA_ADULTO")
    return areas


def _oto(row: _Record, look: dict[str, Any], is_mother: bool) -> dict[str, str]:
    areas = {}
    if row.tp_atendimento == "U" and _get(look, "tip_res", row.cd_tip_res, "sn_obito") != "S":
        rooms = {5: "PA_OBSTÉTRICO", 40: "PA_PEDIATRICO"}
        areas["PRONTO SOCORRO GERAL"] = rooms.get(row.cd_servico, "PA_ADULTO")
    if row.tp_atendimento == "I" and _get(look, "mot_alt", row.cd_mot_alt, "tp_mot_alta") != "O":
        if is_mother:
            areas["MATERNIDADE"] = "MATERNIDADE"
        elif row.cd_cid not in BIRTHS:
            areas["INTERNACAO"] = "INTERNACAO"
    if row.tp_atendimento == "E":
        for name, origins in EXAMS.items():
            if row.cd_ori_ate in origins:
                areas["EXAMES"] = name
    if row.tp_atendimento == "A":
        named = row.cd_ser_dis in (9, 15, 30, 31, 33, 46)
        areas["AMBULATORIO"] = _clinic(row, look) if named else "AMBULATORIO_GERAL"
    return areas


def _clinic(row: _Record, look: dict[str, Any]) -> str:
    return _get(look, "ser_dis", row.cd_ser_dis, "ds_ser_dis") or ""


def _get(look: dict[str, Any], table: str, key: object, column: str) -> Any:
    return look[table].get(key, {}).get(column)


def _line(code: str, row: _Record, look: dict[str, Any], area: str, setor: str) -> ErpRow:
    patient = look["paciente"].get(row.cd_paciente, {})
    phone = [patient.get("nr_ddi_celular") or "55"]
    phone += [patient.get("nr_ddd_celular") or "", patient.get("nr_celular") or ""]
    return {
        "ID_Cliente_Hfocus": "40085",
        "cd_atendimento": str(row.cd_atendimento),
        "data_atendimento": moment(row.hr_atendimento),
        "data_saida_alta": moment(row.hr_alta),
        "name": patient.get("nm_paciente") or "",
        "email": patient.get("email") or "",
        "phone": "".join(phone),
        "cpf": patient.get("nr_cpf") or "",
        "medico": _get(look, "prestador", row.cd_prestador, "nm_prestador") or "",
        "area_pesquisa": area,
        "unidade": UNIDADES[code],
        "setor": setor,
    }


def moment(value: datetime | None) -> str:
    """Write a moment as the import line has it."""
    return "" if value is None else value.isoformat(sep=" ", timespec="seconds")
