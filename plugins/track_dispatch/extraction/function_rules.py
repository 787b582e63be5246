"""Functions, formats and patterns that Oracle reads otherwise than they look, or breaks off at.

One value that a function cannot take stops the whole day: a text that is no number, a divisor of
zero, the 30th of February.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from track_dispatch.extraction.query_tree import ErpTables, Kind, Problem, kind_of

#: Functions of texts, which turn a date into one by the session's settings.
_OF_TEXTS = (
    *(exp.DPipe, exp.Concat, exp.Upper, exp.Lower, exp.Initcap, exp.Trim, exp.Pad, exp.Substring),
    *(exp.Replace, exp.RegexpReplace, exp.RegexpSubstr, exp.RegexpLike, exp.Length),
    *(exp.StrPosition, exp.ToNumber),
)
#: Elements of a date's format that go by nothing but the date; and as the parser writes them for
#: Python. All others go by the session's language or country, guess, or are none.
_ELEMENTS = re.compile(r'SYYYY|IYYY|YYYY|MM|DDD|DD|HH24|MI|SS|IW|Q|"[^"]*"|[-/.:, ]', re.IGNORECASE)
_ELEMENTS_IN_PYTHON = re.compile(r'S?%Y|%[GmdjHMSVQ]|"[^"]*"|[-/.:, T]')
_MONTH_OF_HOUR = re.compile(r"(?i:HH24\W?MM|MM\W?SS)|%H\W?%m|%m\W?%S")
#: What a date may be cut to.
_UNIT = re.compile("I?YYYY|YEAR|Q|QUARTER|MM|MONTH|IW|DD|HH24|HOUR|MI|MINUTE", re.IGNORECASE)
_ISO = "'YYYY-MM-DD'"

#: What other engines' patterns have, and Oracle's takes for something else.
_FOREIGN_PATTERN = re.compile(r"\(\?|\\[bBhHvRKGQEuxpP<>]|[*+?}]\+")
_PATTERNS = (exp.RegexpLike, exp.RegexpReplace, exp.RegexpSubstr, exp.RegexpCount, exp.RegexpInstr)
_MODIFIERS = frozenset("imcnx")

#: Functions over rows that mean nothing without an order, and that Oracle refuses so.
_ORDERED = (
    *(exp.RowNumber, exp.Rank, exp.DenseRank, exp.Lag, exp.Lead),
    *(exp.FirstValue, exp.LastValue),
)
_TEXT_BYTES, _DIGITS = 4000, 38


def function_problems(scope: Scope, tables: ErpTables) -> Iterator[Problem]:
    """Find what one SELECT's functions do otherwise than it looks, or cannot do for each row."""
    yield from _session_formats(scope, tables)
    yield from _impossible_dates(scope)
    yield from _numbers_of_texts(scope, tables)
    yield from _divisions(scope)
    yield from _patterns(scope)
    yield from _unordered(scope)
    yield from _types(scope)


def _session_formats(scope: Scope, tables: ErpTables) -> Iterator[Problem]:
    for node in scope.find_all(*_OF_TEXTS):
        given = [node.this, node.args.get("expression"), *node.expressions]
        operands = [argument for argument in given if isinstance(argument, exp.Expr)]
        if any(kind_of(operand, scope, tables) is Kind.DATE for operand in operands):
            yield node, f"turns a date into text by the session's NLS format: to_char(x, {_ISO})"
    converting = (exp.StrToDate, exp.ToChar, exp.TimeToStr, exp.Cast, exp.DateTrunc)
    for conversion in scope.find_all(*converting):
        if message := _session_format(conversion, scope, tables):
            yield conversion, message


def _session_format(node: exp.Expr, scope: Scope, tables: ErpTables) -> str:
    """Say how a conversion goes by the session's settings; "" if it does not."""
    kind = kind_of(node.this, scope, tables)
    if isinstance(node, exp.Cast):
        to_or_from_date = {kind, kind_of(node, scope, tables)} == {Kind.DATE, Kind.TEXT}
        asked = f"to_char(x, {_ISO}) or to_date(x, {_ISO})"
        return f"cast goes by the session's NLS format: write {asked}" if to_or_from_date else ""
    if isinstance(node, exp.StrToDate) and kind is Kind.DATE:
        return "to_date of a date goes by the session's NLS format: leave to_date out"
    form = node.args.get("unit" if isinstance(node, exp.DateTrunc) else "format")
    if form is not None:
        cuts = isinstance(node, exp.DateTrunc)
        return "" if kind is Kind.NUMBER else _of_format(form.name, cuts=cuts)
    called = "to_date" if isinstance(node, exp.StrToDate) else "to_char"
    if called == "to_char" and kind in (Kind.NUMBER, Kind.TEXT):
        return ""
    return f"{called} without a format goes by the session's: write {called}(x, {_ISO})"


def _of_format(form: str, *, cuts: bool) -> str:
    """Say what is wrong with a date's format, or with what it is cut to; "" for nothing."""
    if _MONTH_OF_HOUR.search(form):
        return "MM is the month: write MI for the minutes"
    elements = _ELEMENTS_IN_PYTHON if "%" in form else _ELEMENTS
    is_known = _UNIT.fullmatch(form) if cuts else not elements.sub("", form)
    if is_known or re.fullmatch("[FM09]+", form, re.IGNORECASE):
        return ""
    return f"a format with names or guesses goes by the session's language: write {_ISO}"


def _impossible_dates(scope: Scope) -> Iterator[Problem]:
    for literal in scope.find_all(exp.DateStrToDate):
        if not _is_date(literal.this.name, "%Y-%m-%d"):
            yield literal, "is not a date literal: write date '2024-12-31'"
    for conversion in scope.find_all(exp.StrToDate):
        text, form = conversion.this, conversion.args.get("format")
        if not isinstance(text, exp.Literal) or not isinstance(form, exp.Literal):
            continue
        if not _is_date(text.name, form.name):
            yield conversion, "is not a date in this format: write date '2024-12-31'"


def _is_date(text: str, form: str) -> bool:
    try:
        return bool(datetime.strptime(text, form))  # noqa: DTZ007 - only whether it is one
    except (ValueError, re.error):  # the latter for an element that stands there twice
        return False


def _numbers_of_texts(scope: Scope, tables: ErpTables) -> Iterator[Problem]:
    for node in scope.find_all(exp.ToNumber, exp.Cast):
        if isinstance(node, exp.Cast) and kind_of(node, scope, tables) is not Kind.NUMBER:
            continue
        given = node.this.unnest()
        is_number = kind_of(given, scope, tables) is Kind.NUMBER
        if not is_number and not isinstance(given, (exp.RegexpReplace, exp.Null)):
            instead = "to_number(regexp_replace(x, '[^0-9]', ''))"
            yield node, f"one text that is not a number stops the day: write {instead}"


def _divisions(scope: Scope) -> Iterator[Problem]:
    for node in scope.find_all(exp.Div):
        by = node.expression.unnest()
        is_constant = isinstance(by, exp.Literal) and by.name.strip("0.") != ""
        if not is_constant and not isinstance(by, exp.Nullif):
            yield node, "a division by zero stops the day: write x / nullif(y, 0)"


def _patterns(scope: Scope) -> Iterator[Problem]:
    for node in scope.find_all(*_PATTERNS):
        pattern = node.args.get("expression")
        if isinstance(pattern, exp.Literal) and _FOREIGN_PATTERN.search(pattern.name):
            yield node, "the pattern has what Oracle's have not: write classes such as [^a-z0-9]"
        for name in ("flag", "parameters", "modifiers"):
            flags = node.args.get(name)
            if isinstance(flags, exp.Literal) and not _MODIFIERS.issuperset(flags.name):
                yield node, "the pattern's last argument may be of i, m, c, n and x only: write 'i'"


def _unordered(scope: Scope) -> Iterator[Problem]:
    for window in scope.find_all(exp.Window):
        if isinstance(window.this, _ORDERED) and not window.args.get("order"):
            yield window, "is any of the rows without an order: write over (... order by x)"
    for listed in scope.find_all(exp.GroupConcat):
        if listed.find(exp.Distinct):
            yield listed, "listagg takes no distinct before Oracle 19: list a grouped block"
        elif not isinstance(listed.this, exp.Order):
            yield listed, "lists in any order: write listagg(x, ',') within group (order by x)"


def _types(scope: Scope) -> Iterator[Problem]:
    for cast in scope.find_all(exp.Cast):
        sizes = [
            int(expression.name) for expression in cast.to.expressions if expression.name.isdigit()
        ]
        if cast.to.is_type(*exp.DataType.TEXT_TYPES) and not 0 < (sizes or [0])[0] <= _TEXT_BYTES:
            yield cast, f"a text has a length of 1 to {_TEXT_BYTES}: write varchar2(60)"
        elif cast.to.is_type(*exp.DataType.NUMERIC_TYPES) and sizes and sizes[0] > _DIGITS:
            yield cast, f"a number has {_DIGITS} digits at most: write number"
    for trim in scope.find_all(exp.Trim):
        cut = trim.args.get("expression")
        is_side = trim.args.get("position") not in ("LEADING", "TRAILING")
        if is_side and isinstance(cut, exp.Literal) and len(cut.name) != 1:
            yield trim, "trim takes one letter: write ltrim(rtrim(x, 'ab'), 'ab')"
