"""What Oracle 11.2 refuses although the parser, which reads every dialect, takes it.

Words, functions and names are looked at as they were typed: in the tree SUBSTRING is SUBSTR. What
is not listed here is refused, whatever DuckDB would make of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from sqlglot import Token, TokenType, exp

from stand_ins.oracle.ora_errors import OraError

_NAME_BYTES = 30

_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
        SELECT FROM WHERE WITH AS UNION ALL MINUS INTERSECT DISTINCT UNIQUE LEFT RIGHT FULL INNER
        OUTER CROSS NATURAL JOIN ON USING AND OR NOT IN IS NULL LIKE ESCAPE BETWEEN EXISTS ANY SOME
        CASE WHEN THEN ELSE END GROUP BY HAVING ORDER ASC DESC NULLS FIRST LAST OVER PARTITION KEEP
        WITHIN ROWS RANGE UNBOUNDED PRECEDING FOLLOWING CURRENT ROW BOTH LEADING TRAILING PRIOR
        CONNECT START LEVEL DATE TIMESTAMP INTERVAL DAY MONTH YEAR HOUR MINUTE SECOND TO VARCHAR2
        VARCHAR CHAR NUMBER INTEGER INT FLOAT DECIMAL FOR UPDATE OF NOWAIT SYSDATE SYSTIMESTAMP
        CURRENT_DATE CURRENT_TIMESTAMP LOCALTIMESTAMP ROWNUM
        """,
    )
)
_FUNCTIONS = frozenset(
    re.findall(
        r"\w+",
        """
        ABS ADD_MONTHS ASCII AVG CAST CEIL CHR COALESCE CONCAT COUNT CURRENT_TIMESTAMP DECODE
        DENSE_RANK EXTRACT FIRST_VALUE FLOOR GREATEST INITCAP INSTR LAG LAST_DAY LAST_VALUE LEAD
        LEAST LENGTH LISTAGG LOCALTIMESTAMP LOWER LPAD LTRIM MAX MEDIAN MIN MOD MONTHS_BETWEEN
        NEXT_DAY NTILE NULLIF NVL NVL2 POWER RANK REGEXP_COUNT REGEXP_INSTR REGEXP_LIKE
        REGEXP_REPLACE REGEXP_SUBSTR REPLACE ROUND ROW_NUMBER RPAD RTRIM SIGN SQRT SUBSTR SUM
        TO_CHAR TO_DATE TO_NUMBER TO_TIMESTAMP TRANSLATE TRIM TRUNC UPPER
        """,
    )
)
_SYMBOLS = frozenset([*",.()+-*/:;=<>", "<>", "!=", "^=", "<=", ">=", "||", "(+)"])

#: Words and signs of others whose number is not that of a statement that goes on too long (933).
_NUMBERS = {
    **dict.fromkeys(("TRUE", "FALSE"), 904),
    **dict.fromkeys(("TEXT", "STRING", "BIGINT", "BOOLEAN", "DATETIME", "DOUBLE"), 902),
    **dict.fromkeys(("ILIKE", "RLIKE", "GLOB", "SIMILAR"), 920),
    **dict.fromkeys(("==", "<=>", "->", "->>", "&&"), 936),
    **dict.fromkeys(("::", "%"), 911),
    "INTO": 1031,
}

_SKIPPED = (
    *(TokenType.STRING, TokenType.RAW_STRING, TokenType.NATIONAL_STRING, TokenType.NUMBER),
    TokenType.HINT,
)

#: Words that a parenthesis may follow though they are no functions.
_NO_FUNCTIONS = _WORDS - {"LEFT", "RIGHT", "DATE", "TIMESTAMP", "INTERVAL", "YEAR", "MONTH", "DAY"}

#: Parts that the words alone do not show.
_PARTS: dict[tuple[type[exp.Expr], str], int] = {
    (exp.Group, "all"): 936,
    (exp.SetOperation, "by_name"): 928,
    (exp.Distinct, "on"): 936,
    (exp.Select, "limit"): 933,
    (exp.Select, "offset"): 933,
    (exp.Select, "qualify"): 933,
    (exp.Star, "except_"): 923,
    (exp.Star, "replace"): 923,
}
#: What may stand where Oracle wants a condition: it has no type for true and false.
_CONDITIONS = (exp.Predicate, exp.Connector, exp.Not, exp.RegexpLike, exp.Exists, exp.Escape)


def refuse_words(tokens: Sequence[Token]) -> None:
    """Refuse words, functions, signs and names that are not Oracle's.

    Raises:
        OraError: the number and place that Oracle would give.
    """
    for place, token in enumerate(tokens):
        before = tokens[place - 1].token_type if place else None
        after = tokens[place + 1].token_type if place + 1 < len(tokens) else None
        if token.token_type in _SKIPPED or before is TokenType.COLON:
            continue
        is_name = token.token_type in (TokenType.VAR, TokenType.IDENTIFIER)
        if is_name and len(token.text.encode()) > _NAME_BYTES:
            raise OraError(972, offset=token.start)
        if token.token_type is TokenType.IDENTIFIER or TokenType.DOT in (before, after):
            continue
        if number := _number(token, called=after is TokenType.L_PAREN, before=before):
            raise OraError(number, token.text.upper(), offset=token.start)


def refuse_parts(tree: exp.Expr) -> None:
    """Refuse what the words alone do not show.

    Raises:
        OraError: the number that Oracle would give.
    """
    for (kind, name), number in _PARTS.items():
        if any(node.args.get(name) for node in tree.find_all(kind)):
            raise OraError(number)
    for condition in _conditions(tree):
        if not isinstance(condition.unnest(), _CONDITIONS):
            raise OraError(920)
    for select in tree.find_all(exp.Select):
        if any(isinstance(one.unalias().unnest(), _CONDITIONS) for one in select.expressions):
            raise OraError(923)


def _number(token: Token, *, called: bool, before: TokenType | None) -> int:
    """Return the number of the error that a token is, 0 for none."""
    *_, word = words = token.text.upper().split()  # GROUP BY is one token
    if not word[0].isalpha():
        return 0 if word in _SYMBOLS else _NUMBERS.get(word, 911)
    if called and word not in _NO_FUNCTIONS:
        # a block of WITH may name its columns
        names_columns = before in (TokenType.WITH, TokenType.ALIAS)
        return 0 if word in _FUNCTIONS or names_columns else _NUMBERS.get(word, 904)
    if word == "FROM" and before is TokenType.COMMA:
        return 936
    is_name = token.token_type is TokenType.VAR and word not in _NUMBERS
    return 0 if is_name or set(words) <= _WORDS else _NUMBERS.get(word, 933)


def _conditions(tree: exp.Expr) -> Iterator[exp.Expr]:
    for node in tree.find_all(exp.Where, exp.Having, exp.Connector, exp.Not, exp.Join, exp.Case):
        match node:
            case exp.Join():
                yield from filter(None, [node.args.get("on")])
            case exp.Case():
                yield from (branch.this for branch in node.args["ifs"] if not node.this)
            case exp.Connector():
                yield from (node.this, node.expression)
            case _:
                yield node.this
