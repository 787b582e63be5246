"""Joins, conditions on them and subqueries, which may lose attendances or bring one more than once.

A query's grain is the attendance: what is joined to it adds columns and never rows, by an outer
join on the other table's whole key. A condition that asks other tables is an `exists`.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from track_dispatch.extraction import query_tree
from track_dispatch.extraction.query_tree import ErpTables, Problem, where_condition
from track_dispatch.extraction.truth import NULL, SOMETHING, truths, values

_LOSES = "loses whoever has no row there: write it into the join's `on`, or exists"
_FILLED = frozenset({SOMETHING})


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
        yield from _of_blocks(scope)
        yield from _merged(select)
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
    for conjunct in query_tree.conjuncts(where_condition(scope.expression)):
        asked = {column for column in conjunct.find_all(exp.Column) if column.table == alias}
        there = {column for column in asked if column.name.lower() in _equated(alias, condition)}
        if asked and True not in truths(conjunct, dict.fromkeys(asked, NULL)):
            yield conjunct, f"this condition on {name} {_LOSES}"
        elif True not in truths(conjunct, dict.fromkeys(there, _FILLED)):
            message = f"this condition on {name} loses whoever has a row there: write not exists"
            yield conjunct, message


def _merged(select: exp.Select) -> Iterator[Problem]:
    """Find what makes one row of several attendances of the day."""
    listed = (
        agg
        for expression in select.expressions
        for agg in query_tree.within(expression, exp.AggFunc)
    )
    rows = (agg for agg in listed if agg.find_ancestor(exp.Window, exp.Select) is select)
    if query_tree.has_day(select) and (merging := select.args.get("group") or next(rows, None)):
        yield merging, "makes one row of several attendances: ask it by a scalar subquery"


def _of_blocks(scope: Scope) -> Iterator[Problem]:
    """Find conditions on what a block has taken from a table that it joins."""
    for conjunct in query_tree.conjuncts(where_condition(scope.expression)):
        missing = {column for column in conjunct.find_all(exp.Column) if _is_joined(column, scope)}
        if missing and True not in truths(conjunct, dict.fromkeys(missing, NULL)):
            name = min(column.sql("oracle").lower() for column in missing)
            yield conjunct, f"this condition on {name}, which a join has brought, {_LOSES}"


def _is_joined(column: exp.Column, scope: Scope) -> bool:
    """Tell whether a block has nothing in this column for whoever a join finds no row for."""
    for definition, where in query_tree.definitions(column, scope):
        joins = where.expression.args.get("joins") or ()
        joined = {join.this.alias_or_name for join in joins}
        theirs = [column for column in definition.find_all(exp.Column) if column.table in joined]
        if theirs and values(definition, dict.fromkeys(theirs, NULL)) == NULL:
            return True
    return False


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
    for conjunct in query_tree.conjuncts(condition):
        if isinstance(conjunct, exp.EQ):
            for side, other in ((conjunct.left, conjunct.right), (conjunct.right, conjunct.left)):
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
    listed = {
        expression.unalias(): expression.alias_or_name.lower()
        for expression in source.expression.expressions
    }
    return (
        {listed[key_column] for key_column in by}
        if all(key_column in listed for key_column in by)
        else set()
    )


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
