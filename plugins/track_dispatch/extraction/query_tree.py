"""A query as sqlglot parses it: what its blocks return, and where a column comes from."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

#: An expression, and the scope that its columns are to be looked up in.
Placed = tuple[exp.Expr, Scope]


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
    """Tell a SELECT whose rows come out from one that is only asked by a condition."""
    around: Scope | None = scope
    while around is not None:
        if around.is_subquery:
            return False
        around = around.parent
    return True


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
    """Yield what stands for a column in each branch of the block that it is taken from."""
    found = source(column, scope)
    if not isinstance(found, Scope):
        return
    first = branches(found.expression)
    position = names(first[0]).index(column.name) if column.name in names(first[0]) else None
    for leaf in _leaves(found):
        projections = leaf.expression.expressions
        if position is not None and position < len(projections):
            yield projections[position].unalias(), leaf


def _leaves(scope: Scope) -> Iterator[Scope]:
    if scope.set_operation_scopes:
        for part in scope.set_operation_scopes:
            yield from _leaves(part)
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
