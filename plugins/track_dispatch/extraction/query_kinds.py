"""Whether an expression of a query is a number, a text or a date, as far as that can be told."""

from __future__ import annotations

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from track_dispatch.extraction import query_tree
from track_dispatch.extraction.erp_tables import ErpTables, Kind

#: Both ERPs name their date columns so.
DATE_PREFIXES = ("DT_", "HR_")

#: What is a text, whatever it is made of.
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
#: What is of the kind that its first argument is of.
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
            kinds = (kind_of(one, scope, tables) for one in query_tree.outcomes(node))
            found = next(filter(None, kinds), None)
        case exp.Anonymous() if node.name.upper() == "TRUNC" and node.expressions:
            found = kind_of(node.expressions[0], scope, tables)
        case _ if isinstance(node, _AS_GIVEN):
            found = kind_of(node.this, scope, tables)
        case _:
            pass
    return found


def _of_column(column: exp.Column, scope: Scope, tables: ErpTables) -> Kind | None:
    source = query_tree.source(column, scope)
    if isinstance(source, Scope):
        found = (
            kind_of(one, where, tables) for one, where in query_tree.definitions(column, scope)
        )
        return next(filter(None, found), None)
    table = tables.get(source.name.lower()) if source is not None else None
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
    inner = next((one for one in scope.subquery_scopes if one.expression is select), None)
    return kind_of(select.expressions[0].unalias(), inner, tables) if inner else None
