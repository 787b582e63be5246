"""One client connection: login, then calls until the client leaves."""

from __future__ import annotations

import contextlib
import logging
import re
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import duckdb

from demo.oracle import messages as m
from demo.oracle import wire
from demo.oracle.auth import Handshake
from demo.oracle.messages import Column, Execute, Outcome, TypeInfo
from demo.oracle.packets import BreakRequested, Disconnected, PacketSocket
from demo.oracle.sql import OraError, Statement, map_error, translate
from demo.oracle.wire import Reader, lv, ub

if TYPE_CHECKING:
    from demo.oracle.server import OracleStandIn

VERSION_19_22 = 19 << 24 | 22 << 16
BIND_CASTS = {
    wire.VARCHAR: "VARCHAR", wire.CHAR: "VARCHAR", wire.LONG: "VARCHAR", wire.DATE: "TIMESTAMP_S",
    wire.TIMESTAMP: "TIMESTAMP", wire.TIMESTAMP_TZ: "TIMESTAMP", wire.TIMESTAMP_LTZ: "TIMESTAMP",
}  # fmt: skip


@dataclass
class Cursor:
    """A server cursor: a statement and, for a query, its open result."""

    identity: int
    sql: str
    binds: list[TypeInfo] = field(default_factory=list)
    statement: Statement | None = None
    columns: list[Column] = field(default_factory=list)
    fetch: Callable[[int], list[tuple[Any, ...]]] | None = None
    connection: duckdb.DuckDBPyConnection | None = None  # lent while rows are pending
    fetched: int = 0

    @property
    def has_lobs(self) -> bool:
        return any(column.type_num == wire.CLOB for column in self.columns)


class Session:
    def __init__(self, server: OracleStandIn, net: PacketSocket, identity: int) -> None:
        self.server, self.net, self.identity = server, net, identity
        self.user = ""
        self.schema = self.asked_schema = ""
        self.service = server.services[0]
        self.cursors: dict[int, Cursor] = {}
        self.next_cursor = 1
        self.lobs: dict[int, str] = {}
        self.rows_sent = 0
        self.logged_on = False
        self.pending_error: OraError | None = None  # from a piggyback, told with the call
        self.handshake: Handshake | None = None
        self.db = server.connect_database()
        self.idle: list[duckdb.DuckDBPyConnection] = []
        # statements of the open transaction, for replay after a failed one (see _run_dml)
        self.journal: list[tuple[str, dict[str, Any]]] = []
        self.in_transaction = False
        self._work_lock = threading.Lock()
        self._working: duckdb.DuckDBPyConnection | None = None
        self._closed = threading.Event()

    # -- life cycle ----------------------------------------------------------------

    def run(self) -> None:
        try:
            if self._establish():
                threading.Thread(target=self._watch, daemon=True).start()
                while True:
                    self._serve_one()
        except Disconnected:
            pass
        finally:
            self.close()

    def abort(self) -> None:
        """Called from another thread when the server stops."""
        self.net.shutdown()
        for connection in self._connections():
            with contextlib.suppress(duckdb.Error):  # closed by now
                connection.interrupt()

    def _connections(self) -> list[duckdb.DuckDBPyConnection]:
        lent = [cursor.connection for cursor in list(self.cursors.values())]
        return [self.db, *self.idle, *(c for c in lent if c is not None)]

    def close(self) -> None:
        with self._work_lock:
            self._closed.set()
            self.net.sock.close()
        for connection in self._connections():  # closing rolls back
            connection.close()

    def _establish(self) -> bool:
        descriptor = self.net.receive_connect()
        known = [name.upper() for name in self.server.services]
        service, sid = descriptor.get("SERVICE_NAME"), descriptor.get("SID")
        if self.server.faults.refuse:
            self.net.refuse(self.server.faults.refuse)
        elif (service or sid or "").upper() not in known:
            self.net.refuse(12514 if service or not sid else 12505)
        else:
            self.service = service or sid or ""
            self.net.accept()
            return True
        return False

    def _serve_one(self) -> None:
        """Read one request and answer it."""
        reader = Reader(self.net.receive_data)
        patience = 0.0
        try:
            try:
                answer = self._dispatch(reader)
            except (OraError, NotImplementedError) as error:
                answer = self._failure(error if isinstance(error, OraError) else OraError(3001, str(error)))
                patience = 0.02  # the rest of a request that was not read to its end
            # nothing else can come before the answer, except a break
            while self.net.readable(patience):
                self.net.receive_data()
        except BreakRequested:
            self.net.answer_break()
            answer = self._failure(OraError(1013))
        except Disconnected:
            raise
        except Exception as error:  # a fault of the stand-in itself: tell, and stay alive
            logging.getLogger(__name__).exception("call failed")
            answer = self._failure(OraError(600, message=f"internal error of the stand-in: {error!r}"))
        self.net.send_data(answer)

    def _failure(self, error: OraError, cursor_id: int = 0) -> bytes:
        return Outcome(error.code, str(error), cursor_id, 0, error.offset, self.in_transaction).encode()

    # -- calls ---------------------------------------------------------------------

    def _dispatch(self, reader: Reader) -> bytes:
        kind = reader.u8()
        if kind == m.PROTOCOL:
            m.skip_protocol(reader)
            return m.protocol_answer()
        if kind == m.DATA_TYPES:
            m.skip_data_types(reader)
            return m.data_types_answer()
        while kind == m.PIGGYBACK:
            code = reader.u8()
            reader.u8()  # sequence number
            self._piggyback(m.read_piggyback(reader, code))
            kind = reader.u8()
        if kind != m.FUNCTION:
            raise NotImplementedError(f"message type {kind}")
        function = reader.u8()
        reader.u8()  # sequence number
        if function == m.F_AUTH_ONE:
            user, _ = m.read_auth(reader)
            self.handshake = Handshake(self.server.users.get(user.upper()))
            return m.parameters(self.handshake.challenge()) + m.status()
        if function == m.F_AUTH_TWO:
            return self._log_on(*m.read_auth(reader))
        if not self.logged_on:
            raise OraError(1012, message="not logged on")
        if error := self.pending_error:
            self.pending_error = None
            raise error
        return self._call(function, reader)

    def _call(self, function: int, reader: Reader) -> bytes:
        if function == m.F_EXECUTE:
            return self._execute(m.read_execute(reader))
        if function in (m.F_REEXECUTE, m.F_REEXECUTE_FETCH):
            return self._reexecute(reader, function)
        if function == m.F_FETCH:
            cursor = self._cursor(reader.ub())
            return m.row_header() + self._fetch(cursor, reader.ub())
        if function == m.F_LOB:
            return self._lob(m.read_lob_call(reader))
        if function == m.F_COMMIT:
            self._end_transaction("COMMIT")
        elif function in (m.F_ROLLBACK, m.F_LOGOFF):
            self._end_transaction("ROLLBACK")
        elif function != m.F_PING:
            raise NotImplementedError(f"function {function}")
        return m.status(self.in_transaction)

    def _log_on(self, user: str, fields: dict[str, str]) -> bytes:
        proof = self.handshake.verify(fields) if self.handshake else None
        if proof is None:
            self.net.send_data(self._failure(OraError(1017)))
            raise Disconnected("login denied")
        self.logged_on, self.user = True, user.upper()
        self._set_schema(self.user, strict=False)
        pairs = {
            "AUTH_VERSION_NO": str(VERSION_19_22),
            "AUTH_SESSION_ID": str(self.identity),
            "AUTH_SERIAL_NUM": str(secrets.randbelow(60000) + 1),
            "AUTH_SC_DBUNIQUE_NAME": self.server.services[0],
            "AUTH_SC_SERVICE_NAME": self.service,
            "AUTH_INSTANCENAME": self.server.services[0],
            "AUTH_MAX_OPEN_CURSORS": "300",
            "AUTH_MAX_IDEN_LENGTH": "128",
            "AUTH_SVR_RESPONSE": proof,
        }
        return m.parameters([(key, value, 0) for key, value in pairs.items()]) + m.status()

    def _piggyback(self, item: list[int] | str | None) -> None:
        """Cursors to close or a new current schema, sent along with some other call."""
        if isinstance(item, str):
            try:
                self._set_schema(item, strict=self.server.strict_schema)
            except OraError as error:
                self.pending_error = error
        for identity in item if isinstance(item, list) else ():
            self._release(self.cursors.pop(identity, None))

    def _set_schema(self, schema: str, strict: bool) -> None:
        """CURRENT_SCHEMA: where unqualified names are looked up first."""
        if schema == self.asked_schema:
            return  # python-oracledb repeats it with every call
        found = self.server.find_schema(schema)
        if not found and strict:
            raise OraError(1435)
        self.schema, self.asked_schema = found or "", schema
        self._prepare(self.db)
        while self.idle:
            self.idle.pop().close()

    def _prepare(self, connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
        path = ",".join(dict.fromkeys(filter(None, (self.schema, "main", "sys"))))
        connection.execute(f"SET search_path = '{path}'")
        for name, value in (
            ("user", self.user), ("schema", self.schema.upper() or self.user),
            ("service", self.service), ("sid", str(self.identity)),
        ):  # fmt: skip
            connection.execute("SET VARIABLE ora_{} = '{}'".format(name, value.replace("'", "''")))
        return connection

    # -- cursors -------------------------------------------------------------------

    def _cursor(self, identity: int) -> Cursor:
        if identity not in self.cursors:
            raise OraError(1001, message="invalid cursor")
        return self.cursors[identity]

    def _release(self, cursor: Cursor | None) -> None:
        if cursor is not None:
            cursor.fetch = None
            if cursor.connection is not None:
                self.idle.append(cursor.connection)
                cursor.connection = None

    def _execute(self, call: Execute) -> bytes:
        if call.cursor_id:
            cursor = self._cursor(call.cursor_id)
        else:
            while self.next_cursor in self.cursors:
                self.next_cursor = self.next_cursor % 65000 + 1
            cursor = Cursor(self.next_cursor, call.sql or "")
            self.next_cursor = self.next_cursor % 65000 + 1
        if call.sql is not None:
            cursor.sql = call.sql
        if call.options & m.OPT_DEFINE:
            return self._define(cursor, call)
        if call.flags & m.FLAG_SCROLLABLE:
            raise OraError(3001, "scrollable cursors")
        if call.binds:
            cursor.binds = call.binds
        if not call.options & m.OPT_EXECUTE:
            return self._parse_only(cursor, call)
        limit = call.row_limit if call.options & m.OPT_FETCH else 0
        return self._perform(
            cursor,
            call.rows,
            limit,
            iterations=max(1, call.iterations),
            describe=bool(call.options & m.OPT_PARSE),
            commit=bool(call.options & m.OPT_COMMIT),
            batch_errors=bool(call.options & m.OPT_BATCH_ERRORS),
            row_counts=bool(call.flags & m.FLAG_DML_ROWCOUNTS),
        )

    def _reexecute(self, reader: Reader, function: int) -> bytes:
        cursor = self._cursor(reader.ub())
        count = reader.ub()
        reader.ub()
        commit = bool(reader.ub() & 1)
        fetching = function == m.F_REEXECUTE_FETCH
        is_query = cursor.statement is not None and cursor.statement.kind == "query"
        iterations = 1 if fetching or is_query else max(1, count)
        rows = m.read_bind_rows(reader, cursor.binds, iterations) if cursor.binds else []
        return self._perform(cursor, rows, count if fetching else 0, iterations, commit=commit)

    def _translate(self, cursor: Cursor, rows: list[list[Any]]) -> Statement:
        for pattern, code, text in self.server.faults.errors:
            if re.search(pattern, cursor.sql, re.I | re.S):
                raise OraError(code, message=text or None)
        casts = tuple(BIND_CASTS.get(info.type_num, "") for info in cursor.binds)
        statement = translate(cursor.sql, casts)
        self.server.record(self.user, cursor.sql, rows)
        return statement

    def _perform(
        self,
        cursor: Cursor,
        rows: list[list[Any]],
        limit: int,
        iterations: int = 1,
        describe: bool = False,
        commit: bool = False,
        batch_errors: bool = False,
        row_counts: bool = False,
    ) -> bytes:
        self._release(cursor)
        known = cursor.identity in self.cursors
        try:
            statement = self._translate(cursor, rows)
            cursor.statement = statement
            self.net.wait(self.server.faults.latency)
            if statement.kind == "query":
                changed = self._open(cursor, rows[0] if rows else [])
                self.cursors[cursor.identity] = cursor
                answer = m.describe(cursor.columns) if describe or changed else b""
                if cursor.has_lobs or not limit:  # the client must define or fetch first
                    return (
                        answer
                        + Outcome(cursor_id=cursor.identity, in_transaction=self.in_transaction).encode()
                    )
                return answer + m.row_header() + self._fetch(cursor, limit, wait=False)
            outcome = Outcome(cursor_id=cursor.identity)
            answer = b""
            if statement.kind == "dml":
                counts = self._run_dml(statement, rows or [[]] * iterations, outcome, batch_errors)
                answer = m.execute_parameters(counts) if row_counts else b""
                if commit:
                    self._end_transaction("COMMIT")
            elif statement.kind == "ddl":
                self._end_transaction("COMMIT")  # DDL commits, as in Oracle
                self._run(self.db, statement.sql, rows[0] if rows else [])
            elif statement.kind == "schema":
                self._set_schema(statement.argument, strict=True)
                answer = m.schema_changed(self.schema.upper())
            elif statement.kind in ("commit", "rollback"):
                self._end_transaction(statement.kind.upper())
            self.cursors[cursor.identity] = cursor
            outcome.in_transaction = self.in_transaction
            return answer + outcome.encode()
        except OraError as error:
            return self._failure(error, cursor.identity if known else 0)

    @contextlib.contextmanager
    def _breakable(self, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """While DuckDB works for a call, a break from the client may interrupt it."""
        with self._work_lock:
            self._working = connection
        try:
            yield
        finally:
            with self._work_lock:
                self._working = None

    def _watch(self) -> None:
        """Runs beside the session: nothing but a break can arrive while DuckDB works."""
        while not self._closed.wait(0.2):
            with self._work_lock:
                if self._working is not None and self.net.readable(0):
                    self._working.interrupt()

    def _run(
        self, connection: duckdb.DuckDBPyConnection, sql: str, values: list[Any]
    ) -> duckdb.DuckDBPyConnection:
        bound = {f"b{i}": value for i, value in enumerate(values, 1)}
        try:
            return connection.execute(sql, bound) if bound else connection.execute(sql)
        except duckdb.Error as error:
            raise map_error(error) from error

    def _open(self, cursor: Cursor, values: list[Any]) -> bool:
        """Run a query: streamed from its own connection, or read whole inside a transaction.

        Tells whether the columns differ from those of the cursor's last execution; if
        they do not, what the client defined for them stays in force.
        """
        assert cursor.statement is not None
        if self.in_transaction:
            try:
                result = self._run(self.db, cursor.statement.sql, values)
                described = result.description
                pending = iter(result.fetchall())
            except (OraError, duckdb.Error) as error:
                self._replay()
                raise error if isinstance(error, OraError) else map_error(error) from error
            cursor.fetch = lambda count: [row for row, _ in zip(pending, range(count), strict=False)]
        else:
            connection = self.idle.pop() if self.idle else self._prepare(self.server.connect_database())
            try:
                with self._breakable(connection):
                    result = self._run(connection, cursor.statement.sql, values)
            except OraError:
                self.idle.append(connection)
                raise
            described = result.description
            cursor.connection, cursor.fetch = connection, result.fetchmany
        names = cursor.statement.names or ()
        columns = []
        for i, (name, kind, *_) in enumerate(described or []):
            label = names[i] if len(names) == len(described or []) else name.upper()
            column = m.column_for(label, str(kind), self.server.lob_columns.get(label.upper()))
            if column.type_num == wire.CLOB:
                column.encode = self._encode_clob
            columns.append(column)
        cursor.fetched = 0
        changed = [(c.name, c.type_num) for c in cursor.columns] != [(c.name, c.type_num) for c in columns]
        if changed:
            cursor.columns = columns
        return changed

    def _parse_only(self, cursor: Cursor, call: Execute) -> bytes:
        statement = self._translate(cursor, [])
        cursor.statement = statement
        if statement.kind != "query":
            return Outcome(cursor_id=0, in_transaction=self.in_transaction).encode()
        count = statement.sql.count("$b")
        self._open(cursor, [None] * count)
        self._release(cursor)
        self.cursors[cursor.identity] = cursor
        return m.describe(cursor.columns) + Outcome(cursor_id=cursor.identity).encode()

    def _define(self, cursor: Cursor, call: Execute) -> bytes:
        """The client redefines columns, e.g. to get CLOBs inline as LONG."""
        for column, info in zip(cursor.columns, call.defines, strict=False):
            if column.type_num == wire.CLOB and info.type_num in (wire.LONG, wire.VARCHAR):
                column.encode = wire.enc_long if info.type_num == wire.LONG else wire.enc_text
        return Outcome(cursor_id=cursor.identity, in_transaction=self.in_transaction).encode()

    def _fetch(self, cursor: Cursor, count: int, wait: bool = True) -> bytes:
        if wait:
            self.net.wait(self.server.faults.latency)
        if cursor.fetch is None:
            return Outcome(
                m.NO_DATA_FOUND, "ORA-01403: no data found", cursor.identity, cursor.fetched
            ).encode()
        try:
            with self._breakable(cursor.connection or self.db):
                batch = cursor.fetch(count)
            data = m.rows(cursor.columns, batch)
        except duckdb.Error as error:
            return self._failure(map_error(error), cursor.identity)
        except OverflowError as error:
            return self._failure(OraError(1426 if "range" in str(error) else 1476), cursor.identity)
        self._maybe_drop(len(batch), data)
        cursor.fetched += len(batch)
        outcome = Outcome(0, "", cursor.identity, cursor.fetched, 0, self.in_transaction)
        if len(batch) < count:
            self._release(cursor)
            outcome.code, outcome.message = m.NO_DATA_FOUND, "ORA-01403: no data found"
        return data + outcome.encode()

    def _maybe_drop(self, count: int, data: bytes) -> None:
        """Fault: cut the connection in the middle of an answer once enough rows went out."""
        self.rows_sent += count
        if (
            self.server.faults.drop_after_rows is not None
            and self.rows_sent >= self.server.faults.drop_after_rows
        ):
            self.net.send_data((m.row_header() + data)[: max(1, len(data) // 2)])
            raise Disconnected("fault: dropped")

    # -- changes -------------------------------------------------------------------

    def _run_dml(
        self, statement: Statement, rows: list[list[Any]], outcome: Outcome, batch_errors: bool
    ) -> list[int]:
        counts = []
        for position, values in enumerate(rows):
            if not self.in_transaction:
                self.db.execute("BEGIN")
                self.in_transaction, self.journal = True, []
            try:
                counts.append(self._run(self.db, statement.sql, values).fetchall()[0][0])
            except OraError as error:
                # DuckDB aborts the whole transaction, Oracle undoes only the statement
                self._replay()
                if not batch_errors:
                    raise
                counts.append(0)
                outcome.batch_errors.append((error.code, position, str(error)))
                continue
            bound = {f"b{i}": value for i, value in enumerate(values, 1)}
            self.journal.append((statement.sql, bound))
        outcome.row_count = sum(counts)
        if outcome.batch_errors:
            outcome.code, outcome.message = 24381, "ORA-24381: error(s) in array DML"
        return counts

    def _replay(self) -> None:
        self.db.execute("ROLLBACK")
        self.in_transaction = bool(self.journal)
        if self.journal:
            self.db.execute("BEGIN")
            for sql, bound in self.journal:
                self.db.execute(sql, bound) if bound else self.db.execute(sql)

    def _end_transaction(self, how: str) -> None:
        if self.in_transaction:
            self.in_transaction, self.journal = False, []
            try:
                self.db.execute(how)
            except duckdb.Error as error:
                raise map_error(error) from error

    # -- LOBs ----------------------------------------------------------------------

    def _encode_clob(self, value: Any) -> bytes:
        if value is None or value == "":
            return b"\x00"
        identity = len(self.lobs) + 1
        self.lobs[identity] = text = str(value)
        return ub(m.LOCATOR_SIZE) + ub(len(text)) + ub(8060) + lv(m.locator(identity))

    def _lob(self, call: m.LobCall) -> bytes:
        text = self.lobs.get(call.identity, "")
        amount, data = call.amount or 0, b""
        if call.operation == m.LOB_READ:
            piece = text[call.offset - 1 : call.offset - 1 + amount]
            data = bytes([m.LOB_DATA]) + lv(piece.encode()) if piece else b""
            amount = len(piece)
        elif call.operation == m.LOB_LENGTH:
            amount = len(text)
        elif call.operation == m.LOB_CHUNK_SIZE:
            amount = 8060
        elif call.operation not in m.LOB_IDLE:
            raise NotImplementedError(f"LOB operation {call.operation:#x}")
        returned = bytes([m.PARAMETER]) + m.locator(call.identity)
        return data + returned + (ub(amount) if call.amount is not None else b"") + Outcome().encode()
