"""A stand-in for the hospitals' Oracle servers: the real wire protocol, DuckDB behind it.

The client's code path is the production one: `OracleHook`, python-oracledb in thin mode, a socket.
Only reading is served; whatever would change data is refused as a read-only account would be.

    with OracleStandIn(users={"X": "secret"}, init_sql="create schema tasy; ...") as server:
        oracledb.connect(user="X", password="secret", dsn=server.dsn)
        server.statements[-1].sql      # what clients sent, with binds, module and action
        server.faults.latency = 0.5    # misbehave from now on
        server.execute("insert ...")   # DuckDB's own SQL, past the protocol

A table declares an Oracle DATE as TIMESTAMP_S, a TIMESTAMP as TIMESTAMP, NUMBER(p,s) as INTEGER,
BIGINT or DECIMAL, NUMBER as DOUBLE and VARCHAR2 as VARCHAR. A function of the ERP is a DuckDB macro
(`create macro tasy.obter_telefone_pf(pf, tipo) as ...`).

What differs from a real server: PL/SQL, LOBs, CONNECT BY, (+) joins, ROWNUM, SYSDATE, hierarchies
and the dictionary answer ORA-03001 or ORA-00942; a read-only transaction is accepted but takes no
snapshot; names of a select list may be used in its own WHERE, which Oracle refuses. It is no
security boundary (plain passwords in memory, all see everything) and says nothing about speed.
"""

from stand_ins.oracle.database import Faults, Recorded
from stand_ins.oracle.server import OracleStandIn

__all__ = ["Faults", "OracleStandIn", "Recorded"]
