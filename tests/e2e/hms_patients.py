"""A few patients of HMS, planted one by one: a day of which every number is known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import count
from typing import TYPE_CHECKING, Any

from track_dispatch.records import Area

if TYPE_CHECKING:
    from stand_ins.oracle import OracleStandIn

#: What makes an attendance one of an area under HMS's rules (include/sql/mv/hms.sql).
AREAS: dict[Area, dict[str, Any]] = {
    Area.PRONTO_SOCORRO: {"tp_atendimento": "U"},
    Area.AMBULATORIO: {"tp_atendimento": "A", "cd_ori_ate": 1, "cd_ser_dis": 2},
    Area.EXAMES: {"tp_atendimento": "E", "cd_ori_ate": 7},
    Area.ONCOLOGIA: {"tp_atendimento": "A", "cd_ori_ate": 21},
}

_numbers = count(1)


@dataclass(frozen=True)
class Patient:
    """Somebody who was planted, with everything that must not be told."""

    attendance_id: str
    name: str
    email: str | None
    phone: str | None

    def values(self) -> list[str]:
        """Return what no message or log may hold."""
        return [value for value in (self.attendance_id, self.name, self.email, self.phone) if value]


def plant(
    erp: OracleStandIn,
    day: date,
    patients: int = 1,
    *,
    area: Area = Area.PRONTO_SOCORRO,
    by: str = "email",
    domain: str = "example.com",
) -> list[Patient]:
    """Let patients come on a day.

    Args:
        erp: the stand-in of HMS's ERP.
        day: on which they come and go.
        patients: how many.
        area: where they are seen.
        by: their contact: `email`, `phone`, or `nothing`.
        domain: of their addresses; the demo's Track refuses one of them.
    """
    planted = []
    for number in (next(_numbers) for _ in range(patients)):
        patient = Patient(
            attendance_id=str(71_000_000_000 + number),
            name=f"PLANTADA{number:05} DA SILVA",
            email=f"plantada{number:05}@{domain}" if by == "email" else None,
            phone=f"9{87_000_000 + 37 * number}" if by == "phone" else None,
        )
        _insert(
            erp,
            "paciente",
            cd_paciente=number,
            nm_paciente=patient.name,
            email=patient.email,
            nr_ddi_celular="55",
            nr_ddd_celular="27",
            nr_celular=patient.phone,
        )
        midnight = datetime.combine(day, time.min)
        _insert(
            erp,
            "atendime",
            cd_atendimento=int(patient.attendance_id),
            cd_paciente=number,
            cd_multi_empresa=1,
            dt_atendimento=midnight,
            hr_atendimento=midnight.replace(hour=9),
            dt_alta=midnight,
            hr_alta=midnight.replace(hour=11),
            **AREAS[area],
        )
        planted.append(patient)
    return planted


def _insert(erp: OracleStandIn, table: str, **row: Any) -> None:
    places = ", ".join("?" * len(row))
    erp.execute(
        f"insert into dbamv.{table} ({', '.join(row)}) values ({places})", list(row.values())
    )
