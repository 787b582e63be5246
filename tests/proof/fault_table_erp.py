"""Rows of the fault matrix for the ERP.

Nothing is read in part: the ledger holds what it held, Track gets nothing, the report is red. A
rerun from `extract` on sends the whole day; of a day that was sent before it sends nothing.
"""

from __future__ import annotations

from tests.proof.fault_outcomes import FAIL, RETRY
from tests.proof.fault_terms import (
    Day,
    DroppedOnConnect,
    ErpConnection,
    ErpRow,
    ListenerDown,
    OnErp,
    OtherQuery,
    RenamedColumn,
    Sees,
)
from track_dispatch.errors import (
    ConfigError,
    LogOnRefusedError,
    SourceContractError,
    SourceUnavailableError,
)

TOO_FEW_COLUMNS = """
select a.cd_atendimento as "cd_atendimento", p.nm_paciente as "name"
from dbamv.atendime a
join dbamv.paciente p on p.cd_paciente = a.cd_paciente
where a.dt_alta >= :day_start and a.dt_alta < :day_end
"""


def unavailable(text: str) -> Sees:
    """Tell an ERP that may be back by itself."""
    return Sees(SourceUnavailableError, text, RETRY)


def on_query(code: int) -> OnErp:
    """Fail the hospital's query with an ORA number."""
    return OnErp({"errors": [("atendime", code, "")]})


ERP_ROWS = (
    ErpRow(
        name="listener down",
        fault=ListenerDown(),
        sees=unavailable("DPY-6005: the ERP cannot be reached: check its listener"),
    ),
    ErpRow(
        name="dropped on connect",
        fault=DroppedOnConnect(),
        sees=unavailable("trying again is safe"),
    ),
    ErpRow(
        name="service not there yet",
        fault=OnErp({"refuse": 12514}),
        sees=unavailable("the listener does not know the service"),
    ),
    ErpRow(
        name="no further sessions",
        fault=OnErp({"refuse": 12516}),
        sees=unavailable("nothing was sent, and trying again is safe"),
    ),
    ErpRow(
        name="wrong password",
        fault=ErpConnection({"password": "wrong-one"}),
        sees=Sees(LogOnRefusedError, "ORA-01017: the ERP refused user and password", FAIL),
    ),
    ErpRow(
        name="account locked",
        fault=OnErp({"log_on": 28000}),
        sees=Sees(ConfigError, "ORA-28000: the ERP's account is locked", FAIL),
    ),
    ErpRow(
        name="drop in the first answer",
        fault=OnErp({"drop_after_rows": 5}),
        sees=unavailable("DPY-4011: the connection to the ERP broke off"),
    ),
    ErpRow(
        name="drop mid-fetch",
        fault=OnErp({"drop_after_rows": 2050}),
        sees=unavailable("DPY-4011: the connection to the ERP broke off"),
        day=Day.LONG,
        slow=True,
    ),
    ErpRow(
        name="call timeout",
        fault=OnErp({"latency": 30.0}),
        sees=unavailable("DPY-4024: the ERP did not answer within the call timeout"),
        call_timeout_seconds=0.3,
    ),
    ErpRow(
        name="ORA-00942",
        fault=on_query(942),
        sees=Sees(SourceContractError, "ORA-00942: the query names a table", FAIL),
    ),
    ErpRow(
        name="ORA-01555",
        fault=on_query(1555),
        sees=unavailable("ORA-01555: the ERP could not keep what the query needs"),
    ),
    ErpRow(
        name="session killed",
        fault=on_query(28),
        sees=unavailable("ORA-00028: the connection to the ERP broke off"),
    ),
    ErpRow(
        name="a column renamed in the ERP",
        fault=RenamedColumn("dbamv.paciente", "nm_paciente"),
        sees=Sees(SourceContractError, "ORA-00904", FAIL),
    ),
    ErpRow(
        name="a column missing in the query",
        fault=OtherQuery(TOO_FEW_COLUMNS),
        sees=Sees(SourceContractError, "the query lacks the columns", FAIL),
    ),
)
