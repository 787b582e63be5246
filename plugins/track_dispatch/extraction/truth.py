"""What a condition may come out as, in SQL's logic: true, false, or unknown beside a null.

Nothing is asked of a database. A column may be anything unless it is said what it is: null where an
outer join finds no row, or one value after another of those that a condition speaks of.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any, Final

from sqlglot import exp

#: Of an expression; None is null. Of a condition: a truth; None is unknown.
Value = float | str | bool | None
#: What a value, or a condition (None: unknown), may be.
Values = frozenset[Value]
Truths = frozenset[bool | None]
#: What is known of columns, and of conditions that are taken as a whole.
Known = Mapping[exp.Expr, frozenset[Any]]

#: Some value that is not null, and equals no constant for certain.
SOMETHING: Final = "\uffff something"
ANYTHING: Values = frozenset({None, SOMETHING})
NULL: Values = frozenset({None})
_EITHER: Truths = frozenset({True, False})
_ANY_TRUTH: Truths = frozenset({True, False, None})

_COMPARED: dict[type[exp.Expr], Callable[[Any, Any], bool]] = {
    exp.EQ: operator.eq,
    exp.NEQ: operator.ne,
    exp.GT: operator.gt,
    exp.GTE: operator.ge,
    exp.LT: operator.lt,
    exp.LTE: operator.le,
}
#: What is null as soon as one thing in it is.
_STRICT = (
    *(exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Neg, exp.Upper, exp.Lower, exp.Initcap, exp.Trim),
    *(exp.Substring, exp.Length, exp.ToNumber, exp.ToChar, exp.TimeToStr, exp.StrToDate, exp.Cast),
    *(exp.Greatest, exp.Least, exp.Round, exp.DateTrunc, exp.AddMonths, exp.StrPosition),
)
#: So many cases of a condition are tried; one that has more is not judged.
_CASES = 3000


def truths(condition: exp.Expr, known: Known) -> Truths:
    """Return what a condition may come out as."""
    node = condition.unnest()
    if node in known:
        return known[node]
    match node:
        case exp.Not():
            found = _negated(truths(node.this, known))
        case exp.And() | exp.Or():
            pairs = product(truths(node.left, known), truths(node.right, known))
            found = frozenset(_connected(node, *pair) for pair in pairs)
        case exp.Is():
            found = frozenset(value is None for value in values(node.this, known))
        case exp.In() if not node.args.get("query"):
            found = _in_list(node, known)
        case exp.Between():
            low = _compare(operator.ge, node.this, node.args["low"], known)
            high = _compare(operator.le, node.this, node.args["high"], known)
            found = frozenset(_connected(exp.And(), *pair) for pair in product(low, high))
        case exp.Like() | exp.RegexpLike() | exp.In():
            found = _ANY_TRUTH if values(node.this, known) != NULL else frozenset({None})
        case exp.Escape():
            found = truths(node.this, known)
        case exp.Exists():
            found = _EITHER
        case _ if type(node) in _COMPARED:
            found = _compare(_COMPARED[type(node)], node.this, node.expression, known)
        case _:
            found = _ANY_TRUTH
    return _negated(found) if node.args.get("negate") else found


def values(expression: exp.Expr, known: Known) -> Values:
    """Return what an expression may come out as."""
    node = expression.unnest()
    if node in known:
        return known[node]
    found = ANYTHING
    match node:
        case exp.Literal():
            found = frozenset({node.name if node.is_string else float(node.name)})
        case exp.Null():
            found = NULL
        case exp.Coalesce():
            found = _first_filled([node.this, *node.expressions], known)
        case exp.Case() | exp.DecodeCase() | exp.Nvl2():
            found = _of_cases(node, known)
        case exp.DPipe():  # of Oracle's, a null beside a text leaves the text
            sides = [values(node.left, known), values(node.right, known)]
            found = NULL if sides == [NULL, NULL] else _filled(all(None in side for side in sides))
        case _ if isinstance(node, _STRICT):
            parts = [part for part in node.iter_expressions() if not isinstance(part, exp.DataType)]
            given = [values(part, known) for part in parts]
            found = (
                NULL
                if NULL in given
                else _filled(any(None in part_values for part_values in given))
            )
        case _:
            pass
    return found


def _filled(may_be_null: bool) -> Values:
    return ANYTHING if may_be_null else frozenset({SOMETHING})


def _first_filled(given: Sequence[exp.Expr], known: Known) -> Values:
    found: Values = frozenset()
    for argument in given:
        found |= values(argument, known)
        if None not in found:
            return found
        found -= NULL
    return found | NULL


def _of_cases(node: exp.Expr, known: Known) -> Values:
    """Return what the branches that may be taken come out as; without an `else`, null, too."""
    found: Values = frozenset()
    for is_taken, outcome in _branches(node, known):
        if True in is_taken:
            found |= values(outcome, known)
        if not is_taken & {False, None}:
            return found
    return found


def _branches(node: exp.Expr, known: Known) -> Iterator[tuple[Truths, exp.Expr]]:
    if isinstance(node, exp.DecodeCase):
        first, *rest = node.expressions
        for wanted, outcome in zip(rest[::2], rest[1::2], strict=False):
            taken = _compare(operator.eq, first, wanted, known)
            is_null = values(wanted, known) == NULL  # which a decode finds
            yield (
                truths(exp.Is(this=first, expression=wanted), known) if is_null else taken,
                outcome,
            )
        yield frozenset({True}), rest[-1] if len(rest) % 2 else exp.Null()
        return
    if isinstance(node, exp.Nvl2):
        yield frozenset(value is not None for value in values(node.this, known)), node.args["true"]
        yield frozenset({True}), node.args["false"]
        return
    for branch in node.args["ifs"]:
        simple = node.this and _compare(operator.eq, node.this, branch.this, known)
        yield simple or truths(branch.this, known), branch.args["true"]
    yield frozenset({True}), node.args.get("default") or exp.Null()


def _in_list(node: exp.In, known: Known) -> Truths:
    found: Truths = frozenset({False})
    for expression in node.expressions:
        pairs = product(found, _compare(operator.eq, node.this, expression, known))
        found = frozenset(_connected(exp.Or(), *pair) for pair in pairs)
    return found


def _compare(
    by: Callable[[Any, Any], bool], left: exp.Expr, right: exp.Expr, known: Known
) -> Truths:
    found: set[bool | None] = set()
    for one, other in product(values(left, known), values(right, known)):
        if one is None or other is None:
            found.add(None)
        elif SOMETHING in (one, other) or type(one) is not type(other):
            found |= {True, False}
        else:
            found.add(by(one, other))
    return frozenset(found)


def _negated(found: Truths) -> Truths:
    return frozenset(None if outcome is None else not outcome for outcome in found)


def _connected(connector: exp.Expr, one: bool | None, other: bool | None) -> bool | None:
    decides = isinstance(connector, exp.Or)
    if decides in (one, other):
        return decides
    return None if None in (one, other) else not decides


# -- conditions that are always the same ----------------------------------------------------------


def always(connector: exp.Connector) -> list[exp.Expr]:
    """Return the sides that make an `or` never false, or an `and` never true; none do for most.

    Sides without a column in common cannot, so that only those that have one are held together.
    """
    wanted = isinstance(connector, exp.And)
    together: list[tuple[set[exp.Expr], list[exp.Expr]]] = []
    for side in connector.flatten():
        about, sides = set(_spoken_of(side)), [side]
        joined = [group for group in together if group[0] & about]
        together = [group for group in together if not group[0] & about]
        for others, theirs in joined:
            about, sides = about | others, [*theirs, *sides]
        together.append((about, sides))
    for about, sides in together:
        if len(sides) > 1 and not _is_ever(wanted, about, sides):
            return sides
    return []


def _is_ever(wanted: object, about: set[exp.Expr], sides: Sequence[exp.Expr]) -> bool:
    """Tell whether all sides come out as wanted in some case, or the cases are too many to try."""
    cases = {column: _cases(column, sides) for column in about}
    if prod(map(len, cases.values())) > _CASES:
        return True
    for chosen in product(*cases.values()):
        known = {one: frozenset({value}) for one, value in zip(cases, chosen, strict=True)}
        if all(wanted in truths(side, known) for side in sides):
            return True
    return False


def _leaves(condition: exp.Expr) -> Iterator[exp.Expr]:
    node = condition.unnest()
    if isinstance(node, (exp.And, exp.Or, exp.Not)):
        for side in (node.this, node.args.get("expression")):
            if side is not None:
                yield from _leaves(side)
    else:
        yield node


def _spoken_of(condition: exp.Expr) -> Iterator[exp.Expr]:
    """Yield the columns that are compared with constants, and any other condition as a whole."""
    for leaf in _leaves(condition):
        first = leaf.this.unnest() if isinstance(leaf.this, exp.Expr) else leaf
        others = [part.unnest() for part in leaf.iter_expressions() if part is not leaf.this]
        is_simple = isinstance(leaf, (*_COMPARED, exp.In, exp.Is, exp.Between))
        constant = all(isinstance(other, (exp.Literal, exp.Null)) for other in others)
        yield first if is_simple and constant and isinstance(first, exp.Column) else leaf


def _cases(one: exp.Expr, sides: Sequence[exp.Expr]) -> list[Value]:
    """Return what a column, or a condition as a whole, is taken to be in turn."""
    if not isinstance(one, exp.Column):
        return [False, True] if isinstance(one, (exp.Exists, exp.Is)) else [False, True, None]
    leaves = [leaf for side in sides for leaf in _leaves(side) if leaf.this.unnest() == one]
    named = {
        value
        for leaf in leaves
        for other in leaf.iter_expressions()
        if other is not leaf.this
        for value in values(other, {})
        if value is not None
    }
    found: set[Value] = {None, *named}
    for value in named:
        around = (-0.5, 0.5) if isinstance(value, float) else ()
        found |= {"\x01", f"{value}\x01"} if isinstance(value, str) else {value + x for x in around}
    return sorted(found, key=repr) if named else [None, SOMETHING]
