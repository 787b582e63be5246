"""Patients who come into an ERP when their day has been done."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stand_ins.oracle import OracleStandIn

#: Where a family's attendances are: table, id, the moment that tells the day.
MV = ("dbamv.atendime", "cd_atendimento", "dt_atendimento")
TASY = ("tasy.atendimento_paciente", "nr_atendimento", "dt_alta")


class LateArrivals:
    """A third of the attendances of some days, which are not in the ERP until they `arrive`."""

    def __init__(
        self, erp: OracleStandIn, place: tuple[str, str, str], first: date, last: date
    ) -> None:
        self._erp = erp
        self._table, number, moment = place
        erp.execute(
            f"create table aside as select * from {self._table}"
            f" where cast({moment} as date) between ? and ? and {number} % 3 = 0",
            [first, last],
        )
        erp.execute(f"delete from {self._table} where {number} in (select {number} from aside)")
        self.attendances = {str(one) for (one,) in erp.execute(f"select {number} from aside")}

    def arrive(self) -> None:
        """Put them into the ERP."""
        self._erp.execute(f"insert into {self._table} select * from aside")
