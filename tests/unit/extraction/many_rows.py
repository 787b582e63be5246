"""A day of many rows, and how tests of the reader read it."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from erp_rows import PASSWORD, SERVICE, USER

from track_dispatch.extraction.reader import open_connection, read_day

if TYPE_CHECKING:
    from collections.abc import Iterator

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
"""
SELECT = """
select
  '40085' as "ID_Cliente_Hfocus",
  m.cd_atendimento as "cd_atendimento",
  m.moment as "data_atendimento",
  m.moment as "data_saida_alta",
  m.nm as "name",
  m.nm as "email",
  m.nm as "phone",
  m.nm as "cpf",
  m.nm as "medico",
  'EXAMES' as "area_pesquisa",
  'Unidade' as "unidade",
  'EXAMES' as "setor"
from dbamv.many m
where m.moment >= :day_start
  and m.moment < :day_end
"""


def chunks(
    sql: str = SELECT, *, rows: int = MANY, chunk_rows: int = 1000, timeout: float = 30
) -> Iterator[list[ErpRow]]:
    with open_connection(CONN_ID) as connection:
        yield from read_day(
            connection,
            sql=f"{sql}  and m.cd_atendimento < {950_000_000 + rows}",
            day=DAY,
            module="track_test",
            action="TEST 2026-11-20",
            call_timeout_seconds=timeout,
            chunk_rows=chunk_rows,
        )


def consume(sql: str = SELECT, **options: float) -> int:
    return sum(map(len, chunks(sql, **options)))  # type: ignore[arg-type]


def connection_to(port: int, **changes: str) -> str:
    parts = {"user": USER, "password": PASSWORD, "service": SERVICE, "extra": ""} | changes
    password = parts["password"].replace(" ", "%20")
    query = f"service_name={parts['service']}{parts['extra']}"
    return f"oracle://{parts['user']}:{password}@127.0.0.1:{port}/?{query}"
