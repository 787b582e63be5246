"""From Oracle's SQL to DuckDB's.

sqlglot knows most of the dialect. What depends on the types of columns (date arithmetic, TRUNC,
TO_CHAR...) becomes a call of an overloaded `ora_*` macro of prelude.sql, for DuckDB to resolve. The
rules of Oracle that are kept: '' is NULL, || skips NULLs, a DATE has a time of day, DATE + 1 is
tomorrow, a quoted name in lower case is another name than the same one unquoted. There is no clock:
SYSDATE is refused, for a query that reads it cannot be run again for an older day.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import count, pairwise

import sqlglot
from sqlglot import Token, exp
from sqlglot.dialects.oracle import Oracle
from sqlglot.errors import ErrorLevel, SqlglotError

from stand_ins.oracle.grammar import refuse_parts, refuse_words
from stand_ins.oracle.ora_errors import OraError

# it warns of what it cannot parse; the client gets an ORA error for that
logging.getLogger("sqlglot").setLevel(logging.ERROR)

# hides a name quoted in lower or mixed case from the same name unquoted (DuckDB ignores case)
_QUOTED = "\u2032"

_REFUSED = {
    **dict.fromkeys(("INSERT", "UPDATE", "DELETE", "MERGE", "LOCK"), 1031),
    **dict.fromkeys(("CREATE", "DROP", "TRUNCATE", "GRANT", "REVOKE"), 1031),
    **dict.fromkeys(("BEGIN", "DECLARE", "CALL", "ALTER"), 3001),
}
_ACCEPTED = re.compile(r"SET\s+TRANSACTION\s+READ\s+ONLY|COMMIT|ROLLBACK", re.IGNORECASE)
_LEADING_COMMENTS = re.compile(r"^(\s|--[^\n]*\n|/\*.*?\*/)+", re.DOTALL)

# strings, quoted names and comments are stepped over; what is left with a colon is a bind
_SCAN = re.compile(
    r"""(?<!\w)n?q'(?:\[.*?\]|\{.*?\}|\(.*?\)|<.*?>|(?P<d>.).*?(?P=d))'|'(?:[^']|'')*'|"[^"]*"
      |--[^\n]*|/\*.*?\*/|(?<![:\w]):\s*(?P<bind>"[^"]+"|\w+)""",
    re.DOTALL | re.IGNORECASE | re.VERBOSE,
)

_TRUNC_UNITS = {
    **dict.fromkeys(("DD", "DDD", "J"), "day"),
    **dict.fromkeys(("MM", "MON", "MONTH"), "month"),
    **dict.fromkeys(("YY", "YYYY", "YEAR"), "year"),
    **dict.fromkeys(("HH", "HH12", "HH24"), "hour"),
    "Q": "quarter",
    "IW": "week",
    "MI": "minute",
}
_DATE_ELEMENTS = {**Oracle.TIME_MAPPING, "FF3": "%g", "FF6": "%f", "FF": "%f", "RR": "%y"}
_DATE_MODEL = re.compile(
    "|".join(sorted(map(re.escape, _DATE_ELEMENTS), key=len, reverse=True)) + r'|"[^"]*"',
    re.IGNORECASE,
)


@lru_cache(maxsize=512)
def translate(sql: str, bind_types: tuple[str, ...] = ()) -> str | None:
    """Translate one statement; None if it needs nothing done (SET TRANSACTION READ ONLY).

    `bind_types` names the DuckDB type to cast each bind to, in the order of their occurrence in the
    SQL, "" for no cast; in the result they are called $b1, $b2...

    Raises:
        OraError: Oracle would refuse the statement, or the stand-in does not know it.
    """
    bare = _LEADING_COMMENTS.sub("", sql.strip())
    match = re.match(r"\(*\s*([A-Za-z]+)", bare)
    word = match[1].upper() if match else ""
    if word in _REFUSED:
        raise OraError(_REFUSED[word], word)
    if _ACCEPTED.fullmatch(bare):
        return None
    if word not in ("SELECT", "WITH"):
        raise OraError(900)
    if bare.endswith(";"):
        raise OraError(933, offset=len(sql.rstrip()) - 1)
    tree = _parse(sql, bare)
    _refuse_what_oracle_refuses(tree)
    _cast_binds(tree, bind_types)
    for select in tree.find_all(exp.Select):
        select.set("hint", None)
    for name in tree.find_all(exp.Identifier):
        if name.quoted and name.name != name.name.upper():
            name.set("this", name.name + _QUOTED)
    tree = _rewrite(tree)
    return tree.sql(dialect="duckdb", unsupported_level=ErrorLevel.IGNORE)


def label(name: str) -> str:
    """Name a result column as Oracle would: in upper case, unless it was quoted."""
    return name.removesuffix(_QUOTED) if name.endswith(_QUOTED) else name.upper()


# -- parsing -----------------------------------------------------------------------------


def _parse(sql: str, bare: str) -> exp.Expr:
    numbers = count(1)  # one per occurrence, as the client sends the values
    numbered = _SCAN.sub(lambda m: f":b{next(numbers)}" if m["bind"] else m[0], bare)
    try:
        trees = sqlglot.parse(numbered, read="oracle", error_level=ErrorLevel.RAISE)
    except SqlglotError as error:
        raise _syntax_error(sql, error) from None
    tree = trees[0]
    if len(trees) != 1 or tree is None or isinstance(tree, exp.Command):
        raise OraError(933)
    tokens = sqlglot.tokenize(numbered, read="oracle")
    refuse_words(tokens)
    refuse_parts(tree)
    _refuse_as_before_table_alias(tokens, tree)
    return tree


def _syntax_error(sql: str, error: SqlglotError) -> OraError:
    details = (getattr(error, "errors", None) or [{}])[0]
    line, column = details.get("line") or 1, details.get("col") or 1
    lines = sql.splitlines() or [""]
    offset = sum(len(part) + 1 for part in lines[: line - 1]) + column - 1
    if not re.search(r"\bFROM\b", sql, re.IGNORECASE):
        code = 923
    elif str(details.get("description")).startswith("Required keyword"):
        code = 936
    else:
        code = 933
    return OraError(code, offset=max(0, offset - max(len(details.get("highlight") or "") - 1, 0)))


def _refuse_as_before_table_alias(tokens: Sequence[Token], tree: exp.Expr) -> None:
    """Refuse `from t as a`, which Oracle takes for columns only."""
    after_as = {b.start for a, b in pairwise(tokens) if a.text.upper() == "AS"}
    for alias in tree.find_all(exp.TableAlias):
        if not isinstance(alias.parent, exp.CTE) and isinstance(alias.this, exp.Identifier):
            start = alias.this.meta.get("start")
            if start in after_as:
                raise OraError(933, offset=start)


def _refuse_what_oracle_refuses(tree: exp.Expr) -> None:
    for select in tree.find_all(exp.Select):
        if not select.expressions:
            raise OraError(936)
        if not select.args.get("from_"):
            raise OraError(923)
        if select.args.get("locks"):
            raise OraError(1031)
        if select.args.get("connect"):
            raise OraError(3001, "CONNECT BY")
    for column in tree.find_all(exp.Column):
        if column.args.get("join_mark"):
            raise OraError(3001, "(+) joins")
        if column.name.upper() == "ROWNUM":
            raise OraError(3001, "ROWNUM")


def _cast_binds(tree: exp.Expr, bind_types: tuple[str, ...]) -> None:
    for bind in list(tree.find_all(exp.Placeholder)):
        wanted = bind_types[int(bind.name[1:]) - 1] if bind_types else ""
        if wanted:
            bind.replace(_cast(bind.copy(), wanted))


# -- rewriting ---------------------------------------------------------------------------


def _rewrite(tree: exp.Expr) -> exp.Expr:
    """Rewrite every node, children before parents."""
    for node in reversed(list(tree.walk(bfs=False))):
        parent, key, index = node.parent, str(node.arg_key), node.index  # a rule may move the node
        rule = _RULES.get(type(node))
        new = rule(node) if rule else node
        if new is node:
            continue
        if parent is None:
            tree = new
        else:
            parent.set(key, new, index)
    return tree


def _call(name: str, *args: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this=name, expressions=list(args))


def _cast(node: exp.Expr, type_name: str) -> exp.Expr:
    return exp.Cast(this=node, to=exp.DataType.build(type_name, dialect="duckdb", udt=True))


def _null_if_empty(node: exp.Expr) -> exp.Expr:
    return exp.Nullif(this=node, expression=exp.Literal.string(""))


def _literal(node: exp.Expr) -> exp.Expr:
    """Make '' NULL, except as an argument that may well be empty (the third of REPLACE)."""
    if not node.is_string or node.this:
        return node
    is_argument = isinstance(node.parent, exp.Func) and not isinstance(
        node.parent, (exp.Coalesce, exp.Case, exp.If, exp.Cast)
    )
    return node if is_argument else exp.Null()


def _operands(node: exp.Expr) -> Iterator[exp.Expr]:
    if isinstance(node, exp.DPipe):
        yield from _operands(node.this)
        yield from _operands(node.expression)
    else:
        yield node


def _concatenation(node: exp.Expr) -> exp.Expr:
    if isinstance(node.parent, exp.DPipe):
        return node  # the outermost || takes all operands
    return _null_if_empty(_call("concat", *_operands(node)))


def _substring(node: exp.Expr) -> exp.Expr:
    """Begin with the first letter where 0 is asked for."""
    start = node.args.get("start")
    if isinstance(start, exp.Literal) and start.name == "0":
        node.set("start", exp.Literal.number(1))
    return _null_if_empty(node)


def _greatest(node: exp.Expr) -> exp.Expr:
    """Return NULL where one of the values is: DuckDB leaves it out."""
    values = [node.this, *node.expressions]
    no_null = exp.and_(
        *(exp.Not(this=exp.Is(this=v.copy(), expression=exp.Null())) for v in values)
    )
    return exp.Case(ifs=[exp.If(this=no_null, true=node.copy())])


def _replacement(node: exp.Expr) -> exp.Expr:
    if not node.args.get("replacement"):
        node.set("replacement", exp.Literal.string(""))
    return _null_if_empty(node)


def _regexp_replacement(node: exp.Expr) -> exp.Expr:
    """Replace every match: Oracle's default, where DuckDB replaces the first only."""
    node = _replacement(node)
    node.this.set("modifiers", exp.Literal.string("g"))
    return node


def _date_trunc(node: exp.Expr) -> exp.Expr:
    unit = node.args["unit"]
    if isinstance(unit, exp.Literal) and not unit.is_string:
        return _call("ora_trunc", node.this, unit)
    if unit.name.upper() not in _TRUNC_UNITS:
        raise OraError(3001, f"TRUNC to {unit.name}")
    return _call("ora_trunc", node.this, exp.Literal.string(_TRUNC_UNITS[unit.name.upper()]))


def _date_format(model: str) -> str:
    """Turn an Oracle date model into a strftime format."""
    return _DATE_MODEL.sub(lambda m: _DATE_ELEMENTS.get(m[0].upper(), m[0].strip('"')), model)


def _to_char(node: exp.Expr) -> exp.Expr:
    model = node.args.get("format")
    if model is None:
        return _call("ora_to_char", node.this)
    if not isinstance(model, exp.Literal) or re.fullmatch(
        r"[FM09GDL$.,]+", model.this, re.IGNORECASE
    ):
        raise OraError(3001, "TO_CHAR of a number with a format")
    return _formatted(node.this, _date_format(model.this))


def _time_to_str(node: exp.Expr) -> exp.Expr:
    """Take the quotes off literal text, which sqlglot leaves when it sees a date argument."""
    return _formatted(node.this, node.args["format"].name.replace('"', ""))


def _formatted(moment: exp.Expr, form: str) -> exp.Expr:
    """Write a moment; SYYYY has a sign before Christ, and a space after."""
    spaced = exp.Literal.string(form.replace("S%Y", " %Y"))
    written = _call("strftime", _cast(moment, "TIMESTAMP"), spaced)  # 4712 BC has no nanoseconds
    signs = exp.Literal.string(" -"), exp.Literal.string("-")
    return _call("replace", written, *signs) if "S%Y" in form else written


def _parse_date(duck_type: str) -> Callable[[exp.Expr], exp.Expr]:
    def rewrite(node: exp.Expr) -> exp.Expr:
        form = node.args.get("format")
        if not isinstance(form, exp.Literal):
            raise OraError(3001, "date conversion without a literal format")
        # Oracle tolerates a text that ends early: without its fraction, or without its time
        formats = [form.this, re.sub(r"[.,]?%f", "", form.this), re.split(r"[T ]*%H", form.this)[0]]
        choices = [exp.Literal.string(text) for text in dict.fromkeys(formats) if text]
        return _cast(_call("ora_parse", node.this, exp.Array(expressions=choices)), duck_type)

    return rewrite


def _is_number(node: exp.Expr) -> bool:
    node = node.unnest()
    if isinstance(node, exp.Neg):
        return _is_number(node.this)
    if isinstance(node, (exp.Add, exp.Sub, exp.Mul, exp.Div)):
        return _is_number(node.this) and _is_number(node.expression)
    if isinstance(node, exp.Literal):
        return not node.is_string
    return isinstance(node, (exp.Count, exp.Length, exp.RowNumber))


def _arithmetic(macro: str) -> Callable[[exp.Expr], exp.Expr]:
    def rewrite(node: exp.Expr) -> exp.Expr:
        if _is_number(node.this) and _is_number(node.expression):
            return node
        return _call(macro, node.this, node.expression)

    return rewrite


def _data_type(node: exp.Expr) -> exp.Expr:
    if node.this == exp.DataType.Type.DATE:
        return exp.DataType.build("TIMESTAMP_S", dialect="duckdb", udt=True)
    if node.this == exp.DataType.Type.DECIMAL and not node.expressions:
        return exp.DataType.build("DOUBLE", dialect="duckdb")
    if node.this in exp.DataType.TEXT_TYPES:
        return exp.DataType.build("VARCHAR", dialect="duckdb")
    return node


def _function(node: exp.Expr) -> exp.Expr:
    return _call("ora_trunc", *node.expressions) if node.name.upper() == "TRUNC" else node


def _no_clock(_: exp.Expr) -> exp.Expr:
    raise OraError(3001, "the clock: bind the day instead of SYSDATE")


_RULES: dict[type[exp.Expr], Callable[[exp.Expr], exp.Expr]] = {
    exp.Literal: _literal,
    exp.DPipe: _concatenation,
    exp.Trim: _null_if_empty,
    exp.Substring: _substring,
    exp.Greatest: _greatest,
    exp.Least: _greatest,
    exp.Replace: _replacement,
    exp.RegexpReplace: _regexp_replacement,
    exp.DateTrunc: _date_trunc,
    exp.ToChar: _to_char,
    exp.TimeToStr: _time_to_str,
    exp.StrToDate: _parse_date("TIMESTAMP_S"),
    exp.StrToTime: _parse_date("TIMESTAMP"),
    exp.DateStrToDate: lambda node: _cast(node.this, "TIMESTAMP_S"),
    exp.MonthsBetween: lambda node: _call("ora_months_between", node.this, node.expression),
    exp.AddMonths: lambda node: _call("ora_add_months", node.this, node.expression),
    exp.Add: _arithmetic("ora_add"),
    exp.Sub: _arithmetic("ora_sub"),
    exp.DataType: _data_type,
    exp.Anonymous: _function,
    exp.CurrentTimestamp: _no_clock,
    exp.CurrentDate: _no_clock,
    exp.Systimestamp: _no_clock,
}
