"""Conditions, values and joins of a SELECT that Oracle reads otherwise than they look.

Nulls that no comparison finds, texts of dates that go by the session's settings, numbers beside
texts, comparisons that are always the same, days that begin or end on the wrong moment.

And joins that lose attendances, or bring one more than once. A query's grain is the attendance:
what is joined to it adds columns and never rows, by an outer join on the other table's whole key. A
condition that asks other tables is an `exists`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from track_dispatch.extraction import query_tree
from track_dispatch.extraction.query_tree import (
    ErpTables,
    Kind,
    Problem,
    kind_of,
    where_condition,
)

_COMPARED = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Like)
_CONDITIONS = (*(exp.Predicate, exp.Connector, exp.Not, exp.RegexpLike, exp.Exists, exp.Escape),)
_ASKING = (exp.Where, exp.Having, exp.Connector, exp.Not, exp.Join, exp.Escape)
_EXCLUDING = (exp.NEQ, exp.EQ, exp.In, exp.Like, exp.Between)
#: How each comparison is written, and how with its sides exchanged.
_WRITTEN: dict[type[exp.Expr], tuple[str, str]] = {
    exp.EQ: ("=", "="),
    exp.NEQ: ("<>", "<>"),
    exp.GT: (">", "<"),
    exp.GTE: (">=", "<="),
    exp.LT: ("<", ">"),
    exp.LTE: ("<=", ">="),
}

#: Oracle takes no longer list.
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
    for node in scope.find_all(exp.Not):
        inner = node.this.unnest()
        if isinstance(inner, exp.In) and inner.args.get("query"):
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
    for case in scope.find_all(exp.Case):
        conditions = [branch.this for branch in case.args["ifs"]]
        for place, condition in enumerate(conditions):
            if condition in conditions[:place]:
                message = "is a condition that an earlier `when` has: this one is never reached"
                yield condition, message


def _never_or_always(scope: Scope) -> Iterator[Problem]:
    """Find comparisons with constants that no value, or every value, fulfils."""
    for between in scope.find_all(exp.Between):
        low, high = (_constant(between.args[name]) for name in ("low", "high"))
        if low and high and type(low[0]) is type(high[0]) and low > high:
            yield between, "nothing is between these: write the lower one first"
    for either in scope.find_all(exp.Or):
        sides = [side.unnest() for side in either.flatten()]
        unequal = [side.this for side in sides if isinstance(side, exp.NEQ)]
        if len(set(unequal)) < len(unequal) and not isinstance(either.parent, exp.Or):
            yield either, "one of two inequalities always holds: write not in (...)"
    for node in scope.find_all(*_COMPARED, exp.In):
        first, *others = _beside_each_other(node)
        for text in (one.name for one in others if isinstance(one, exp.Literal) and one.is_string):
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
    rows = [[one.unalias() for one in branch.expression.expressions] for branch in branches]
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
            others = [one for one in sides if one is not side]
            if not any(query_tree.within(one, exp.Column) for one in others):
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
    """Find exclusions that put out whoever has no code at all."""
    if not query_tree.makes_rows(scope) or not isinstance(scope.expression, exp.Select):
        return
    for node in scope.find_all(exp.NEQ, exp.Not, exp.Like):
        inner = node.this.unnest() if isinstance(node, exp.Not) else node
        excludes = not isinstance(node, exp.Like) or node.args.get("negate")
        column = inner.this.unnest() if excludes and isinstance(inner, _EXCLUDING) else None
        if isinstance(column, exp.Column) and not _has_null_test(node, column):
            name = column.sql("oracle").lower()
            yield node, f"puts out whoever has no {name}, too: write ({name} is null or ...)"


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


# -- joins and subqueries -------------------------------------------------------------------------

#: A condition with one of these may hold for a row that an outer join has found nothing for.
_TAKES_NULL = (exp.Is, exp.Coalesce, exp.Nvl2, exp.DecodeCase)


def join_problems(scope: Scope, tables: ErpTables) -> Iterator[Problem]:
    """Find what is wrong with the rows that one SELECT puts together."""
    select = scope.expression
    if not isinstance(select, exp.Select):
        return
    yield from _bare_columns(scope)
    yield from _bare_tables(scope)
    if query_tree.makes_rows(scope):
        for join in select.args.get("joins") or ():
            yield from _join(join, scope, tables)
    elif scope.is_subquery and not _is_of_dual(select):
        if order := select.args.get("order"):
            yield order, "`order by` in a condition or a value: leave it out"
        yield from _asked_of_nothing(scope)
        yield from _many_values(scope, tables)


def unused_blocks(query: exp.Expr) -> Iterator[Problem]:
    """Find blocks of WITH that nothing asks."""
    asked = {table.name for table in query.find_all(exp.Table) if not table.db}
    for block in query.find_all(exp.CTE):
        if block.alias not in asked:
            yield block, f"{block.alias.lower()} is asked by nothing: leave it out"


def _bare_columns(scope: Scope) -> Iterator[Problem]:
    """Find columns that name no table: one of an inner table hides one of an outer."""
    for column in scope.find_all(exp.Column):
        may_be_bare = isinstance(column.this, exp.Star) or column.find_ancestor(exp.Ordered)
        if not column.table and not may_be_bare:
            name = column.name.lower()
            yield column, f"{name} names no table: write a.{name}"


def _bare_tables(scope: Scope) -> Iterator[Problem]:
    """Find tables without their schema, which the session then decides."""
    for source in scope.sources.values():
        if isinstance(source, exp.Table) and not source.db and source.name.upper() != "DUAL":
            name = source.name.lower()
            yield source, f"{name} names no schema: write schema.{name}"


def _join(join: exp.Join, scope: Scope, tables: ErpTables) -> Iterator[Problem]:
    alias, name = join.this.alias_or_name, _name(join.this)
    condition = join.args.get("on")
    if join.side != "LEFT" or condition is None:
        message = (
            f"this join to {name} loses whoever has no row there: write left join ... on, or "
            f"exists for a condition"
        )
        yield join, message
        return
    yield from _many_rows(join, condition, scope, tables)
    own = {id(column) for column in condition.find_all(exp.Column)}
    used = [column for column in scope.columns if column.table == alias and id(column) not in own]
    if not used and not scope.expression.is_star:
        yield join, f"{name} is joined and none of its columns is used: leave it out"
    for one in query_tree.conjuncts(where_condition(scope.expression)):
        asks_it = any(column.table == alias for column in one.find_all(exp.Column))
        if asks_it and not one.find(*_TAKES_NULL):
            message = (
                f"this condition on {name} loses whoever has no row there: write it into the join's"
                f" `on`, or exists"
            )
            yield one, message


def _many_rows(
    join: exp.Join, condition: exp.Expr, scope: Scope, tables: ErpTables
) -> Iterator[Problem]:
    """Find a join that may bring a row once for each of several others."""
    alias, name = join.this.alias_or_name, _name(join.this)
    key = _key(scope.sources.get(alias), tables)
    if not key:
        message = (
            f"{name} has no key in sql/tables.yaml, and may bring an attendance more than once: "
            f"declare the key, or ask it by exists or a scalar max(...)"
        )
        yield join, message
    elif not key <= _equated(alias, condition):
        listed = ", ".join(f"{alias}.{column}".lower() for column in sorted(key))
        message = (
            f"this join to {name} may bring an attendance more than once: write its whole key "
            f"into `on`, {listed} = ..."
        )
        yield join, message


def _equated(alias: str, condition: exp.Expr | None) -> set[str]:
    """Return the columns of a table that must equal what is not of that table."""
    found = set()
    for one in query_tree.conjuncts(condition):
        if isinstance(one, exp.EQ):
            for side, other in ((one.left, one.right), (one.right, one.left)):
                of_others = all(column.table != alias for column in other.find_all(exp.Column))
                if isinstance(side, exp.Column) and side.table == alias and of_others:
                    found.add(side.name.lower())
    return found


def _key(source: exp.Table | Scope | None, tables: ErpTables) -> set[str]:
    """Return what makes a row of a table or block the only one; nothing where that is unknown."""
    if isinstance(source, exp.Table):
        table = tables.get(source.name.lower())
        return set(table.key) if table else set()
    if source is None or not isinstance(source.expression, exp.Select):
        return set()
    group = source.expression.args.get("group")
    by = group.expressions if group else []
    listed = {one.unalias(): one.alias_or_name.lower() for one in source.expression.expressions}
    return {listed[one] for one in by} if all(one in listed for one in by) else set()


def _asked_of_nothing(scope: Scope) -> Iterator[Problem]:
    """Find an `exists` or a scalar subquery that is the same for every row."""
    around = scope.expression.find_ancestor(exp.In, exp.Exists, exp.Select)
    if not isinstance(around, exp.In) and not scope.external_columns:
        message = (
            "this subquery asks nothing of the row around it: write a condition on its columns"
        )
        yield scope.expression, message


def _many_values(scope: Scope, tables: ErpTables) -> Iterator[Problem]:
    """Find a scalar subquery that may return several rows, which stops the whole day."""
    select = scope.expression
    if isinstance(select.find_ancestor(exp.In, exp.Exists, exp.Select), (exp.In, exp.Exists)):
        return
    is_one = select.expressions[0].find(exp.AggFunc) and not select.args.get("group")
    for alias, source in scope.sources.items():
        key = _key(source, tables)
        is_one = is_one or (key and key <= _equated(alias, where_condition(scope.expression)))
    if not is_one:
        yield select, "this subquery may return several rows, which stops the day: write max(...)"


def _is_of_dual(select: exp.Select) -> bool:
    """Tell a subquery of one row by nature, which makes a function be called once a query."""
    from_ = select.args.get("from_")
    return from_ is not None and from_.name.upper() == "DUAL" and not select.args.get("joins")


def _name(source: exp.Expr) -> str:
    written = ".".join(part.name for part in source.parts) if isinstance(source, exp.Table) else ""
    return (written or source.alias_or_name).lower()
