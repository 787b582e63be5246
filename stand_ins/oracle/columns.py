"""Result columns: which Oracle type stands for which of DuckDB's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stand_ins.oracle import values


@dataclass(frozen=True)
class ColumnType:
    """A described column and how its values are written.

    `size` is in bytes; zero tells the client that every value is NULL and none is sent.
    """

    name: str
    type_number: int
    encode: Callable[[Any], bytes]
    size: int
    precision: int = 0
    scale: int = 0


_INTEGER_DIGITS = {
    "TINYINT": 3,
    "SMALLINT": 5,
    "INTEGER": 10,
    "BIGINT": 19,
    "UBIGINT": 20,
    "HUGEINT": 38,
    "BOOLEAN": 1,
}
# type, encoder, size, precision, scale
_PLAIN: dict[str, tuple[int, Callable[[Any], bytes], int, int, int]] = {
    **{
        name: (values.NUMBER, values.encode_number, 22, digits, 0)
        for name, digits in _INTEGER_DIGITS.items()
    },
    # Source: python-oracledb takes precision 0, scale -127 for a bare NUMBER: whole ones become int
    **dict.fromkeys(("DOUBLE", "FLOAT"), (values.NUMBER, values.encode_number, 22, 0, -127)),
    **dict.fromkeys(("DATE", "TIMESTAMP_S"), (values.DATE, values.encode_date, 7, 0, 0)),
    "TIMESTAMP": (values.TIMESTAMP, values.encode_timestamp, 11, 0, 6),
    "VARCHAR": (values.VARCHAR, values.encode_text, 4000, 0, 0),
    **dict.fromkeys(("NULL", '"NULL"'), (values.VARCHAR, values.encode_nothing, 0, 0, 0)),
}


def column_for(name: str, duck_type: str) -> ColumnType:
    """Describe a DuckDB result column as Oracle would.

    Raises:
        NotImplementedError: No Oracle type that we serve stands for it (INTERVAL, BLOB...).
    """
    if duck_type.startswith("DECIMAL"):
        precision, scale = (int(part) for part in duck_type[8:-1].split(","))
        return ColumnType(name, values.NUMBER, values.encode_number, 22, precision, scale)
    if duck_type not in _PLAIN:
        raise NotImplementedError(f"result column of type {duck_type}")
    return ColumnType(name, *_PLAIN[duck_type])
