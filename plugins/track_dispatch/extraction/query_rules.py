"""Conditions and values that Oracle reads otherwise than they look.

Nulls that no comparison finds, texts of dates that go by the session's settings, numbers beside
texts, comparisons that are always the same, days that begin or end on the wrong moment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING

from sqlglot import exp

from track_dispatch.extraction import query_tree
from track_dispatch.extraction.erp_tables import ErpTables, Kind
from track_dispatch.extraction.query_kinds import kind_of
from track_dispatch.extraction.vocabulary import Problem

if TYPE_CHECKING:
    from sqlglot.optimizer.scope import Scope

_COMPARED = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Like)
_CONDITIONS = (exp.Predicate, exp.Connector, exp.Not, exp.RegexpLike, exp.Exists)
_EXCLUDING = (exp.NEQ, exp.EQ, exp.In, exp.Like, exp.Between)
_MIRRORED: dict[type[exp.Expr], type[exp.Expr]] = {
    exp.GT: exp.LT,
    exp.LT: exp.GT,
    exp.GTE: exp.LTE,
    exp.LTE: exp.GTE,
}
_WRITTEN: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.LT: "<",
    exp.LTE: "<=",
}

#: How a bind is compared with a date: the day has its first moment, and not its last.
_BOUNDS: dict[str, tuple[type[exp.Expr], str]] = {
    "DAY_START": (exp.GTE, ">= :day_start"),
    "DAY_END": (exp.LT, "< :day_end"),
}

#: Functions of texts, which turn a date into one by the session's settings.
_OF_TEXTS = (
    *(exp.DPipe, exp.Concat, exp.Upper, exp.Lower, exp.Initcap, exp.Trim, exp.Pad, exp.Substring),
    *(exp.Replace, exp.RegexpReplace, exp.RegexpSubstr, exp.RegexpLike, exp.Length),
    *(exp.StrPosition, exp.ToNumber),
)
#: Elements of a date's format that go by the session's language or country, or guess a century;
#: the parser has turned some formats into Python's.
_OF_SESSION = re.compile(r"MON|DAY|DY|DL|DS|TS|RR|(?<!Y)YY(?!Y)|(?<!D)D(?!D)", re.IGNORECASE)
_OF_SESSION_IN_PYTHON = re.compile(r"%[aAbBcpuwxXy]")
_DAY = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")
_ISO = "'YYYY-MM-DD'"

_BESIDE = {
    frozenset({Kind.DATE, Kind.TEXT}): (
        f"a date beside a text goes by the session's NLS format: write date '2024-12-31', or "
        f"to_date(x, {_ISO})"
    ),
    frozenset({Kind.DATE, Kind.NUMBER}): (
        "a date beside a number, which Oracle refuses: write date '2024-12-31'"
    ),
    frozenset({Kind.NUMBER, Kind.TEXT}): (
        "a number beside a text makes Oracle read each text as a number, until one is none: write "
        "the constant as its column is, in quotes or without"
    ),
}


def value_problems(scope: Scope, tables: ErpTables) -> Iterator[Problem]:
    """Find what one SELECT compares or converts otherwise than it looks."""
    yield from _no_conditions(scope)
    yield from _nulls(scope)
    yield from _empty_texts(scope)
    yield from _of_two_kinds(scope, tables)
    yield from _session_formats(scope, tables)
    yield from _always_the_same(scope)
    yield from _day_bounds(scope)
    yield from _mixed_and_or(scope)
    yield from _without_a_code(scope)


def _no_conditions(scope: Scope) -> Iterator[Problem]:
    """Find values where a condition belongs, and the other way round: Oracle has no true."""
    for node in scope.find_all(exp.Where, exp.Having, exp.Connector, exp.Not, exp.Join, exp.Case):
        for value in query_tree.conditions(node):
            if not isinstance(value.unnest(), _CONDITIONS):
                yield query_tree.start(value), "is a value and no condition: write x = 'S'"
    for value in scope.expression.expressions if isinstance(scope.expression, exp.Select) else ():
        if isinstance(value.unalias().unnest(), _CONDITIONS):
            yield query_tree.start(value), "is a condition and no value: write case when ... end"


def _nulls(scope: Scope) -> Iterator[Problem]:
    for node in scope.find_all(*_COMPARED, exp.In, exp.Between, exp.Case):
        if any(isinstance(value, exp.Null) for value in _beside_each_other(node)):
            message = "null equals nothing, and makes a `not in` never true: write `is null`"
            yield query_tree.start(node), message
    for node in scope.find_all(exp.Not):
        inner = node.this.unnest()
        if isinstance(inner, exp.In) and inner.args.get("query"):
            message = "`not in` a query is never true once it returns a null: write `not exists`"
            yield query_tree.start(node), message


def _empty_texts(scope: Scope) -> Iterator[Problem]:
    for literal in scope.find_all(exp.Literal):
        takes_one = isinstance(literal.parent, (exp.Replace, exp.RegexpReplace, exp.Translate))
        if literal.is_string and not literal.name and not takes_one:
            message = "'' is null in Oracle, and equals nothing: write `is null`, `is not null`"
            yield query_tree.start(literal), message


def _of_two_kinds(scope: Scope, tables: ErpTables) -> Iterator[Problem]:
    kinds = (exp.In, exp.Between, exp.Case, exp.DecodeCase, exp.Coalesce, exp.Nvl2, exp.Nullif)
    for node in scope.find_all(*_COMPARED, *kinds, exp.Greatest, exp.Least):
        for values in (_beside_each_other(node), query_tree.outcomes(node)):
            found = {kind_of(value, scope, tables): value for value in reversed(values)}
            found.pop(None, None)
            for pair in combinations(sorted(filter(None, found)), 2):
                yield query_tree.start(node), _BESIDE[frozenset(pair)]


def _session_formats(scope: Scope, tables: ErpTables) -> Iterator[Problem]:
    for node in scope.find_all(*_OF_TEXTS):
        given = [node.this, node.args.get("expression"), *node.expressions]
        operands = [one for one in given if isinstance(one, exp.Expr)]
        if any(kind_of(one, scope, tables) is Kind.DATE for one in operands):
            message = f"turns a date into text by the session's NLS format: to_char(x, {_ISO})"
            yield query_tree.start(node), message
    converting = (exp.StrToDate, exp.ToChar, exp.TimeToStr, exp.Cast, exp.DateTrunc)
    for conversion in scope.find_all(*converting):
        if message := _session_format(conversion, scope, tables):
            yield query_tree.start(conversion), message
    for literal in scope.find_all(exp.DateStrToDate):
        if not _DAY.fullmatch(literal.this.name):
            yield query_tree.start(literal), "is no date literal: write date '2024-12-31'"


def _session_format(node: exp.Expr, scope: Scope, tables: ErpTables) -> str:
    """Say how a conversion goes by the session's settings; "" if it does not."""
    kind = kind_of(node.this, scope, tables)
    if isinstance(node, exp.Cast):
        to_or_from_date = {kind, kind_of(node, scope, tables)} == {Kind.DATE, Kind.TEXT}
        asked = f"to_char(x, {_ISO}) or to_date(x, {_ISO})"
        return f"cast goes by the session's NLS format: write {asked}" if to_or_from_date else ""
    form = node.args.get("unit" if isinstance(node, exp.DateTrunc) else "format")
    if form is None:
        called = "to_date" if isinstance(node, exp.StrToDate) else "to_char"
        if called == "to_char" and kind in (Kind.NUMBER, Kind.TEXT):
            return ""
        return f"{called} without a format goes by the session's: write {called}(x, {_ISO})"
    model = re.sub(r'"[^"]*"', "", form.name)
    of_session = _OF_SESSION_IN_PYTHON if "%" in model else _OF_SESSION
    if kind is Kind.NUMBER or not of_session.search(model):
        return ""
    return f"a format with names or guesses goes by the session's language: write {_ISO}"


def _always_the_same(scope: Scope) -> Iterator[Problem]:
    for node in scope.find_all(*_COMPARED, exp.In, exp.Between):
        first, *others = _beside_each_other(node)
        if not any(value.find(exp.Column, exp.Query) for value in (first, *others)):
            yield query_tree.start(node), "compares constants, always the same: leave it out"
        elif first in others:
            name = first.sql("oracle").lower()
            yield query_tree.start(node), f"compares {name} with itself: write what was meant"
    for case in scope.find_all(exp.Case):
        conditions = [branch.this for branch in case.args["ifs"]]
        for place, condition in enumerate(conditions):
            if condition in conditions[:place]:
                message = "is a condition that an earlier `when` has: this one is never reached"
                yield query_tree.start(condition), message


def _day_bounds(scope: Scope) -> Iterator[Problem]:
    """Find comparisons with a bind that take a moment too much or too little."""
    for node in scope.find_all(*_WRITTEN, exp.Between):
        sides = _beside_each_other(node)
        for place, side in enumerate(sides):
            for bind in query_tree.within(side, exp.Placeholder):
                wanted, written = _BOUNDS.get(bind.name.upper(), (None, ""))
                kind: type[exp.Expr] = type(node)
                kind = kind if place else _MIRRORED.get(kind, kind)
                others = [one for one in sides if one is not side]
                compared = any(query_tree.within(one, exp.Column) for one in others)
                if wanted and compared and kind is not wanted:
                    how = _WRITTEN.get(kind, "between")
                    message = f"compares :{bind.name.lower()} by {how}: write {written}"
                    yield query_tree.start(node), message


def _mixed_and_or(scope: Scope) -> Iterator[Problem]:
    for node in scope.find_all(exp.Or):
        for side in (node.this, node.expression):
            if isinstance(side, exp.And):
                message = "`and` binds closer than the `or` beside it: write parentheses"
                yield query_tree.start(side), message


def _without_a_code(scope: Scope) -> Iterator[Problem]:
    """Find exclusions that put out whoever has no code at all."""
    if not query_tree.makes_rows(scope) or not isinstance(scope.expression, exp.Select):
        return
    for node in scope.find_all(exp.NEQ, exp.Not, exp.Like):
        inner = node.this.unnest() if isinstance(node, exp.Not) else node
        excludes = not isinstance(node, exp.Like) or node.args.get("negate")
        column = inner.this.unnest() if excludes and isinstance(inner, _EXCLUDING) else None
        if isinstance(column, exp.Column) and not _has_null_test(node, column):
            name = column.sql("oracle").lower()
            message = f"puts out whoever has no {name}, too: write ({name} is null or ...)"
            yield query_tree.start(node), message


def _has_null_test(node: exp.Expr, column: exp.Column) -> bool:
    """Tell whether a condition beside this one, or around it, says what becomes of nulls."""
    around = node.parent
    while isinstance(around, (exp.And, exp.Or, exp.Paren)):
        tests = around.find_all(exp.Is)
        if any(test.this.unnest() == column for test in tests):
            return True
        around = around.parent
    return False


def _beside_each_other(node: exp.Expr) -> list[exp.Expr]:
    """Return what a node compares with its first value, that one first."""
    match node:
        case exp.Case():
            of_branches = [branch.this for branch in node.args["ifs"]]
            found = [node.this, *of_branches] if node.this else []
        case exp.DecodeCase():
            found = [node.expressions[0], *node.expressions[1:-1:2]]
        case exp.Between():
            found = [node.this, node.args["low"], node.args["high"]]
        case exp.Coalesce() | exp.Nvl2():
            found = []
        case _:
            queried = node.args.get("query")
            other = node.args.get("expression")
            given = [node.this, other, *node.expressions, queried]
            found = [one for one in given if isinstance(one, exp.Expr)]
    return [value.unnest() for value in found]
