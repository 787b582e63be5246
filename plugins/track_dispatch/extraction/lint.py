"""Lint a hospital's query before a database sees it.

Every rule stands for a day that went wrong at the predecessor: an e-mail sent as a physician's name
because a UNION goes by position, a backfill that read the wrong day off the clock, a full scan at
nine in the morning, an area that no survey asks for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

from sqlglot import Dialect, Token, TokenType, exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.normalize_identifiers import normalize_identifiers
from sqlglot.optimizer.scope import Scope, traverse_scope

from track_dispatch.errors import did_you_mean
from track_dispatch.extraction import query_tree, vocabulary
from track_dispatch.extraction.function_rules import function_problems
from track_dispatch.extraction.query import BINDS, first_difference, position
from track_dispatch.extraction.query_rules import value_problems
from track_dispatch.extraction.query_tree import DATE_PREFIXES, ErpTables, Problem, read_tables
from track_dispatch.extraction.row_rules import join_problems, unused_blocks
from track_dispatch.records import COLUMNS, CONTRACT, EXTRA_PREFIX, MOMENT_FORMAT, Area, ColumnKind

_ORACLE = Dialect.get_or_raise("oracle")

_BEGINS = (TokenType.SELECT, TokenType.WITH, TokenType.L_PAREN)
_NO_SELECT = "is not one SELECT that only reads, which is all an extraction may be"
_WRITES = (exp.DML, exp.DDL, exp.Into, exp.Lock)

_AREA = "AREA_PESQUISA"
_MOMENTS = {column.name for column in CONTRACT if column.kind is ColumnKind.MOMENT}
_LABELS = frozenset(Area)
_COMPARISONS = (exp.GTE, exp.GT, exp.LTE, exp.LT, exp.EQ, exp.NEQ, exp.Between, exp.In, exp.Case)


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A mistake in a query.

    Attributes:
        file: what the query was rendered from, as the caller calls it.
        line: of the rendered query, from 1.
        column: in the line, from 1.
        message: what is wrong, and what to write instead.
    """

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        """Write place and message as compilers do."""
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


def lint(
    sql: str,
    *,
    file: str,
    tables: ErpTables | None = None,
    floor: tuple[int, int] = vocabulary.FLOOR,
) -> list[Finding]:
    """Return the findings in a rendered query, from the top.

    Args:
        sql: from `query.render`, parsed as Oracle's.
        file: for the findings alone; it is not read.
        tables: the ERPs' tables; those of `sql/tables.yaml` by default.
        floor: the release of Oracle that the query must run on.

    Raises:
        ConfigError: `sql/tables.yaml` cannot be read.
    """
    known = read_tables() if tables is None else tables
    found = {(start, message) for start, message in _problems(sql, known, floor)}
    return sorted(Finding(file, *position(sql, start), message) for start, message in found)


def _problems(sql: str, tables: ErpTables, floor: tuple[int, int]) -> Iterator[tuple[int, str]]:
    """Yield where in the query, in characters from 0, and what is wrong there."""
    try:
        tokens = _ORACLE.tokenize(sql)
    except SqlglotError:
        yield 0, "has a text or a comment without an end"
        return
    if not tokens or tokens[0].token_type not in _BEGINS:
        yield 0, _NO_SELECT
        return
    foreign = [
        *vocabulary.foreign_words(tokens, floor=floor),
        *vocabulary.foreign_spaces(sql),
    ]
    yield from foreign
    yield from _binds(tokens)
    try:
        statements = _ORACLE.parser().parse(tokens, sql)
    except SqlglotError as error:
        if not foreign:
            yield _place(error, sql), "cannot be read as Oracle's SQL: try it in a database's tool"
        return
    query = statements[0] if len(statements) == 1 else None
    if not isinstance(query, exp.Query) or any(query.find_all(*_WRITES)):
        yield 0, _NO_SELECT
        return
    if tokens[-1].token_type is TokenType.SEMICOLON:
        yield tokens[-1].start, "ends with a semicolon, which Oracle's driver does not take"
    parts = () if foreign else vocabulary.foreign_parts(query)
    rules = _by_rules(normalize_identifiers(query, dialect=_ORACLE), tables)
    for node, message in chain(parts, rules):
        yield query_tree.start(node), message


def _place(error: SqlglotError, sql: str) -> int:
    """Return where the parser gave up, in characters from 0."""
    where = (getattr(error, "errors", None) or [{}])[0]
    lines = sql.split("\n")[: (where.get("line") or 1) - 1]
    length = len(where.get("highlight") or "")
    return sum(len(line) + 1 for line in lines) + max(0, (where.get("col") or 0) - length)


def _by_rules(query: exp.Query, tables: ErpTables) -> Iterator[Problem]:
    yield from _final_columns(query)
    yield from _block_columns(query)
    yield from unused_blocks(query)
    for scope in traverse_scope(query):
        yield from _unknown_columns(scope)
        yield from _area_labels(scope)
        yield from _open_ranges(scope)
        yield from _wrapped_dates(scope)
        yield from value_problems(scope, tables)
        yield from function_problems(scope, tables)
        yield from join_problems(scope, tables)


def _binds(tokens: Sequence[Token]) -> Iterator[tuple[int, str]]:
    marks = (TokenType.COLON, TokenType.PLACEHOLDER)
    found = [after for mark, after in pairwise(tokens) if mark.token_type in marks]
    for bind in found:
        if bind.text.lower() not in BINDS:
            hint = did_you_mean(bind.text, BINDS)
            yield bind.start, f"binds :{bind.text}{hint}, which an extraction is not given"
    for name in sorted(set(BINDS) - {bind.text.lower() for bind in found}):
        yield 0, f"does not bind :{name}: it would not read one day"


# -- columns, areas and dates -------------------------------------------------------------------


def _final_columns(query: exp.Query) -> Iterator[Problem]:
    """Hold what comes out against the agreed columns, in every branch of a union."""
    selects = query_tree.branches(query)
    further = query_tree.names(selects[0])[len(COLUMNS) :] if selects else []
    extras = [name for name in further if name.startswith(EXTRA_PREFIX)]
    yield from _compare(selects, [*COLUMNS, *extras])
    for select in selects:
        yield from _bare_moments(select)


def _bare_moments(select: exp.Select) -> Iterator[Problem]:
    """Find dates that come out as they are: the driver breaks off at one that no calendar has."""
    for projection in select.expressions:
        value, name = projection.unalias(), projection.alias_or_name
        if name not in _MOMENTS or isinstance(value, exp.Null):
            continue
        is_text = isinstance(value, (exp.ToChar, exp.TimeToStr))
        if not is_text or not value.sql("oracle").endswith(f", '{MOMENT_FORMAT}')"):
            message = f"{name} may be a date that no calendar has, which stops the day: write"
            yield projection, f"{message} to_char(..., '{MOMENT_FORMAT}')"


def _block_columns(query: exp.Query) -> Iterator[Problem]:
    """Hold the branches of every union inside against its first one."""
    for block in query_tree.blocks(query):
        selects = query_tree.branches(block)
        yield from _compare(selects, query_tree.names(selects[0]) if selects else [])


def _compare(selects: list[exp.Select], agreed: list[str]) -> Iterator[Problem]:
    for number, select in enumerate(selects, start=1):
        of = f"block {number} of the union" if len(selects) > 1 else "the query"
        found = query_tree.names(select)
        for place, projection in enumerate(select.expressions, start=1):
            if not found[place - 1]:
                yield projection, f"column {place} of {of} has no name"
        if all(found) and found != agreed:
            yield select, _difference(found, agreed, of)
    of_day = [query_tree.has_day(select) for select in selects]
    for number, (select, has_day) in enumerate(zip(selects, of_day, strict=True), start=1):
        if any(of_day) and not has_day:
            yield select, f"block {number} of the union reads every day there is"


def _difference(found: list[str], agreed: list[str], of: str) -> str:
    """Say what is wrong with the columns, the plainest reason first."""
    missing = [name for name in agreed if name not in found]
    strangers = [name for name in found if name not in agreed]
    if missing or strangers:
        lacks = f"lacks {', '.join(missing)}" if missing else ""
        has = f"has {', '.join(strangers)}, agreed with nobody" if strangers else ""
        return f"{of} {' and '.join(filter(None, [lacks, has]))}"
    if twice := [name for name, times in Counter(found).items() if times > 1]:
        return f"{of} has two columns {', '.join(twice)}"
    return f"{first_difference(found, agreed, of)}: a union goes by position"


def _unknown_columns(scope: Scope) -> Iterator[Problem]:
    """Find columns of no table, and what is asked of a block that does not return it."""
    for column in scope.columns:
        name = f"{column.table}.{column.name}".lower()
        block = query_tree.source(column, scope)
        if column.table and block is None:
            yield column, f"{name} names no table of its SELECT"
        selects = query_tree.branches(block.expression) if isinstance(block, Scope) else []
        if selects and column.name not in query_tree.names(selects[0]):
            yield column, f"{name} is not a column of its block"


def _area_labels(scope: Scope) -> Iterator[Problem]:
    """Find constants in the place of an area that are not one of the six."""
    for literal in _labels(scope):
        if (label := literal.name) not in _LABELS:
            hint = did_you_mean(label, _LABELS)
            yield (
                literal,
                f'"{label}" is not one of the six areas{hint}: no survey would ask for it',
            )


def _labels(scope: Scope) -> Iterator[exp.Literal]:
    """Yield the constants that a column of areas comes out as, or is compared with."""
    if isinstance(scope.expression, exp.Select):
        for projection in scope.expression.expressions:
            if projection.alias_or_name.upper() == _AREA:
                yield from query_tree.constants(projection.unalias(), scope)
    for comparison in scope.find_all(*_COMPARISONS):
        sides = _sides(comparison)
        if any(isinstance(side, exp.Column) and side.name.upper() == _AREA for side in sides):
            yield from (side for side in sides if isinstance(side, exp.Literal))


def _open_ranges(scope: Scope) -> Iterator[Problem]:
    """Find a SELECT that begins the day on one column and ends it on another, or not always."""
    bound: dict[str, set[str]] = {name: set() for name in BINDS}
    for comparison in query_tree.conjuncts(query_tree.where_condition(scope.expression)):
        if not isinstance(comparison, _COMPARISONS):
            continue
        columns = {column.sql() for column in query_tree.within(comparison, exp.Column)}
        for bind in query_tree.within(comparison, exp.Placeholder):
            bound.setdefault(bind.name.lower(), set()).update(columns)
    begun, ended = (bound[name] for name in BINDS)
    if any(scope.find_all(exp.Placeholder)) and begun.isdisjoint(ended):
        yield (
            scope.expression,
            "no column has both beginning and end of the day: >= :day_start and < :day_end",
        )


def _wrapped_dates(scope: Scope) -> Iterator[Problem]:
    """Find conditions on dates that no index can serve."""
    for comparison in scope.find_all(*_COMPARISONS):
        sides = _sides(comparison)
        is_of_day = any(query_tree.within(side, exp.Placeholder) for side in sides)
        for side in sides:
            if _is_wrapped(side, scope, is_of_day=is_of_day):
                message = (
                    f"{comparison.sql('oracle').lower()} wraps its date column, so that no index "
                    f"can serve it: leave the column bare, >= :day_start and < :day_end"
                )
                yield side, message


def _is_wrapped(side: exp.Expr, scope: Scope, *, is_of_day: bool) -> bool:
    """Tell a date column inside of something from a bare one, even if a block has wrapped it."""
    if isinstance(side, exp.Column):
        found = query_tree.definitions(side, scope)
        return is_of_day and any(not isinstance(one.unnest(), exp.Column) for one, _ in found)
    columns = query_tree.within(side, exp.Column)
    return any(is_of_day or column.name.upper().startswith(DATE_PREFIXES) for column in columns)


def _sides(comparison: exp.Expr) -> list[exp.Expr]:
    """Return what is compared; nothing for a CASE that compares nothing."""
    if isinstance(comparison, exp.Case):
        if comparison.this is None:
            return []
        values = [branch.this for branch in comparison.args["ifs"]]
        return [side.unnest() for side in (comparison.this, *values)]
    return [side.unnest() for side in comparison.iter_expressions()]
