"""The server's answers, message by message.

Layouts are those of TTC field version 12 (Oracle 19c), which the server announces and the client
goes down to: no fast authentication, no end-of-response marks, no request boundaries. An answer is
a series of messages; the last is an error message (whose number may be zero) or a status message.

Source: read off python-oracledb 26.1 in thin mode.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stand_ins.oracle import values
from stand_ins.oracle.columns import ColumnType
from stand_ins.oracle.wire import lv, text2, ub

PROTOCOL, DATA_TYPES, ERROR, ROW_HEADER, ROW_DATA, PARAMETER, STATUS = 1, 2, 4, 6, 7, 8, 9
WARNING = 15
DESCRIBE = 16

FIELD_VERSION_19C = 12
CHARSET_UTF8, CHARSET_UTF16 = 873, 2000
NO_MORE_ROWS = 1403


def protocol() -> bytes:
    """Announce a 19c server that speaks UTF-8."""
    compile_caps = bytearray(42)
    compile_caps[7] = FIELD_VERSION_19C
    runtime_caps = bytearray(7)
    runtime_caps[6] = 0x04  # binds of up to 32767 bytes
    # of the type conversion block only the last two bytes, the NCHAR character set, matter
    conversion = bytes(9) + CHARSET_UTF16.to_bytes(2, "big")
    return b"".join(
        (
            bytes([PROTOCOL, 6, 0]),
            b"Oracle stand-in (19c protocol)\x00",
            CHARSET_UTF8.to_bytes(2, "little"),
            b"\x01",  # server flags
            b"\x00\x00",  # no character set conversions
            len(conversion).to_bytes(2, "big"),
            conversion,
            lv(bytes(compile_caps)),
            lv(bytes(runtime_caps)),
        )
    )


def data_types() -> bytes:
    """Accept the client's data types with an empty list of our own."""
    return bytes([DATA_TYPES, 0, 0])


def parameters(pairs: Iterable[tuple[str, str, int]]) -> bytes:
    """Send key, value and flags of each pair, as both steps of a login do."""
    encoded = [text2(key) + text2(value) + ub(flags) for key, value, flags in pairs]
    return bytes([PARAMETER]) + ub(len(encoded)) + b"".join(encoded)


def status() -> bytes:
    """End an answer that has no row count: ping, commit, log-on, log-off."""
    return bytes([STATUS, 0, 0])


def warning(code: int, text: str) -> bytes:
    """Warn of something at a log-on that goes well all the same."""
    message = f"ORA-{code:05}: {text}".encode()
    return bytes([WARNING]) + ub(code) + ub(len(message)) + ub(0) + lv(message)


def describe(columns: Sequence[ColumnType]) -> bytes:
    """Describe the columns of a query."""
    return b"".join(
        (
            bytes([DESCRIBE, 0]),
            ub(sum(column.size for column in columns)),
            ub(len(columns)),
            b"\x00",
            *(_described(column, position) for position, column in enumerate(columns, 1)),
            bytes(6),  # date, four counters, cache key
        )
    )


def _described(column: ColumnType, position: int) -> bytes:
    is_text = column.type_number == values.VARCHAR
    return b"".join(
        (
            bytes([column.type_number, 0, column.precision & 0xFF, column.scale & 0xFF]),
            ub(column.size),
            bytes(4),  # array elements, continuation flags, type's OID and version
            ub(CHARSET_UTF8 if is_text else 0),
            b"\x01" if is_text else b"\x00",  # character set form: the database's
            ub(column.size if is_text else 0),  # size in characters
            b"\x00\x01",  # oaccolid; NULLs allowed
            bytes([min(len(column.name.encode()), 255)]),
            text2(column.name),
            b"\x00\x00",  # schema and name of an object type
            ub(position),
            b"\x00",  # UDS flags
        )
    )


def row_header() -> bytes:
    """Begin the rows of an answer; no compression by bit vectors."""
    return bytes([ROW_HEADER]) + bytes(7)


def rows(
    columns: Sequence[ColumnType],
    batch: Sequence[tuple[Any, ...]],
    spoilt: Mapping[Any, bytes] | None = None,
) -> bytes:
    """Send one message per row, encoded column by column (faster in Python).

    Args:
        columns: What was described.
        batch: The rows.
        spoilt: Values to send as these bytes instead.

    Raises:
        OverflowError: A number does not fit NUMBER.
    """
    if not batch:
        return b""
    by_column = zip(columns, zip(*batch, strict=True), strict=True)
    encoded = [map(_encoder(column, spoilt), cells) for column, cells in by_column]
    mark = bytes([ROW_DATA])
    return mark + mark.join(map(b"".join, zip(*encoded, strict=True)))


def _encoder(column: ColumnType, spoilt: Mapping[Any, bytes] | None) -> Callable[[Any], bytes]:
    if not spoilt:
        return column.encode
    return lambda value: lv(spoilt[value]) if value in spoilt else column.encode(value)


@dataclass(frozen=True, kw_only=True)
class CallStatus:
    """What ends the answer to an execute or a fetch: an ORA number (zero: well done) and a count.

    A cursor id of zero on a failure means that the statement never got a cursor; with another one
    the client forgets that cursor. `offset` is the error's position in the SQL, in bytes.
    """

    code: int = 0
    message: str = ""
    cursor_id: int = 0
    row_count: int = 0
    offset: int = 0

    def encode(self) -> bytes:
        """Write the error message."""
        return b"".join(
            (
                bytes([ERROR]),
                b"\x00\x00",  # call status (no transaction open), end-to-end number
                ub(self.row_count),
                ub(self.code),
                b"\x00\x00",  # array element errors
                ub(self.cursor_id),
                ub(self.offset),
                bytes(6),  # SQL type, fatal, flags, cursor options, UPI parameter, warnings
                bytes(5),  # rowid: rba, partition, filler, block, slot
                bytes(6),  # OS error, statement, call, padding, iterations, logical rowid
                bytes(3),  # no batch errors: codes, offsets, messages
                ub(self.code),
                ub(self.row_count),
                lv(self.message.encode()) if self.code else b"",
            )
        )


def no_more_rows(cursor_id: int, row_count: int) -> CallStatus:
    """End the rows of a query: ORA-01403 is no error to a client that fetches."""
    return CallStatus(
        code=NO_MORE_ROWS,
        message="ORA-01403: no data found",
        cursor_id=cursor_id,
        row_count=row_count,
    )
