"""TTC messages: parsing the client's calls and building the server's answers.

Field layouts are those of TTC field version 12 (Oracle 19c), the version this server
announces; higher versions add fields that the client then does not send or expect.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from demo.oracle import wire
from demo.oracle.wire import Reader, lv, text2, ub

# message types
PROTOCOL, DATA_TYPES, FUNCTION, ERROR, ROW_HEADER, ROW_DATA, PARAMETER, STATUS = 1, 2, 3, 4, 6, 7, 8, 9
LOB_DATA, DESCRIBE, PIGGYBACK, SERVER_PIGGYBACK = 14, 16, 17, 23
# functions
F_REEXECUTE, F_FETCH, F_LOGOFF, F_COMMIT, F_ROLLBACK, F_REEXECUTE_FETCH = 4, 5, 9, 14, 15, 78
F_EXECUTE, F_LOB, F_CLOSE_CURSORS, F_AUTH_TWO, F_AUTH_ONE = 94, 96, 105, 115, 118
F_END_TO_END, F_PING, F_SET_SCHEMA, F_APP_CONTEXT, F_SESSION_STATE = 135, 147, 152, 154, 176
# execute options
OPT_PARSE, OPT_BIND, OPT_DEFINE, OPT_EXECUTE, OPT_FETCH = 0x01, 0x08, 0x10, 0x20, 0x40
OPT_COMMIT, OPT_DESCRIBE, OPT_BATCH_ERRORS = 0x100, 0x20000, 0x80000
FLAG_SCROLLABLE, FLAG_DML_ROWCOUNTS = 0x02, 0x4000
LOB_READ, LOB_LENGTH, LOB_CHUNK_SIZE = 0x0002, 0x0001, 0x4000
LOB_IDLE = (0x8000, 0x10000, 0x0111)  # open, close, free: nothing to do

FIELD_VERSION_19C = 12
CHARSET_UTF8, CHARSET_UTF16 = 873, 2000
NO_DATA_FOUND = 1403
LOCATOR_SIZE = 40


# --- result columns ----------------------------------------------------------------


@dataclass
class Column:
    """A described result column and how its values are written."""

    name: str
    type_num: int
    encode: Callable[[Any], bytes]
    size: int = 0  # bytes; zero tells the client that every value is NULL and unsent
    precision: int = 0
    scale: int = 0

    def describe(self, position: int) -> bytes:
        is_text = self.type_num in (wire.VARCHAR, wire.LONG, wire.CLOB)
        return b"".join(
            (
                bytes([self.type_num, 0, self.precision & 0xFF, self.scale & 0xFF]),
                ub(self.size),
                b"\x00\x00\x00\x00",  # array elements, continuation flags, type OID, version
                ub(CHARSET_UTF8 if is_text else 0),
                b"\x01" if is_text else b"\x00",  # character set form: database charset
                ub(self.size if is_text else 0),  # size in characters
                b"\x00",  # oaccolid (12.2 and later)
                b"\x01",  # NULLs allowed
                bytes([min(len(self.name.encode()), 255)]),
                text2(self.name),
                b"\x00\x00",  # schema and name of an object type
                ub(position),
                b"\x00",  # UDS flags
            )
        )


def column_for(name: str, duck_type: str, lob_kind: str | None = None) -> Column:
    """Map a DuckDB result type to the Oracle type that stands for it."""
    kind = duck_type.upper()
    if lob_kind == "CLOB":
        return Column(name, wire.CLOB, wire.enc_text, 4000)
    if lob_kind == "LONG":
        return Column(name, wire.LONG, wire.enc_long, 0)
    if kind.startswith("DECIMAL"):
        precision, scale = (int(part) for part in kind[8:-1].split(","))
        return Column(name, wire.NUMBER, wire.enc_number, 22, precision, scale)
    integer_digits = {
        "TINYINT": 3, "UTINYINT": 3, "SMALLINT": 5, "USMALLINT": 5, "INTEGER": 10, "UINTEGER": 10,
        "BIGINT": 19, "UBIGINT": 20, "HUGEINT": 38, "UHUGEINT": 38, "BOOLEAN": 1,
    }  # fmt: skip
    if kind in integer_digits:
        return Column(name, wire.NUMBER, wire.enc_number, 22, integer_digits[kind], 0)
    if kind in ("DOUBLE", "FLOAT"):  # NUMBER without precision: ints come back as int
        return Column(name, wire.NUMBER, wire.enc_number, 22, 0, -127)
    if kind in ("DATE", "TIMESTAMP_S"):  # an Oracle DATE has a time of day, to the second
        return Column(name, wire.DATE, wire.enc_date, 7)
    if kind in ("TIMESTAMP", "TIMESTAMP_MS", "TIMESTAMP_NS"):
        return Column(name, wire.TIMESTAMP, wire.enc_timestamp, 11, 0, 6)
    if kind == "TIMESTAMP WITH TIME ZONE":
        return Column(name, wire.TIMESTAMP_TZ, wire.enc_timestamp_tz, 13, 0, 6)
    if kind == "INTERVAL":
        return Column(name, wire.INTERVAL_DS, wire.enc_interval, 11, 9, 6)
    if kind == "BLOB":
        return Column(name, wire.RAW, wire.enc_raw, 2000)
    if kind in ('"NULL"', "NULL"):
        return Column(name, wire.VARCHAR, wire.enc_null_column, 0)
    return Column(name, wire.VARCHAR, wire.enc_text, 4000)


def locator(identity: int) -> bytes:
    """A LOB locator. Byte 6 without 0x80 makes the client read the text as UTF-8."""
    return identity.to_bytes(8, "big").rjust(LOCATOR_SIZE, b"\x00")


# --- answers -----------------------------------------------------------------------


def protocol_answer() -> bytes:
    compile_caps = bytearray(42)
    compile_caps[7] = FIELD_VERSION_19C  # the client lowers its own field version to this
    runtime_caps = bytearray(7)
    runtime_caps[6] = 0x04  # 32K VARCHAR2 binds
    # type conversion block: only its last two bytes, the NCHAR character set, matter
    conversion = bytes(9) + CHARSET_UTF16.to_bytes(2, "big")
    return b"".join(
        (
            bytes([PROTOCOL, 6, 0]),
            b"Oracle stand-in (19c protocol)\x00",
            CHARSET_UTF8.to_bytes(2, "little"),
            b"\x01",  # server flags
            b"\x00\x00",  # no character set conversion elements
            len(conversion).to_bytes(2, "big"),
            conversion,
            lv(bytes(compile_caps)),
            lv(bytes(runtime_caps)),
        )
    )


def data_types_answer() -> bytes:
    return bytes([DATA_TYPES, 0, 0])  # an empty list ends with a 16-bit zero


def parameters(pairs: list[tuple[str, str, int]]) -> bytes:
    """Key/value pairs, as sent during authentication."""
    out = [bytes([PARAMETER]), ub(len(pairs))]
    for key, value, flags in pairs:
        out += (text2(key), text2(value), ub(flags))
    return b"".join(out)


def execute_parameters(row_counts: list[int]) -> bytes:
    """The return parameters of an execute, here only per-row counts of executemany."""
    counts = b"".join(map(ub, row_counts))
    return bytes([PARAMETER]) + b"\x00\x00\x00\x00" + ub(len(row_counts)) + counts


def status(in_transaction: bool = False) -> bytes:
    return bytes([STATUS]) + ub(2 if in_transaction else 0) + b"\x00"


def describe(columns: list[Column]) -> bytes:
    out = [bytes([DESCRIBE]), b"\x00", ub(sum(c.size for c in columns)), ub(len(columns))]
    if columns:
        out.append(b"\x00")
    out += [column.describe(i) for i, column in enumerate(columns, 1)]
    out.append(b"\x00" * 6)  # date, four dcb counters, cache key
    return b"".join(out)


def row_header() -> bytes:
    return bytes([ROW_HEADER]) + b"\x00" * 7  # the last two: no bit vector, no rxhrid


def rows(columns: list[Column], batch: list[tuple[Any, ...]]) -> bytes:
    """ROW_DATA messages, one per row, encoded column by column (faster in Python)."""
    if not batch:
        return b""
    encoded = [map(c.encode, values) for c, values in zip(columns, zip(*batch), strict=True)]
    mark = bytes([ROW_DATA])
    return mark + mark.join(map(b"".join, zip(*encoded)))


@dataclass
class Outcome:
    """What ends every answer: an error message, whose number may well be zero."""

    code: int = 0
    message: str = ""
    cursor_id: int = 0
    row_count: int = 0
    offset: int = 0
    in_transaction: bool = False
    batch_errors: list[tuple[int, int, str]] = field(default_factory=list)  # code, row, text

    def encode(self) -> bytes:
        codes = [code for code, _, _ in self.batch_errors]
        rows_ = [row for _, row, _ in self.batch_errors]
        texts = [text for _, _, text in self.batch_errors]
        short = self.code if self.code < 65536 else 0
        out = [
            bytes([ERROR]),
            ub(2 if self.in_transaction else 0),  # end-of-call status
            b"\x00",  # end-to-end sequence number
            ub(self.row_count & 0xFFFFFFFF),
            ub(short),
            b"\x00\x00",  # array element errors
            ub(self.cursor_id),
            ub(self.offset),
            b"\x00" * 6,  # SQL type, fatal, flags, cursor options, UPI parameter, warnings
            b"\x00" * 5,  # rowid: rba, partition, filler, block, slot
            b"\x00" * 6,  # OS error, statement, call, padding, iterations, logical rowid
            ub(len(codes)) + (b"\x00" + b"".join(map(ub, codes)) if codes else b""),
            ub(len(rows_)) + (b"\x00" + b"".join(map(ub, rows_)) if rows_ else b""),
            ub(len(texts)),
        ]
        if texts:
            out.append(b"\x00")
            out += [ub(len(text.encode())) + lv(text.encode()) + b"\x00\x00" for text in texts]
        out += (ub(self.code), ub(self.row_count))
        if self.code:
            out.append(lv(self.message.encode()))
        return b"".join(out)


def schema_changed(schema: str) -> bytes:
    """Server-side piggyback telling the client the new current schema (keyword 168)."""
    pair = text2(schema) + b"\x00" + ub(168)
    return bytes([SERVER_PIGGYBACK, 5]) + b"\x00\x00" + ub(1) + b"\x00" + pair + b"\x00"


# --- calls -------------------------------------------------------------------------


@dataclass
class TypeInfo:
    """What the client says of a bind variable or of a define."""

    type_num: int
    size: int
    charset_form: int


@dataclass
class Execute:
    cursor_id: int
    options: int = 0
    sql: str | None = None
    row_limit: int = 0  # rows the client wants prefetched
    iterations: int = 1
    flags: int = 0
    binds: list[TypeInfo] = field(default_factory=list)
    defines: list[TypeInfo] = field(default_factory=list)
    rows: list[list[Any]] = field(default_factory=list)


def skip_protocol(reader: Reader) -> None:
    for _ in range(2):  # protocol versions, then the driver's name: both end with a zero
        while reader.u8():
            pass


def skip_data_types(reader: Reader) -> None:
    reader.raw(5)  # character sets and encoding flags
    reader.lv()  # compile-time and run-time capabilities
    reader.lv()
    while reader.raw(2) != b"\x00\x00":
        reader.raw(6)


def read_auth(reader: Reader) -> tuple[str, dict[str, str]]:
    has_user = reader.u8()
    reader.skip("uu1")  # user length, mode, pointer
    count = reader.ub()
    reader.skip("11")
    user = (reader.lv() or b"").decode() if has_user else ""
    fields = {}
    for _ in range(count):
        key = reader.text2()
        fields[key] = reader.text2()
        reader.ub()  # flags
    return user, fields


def _read_type_infos(reader: Reader, count: int) -> list[TypeInfo]:
    infos = []
    for _ in range(count):
        type_num = reader.u8()
        reader.skip("111")  # flags, precision, scale
        size = reader.ub()
        reader.skip("uu")  # array elements, continuation flags
        reader.text2()  # object type OID
        reader.skip("uu")  # version, character set
        infos.append(TypeInfo(type_num, size, reader.u8()))
        reader.skip("uu")  # LOB prefetch length, oaccolid
    return infos


def read_bind_rows(reader: Reader, infos: list[TypeInfo], count: int) -> list[list[Any]]:
    result = []
    for _ in range(count):
        if reader.u8() != ROW_DATA:
            raise NotImplementedError("bind data expected")
        row: list[Any] = [None] * len(infos)
        # values declared longer than 32767 bytes are written after all the others
        order = sorted(range(len(infos)), key=lambda i: infos[i].size > 32767)
        for i in order:
            info = infos[i]
            if info.type_num in (wire.CLOB, wire.BLOB, 102, 109, 119, 127):
                raise NotImplementedError(f"bind type {info.type_num}")
            if info.type_num == wire.BOOLEAN:
                first = reader.u8()
                if first == 253:  # escape: NULL
                    reader.u8()
                    continue
                data = reader.raw(first)
            else:
                data = reader.lv() or b""
            row[i] = wire.decode_bind(info.type_num, info.charset_form, data or None)
        result.append(row)
    return result


def read_execute(reader: Reader) -> Execute:
    options = reader.ub()
    call = Execute(reader.ub(), options)
    has_sql = reader.u8()
    reader.skip("u1u11u")  # SQL length, vector, its length, two pointers, buffer size
    call.row_limit = reader.ub()
    reader.skip("u1")  # maximum LONG size, bind pointer
    bind_count = reader.ub()
    reader.skip("11111")
    reader.u8()  # define pointer
    define_count = reader.ub()
    reader.skip("u111u1uu")  # registration id (low), object list, blv, dnam, id (high)
    reader.skip("1u1")  # DML row counts
    reader.skip("1u1u1")  # SQL signature and SQL id (12.2)
    reader.skip("1u")  # chunk ids (12.2 extension)
    if has_sql:
        call.sql = (reader.lv() or b"").decode()
        if re.search(r"\bRETURNING\b.+\bINTO\s*:", call.sql, re.I | re.S):
            raise NotImplementedError("RETURNING INTO")  # its binds carry no values
    vector = [reader.ub() for _ in range(13)]  # al8i4
    call.iterations, call.flags = vector[1], vector[9]
    if options & OPT_DEFINE:
        call.defines = _read_type_infos(reader, define_count)
    elif bind_count:
        call.binds = _read_type_infos(reader, bind_count)
        # a query executes once whatever its iteration count (rows to fetch) says
        count = 1 if vector[7] else max(call.iterations, 1)
        call.rows = read_bind_rows(reader, call.binds, count)
    return call


@dataclass
class LobCall:
    identity: int
    operation: int
    offset: int
    amount: int | None


def read_lob_call(reader: Reader) -> LobCall:
    reader.u8()
    size = reader.ub()
    reader.skip("1uuu")  # destination pointer, length, short offsets
    reader.skip("111")  # charset, short amount and NULL pointers
    operation = reader.ub()
    reader.skip("11")  # SCN array
    offset = reader.ub()
    reader.ub()
    has_amount = reader.u8()
    reader.raw(6)  # array LOB fields
    identity = int.from_bytes(reader.raw(size)[-8:], "big") if size else 0
    return LobCall(identity, operation, offset, reader.ub() if has_amount else None)


def read_piggyback(reader: Reader, code: int) -> list[int] | str | None:
    """Consume one piggyback; cursors to close or a new schema are returned, others ignored."""
    if code == F_CLOSE_CURSORS:
        reader.u8()
        return [reader.ub() for _ in range(reader.ub())]
    if code == F_SET_SCHEMA:
        reader.u8()
        return reader.text2()
    if code == F_SESSION_STATE:
        reader.ub()
    elif code == F_END_TO_END:
        reader.skip("11u")
        present = [_pointer_and_length(reader) for _ in range(3)]  # identifier, module, action
        reader.skip("1u1u")
        present.append(_pointer_and_length(reader))  # client info
        reader.skip("1u1u")
        present.append(_pointer_and_length(reader))  # database operation
        for has_value in present:
            if has_value:
                reader.lv()
    elif code == F_APP_CONTEXT:
        reader.skip("1u1")
        count = reader.ub()
        reader.skip("u1")
        reader.lv()
        for _ in range(count):
            reader.text2()
            reader.text2()
            reader.ub()
    elif code == F_LOB:  # free temporary LOBs
        reader.u8()
        total = reader.ub()
        reader.skip("1uuu111u1uuu11u1u1u")
        reader.raw(total)
    else:
        raise NotImplementedError(f"piggyback {code}")
    return None


def _pointer_and_length(reader: Reader) -> bool:
    reader.u8()
    return reader.ub() > 0
