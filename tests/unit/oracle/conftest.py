from __future__ import annotations

from collections.abc import Callable, Iterator

import oracledb
import pytest

from stand_ins.oracle import OracleStandIn

PASSWORD = "Segredo#1 é"

SCHEMA = """
create schema dbamv;
create schema tasy;
create table dbamv.atendime as select
  cast(range as integer) as cd_atendimento,
  cast(timestamp '2026-11-01' + to_seconds(range * 60) as timestamp_s) as dt_atendimento,
  'São João ' || range as nm_paciente,
  cast(range / 3 as decimal(12, 2)) as vl_conta,
  range * 1.5e0 as peso,
  case when range % 3 = 0 then null else 'obs ' || range end as ds_obs,
  timestamp '2026-11-01 00:00:00.123456' + to_seconds(range) as ts_registro,
  cast(null as varchar) as cd_vazio,
  cast(range * 1000003 as bigint) as nr_seq
from range(10000);
create table tasy.pessoa (cd integer primary key, nm varchar, dt timestamp_s, vl decimal(10, 2));
insert into tasy.pessoa values
  (1, 'Ana', '1990-05-01 10:20:30', 10.5),
  (2, 'Élcio', null, -3.25),
  (3, 'Conceição', '2001-12-31', 0);
create macro tasy.obter_compl_pf(cd, tp, campo) as campo || ':' || cd || ':' || tp;
"""


def _tables_of_both_families() -> OracleStandIn:
    return OracleStandIn(
        users={"X": PASSWORD, "Dbamv": "outra"},
        init_sql=SCHEMA,
        services=("ORCL", "HIS.HOSPITAL.LOCAL"),
    )


@pytest.fixture
def make_oracle() -> Callable[[], OracleStandIn]:
    return _tables_of_both_families


@pytest.fixture
def server(oracle: OracleStandIn) -> OracleStandIn:
    return oracle


@pytest.fixture
def connection(server: OracleStandIn) -> Iterator[oracledb.Connection]:
    with oracledb.connect(user="X", password=PASSWORD, dsn=server.dsn) as connected:
        yield connected


@pytest.fixture
def cursor(connection: oracledb.Connection) -> oracledb.Cursor:
    return connection.cursor()
