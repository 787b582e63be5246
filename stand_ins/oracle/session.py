"""One client: its login, then its calls until it leaves."""

from __future__ import annotations

import logging
import re
import secrets
import traceback
from typing import Any

from stand_ins.oracle import answers, calls, values
from stand_ins.oracle.answers import CallStatus
from stand_ins.oracle.auth import Handshake
from stand_ins.oracle.calls import CloseCursors, CurrentSchema, EndToEnd, Execute
from stand_ins.oracle.database import OracleDatabase
from stand_ins.oracle.dialect import translate
from stand_ins.oracle.ora_errors import OraError
from stand_ins.oracle.packets import BreakRequested, Disconnected, PacketSocket
from stand_ins.oracle.queries import Cursor, Queries
from stand_ins.oracle.wire import Reader

log = logging.getLogger(__name__)

VERSION_19_22 = 19 << 24 | 22 << 16
# seconds to wait for the rest of a request that could not be read to its end
REST_OF_REQUEST = 0.02
# an untyped parameter would leave DuckDB guessing
BIND_CASTS = {
    **dict.fromkeys((values.VARCHAR, values.CHAR, values.LONG), "VARCHAR"),
    values.DATE: "TIMESTAMP_S",
    values.TIMESTAMP: "TIMESTAMP",
}


class Session:
    """A connection served by a thread of its own; `number` is what V$SESSION calls SID."""

    def __init__(self, database: OracleDatabase, net: PacketSocket, number: int) -> None:
        self._database, self._net, self._number = database, net, number
        self._queries = Queries(database.connect_database, lambda: net.readable(0))
        self._handshake: Handshake | None = None
        self._service = ""
        self._user = ""  # empty until the login succeeded
        self._schema = ""
        self._module = self._action = ""
        self._rows_sent = 0
        self._failed_piggyback: OraError | None = None  # told with the call it came with

    def run(self) -> None:
        """Serve the client until it leaves, is cut off or is refused."""
        try:
            if self._establish():
                while True:
                    self._serve_one()
        except Disconnected:
            pass
        finally:
            self._queries.close()
            self._net.close()

    def abort(self) -> None:
        """Cut the connection; callable from another thread."""
        self._net.shutdown()

    def _establish(self) -> bool:
        descriptor = self._net.receive_connect()
        known = [name.upper() for name in self._database.services]
        service, sid = descriptor.get("SERVICE_NAME"), descriptor.get("SID")
        self._service = service or sid or ""
        if self._database.faults.refuse:
            self._net.refuse(self._database.faults.refuse)
        elif self._service.upper() not in known:
            self._net.refuse(12514 if service or not sid else 12505)
        else:
            self._net.accept()
            return True
        return False

    # -- calls -----------------------------------------------------------------------

    def _serve_one(self) -> None:
        """Read one request and answer it; a break may come at any moment before the answer."""
        reader = Reader(self._net.receive_data)
        patience = 0.0
        try:
            try:
                answer = self._dispatch(reader)
            except OraError as error:
                answer = _failure(error)
            except NotImplementedError as error:
                answer = _failure(OraError(3001, str(error)))
                patience = REST_OF_REQUEST
            while self._net.readable(patience):
                self._net.receive_data()
        except BreakRequested:
            self._net.answer_break()
            answer = _failure(OraError(1013))
        except Disconnected:
            raise
        except Exception as error:  # noqa: BLE001 - our own fault must not end the session
            answer = _own_fault(error)
        self._net.send_data(answer)

    def _dispatch(self, reader: Reader) -> bytes:
        kind = reader.u8()
        if kind == calls.PROTOCOL:
            calls.skip_protocol(reader)
            return answers.protocol()
        if kind == calls.DATA_TYPES:
            calls.skip_data_types(reader)
            return answers.data_types()
        while kind == calls.PIGGYBACK:
            self._piggyback(calls.read_piggyback(reader))
            kind = reader.u8()
        if kind != calls.FUNCTION:
            raise NotImplementedError(f"message type {kind}")
        function = reader.u8()
        reader.u8()  # sequence number
        if function == calls.AUTH_ONE:
            user, _ = calls.read_login(reader)
            self._handshake = Handshake(self._database.users.get(user.upper()))
            return answers.parameters(self._handshake.challenge()) + answers.status()
        if function == calls.AUTH_TWO:
            return self._log_on(*calls.read_login(reader))
        if not self._user:
            raise OraError(1012)
        return self._call(function, reader)

    def _call(self, function: int, reader: Reader) -> bytes:
        if function == calls.EXECUTE:
            return self._execute(calls.read_execute(reader))
        if function in (calls.REEXECUTE, calls.REEXECUTE_AND_FETCH):
            return self._reexecute(function, reader)
        if function == calls.FETCH:
            cursor, count = self._queries.cursor(reader.ub()), reader.ub()
            self._net.wait(self._database.faults.latency)
            return answers.row_header() + self._fetch(cursor, count)
        if function not in (calls.COMMIT, calls.ROLLBACK, calls.PING, calls.LOG_OFF):
            raise NotImplementedError(f"function {function}")
        return answers.status()

    def _piggyback(self, item: CloseCursors | CurrentSchema | EndToEnd) -> None:
        if isinstance(item, CloseCursors):
            for identity in item.cursor_ids:
                self._queries.drop(identity)
        elif isinstance(item, EndToEnd):
            self._module = self._module if item.module is None else item.module
            self._action = self._action if item.action is None else item.action
        elif item.name != self._schema:  # the driver repeats it with every call
            found = self._database.find_schema(item.name)
            if found is None:
                self._failed_piggyback = OraError(1435)
            else:
                self._schema = item.name
                self._queries.use_schema(found)

    # -- login -----------------------------------------------------------------------

    def _log_on(self, user: str, fields: dict[str, str]) -> bytes:
        proof = self._handshake.verify(fields) if self._handshake else None
        faults = self._database.faults
        refusal = faults.log_on
        self._net.wait(faults.log_on_silence)
        if refusal or proof is None:
            self._database.refused_log_ons += 1
            self._net.send_data(_failure(OraError(refusal or 1017)))
            raise Disconnected("login denied")
        self._user = self._schema = user.upper()
        self._queries.use_schema(self._database.find_schema(user))
        pairs = {
            "AUTH_VERSION_NO": str(VERSION_19_22),
            "AUTH_SESSION_ID": str(self._number),
            "AUTH_SERIAL_NUM": str(secrets.randbelow(60000) + 1),
            "AUTH_SC_DBUNIQUE_NAME": self._database.services[0],
            "AUTH_SC_SERVICE_NAME": self._service,
            "AUTH_INSTANCENAME": self._database.services[0],
            "AUTH_MAX_OPEN_CURSORS": "300",
            "AUTH_MAX_IDEN_LENGTH": "128",
            "AUTH_SVR_RESPONSE": proof,
        }
        described = [(key, value, 0) for key, value in pairs.items()]
        warned = answers.warning(*faults.log_on_warning) if faults.log_on_warning else b""
        return warned + answers.parameters(described) + answers.status()

    # -- statements ------------------------------------------------------------------

    def _execute(self, call: Execute) -> bytes:
        if not call.options & (calls.OPT_EXECUTE | calls.OPT_DESCRIBE_ONLY):
            raise NotImplementedError("parsing what is not a query without executing it")
        if call.cursor_id:
            cursor = self._queries.cursor(call.cursor_id)
        else:
            cursor = self._queries.new_cursor(call.sql or "")
        cursor.sql = cursor.sql if call.sql is None else call.sql
        cursor.binds = call.binds or cursor.binds
        if call.options & calls.OPT_DESCRIBE_ONLY:
            return self._describe(cursor)
        wanted = call.rows_wanted if call.options & calls.OPT_FETCH else 0
        parsed = bool(call.options & calls.OPT_PARSE)
        return self._perform(cursor, call.values, wanted, describe=parsed)

    def _describe(self, cursor: Cursor) -> bytes:
        """Parse a query and describe its columns; its binds have no type yet."""
        self._queries.release(cursor)
        self._record(cursor, [], executed=False)
        sql = self._translate(cursor)
        if sql is None:
            raise NotImplementedError("parsing what is not a query without executing it")
        self._queries.describe(cursor, sql)
        self._queries.keep(cursor)
        return answers.describe(cursor.columns) + CallStatus(cursor_id=cursor.identity).encode()

    def _record(self, cursor: Cursor, row: list[Any], *, executed: bool) -> None:
        self._database.record(
            user=self._user,
            sql=cursor.sql,
            binds=row,
            module=self._module,
            action=self._action,
            executed=executed,
        )

    def _reexecute(self, function: int, reader: Reader) -> bytes:
        cursor = self._queries.cursor(reader.ub())
        wanted = reader.ub()
        reader.skip("uu")  # execute options
        row = calls.read_bind_values(reader, cursor.binds)
        fetching = function == calls.REEXECUTE_AND_FETCH
        return self._perform(cursor, row, wanted if fetching else 0, describe=False)

    def _perform(self, cursor: Cursor, row: list[Any], wanted: int, *, describe: bool) -> bytes:
        self._queries.release(cursor)
        self._record(cursor, row, executed=True)
        known = self._queries.is_open(cursor)
        try:
            sql = self._translate(cursor)
            self._net.wait(self._database.faults.latency)
            changed = sql is not None and self._queries.run(cursor, sql, row)
        except OraError as error:
            return _failure(error, cursor_id=cursor.identity if known else 0)
        self._queries.keep(cursor)
        described = answers.describe(cursor.columns) if sql and (describe or changed) else b""
        if sql and wanted:
            return described + answers.row_header() + self._fetch(cursor, wanted)
        return described + CallStatus(cursor_id=cursor.identity).encode()

    def _translate(self, cursor: Cursor) -> str | None:
        if self._failed_piggyback:
            error, self._failed_piggyback = self._failed_piggyback, None
            raise error
        for pattern, code, text in self._database.faults.errors:
            if re.search(pattern, cursor.sql, re.IGNORECASE | re.DOTALL):
                raise OraError(code, text=text)
        casts = tuple(BIND_CASTS.get(bind.type_number, "") for bind in cursor.binds)
        try:
            return translate(cursor.sql, casts)
        except OraError as error:
            error.offset = len(cursor.sql[: error.offset].encode())
            raise

    def _fetch(self, cursor: Cursor, count: int) -> bytes:
        try:
            batch = self._queries.fetch(cursor, count)
            data = answers.rows(cursor.columns, batch, self._database.faults.cells)
        except OraError as error:
            return _failure(error, cursor_id=cursor.identity)
        except OverflowError as error:  # DuckDB divides by zero without an error, into infinity
            code = 1426 if "range" in str(error) else 1476
            return _failure(OraError(code), cursor_id=cursor.identity)
        self._drop_if_due(len(batch), data)
        if len(batch) < count:
            return data + answers.no_more_rows(cursor.identity, cursor.fetched).encode()
        return data + CallStatus(cursor_id=cursor.identity, row_count=cursor.fetched).encode()

    def _drop_if_due(self, count: int, data: bytes) -> None:
        """Cut the connection in the middle of an answer, once enough rows went out."""
        self._rows_sent += count
        limit = self._database.faults.drop_after_rows
        if limit is not None and self._rows_sent >= limit:
            self._net.send_half(answers.row_header() + data)
            raise Disconnected("fault: dropped")


def _failure(error: OraError, cursor_id: int = 0) -> bytes:
    outcome = CallStatus(
        code=error.code, message=str(error), cursor_id=cursor_id, offset=error.offset
    )
    return outcome.encode()


def _own_fault(error: Exception) -> bytes:
    """Tell type and place only: message and traceback could carry a patient's values."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    log.error("call failed: %s in %s:%s", type(error).__name__, where.name, where.lineno)
    return _failure(OraError(3001, f"fault of the stand-in, {type(error).__name__}"))
