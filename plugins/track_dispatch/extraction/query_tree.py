"""Read a query as sqlglot parses it: its blocks, its columns, the kind of each value.

Also the ERP's tables, whose keys and columns `sql/tables.yaml` declares, and the grants that a
query's user needs.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from sqlglot import exp, parse_one
from sqlglot.optimizer.scope import Scope

from track_dispatch.config import include_dir
from track_dispatch.config.yaml_file import read_yaml
from track_dispatch.errors import ConfigError

# it warns of what it cannot parse, which the linter tells as a finding
logging.getLogger("sqlglot").setLevel(logging.ERROR)

#: An expression, and the scope that its columns are to be looked up in.
Placed = tuple[exp.Expr, Scope]

#: A mistake in a query: the place in its tree, and what to write there instead.
Problem = tuple[exp.Expr, str]


def branches(query: exp.Expr) -> list[exp.Select]:
    """Return the SELECTs that a query puts together by UNION and the like, from the top."""
    query = query.unnest()
    if isinstance(query, exp.SetOperation):
        return [*branches(query.this), *branches(query.expression)]
    return [query] if isinstance(query, exp.Select) else []


def blocks(query: exp.Query) -> Iterator[exp.Expr]:
    """Yield the queries in WITH and FROM, whose columns others ask for by name."""
    for cte in query.find_all(exp.CTE):
        yield cte.this
    for subquery in query.find_all(exp.Subquery):
        if isinstance(subquery.parent, (exp.From, exp.Join)):
            yield subquery.this


def names(select: exp.Select) -> list[str]:
    """Return the names of a SELECT's columns as Oracle gives them; "" for a column without one."""
    return [_name(projection) for projection in select.expressions]


def _name(projection: exp.Expr) -> str:
    if isinstance(projection, exp.Alias):
        return projection.alias
    if isinstance(projection, exp.Column) and isinstance(projection.this, exp.Identifier):
        return projection.name
    return ""


def within(node: exp.Expr, kind: type[exp.Expr]) -> list[exp.Expr]:
    """Return the nodes of a kind below a node, or itself; a query inside it is not looked into."""
    found = node.walk(prune=lambda inner: isinstance(inner, exp.Query))
    return [inner for inner in found if isinstance(inner, kind)]


def has_day(select: exp.Select) -> bool:
    """Tell whether a SELECT binds something, or asks a query in WITH that may have done so."""
    parts = [part for part in select.iter_expressions() if not isinstance(part, exp.With)]
    if any(part.find(exp.Placeholder) for part in parts):
        return True
    known = {cte.alias for cte in select.root().find_all(exp.CTE)}
    return any(table.name in known for part in parts for table in part.find_all(exp.Table))


def source(column: exp.Column, scope: Scope) -> exp.Table | Scope | None:
    """Return the table or block that a column is taken from, in its SELECT or one around it."""
    around: Scope | None = scope
    while around is not None:
        if column.table in around.sources:
            found: exp.Table | Scope = around.sources[column.table]
            return found
        # only a subquery of a condition or a value sees what is around it
        around = None if around.is_cte or around.is_derived_table else around.parent
    return None


def makes_rows(scope: Scope) -> bool:
    """Tell whether a SELECT's rows come out; those of a condition's subquery do not."""
    around: Scope | None = scope
    while around is not None:
        if around.is_subquery:
            return False
        around = around.parent
    return True


def where_condition(select: exp.Expr) -> exp.Expr | None:
    """Return the condition of a SELECT's WHERE, if it has one."""
    clause = select.args.get("where")
    return clause.this if clause else None


def conditions(node: exp.Expr) -> list[exp.Expr]:
    """Return what a clause, a connector or a CASE takes for conditions."""
    match node:
        case exp.Join():
            found = [node.args.get("on")]
        case exp.Case():
            found = [] if node.this else [branch.this for branch in node.args["ifs"]]
        case exp.Connector():
            found = [node.this, node.expression]
        case _:
            found = [node.this]
    return list(filter(None, found))


def conjuncts(condition: exp.Expr | None) -> list[exp.Expr]:
    """Return the conditions that must all hold."""
    if condition is None:
        return []
    condition = condition.unnest()
    if isinstance(condition, exp.And):
        return [*conjuncts(condition.this), *conjuncts(condition.expression)]
    return [condition]


def definitions(column: exp.Column, scope: Scope) -> Iterator[Placed]:
    """Yield a column's expression in each branch of the block that it is taken from."""
    found = source(column, scope)
    if not isinstance(found, Scope):
        return
    first = branches(found.expression)
    position = names(first[0]).index(column.name) if column.name in names(first[0]) else None
    for leaf in leaves(found):
        projections = leaf.expression.expressions
        if position is not None and position < len(projections):
            yield projections[position].unalias(), leaf


def leaves(scope: Scope) -> Iterator[Scope]:
    """Yield the scope of each SELECT that a query puts together by UNION and the like."""
    if scope.set_operation_scopes:
        for part in scope.set_operation_scopes:
            yield from leaves(part)
    elif isinstance(scope.expression, exp.Select):
        yield scope


def constants(expression: exp.Expr, scope: Scope) -> Iterator[exp.Literal]:
    """Yield the constants that an expression may come out as."""
    expression = expression.unnest()
    if isinstance(expression, exp.Literal):
        yield expression
    elif isinstance(expression, exp.Column):
        for definition, where in definitions(expression, scope):
            yield from constants(definition, where)
    for outcome in outcomes(expression):
        yield from constants(outcome, scope)


def outcomes(expression: exp.Expr) -> list[exp.Expr]:
    """Return the expressions of which a CASE, DECODE, NVL or NVL2 gives one back."""
    match expression:
        case exp.Case():
            found = [branch.args["true"] for branch in expression.args["ifs"]]
            return [*found, *filter(None, [expression.args.get("default")])]
        case exp.Coalesce():
            return [expression.this, *expression.expressions]
        case exp.Nvl2():
            return [expression.args["true"], *filter(None, [expression.args.get("false")])]
        case exp.DecodeCase():
            rest = expression.expressions[1:]
            return [*rest[1::2], *(rest[-1:] if len(rest) % 2 else [])]
        case _:
            return []


def start(node: exp.Expr) -> int:
    """Return where a node begins in the query, in characters from 0, or the nearest that is known.

    Commas and keywords have no place in the tree.
    """
    at: exp.Expr | None = node
    while at is not None:
        if known := [inner.meta["start"] for inner in at.walk() if "start" in inner.meta]:
            return int(min(known))
        at = at.parent
    return 0


# -- what the ERPs' tables are --------------------------------------------------------------------


class Kind(StrEnum):
    """What Oracle compares without converting it."""

    NUMBER = "number"
    TEXT = "text"
    DATE = "date"


class ErpTable(NamedTuple):
    """A table or view of an ERP.

    Attributes:
        key: the columns that make a row the only one; none for a view that may repeat rows.
        columns: the types of its columns, as far as they matter.
    """

    key: tuple[str, ...]
    columns: Mapping[str, Kind]


#: By name, in lower case and without the schema.
ErpTables = Mapping[str, ErpTable]


def read_tables(include: Path | None = None) -> ErpTables:
    """Read `sql/tables.yaml`.

    Args:
        include: the folder that holds `sql/`; the configured one by default.

    Raises:
        ConfigError: the file is missing or says what a table cannot be.
    """
    path = (include or include_dir()) / "sql" / "tables.yaml"
    declared = read_yaml(path, label="sql/tables.yaml")
    return {name: _table(name, entry) for name, entry in declared.items()}


def _table(name: str, entry: Any) -> ErpTable:
    if not isinstance(entry, dict) or set(entry) != {"key", "columns"}:
        raise ConfigError(f"sql/tables.yaml: {name} must have `key` and `columns`, and no more")
    key, columns = entry["key"], entry["columns"]
    if not isinstance(key, list) or not isinstance(columns, dict) or not set(key) <= set(columns):
        raise ConfigError(f"sql/tables.yaml: the key of {name} must be a list of its columns")
    kinds = sorted(Kind)
    if wrong := [column for column, kind in columns.items() if kind not in kinds]:
        raise ConfigError(
            f"sql/tables.yaml: column {wrong[0]} of {name} must be one of {', '.join(kinds)}"
        )
    return ErpTable(tuple(key), {column: Kind(kind) for column, kind in columns.items()})


# -- numbers, texts and dates ---------------------------------------------------------------------

#: Both ERPs name their date columns so.
DATE_PREFIXES = ("DT_", "HR_")

#: Expressions that are texts, of whatever arguments.
_TEXTS = (
    *(exp.DPipe, exp.Concat, exp.Upper, exp.Lower, exp.Initcap, exp.Trim, exp.Pad, exp.Replace),
    *(exp.Substring, exp.Translate, exp.RegexpReplace, exp.RegexpSubstr, exp.ToChar),
    *(exp.TimeToStr, exp.GroupConcat, exp.RawString, exp.National),
)
_NUMBERS = (
    *(exp.ToNumber, exp.Length, exp.StrPosition, exp.Count, exp.Sum, exp.Avg, exp.Extract, exp.Neg),
    *(exp.Mul, exp.Div, exp.Mod, exp.Abs, exp.Sign, exp.Floor, exp.Ceil, exp.MonthsBetween),
    *(exp.RowNumber, exp.RegexpCount),
)
_DATES = (exp.StrToDate, exp.DateStrToDate, exp.AddMonths, exp.LastDay, exp.Placeholder)
_KINDS: dict[type[exp.Expr], Kind] = {
    **dict.fromkeys(_TEXTS, Kind.TEXT),
    **dict.fromkeys(_NUMBERS, Kind.NUMBER),
    **dict.fromkeys(_DATES, Kind.DATE),
}
#: Expressions of the kind of their first argument.
_AS_GIVEN = (exp.Max, exp.Min, exp.Greatest, exp.Least, exp.Nullif, exp.Round, exp.DateTrunc)


def kind_of(node: exp.Expr, scope: Scope, tables: ErpTables) -> Kind | None:
    """Return the kind of an expression; None where only the database knows."""
    node = node.unnest()
    found = _KINDS.get(type(node))
    match node:
        case exp.Literal():
            found = Kind.TEXT if node.is_string else Kind.NUMBER
        case exp.Column():
            found = _of_column(node, scope, tables)
        case exp.Cast():
            found = _of_type(node.to)
        case exp.Add() | exp.Sub():
            found = _of_sum(node, scope, tables)
        case exp.Select():
            found = _of_subquery(node, scope, tables)
        case exp.Case() | exp.Coalesce() | exp.Nvl2() | exp.DecodeCase():
            kinds = (kind_of(outcome, scope, tables) for outcome in outcomes(node))
            found = next(filter(None, kinds), None)
        case exp.Anonymous() if node.name.upper() == "TRUNC" and node.expressions:
            found = kind_of(node.expressions[0], scope, tables)
        case _ if isinstance(node, _AS_GIVEN):
            found = kind_of(node.this, scope, tables)
        case _:
            pass
    return found


def _of_column(column: exp.Column, scope: Scope, tables: ErpTables) -> Kind | None:
    taken_from = source(column, scope)
    if isinstance(taken_from, Scope):
        found = (kind_of(one, where, tables) for one, where in definitions(column, scope))
        return next(filter(None, found), None)
    table = tables.get(taken_from.name.lower()) if taken_from is not None else None
    if table and (kind := table.columns.get(column.name.lower())):
        return kind
    return Kind.DATE if column.name.upper().startswith(DATE_PREFIXES) else None


def _of_type(type_: exp.Expr) -> Kind | None:
    if type_.is_type("date"):
        return Kind.DATE
    if type_.is_type(*exp.DataType.TEXT_TYPES):
        return Kind.TEXT
    return Kind.NUMBER if type_.is_type(*exp.DataType.NUMERIC_TYPES) else None


def _of_sum(node: exp.Binary, scope: Scope, tables: ErpTables) -> Kind:
    """Return what a sum or a difference is: two dates lie a number of days apart."""
    dates = [kind_of(side, scope, tables) for side in (node.left, node.right)].count(Kind.DATE)
    return Kind.DATE if dates == 1 else Kind.NUMBER


def _of_subquery(select: exp.Select, scope: Scope, tables: ErpTables) -> Kind | None:
    inner = next(
        (query for query in scope.subquery_scopes if query.expression is select),
        None,
    )
    return kind_of(select.expressions[0].unalias(), inner, tables) if inner else None


# -- grants ---------------------------------------------------------------------------------------


def grants(queries: Iterable[str], *, to: str) -> list[str]:
    """Return the statements that allow a user to run queries, and nothing else.

    Args:
        queries: from `query.render`; those of one database.
        to: the user.
    """
    found: set[str] = set()
    for sql in queries:
        tree = parse_one(sql, read="oracle")
        tables = (f"{table.db}.{table.name}" for table in tree.find_all(exp.Table) if table.db)
        functions = (
            f"{call.parent.this.name}.{call.name}"
            for call in tree.find_all(exp.Anonymous)
            if isinstance(call.parent, exp.Dot)
        )
        found |= {f"select on {name}".lower() for name in tables}
        found |= {f"execute on {name}".lower() for name in functions}
    return [f"grant create session to {to}"] + [
        f"grant {what} to {to}" for what in sorted(found, key=lambda what: what.split()[::-1])
    ]
