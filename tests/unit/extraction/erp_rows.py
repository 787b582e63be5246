"""Rows of an ERP that tests plant, and how they read a day of them back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

from stand_ins.erp.schemas import ErpSchema
from stand_ins.erp.tables import Row, Tables
from track_dispatch.config import load_hospital
from track_dispatch.extraction.oracle import open_erp
from track_dispatch.extraction.query import render

if TYPE_CHECKING:
    from track_dispatch.config import Hospital
    from track_dispatch.extraction.query import ErpColumns
    from track_dispatch.records import ErpRow

#: Runs an ERP with a schema and its rows behind Airflow connections of these ids.
Serving = Callable[[str, ErpSchema, Tables], AbstractContextManager[None]]

#: An ordinary day, the first of a month, and the day that three years of four have not.
DAYS = (date(2026, 11, 20), date(2026, 3, 1), date(2024, 2, 29))

UNIDADES = {
    "HMS": "Meridional Serra",
    "HMC": "Meridional Cariacica",
    "HPC": "Meridional Praia Da Costa",
    "HMV": "Meridional Vitoria",
    "HMSM": "Hospital São Mateus",
    "HSF": "Hospital São Francisco",
    "HSL": "Hospital São Luiz",
    "HAT": "Hospital Anchieta",
    "OTOA": "Hospital Oto Aldeota",
    "OTOM": "Hospital Oto Meireles",
    "OTOS": "Hospital Oto Sul",
    "OTOSD": "Hospital Oto Santos Dumont",
    "ING": "Instituto De Neurologia De Goiania",
    "HAC": "Hospital São Francisco DF",
    "HPM": "Hospital Palmas Medical",
    "HST": "Hospital Santa Thereza",
    "HSMC": "Hospital Sao Mateus Cuiabá",
    "ENCORE": "Unidade 21",  # what the stand-in calls establishment 21
}
COMPANIES = {
    "HMV": (2,),
    "HMSM": (1,),
    "OTOA": (1, 2, 3, 6, 7, 12, 13, 16, 26),
    "OTOM": (18,),
    "OTOS": (10, 11),
    "OTOSD": (8, 19, 23, 25),
    "ING": (20, 21, 22),
}

#: What some patients are called, and how some put their e-mail, by the remainder of their number.
_NAMES = {1: "RN DE", 2: "RNA DE", 3: "DE RN"}
_EMAILS = {1: "NAO TEM", 2: "Naotem@naotem.com", 3: "NÃO@example.com", 6: "joao@example.com"}


def hospital(code: str) -> Hospital:
    """Return a hospital as it is shipped."""
    return load_hospital(code)


def read(code: str, day: date) -> list[ErpRow]:
    """Read a hospital's day through Airflow's hook, the driver and a socket."""
    where = hospital(code)
    with open_erp(where.oracle_conn_id, logon_deadline_seconds=30, call_timeout_seconds=30) as erp:
        chunks = erp.read(render(where), day=day, action="rules")
        return [row for chunk in chunks for row in as_rows(chunk)]


def as_rows(columns: ErpColumns) -> list[ErpRow]:
    return [dict(zip(columns, texts, strict=True)) for texts in zip(*columns.values(), strict=True)]


def at(day: date, offset: timedelta) -> datetime:
    """Return the moment that lies so long after the day's midnight."""
    return datetime.combine(day, time.min) + offset


def placed(row: Row, day: date) -> Row:
    """Turn the row's offsets into moments of the day."""
    return {
        column: at(day, value) if isinstance(value, timedelta) else value
        for column, value in row.items()
    }


def patients(numbers: list[int]) -> list[Row]:
    """Return patients of whom each fourth lacks something; each eleventh is not there at all."""
    return [
        {
            "cd_paciente": number,
            "nm_paciente": f"{_NAMES.get(number % 13, 'PACIENTE DE')} PROVA {number}",
            "email": None
            if number % 4 == 0
            else _EMAILS.get(number % 17, f"pessoa{number}@example.com"),
            "nr_cpf": None if number % 4 == 1 else f"{number:011}",
            "nr_ddi_celular": None if number % 3 else "351",
            "nr_ddd_celular": None if number % 4 == 2 else "(27)",
            "nr_celular": None if number % 4 == 3 else f"9{number % 10**8:08}",
        }
        for number in numbers
        if number % 11
    ]


def mv_tables(attendances: list[Row]) -> Tables:
    """Return an MV with these attendances and nearly every code they can name.

    Clinics, origins, specialities, departments, beds and wards that are missing here are rows that
    an installation has lost: none of them may lose the attendance.
    """
    return {
        "atendime": attendances,
        "paciente": patients(sorted({int(str(row["cd_paciente"])) for row in attendances})),
        "prestador": [{"cd_prestador": code, "nm_prestador": f"DRA. {code}"} for code in (1, 2, 3)],
        "ser_dis": [{"cd_ser_dis": n, "ds_ser_dis": f"CLÍNICA {n}"} for n in range(1, 100)],
        "ori_ate": [
            {
                "cd_ori_ate": n,
                "ds_ori_ate": f"ORIGEM {n}",
                "tp_origem": "I" if n % 3 == 1 else "A",
                "cd_setor": 600 + n if n % 10 else None,
            }
            for n in range(125)
        ],
        "setor": [{"cd_setor": 600 + n, "nm_setor": f"SETOR {n}"} for n in range(1, 100)],
        "especialid": [
            {"cd_especialid": n, "ds_especialid": f"ESPECIALIDADE {n}"} for n in range(1, 33)
        ],
        "leito": [{"cd_leito": n, "cd_unid_int": n // 2} for n in range(1, 9)],
        "unid_int": [{"cd_unid_int": n, "ds_unid_int": f"ALA {n}"} for n in range(3)],
        "tip_res": [
            {"cd_tip_res": code, "sn_obito": "S" if code in (5, 9) else "N"}
            for code in range(1, 13)
        ],
        "mot_alt": [
            {"cd_mot_alt": code, "tp_mot_alta": "O" if code in (8, 23) else "A"}
            for code in range(1, 24)
        ],
    }
