"""Lists as one parameter, however long they are.

A parameter for each value would make another statement of every length, limited by the databases,
and cost more than the look-up itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import ARRAY, JSON, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

if TYPE_CHECKING:
    from sqlalchemy import Column


class among(FunctionElement[bool]):  # noqa: N801 - reads as an SQL function
    """Whether a column's value is in the list that is given as the parameter `name`."""

    # no Boolean: SQLite would be given `... = 1` and no longer use an index
    inherit_cache = True
    name = "among"

    def __init__(self, column: Column[Any], name: str) -> None:
        listed = JSON().with_variant(ARRAY(column.type), "postgresql")
        super().__init__(column, bindparam(name, type_=listed))


@compiles(among, "postgresql")
def _on_postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    column, listed = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"{column} = any({listed})"


@compiles(among, "sqlite")
def _on_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    column, listed = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"{column} in (select value from json_each({listed}))"  # noqa: S608 - rendered clauses
