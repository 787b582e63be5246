"""Lint a SELECT's conditions and values that Oracle reads otherwise than they look.

Nulls that no comparison finds, texts of dates that go by the session's settings, numbers beside
texts, comparisons that are always the same, days that begin or end on the wrong moment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Set
from itertools import combinations

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from track_dispatch.extraction import query_tree, truth
from track_dispatch.extraction.query_tree import (
    ErpTables,
    Kind,
    Problem,
    kind_of,
)

_COMPARED = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Like)
_CONDITIONS = (*(exp.Predicate, exp.Connector, exp.Not, exp.RegexpLike, exp.Exists, exp.Escape),)
_ASKING = (exp.Where, exp.Having, exp.Connector, exp.Not, exp.Join, exp.Escape)
#: Around a comparison, what leaves it a condition among others.
_AROUND = (exp.And, exp.Or, exp.Paren, exp.Escape)
_TELLING_APART = (
    *(exp.Nullif, exp.Coalesce, exp.Greatest, exp.Least, exp.Sub, exp.Div),
    *(exp.In, exp.DecodeCase),
)
#: Expressions that a null in them makes null, or leaves unchanged.
_SPOILT = (
    *(exp.Nullif, exp.Coalesce, exp.Greatest, exp.Least, exp.DPipe, exp.Concat),
    *(exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Upper, exp.Lower, exp.Trim, exp.Substring),
)
#: How each comparison is written, and how with its sides exchanged.
_WRITTEN: dict[type[exp.Expr], tuple[str, str]] = {
    exp.EQ: ("=", "="),
    exp.NEQ: ("<>", "<>"),
    exp.GT: (">", "<"),
    exp.GTE: (">=", "<="),
    exp.LT: ("<", ">"),
    exp.LTE: ("<=", ">="),
}

#: The most values that Oracle takes in a list.
_LIST = 1000

#: How a date is compared with each bind: the day has its first moment, and not its last.
_BOUNDS = {"day_start": ">=", "day_end": "<"}

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
        "a number beside a text makes Oracle read each text as a number, until one is not: write "
        "the constant as its column is, in quotes or without"
    ),
}


def value_problems(scope: Scope, tables: ErpTables) -> Iterator[Problem]:
    """Find what one SELECT compares or converts otherwise than it looks."""
    yield from _no_conditions(scope)
    yield from _nulls(scope)
    yield from _empty_texts(scope)
    yield from _of_two_kinds(scope, tables)
    yield from _always_the_same(scope)
    yield from _the_same_twice(scope)
    yield from _made_null(scope)
    yield from _of_two_codes(scope, tables)
    yield from _day_bounds(scope)
    yield from _mixed_and_or(scope)
    yield from _without_a_code(scope)
    yield from _never_or_always(scope)
    yield from _of_a_union(scope, tables)


def _no_conditions(scope: Scope) -> Iterator[Problem]:
    """Find values where a condition belongs, and the other way round: Oracle has no true."""
    for node in scope.find_all(exp.Where, exp.Having, exp.Connector, exp.Not, exp.Join, exp.Case):
        for value in query_tree.conditions(node):
            if not isinstance(value.unnest(), _CONDITIONS):
                yield value, "is a value, not a condition: write x = 'S'"
    for node in scope.find_all(*_CONDITIONS):
        if not _is_asked(node):
            yield node, "is a condition, not a value: write case when ... end"


def _is_asked(condition: exp.Expr) -> bool:
    """Tell a condition that stands where one belongs."""
    while isinstance(condition.parent, exp.Paren):
        condition = condition.parent
    around = condition.parent
    if isinstance(around, exp.If):
        case = around.parent
        return condition.arg_key == "this" and isinstance(case, exp.Case) and case.this is None
    return isinstance(around, _ASKING)


def _nulls(scope: Scope) -> Iterator[Problem]:
    for node in scope.find_all(*_COMPARED, exp.In, exp.Between, exp.Case):
        if any(isinstance(value, exp.Null) for value in _beside_each_other(node)):
            yield node, "null equals nothing, and makes a `not in` never true: write `is null`"
    for node in scope.find_all(exp.In):
        if node.args.get("query") and _is_negated(node):
            yield node, "`not in` a query is never true once it returns a null: write `not exists`"


def _empty_texts(scope: Scope) -> Iterator[Problem]:
    for literal in scope.find_all(exp.Literal):
        takes_one = isinstance(literal.parent, (exp.Replace, exp.RegexpReplace, exp.Translate))
        if literal.is_string and not literal.name and not takes_one:
            yield (
                literal,
                "'' is null in Oracle, and equals nothing: write `is null`, `is not null`",
            )


def _of_two_kinds(scope: Scope, tables: ErpTables) -> Iterator[Problem]:
    kinds = (exp.In, exp.Between, exp.Case, exp.DecodeCase, exp.Coalesce, exp.Nvl2, exp.Nullif)
    for node in scope.find_all(*_COMPARED, *kinds, exp.Greatest, exp.Least):
        for values in (_beside_each_other(node), query_tree.outcomes(node)):
            found = {kind_of(value, scope, tables): value for value in reversed(values)}
            found.pop(None, None)
            for pair in combinations(sorted(filter(None, found)), 2):
                yield node, _BESIDE[frozenset(pair)]


def _always_the_same(scope: Scope) -> Iterator[Problem]:
    for node in scope.find_all(*_COMPARED, exp.In, exp.Between):
        first, *others = _beside_each_other(node)
        if not any(value.find(exp.Column, exp.Query) for value in (first, *others)):
            yield node, "compares constants, always the same: leave it out"
        elif first in others:
            name = first.sql("oracle").lower()
            yield node, f"compares {name} with itself: write what was meant"
    for connector in scope.find_all(exp.And, exp.Or):
        if not isinstance(connector.parent, type(connector)) and truth.always(connector):
            always = "never holds" if isinstance(connector, exp.And) else "excludes nobody"
            yield connector, f"`{connector.key}` between these {always}: write what was meant"
    for case in scope.find_all(exp.Case):
        conditions = [branch.this for branch in case.args["ifs"]]
        for place, condition in enumerate(conditions):
            if condition in conditions[:place]:
                message = "is a condition that an earlier `when` has: this one is never reached"
                yield condition, message


def _the_same_twice(scope: Scope) -> Iterator[Problem]:
    """Find arguments given twice to an expression, and outcomes that are all the same."""
    for node in scope.find_all(*_TELLING_APART):
        if isinstance(node, (exp.Coalesce, exp.Nullif, exp.Sub, exp.Div)):
            given = [node.this, node.args.get("expression"), *node.expressions]
        else:
            given = _beside_each_other(node)
        found = Counter(argument.unnest() for argument in given if argument is not None)
        if twice := [one.sql("oracle").lower() for one, times in found.items() if times > 1]:
            yield node, f"{twice[0]} stands here twice: write what was meant"
    for node in scope.find_all(exp.Case, exp.DecodeCase, exp.Nvl2):
        outcomes = query_tree.outcomes(node)
        has_else = node.args.get("default") or not isinstance(node, exp.Case)
        if has_else and len(outcomes) > 1 and len(set(outcomes)) == 1:
            yield node, "comes out the same whatever it asks: write what was meant"


def _made_null(scope: Scope) -> Iterator[Problem]:
    """Find nulls that make all of an expression null, or change nothing in it."""
    for null in scope.find_all(exp.Null):
        if isinstance(null.parent, _SPOILT):
            yield null, "null makes all of it null, or changes nothing: leave it out"
    for node in scope.find_all(exp.Greatest, exp.Least):
        for argument in (node.this, *node.expressions):
            if isinstance(argument.unnest(), exp.Column):
                name = argument.sql("oracle").lower()
                yield node, f"is null wherever {name} is: write nvl({name}, ...)"


def _of_two_codes(scope: Scope, tables: ErpTables) -> Iterator[Problem]:
    """Find codes of two tables compared with each other: they are equal by chance only."""
    codes = {table.key[0] for table in tables.values() if len(table.key) == 1}
    for node in scope.find_all(exp.EQ, exp.NEQ):
        sides = [side.unnest() for side in (node.this, node.expression)]
        columns = [side.name.lower() for side in sides if isinstance(side, exp.Column)]
        found = {_code(column, codes) for column in columns} - {""}
        if len(found) > 1:
            one, other = sorted(found)
            yield node, f"{one} and {other} are codes of two tables: write one code on both sides"


def _code(column: str, codes: Set[str]) -> str:
    """Return the code that a column holds, as its name begins (cd_atendimento_pai); "" for none."""
    return max((code for code in codes if f"{column}_".startswith(f"{code}_")), key=len, default="")


def _never_or_always(scope: Scope) -> Iterator[Problem]:
    """Find comparisons with constants that no value, or every value, fulfils."""
    for between in scope.find_all(exp.Between):
        low, high = (_constant(between.args[name]) for name in ("low", "high"))
        if low and high and type(low[0]) is type(high[0]) and low > high:
            yield between, "nothing is between these: write the lower one first"
    for node in scope.find_all(*_COMPARED, exp.In):
        first, *others = _beside_each_other(node)
        for text in (
            other.name for other in others if isinstance(other, exp.Literal) and other.is_string
        ):
            if "%" in text and not isinstance(node, exp.Like):
                yield node, "% stands for itself here: write like"
            if isinstance(first, exp.Upper) and text != text.upper():
                yield node, "no text in capitals is this: write it in capitals"
            if isinstance(first, exp.Lower) and text != text.lower():
                yield node, "no text in small letters is this: write it in small letters"
    for listed in scope.find_all(exp.In):
        if len(listed.expressions) > _LIST:
            yield listed, f"a list has {_LIST} values at most: write exists"


def _constant(node: exp.Expr) -> list[float | str]:
    """Return a constant to be compared with another one; nothing for what is none."""
    node = node.unnest()
    sign, node = (-1, node.this) if isinstance(node, exp.Neg) else (1, node)
    if isinstance(node, exp.DateStrToDate):
        return [node.this.name]
    if not isinstance(node, exp.Literal):
        return []
    return [node.name] if node.is_string else [sign * float(node.name)]


def _of_a_union(scope: Scope, tables: ErpTables) -> Iterator[Problem]:
    """Find columns that are of another kind in each branch of a union."""
    if not scope.set_operation_scopes:
        return
    branches = list(query_tree.leaves(scope))
    rows = [
        [expression.unalias() for expression in branch.expression.expressions]
        for branch in branches
    ]
    for values in zip(*rows, strict=False):
        found = {
            kind_of(value, branch, tables): value
            for value, branch in zip(values, branches, strict=True)
        }
        found.pop(None, None)
        for pair in combinations(sorted(filter(None, found)), 2):
            yield found[pair[1]], _BESIDE[frozenset(pair)]


def _day_bounds(scope: Scope) -> Iterator[Problem]:
    """Find comparisons with a bind that take a moment too much or too little."""
    for node in scope.find_all(*_WRITTEN, exp.Between):
        sides = _beside_each_other(node)
        for place, side in enumerate(sides):
            others = [other for other in sides if other is not side]
            if not any(query_tree.within(other, exp.Column) for other in others):
                continue
            as_written, exchanged = _WRITTEN.get(type(node), ("between", "between"))
            how = as_written if place else exchanged
            for bind in query_tree.within(side, exp.Placeholder):
                name = bind.name.lower()
                wanted = _BOUNDS.get(name, how)
                if how != wanted:
                    yield node, f"compares :{name} by {how}: write {wanted} :{name}"


def _mixed_and_or(scope: Scope) -> Iterator[Problem]:
    for node in scope.find_all(exp.Or):
        for side in (node.this, node.expression):
            if isinstance(side, exp.And):
                yield side, "`and` binds closer than the `or` beside it: write parentheses"


def _without_a_code(scope: Scope) -> Iterator[Problem]:
    """Find exclusions that also exclude rows without a code."""
    if not query_tree.makes_rows(scope) or not isinstance(scope.expression, exp.Select):
        return
    for node in scope.find_all(*_COMPARED, exp.In, exp.Between):
        value = node.this.unnest()
        if isinstance(node, exp.NEQ) == _is_negated(node) or None not in truth.values(value, {}):
            continue
        if isinstance(value, (exp.Case, exp.DecodeCase)):
            yield node, "is null for all that it does not name, and puts them out: write its else"
        elif not _has_null_test(node, {value, *value.find_all(exp.Column)}):
            name = value.sql("oracle").lower()
            yield node, f"puts out whoever has no {name}, too: write ({name} is null or ...)"


def _is_negated(node: exp.Expr) -> bool:
    """Tell whether a comparison excludes the rows that it holds for."""
    negated = bool(node.args.get("negate"))
    while isinstance(node.parent, (*_AROUND, exp.Not)):
        node = node.parent
        negated ^= isinstance(node, exp.Not)
    return negated


def _has_null_test(node: exp.Expr, values: Set[exp.Expr]) -> bool:
    """Tell whether a condition beside this one, or around it, says what becomes of nulls."""
    null = dict.fromkeys(values, truth.NULL)
    while isinstance(node.parent, (*_AROUND, exp.Not)):
        around, negated = node.parent, _is_negated(node)
        for side in (around.this, around.args.get("expression")):
            if side is None or side is node:
                continue
            says = any(test.this.unnest() in values for test in side.find_all(exp.Is))
            keeps = isinstance(around, exp.Or) != negated
            if says and keeps == ((not negated) in truth.truths(side, null)):
                return True
        node = around
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
            found = [argument for argument in given if isinstance(argument, exp.Expr)]
    return [value.unnest() for value in found]
