"""An attendance of MV with all that docs/hospitals.md says of it, looked up in plain Python."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stand_ins.erp.tables import Tables

#: The key of each table that an attendance leads to.
KEYS = {
    "paciente": "cd_paciente",
    "prestador": "cd_prestador",
    "ser_dis": "cd_ser_dis",
    "ori_ate": "cd_ori_ate",
    "especialid": "cd_especialid",
    "setor": "cd_setor",
    "leito": "cd_leito",
    "unid_int": "cd_unid_int",
    "tip_res": "cd_tip_res",
    "mot_alt": "cd_mot_alt",
}
BIRTHS = (
    *("O60", "O80", "O82", "O84", "O757", "O800", "O801", "O809", "O810", "O820", "O821", "O822"),
    *("O829", "O839", "O840", "O842", "Z380", "Z382"),
)


class Erp:
    """The tables, to look things up in."""

    def __init__(self, tables: Tables) -> None:
        self._rows: dict[str, dict[Any, dict[str, Any]]] = {
            table: {row[key]: row for row in tables.get(table, [])} for table, key in KEYS.items()
        }
        self.mothers = {row.get("cd_atendimento_pai") for row in tables["atendime"]} - {None}

    def find(self, table: str, key: object) -> dict[str, Any]:
        """Return the row with the key; an empty one where there is none."""
        return self._rows[table].get(key, {})


class Visit:
    """An attendance in the words of docs/hospitals.md#soul-mv."""

    def __init__(self, row: dict[str, Any], erp: Erp) -> None:
        self.id, self.kind = row["cd_atendimento"], row["tp_atendimento"]
        self.company = row["cd_multi_empresa"]
        self.came_on, self.came = row.get("dt_atendimento"), row.get("hr_atendimento")
        self.left_on, self.left = row.get("dt_alta"), row.get("hr_alta")
        self.origin, self.service = row.get("cd_ori_ate"), row.get("cd_servico")
        self.clinic, self.speciality = row.get("cd_ser_dis"), row.get("cd_especialid")
        self.outcome, self.reason = row.get("cd_tip_res"), row.get("cd_mot_alt")
        self.parent = row.get("cd_atendimento_pai")
        self.is_mother = self.id in erp.mothers
        self.is_birth = row.get("cd_cid") in BIRTHS
        self.died = (
            erp.find("tip_res", self.outcome).get("sn_obito") == "S"
            if self.kind == "U"
            else erp.find("mot_alt", self.reason).get("tp_mot_alta") == "O"
        )
        self.patient = erp.find("paciente", row.get("cd_paciente"))
        self.physician = erp.find("prestador", row.get("cd_prestador")).get("nm_prestador")
        self.clinic_name = erp.find("ser_dis", self.clinic).get("ds_ser_dis")
        self.speciality_name = erp.find("especialid", self.speciality).get("ds_especialid")
        origin = erp.find("ori_ate", self.origin)
        self.origin_name, self.origin_kind = origin.get("ds_ori_ate"), origin.get("tp_origem")
        self.department = erp.find("setor", origin.get("cd_setor"))
        bed = erp.find("leito", row.get("cd_leito"))
        self.ward_name = erp.find("unid_int", bed.get("cd_unid_int")).get("ds_unid_int")

    def is_of(self, day: date, *, by_discharge: str) -> bool:
        """Tell whether the day is the visit's, by its discharge or by its attendance."""
        deciding: datetime | None = self.left_on if self.kind in by_discharge else self.came_on
        return deciding is not None and deciding.date() == day
