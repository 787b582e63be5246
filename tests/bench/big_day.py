"""One business day of a made-up MV hospital, as large as asked for."""

from __future__ import annotations

from datetime import UTC, date, datetime

from stand_ins.erp import schemas

HOSPITAL = "HMS"
DAY = date(2026, 11, 20)
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)

#: Five areas, a right CPF for everybody, contacts as ERPs have them: good, in capitals, several,
#: none.
FILL = """
create macro check_digit(digits) as (
  list_sum([
    cast(digits[i] as integer) * (length(digits) + 2 - i) for i in range(1, length(digits) + 1)
  ]) * 10 % 11 % 10
);
create temp table numbered as
select n, n % 5 as kind, n % 8 as contact, printf('%09d', n * 7919 % 1000000000) as nine
from range({rows}) as r(n);

insert into dbamv.prestador select n, 'DR(A). ANA ' || n from range(101, 131) as r(n);
insert into dbamv.ser_dis values (2, 'CARDIOLOGIA');

insert into dbamv.paciente
select
  n, 'MARIA DA CONCEIÇÃO ' || n,
  case contact
    when 0 then null
    when 1 then 'MARIA.' || n || '@EXAMPLE.COM'
    when 2 then ' maria.' || n || '@example.com; outra' || n || '@example.net'
    when 3 then 'NAO TEM'
    else 'maria.' || n || '@example.com'
  end,
  ten || check_digit(ten), null, '27',
  case when contact = 0 and n % 3 = 0 then null else printf('99%07d', n) end
from (select *, nine || check_digit(nine) as ten from numbered);

insert into dbamv.atendime (
  cd_atendimento, cd_paciente, cd_prestador, cd_multi_empresa, tp_atendimento, dt_atendimento,
  hr_atendimento, dt_alta, hr_alta, cd_ori_ate, cd_servico, cd_ser_dis
)
select
  21700000000 + n, n, 101 + n % 30, 1, ['U', 'I', 'E', 'A', 'A'][kind + 1],
  timestamp '{day}', timestamp '{day}' + to_seconds(n % 80000),
  timestamp '{day}', timestamp '{day}' + to_seconds(n % 80000 + 1),
  [1, 1, 46, 21, 1][kind + 1], 1, case kind when 4 then 2 end
from numbered;
"""


def erp_sql(rows: int) -> str:
    """Return the script that makes an MV database with a day of so many attendances."""
    return schemas.MV.duckdb({}) + FILL.format(rows=rows, day=DAY)
