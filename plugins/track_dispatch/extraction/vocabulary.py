"""The part of Oracle's SQL that an extraction may use: anything not listed here is refused.

The parser reads every dialect's words without a complaint, so that the words are looked at as they
were typed, and the parts that only its tree shows (GROUP BY ALL) node by node.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from sqlglot import Token, TokenType, exp


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: What a name may consist of without quotes.
_NAME = re.compile(r"\w[\w$#]*")

#: Comments and texts are stepped over.
_SPACES = re.compile(r"""--[^\n]*|/\*.*?\*/|'[^']*'|"[^"]*"|(?P<space>[^\S \t\r\n])""", re.DOTALL)

#: The oldest release that the queries must run on.
FLOOR = (11, 2)

#: Names are as long as that in bytes, and longer from the second release on.
_NAME_BYTES, _LONG_NAMES = 30, (12, 2)

_WORDS = _words(
    """
    SELECT FROM WHERE WITH AS UNION ALL LEFT OUTER INNER JOIN ON AND OR NOT IN IS NULL LIKE ESCAPE
    BETWEEN EXISTS CASE WHEN THEN ELSE END GROUP BY HAVING ORDER ASC DESC NULLS FIRST LAST DISTINCT
    OVER PARTITION KEEP DENSE_RANK WITHIN DATE VARCHAR2 NUMBER
    """
)
#: Of these words, those that a parenthesis may follow.
_BEFORE_PARENTHESIS = _words(
    """
    SELECT FROM WHERE AS ALL JOIN ON AND OR NOT IN LIKE BETWEEN EXISTS CASE WHEN THEN ELSE GROUP BY
    HAVING OVER KEEP DISTINCT VARCHAR2 NUMBER
    """
)
#: What a value stands before.
_AFTER_VALUES = frozenset({",", ")", "FROM"})
_SYMBOLS = frozenset([*",.()+-*/:;=<>", "<>", "!=", "<=", ">=", "||"])

#: Functions whose outcome depends on nothing but their arguments, by how many they take.
_ARGUMENTS = {
    (0, 0): "ROW_NUMBER",
    (0, 9): "DENSE_RANK RANK",
    (1, 1): """
    ABS ANY_VALUE AVG CAST CEIL COUNT EXTRACT FIRST_VALUE FLOOR INITCAP LAST_DAY LAST_VALUE LENGTH
    LOWER MAX MIN SIGN SUM TRIM UPPER
    """,
    (1, 2): "LISTAGG LTRIM ROUND RTRIM STANDARD_HASH TO_CHAR TO_DATE TO_NUMBER TRUNC",
    (1, 3): "LAG LEAD VALIDATE_CONVERSION",
    (2, 2): "ADD_MONTHS CONCAT MOD MONTHS_BETWEEN NULLIF NVL",
    (2, 3): "LPAD REGEXP_LIKE REPLACE RPAD SUBSTR",
    (2, 4): "INSTR REGEXP_COUNT",
    (2, 6): "REGEXP_REPLACE REGEXP_SUBSTR",
    (2, 7): "REGEXP_INSTR",
    (2, 999): "COALESCE GREATEST LEAST",
    (3, 3): "NVL2 TRANSLATE",
    (3, 255): "DECODE",
}
_FUNCTIONS = {name: take for take, names in _ARGUMENTS.items() for name in names.split()}
#: Of these, by the release that first had them.
_LATER_FUNCTIONS = {"STANDARD_HASH": (12, 1), "VALIDATE_CONVERSION": (12, 2), "ANY_VALUE": (19, 0)}

#: What tells the time; a number of seconds may follow some.
_CLOCKS = frozenset(
    {"SYSDATE", "SYSTIMESTAMP", "CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP"}
    | {"LOCALTIMESTAMP", "NOW", "GETDATE"}
)

#: Words that Oracle does not accept as names.
_RESERVED = _words(
    """
    ACCESS ADD ALTER ANY AUDIT CHAR CHECK CLUSTER COLUMN COMMENT COMPRESS CONNECT CREATE CURRENT
    DECIMAL DEFAULT DELETE DROP EXCLUSIVE FILE FLOAT FOR GRANT IDENTIFIED IMMEDIATE INCREMENT INDEX
    INITIAL INSERT INTEGER INTERSECT INTO LEVEL LOCK LONG MAXEXTENTS MINUS MLSLABEL MODE MODIFY
    NOAUDIT NOCOMPRESS NOWAIT OF OFFLINE ONLINE OPTION PCTFREE PRIOR PRIVILEGES PUBLIC RAW RENAME
    RESOURCE REVOKE ROW ROWID ROWNUM ROWS SESSION SET SHARE SIZE SMALLINT START SUCCESSFUL SYNONYM
    TABLE TO TRIGGER UID UNIQUE UPDATE USER VALIDATE VALUES VARCHAR VIEW WHENEVER
    """
)

#: By word of other databases or newer releases, what to write instead.
_INSTEAD = {
    **dict.fromkeys(("TRUE", "FALSE"), "a condition such as sn_obito = 'S'"),
    **dict.fromkeys(("ILIKE", "RLIKE", "SIMILAR", "GLOB"), "upper(x) like 'TEXT%', or regexp_like"),
    **dict.fromkeys(("SUBSTRING", "LEFT", "RIGHT", "MID"), "substr(x, first, length)"),
    **dict.fromkeys(("TEXT", "STRING", "VARCHAR", "CHAR", "::"), "cast(x as varchar2(60))"),
    **dict.fromkeys(("INT", "BIGINT", "INTEGER", "FLOAT", "DECIMAL"), "cast(x as number)"),
    **dict.fromkeys(("LIMIT", "FETCH", "OFFSET", "TOP", "ROWNUM", "SAMPLE"), "no cut: every row"),
    **dict.fromkeys(("IFNULL", "ISNULL"), "nvl(x, y)"),
    **dict.fromkeys(("IF", "IIF"), "case when x then y else z end"),
    **dict.fromkeys(("MINUS", "INTERSECT", "EXCEPT", "SEMI", "ANTI"), "exists or not exists"),
    **dict.fromkeys(("TIMESTAMP", "DATETIME", "TO_TIMESTAMP"), "date '2024-12-31', or to_date"),
    **dict.fromkeys(("CHARINDEX", "POSITION", "STRPOS"), "instr(x, y)"),
    **dict.fromkeys(("RIGHT", "FULL", "CROSS", "NATURAL", "USING"), "left join ... on"),
    **dict.fromkeys(("ANY", "SOME"), "in (...)"),
    **dict.fromkeys(("LEN", "CHAR_LENGTH"), "length(x)"),
    **dict.fromkeys(("STRING_AGG", "GROUP_CONCAT"), "listagg(x, ',') within group (order by x)"),
    **dict.fromkeys(("%", "MOD"), "mod(x, y)"),
    "QUALIFY": "row_number() in a block, and its condition in the SELECT around it",
    "INTERVAL": "a number of days, :day_start - 1",
    "RECURSIVE": "with alone",
    "UNIQUE": "distinct",
    "(+)": "left join ... on",
    "==": "=",
    "^=": "<>",
}
_ELSE = "what `extraction/vocabulary.py` lists"

#: The parts of a query that the words alone do not show, with what each may hold.
_PARTS: dict[type[exp.Expr], frozenset[str]] = {
    exp.Select: _words("with_ expressions from_ joins where group having order hint"),
    exp.Union: _words("this expression with_ order"),
    exp.Join: _words("this on side kind"),
    exp.Table: _words("this db alias"),
    exp.Column: _words("this table"),
    exp.Group: frozenset(["expressions"]),
    exp.Distinct: frozenset(["expressions"]),
    exp.In: _words("this expressions query"),
    exp.Star: frozenset(),
}
#: The others, of which each holds what its own words show.
_ANY_PARTS = (
    *(exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.Like, exp.Escape, exp.Is),
    *(exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Neg, exp.DPipe, exp.Not, exp.Paren, exp.Window),
    *(exp.Func, exp.Dot, exp.Placeholder, exp.Literal, exp.National, exp.RawString, exp.Null),
    *(exp.Alias, exp.TableAlias, exp.Identifier, exp.Var),
    *(exp.CTE, exp.With, exp.From, exp.Where, exp.Having, exp.Order, exp.Ordered, exp.Subquery),
    *(exp.DataType, exp.DataTypeParam, exp.WithinGroup, exp.Hint),
)
_CALLED: dict[tuple[type[exp.Expr], str], tuple[str, str]] = {
    (exp.Group, "all"): ("group by all", "the columns by name"),
    (exp.Select, "distinct"): ("select distinct", "select: an attendance is one row"),
    (exp.Union, "distinct"): ("union", "union all, which keeps two that look alike"),
    (exp.Union, "by_name"): ("union by name", "the columns in one order"),
    (exp.Column, "db"): ("a name of three parts", "alias.column"),
    (exp.Distinct, "on"): ("distinct on", "row_number() in a block"),
}

_TEXTS = (TokenType.STRING, TokenType.NUMBER, TokenType.RAW_STRING, TokenType.NATIONAL_STRING)
_NAMES = (TokenType.VAR, TokenType.IDENTIFIER)


def foreign_words(tokens: Sequence[Token], *, floor: tuple[int, int]) -> Iterator[tuple[int, str]]:
    """Find words, functions, symbols, names and hints that are not in an extraction's SQL.

    Yields where each is in the query, in characters from 0, and what to write instead.

    Args:
        tokens: of the query, as typed.
        floor: the release of Oracle that it must run on.
    """
    schemas = _schemas(tokens)
    whens = [token for token in tokens if _is(token, TokenType.WHEN)]
    if len(whens) != sum(_is(token, TokenType.THEN) for token in tokens):
        yield whens[0].start if whens else 0, "a `when` has no `then`: write both"
    for place, token in enumerate(tokens):
        before = tokens[place - 1] if place else None
        after = tokens[place + 1] if place + 1 < len(tokens) else None
        if _is(token, TokenType.HINT) or any(text.startswith("+") for text in token.comments):
            yield token.start, "has an optimizer hint, which outlives its reason: leave it out"
        not_null = _is(token, TokenType.NOT) and _is(after, TokenType.NULL)
        if not_null and not _is(before, TokenType.IS):
            yield token.start, "`not null` is not a condition: write `is not null`"
        if _is(token, TokenType.STRING) and _is(before, TokenType.STRING):
            yield token.start, "two texts side by side: write a comma, or || between them"
        if _is(token, *_TEXTS) or _is(before, TokenType.COLON, TokenType.PLACEHOLDER):
            continue
        length = len(token.text.encode())
        if _is(token, *_NAMES) and length > _NAME_BYTES and floor < _LONG_NAMES:
            instead = f"at most {_NAME_BYTES}, which is all that Oracle {_release(floor)} takes"
            yield token.start, f"{token.text} is a name of {length} bytes: write {instead}"
        called = _is(after, TokenType.L_PAREN)
        if _is(token, TokenType.VAR) and not _NAME.fullmatch(token.text):
            yield token.start, _refusal(token.text, "letters, digits and _ in a name")
        elif _is(before, TokenType.DOT):
            if called and tokens[place - 2].text.upper() not in schemas:
                yield token.start, _refusal(f"{token.text}() of another schema", _ELSE)
        elif not _is(after, TokenType.DOT) and not _is(token, TokenType.IDENTIFIER):
            yield from _word(token, before, called=called, floor=floor)
            if called and token.text.upper() in _FUNCTIONS:
                yield from _arguments(tokens, place)


def foreign_spaces(sql: str) -> Iterator[tuple[int, str]]:
    """Find spaces that Oracle does not take for one, as a word processor leaves them."""
    for found in _SPACES.finditer(sql):
        if found["space"]:
            name = f"U+{ord(found['space']):04X}"
            yield found.start(), f"has a space that Oracle does not know ({name}): type it anew"


def foreign_parts(query: exp.Expr) -> Iterator[tuple[exp.Expr, str]]:
    """Find parts of a parsed query that its words alone do not show."""
    for node in query.walk():
        known = _PARTS.get(type(node))
        if known is None and not isinstance(node, _ANY_PARTS):
            yield node, _refusal(node.key, _ELSE)
        for name, value in node.args.items():
            if value and known is not None and name not in known:
                what, instead = _CALLED.get((type(node), name), (f"{node.key} {name}", _ELSE))
                yield node, _refusal(what, instead)


def _word(
    token: Token, before: Token | None, *, called: bool, floor: tuple[int, int]
) -> Iterator[tuple[int, str]]:
    """Look at a token that no dot makes a part of a longer name."""
    word = token.text.upper()
    *_, last = word.split()  # GROUP BY is one token
    if word in _CLOCKS:
        yield token.start, f"reads the clock ({word}): write a bind, or a rerun reads another day"
    elif called and last not in _BEFORE_PARENTHESIS and word[:1].isalpha():
        since = _LATER_FUNCTIONS.get(word, FLOOR)
        if word not in _FUNCTIONS:
            yield token.start, _refusal(f"{word}()", _INSTEAD.get(word, _ELSE))
        elif since > floor:
            instead = f"it for Oracle {_release(floor)}, it came with {_release(since)}"
            yield token.start, _refusal(f"{word}()", instead)
    elif word in _AFTER_VALUES and _is(before, TokenType.COMMA, TokenType.SELECT):
        yield token.start, f"{word} follows nothing: write what is before it, no comma at the end"
    elif word == "FROM" and _is(before, TokenType.L_PAREN):
        yield token.start, "FROM follows nothing: write select and the columns before it"
    elif word == "." and (before is None or before.text.upper() in _WORDS | _SYMBOLS):
        yield token.start, "a dot follows nothing: write the schema or the table before it"
    elif foreign := [part for part in word.split() if not _is_known(part, token)]:
        yield token.start, _refusal(foreign[0], _INSTEAD.get(foreign[0], _ELSE))


def _arguments(tokens: Sequence[Token], place: int) -> Iterator[tuple[int, str]]:
    """Look at how many arguments a function is given; `place`: of its name."""
    depth = commas = 0
    for token in tokens[place + 1 :]:
        depth += _is(token, TokenType.L_PAREN) - _is(token, TokenType.R_PAREN)
        commas += depth == 1 and _is(token, TokenType.COMMA)
        if depth == 0:
            break
    given = 0 if _is(tokens[place + 2], TokenType.R_PAREN) else commas + 1
    name = tokens[place].text.upper()
    least, most = _FUNCTIONS[name]
    if not least <= given <= most:
        takes = str(least) if least == most else f"{least} to {most}"
        yield tokens[place].start, f"{name}() is given {given}, write its {takes} arguments"


def _is_known(word: str, token: Token) -> bool:
    if not word[0].isalpha():
        return word in _SYMBOLS
    is_name = _is(token, TokenType.VAR)
    return word in _WORDS or (is_name and word not in _RESERVED and word not in _INSTEAD)


def _schemas(tokens: Sequence[Token]) -> set[str]:
    """Return the schemas that the query takes its tables from: their functions may be called."""
    return {
        schema.text.upper()
        for word, schema, dot in zip(tokens, tokens[1:], tokens[2:], strict=False)
        if _is(word, TokenType.FROM, TokenType.JOIN) and _is(dot, TokenType.DOT)
    }


def _is(token: Token | None, *kinds: TokenType) -> bool:
    return token is not None and token.token_type in kinds


def _release(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))


def _refusal(what: str, instead: str) -> str:
    return f"{what} is not in the SQL of an extraction: write {instead}"
