"""A day of many rows, and how tests of the reader read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import date
from typing import TYPE_CHECKING

from erp_rows import as_rows

from demo.world import PASSWORD, SERVICE, USER
from track_dispatch.extraction.oracle import Erp, open_erp
from track_dispatch.records import COLUMNS

if TYPE_CHECKING:
    from track_dispatch.records import ErpRow

DAY = date(2026, 11, 20)
CONN_ID = "oracle_test"
MANY = 20_000

TABLE = f"""
create schema dbamv;
create table dbamv.many as select
  950000000 + range as cd_atendimento,
  cast(timestamp '2026-11-20 08:00:00' as timestamp_s) as moment,
  'PESSOA SECRETA ' || range as nm
from range({MANY});

-- whole and broken numbers, moments with and without microseconds, and nulls in stretches and gaps
create table dbamv.mixed as select
  timestamp '2026-11-20 08:00:00' as moment,
  950000000 + n as cd_atendimento,
  case when n < 600 or n % 7 = 0 then null else 'PESSOA ' || n end as txt,
  cast(timestamp '2026-11-20 00:00:00' + to_seconds(n * 31) as timestamp_s) as dat,
  case when n % 5 > 0 and n < 1200 then dat end as late_dat,
  timestamp '2026-11-20 10:00:00' + to_microseconds(n * 333333) as stamp,
  case when n % 3 > 0 then n * 1234567 end as digits,
  case when n % 4 > 0 then printf('%011d', n * 1234567) end as padded,
  cast(n * 0.25 - 100 as decimal(9, 2)) as fraction,
  case when n % 11 > 0 then cast(n as double) / 8 end as plain_number,
  cast(n as double) * 1e17 as large
from range(1500) as r(n);
"""


def select_of(table: str, expressions: Mapping[str, str]) -> str:
    """Return a query of the table's day, null for what no expression is given for."""
    every = dict.fromkeys(COLUMNS, "null") | expressions
    items = ",\n  ".join(f'{sql} as "{name}"' for name, sql in every.items())
    day = "m.moment >= :day_start\n  and m.moment < :day_end"
    return f"select\n  {items}\nfrom {table} m\nwhere {day}\n"


SELECT = select_of(
    "dbamv.many",
    {
        "ID_Cliente_Hfocus": "'40085'",
        "cd_atendimento": "m.cd_atendimento",
        "data_atendimento": "to_char(m.moment, 'SYYYY-MM-DD HH24:MI:SS')",
        "data_saida_alta": "to_char(m.moment, 'SYYYY-MM-DD HH24:MI:SS')",
        **dict.fromkeys(("name", "email", "phone", "cpf", "medico"), "m.nm"),
        "area_pesquisa": "'EXAMES'",
        "unidade": "'Unidade'",
        "setor": "'EXAMES'",
    },
)


def opened(
    conn_id: str = CONN_ID, *, deadline: float = 30, timeout: float = 30
) -> AbstractContextManager[Erp]:
    return open_erp(conn_id, logon_deadline_seconds=deadline, call_timeout_seconds=timeout)


def chunks(
    sql: str = SELECT,
    *,
    rows: int = MANY,
    chunk_rows: int = 1000,
    deadline: float = 30,
    timeout: float = 30,
) -> Iterator[list[ErpRow]]:
    """Yield the day's chunks as rows."""
    limited = f"{sql}  and m.cd_atendimento < {950_000_000 + rows}"
    with opened(deadline=deadline, timeout=timeout) as erp:
        for chunk in erp.read(limited, day=DAY, action="TEST 2026-11-20", chunk_rows=chunk_rows):
            yield as_rows(chunk)


def consume(sql: str = SELECT, **options: object) -> int:
    return sum(map(len, chunks(sql, **options)))  # type: ignore[arg-type]


def connection_to(port: int, **changes: str) -> str:
    parts = {"user": USER, "password": PASSWORD, "service": SERVICE, "extra": ""} | changes
    query = f"service_name={parts['service']}{parts['extra']}"
    return f"oracle://{parts['user']}:{parts['password']}@127.0.0.1:{port}/?{query}"
