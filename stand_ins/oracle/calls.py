"""The client's calls, field by field.

Every call begins with its message type, function code and a sequence number, and may be preceded by
piggybacks: small messages that ride along and get no answer of their own. Layouts are those of TTC
field version 12 (Oracle 19c).

Source: read off python-oracledb 26.1 in thin mode.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from stand_ins.oracle.values import bind_decoder
from stand_ins.oracle.wire import Reader

# message types
PROTOCOL, DATA_TYPES, FUNCTION, ROW_DATA, PIGGYBACK = 1, 2, 3, 7, 17
# functions
REEXECUTE, FETCH, LOG_OFF, COMMIT, ROLLBACK, REEXECUTE_AND_FETCH, EXECUTE = 4, 5, 9, 14, 15, 78, 94
CLOSE_CURSORS, AUTH_TWO, AUTH_ONE, END_TO_END, PING, SET_SCHEMA = 105, 115, 118, 135, 147, 152
# options of an execute
OPT_PARSE, OPT_DEFINE, OPT_EXECUTE, OPT_FETCH = 0x01, 0x10, 0x20, 0x40
OPT_DESCRIBE_ONLY = 0x20000

LONG_BIND = 32767


@dataclass(frozen=True)
class BindType:
    """How the client declares a bind variable; `size` is in bytes."""

    type_number: int
    size: int
    charset_form: int


@dataclass
class Execute:
    """A statement to run, with one row of bind values; `sql` is None on a known cursor."""

    options: int
    cursor_id: int
    sql: str | None = None
    rows_wanted: int = 0
    binds: list[BindType] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)


@dataclass(frozen=True)
class CloseCursors:
    """Piggyback: the client needs these cursors no more."""

    cursor_ids: list[int]


@dataclass(frozen=True)
class CurrentSchema:
    """Piggyback: where unqualified names are looked up from now on."""

    name: str


@dataclass(frozen=True)
class EndToEnd:
    """Piggyback: what the DBA sees in V$SESSION; None leaves a value as it was."""

    module: str | None
    action: str | None


def skip_protocol(reader: Reader) -> None:
    """Skip the protocol versions and the driver's name, both closed by a zero."""
    for _ in range(2):
        while reader.u8():
            pass


def skip_data_types(reader: Reader) -> None:
    """Skip character sets, capabilities and the list of types, closed by a 16-bit zero."""
    reader.raw(5)
    reader.lv()
    reader.lv()
    while reader.raw(2) != b"\x00\x00":
        reader.raw(6)


def read_login(reader: Reader) -> tuple[str, dict[str, str]]:
    """Read either step of a login: the user's name and the fields."""
    has_user = reader.u8()
    reader.skip("uu1")  # length of the name, mode, pointer
    count = reader.ub()
    reader.skip("11")
    user = (reader.lv() or b"").decode() if has_user else ""
    fields = {}
    for _ in range(count):
        key = reader.text2()
        fields[key] = reader.text2()
        reader.ub()  # flags
    return user, fields


def read_execute(reader: Reader) -> Execute:
    """Read an execute to its last byte.

    Raises:
        NotImplementedError: The statement carries what the stand-in cannot read.
    """
    call = Execute(options=reader.ub(), cursor_id=reader.ub())
    has_sql = reader.u8()
    reader.skip("u1u11u")  # length of the SQL, vector, its length, two pointers, buffer size
    call.rows_wanted = reader.ub()
    reader.skip("u1")  # maximum LONG size, pointer to the binds
    bind_count = reader.ub()
    reader.skip("111111u")  # pointers; number of defines
    reader.skip("u111u1uu")  # registration id (low), object list, blv, dnam, id (high)
    reader.skip("1u11u1u11u")  # row counts, SQL signature, SQL id, chunk ids
    if has_sql:
        call.sql = (reader.lv() or b"").decode()
        if re.search(r"\bRETURNING\b.+\bINTO\s*:", call.sql, re.IGNORECASE | re.DOTALL):
            raise NotImplementedError("RETURNING INTO")  # its binds come without values
    reader.skip("u" * 13)  # al8i4: iterations, flags...
    if call.options & OPT_DEFINE:
        raise NotImplementedError("redefined columns")  # a driver asks for it with LOBs only
    if bind_count:
        call.binds = [_read_bind_type(reader) for _ in range(bind_count)]
        call.values = read_bind_values(reader, call.binds)
    return call


def _read_bind_type(reader: Reader) -> BindType:
    type_number = reader.u8()
    reader.skip("111")  # flags, precision, scale
    size = reader.ub()
    reader.skip("uu")  # array elements, continuation flags
    reader.text2()  # OID of an object type
    reader.skip("uu")  # version, character set
    charset_form = reader.u8()
    reader.skip("uu")  # LOB prefetch length, oaccolid
    return BindType(type_number, size, charset_form)


def read_bind_values(reader: Reader, binds: list[BindType]) -> list[Any]:
    """Read one row of values, a value for each occurrence of a bind in the SQL.

    Raises:
        NotImplementedError: A bind is of a type that the stand-in does not know.
    """
    if not binds:
        return []
    decoders = [bind_decoder(bind.type_number, bind.charset_form) for bind in binds]
    if reader.u8() != ROW_DATA:
        raise NotImplementedError("bind values expected")
    row: list[Any] = [None] * len(binds)
    # values declared longer than 32767 bytes come after all the others
    for i in sorted(range(len(binds)), key=lambda i: binds[i].size > LONG_BIND):
        data = reader.lv()
        row[i] = decoders[i](data) if data else None
    return row


def read_piggyback(reader: Reader) -> CloseCursors | CurrentSchema | EndToEnd:
    """Read what rides along with a call.

    Raises:
        NotImplementedError: A kind that the stand-in does not know.
    """
    code = reader.u8()
    reader.u8()  # sequence number
    if code == CLOSE_CURSORS:
        reader.u8()
        return CloseCursors([reader.ub() for _ in range(reader.ub())])
    if code == SET_SCHEMA:
        reader.u8()
        return CurrentSchema(reader.text2())
    if code == END_TO_END:
        return _read_end_to_end(reader)
    raise NotImplementedError(f"piggyback {code}")


def _read_end_to_end(reader: Reader) -> EndToEnd:
    """Read pointer and length of five texts, then the texts that are not empty, in that order.

    Source: python-oracledb 26.1 sends a pointer for a changed value, with length zero to clear it.
    """
    reader.skip("11u")
    sent = [(reader.u8(), reader.ub()) for _ in range(3)]  # client identifier, module, action
    reader.skip("1u1u")
    sent.append((reader.u8(), reader.ub()))  # client info
    reader.skip("1u1u")
    sent.append((reader.u8(), reader.ub()))  # database operation
    texts = [
        (reader.lv() or b"").decode() if length else "" if changed else None
        for changed, length in sent
    ]
    return EndToEnd(module=texts[1], action=texts[2])
