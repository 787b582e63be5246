"""What a query must never do, found before a database sees it.

Every rule stands for a day that went wrong at the predecessor: an e-mail sent as a physician's name
because a UNION goes by position, a backfill that read the wrong day off the clock, a full scan at
nine in the morning, an area that no survey asks for.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from sqlglot import Dialect, TokenType, exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.normalize_identifiers import normalize_identifiers
from sqlglot.optimizer.scope import traverse_scope

from track_dispatch.extraction import query_rules
from track_dispatch.extraction.query import BINDS
from track_dispatch.suggestions import did_you_mean

if TYPE_CHECKING:
    from sqlglot import Token

    from track_dispatch.extraction.query_rules import Problem

# it warns of what it cannot parse; here that is a finding
logging.getLogger("sqlglot").setLevel(logging.ERROR)

_ORACLE = Dialect.get_or_raise("oracle")

_CLOCKS = frozenset(
    {"SYSDATE", "SYSTIMESTAMP", "CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP"}
    | {"LOCALTIMESTAMP"}
)
_WRITES = (exp.DML, exp.DDL, exp.Into, exp.Lock)


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that is wrong with a query.

    Attributes:
        file: what the query was rendered from, as the caller calls it.
        line: of the rendered query, from 1.
        message: what is wrong, and what to write instead.
    """

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        """Name the place as compilers do."""
        return f"{self.file}:{self.line}: {self.message}"


def lint(sql: str, *, file: str) -> list[Finding]:
    """Find what a rendered query must not do, from the top.

    Args:
        sql: from `query.render`, parsed as Oracle's.
        file: for the findings alone; nothing is read.
    """
    return sorted({Finding(file, line, message) for line, message in _problems(sql)})


def _problems(sql: str) -> Iterator[Problem]:
    try:
        tokens = _ORACLE.tokenize(sql)
        yield from _clocks(tokens)
        yield from _binds(tokens)
        statements = _ORACLE.parser().parse(tokens, sql)
        query = statements[0] if len(statements) == 1 else None
        if not isinstance(query, exp.Query) or any(query.find_all(*_WRITES)):
            yield 1, "is not one SELECT that only reads, which is all an extraction may be"
            return
        if tokens[-1].token_type is TokenType.SEMICOLON:
            yield tokens[-1].line, "ends with a semicolon, which Oracle's driver does not take"
        yield from _by_rules(normalize_identifiers(query, dialect=_ORACLE), tokens)
    except SqlglotError as error:
        where = (getattr(error, "errors", None) or [{}])[0]
        yield where.get("line") or 1, "cannot be read as Oracle's SQL: try it in a database's tool"


def _by_rules(query: exp.Query, tokens: Sequence[Token]) -> Iterator[Problem]:
    texts = {token.text: token.line for token in reversed(tokens) if _is(token, TokenType.STRING)}
    yield from query_rules.final_columns(query)
    yield from query_rules.block_columns(query)
    for scope in traverse_scope(query):
        yield from query_rules.unknown_columns(scope)
        yield from query_rules.area_labels(scope, lines=texts)
        yield from query_rules.open_ranges(scope)
        yield from query_rules.wrapped_dates(scope)


def _clocks(tokens: Sequence[Token]) -> Iterator[Problem]:
    for token in tokens:
        word = token.text.upper()
        if word in _CLOCKS and not _is(token, TokenType.STRING, TokenType.IDENTIFIER):
            yield token.line, f"reads the clock ({word}): a rerun would extract another day"


def _binds(tokens: Sequence[Token]) -> Iterator[Problem]:
    marks = (TokenType.COLON, TokenType.PLACEHOLDER)
    found = [after for mark, after in pairwise(tokens) if _is(mark, *marks)]
    for bind in found:
        if bind.text.lower() not in BINDS:
            hint = did_you_mean(bind.text, BINDS)
            yield bind.line, f"binds :{bind.text}{hint}, which an extraction is not given"
    for name in sorted(set(BINDS) - {bind.text.lower() for bind in found}):
        yield 1, f"does not bind :{name}: it would not read one day"


def _is(token: Token, *kinds: TokenType) -> bool:
    return token.token_type in kinds
