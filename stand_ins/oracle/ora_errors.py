"""ORA errors: their numbers and texts, and which of them stands for an error of DuckDB.

No message carries a value of the data: what is quoted in DuckDB's texts is left out.
"""

from __future__ import annotations

import re

import duckdb

MESSAGES = {
    900: "invalid SQL statement",
    902: "invalid datatype",
    904: '"{}": invalid identifier',
    911: "invalid character",
    918: "column ambiguously defined",
    920: "invalid relational operator",
    923: "FROM keyword not found where expected",
    928: "missing SELECT keyword",
    933: "SQL command not properly ended",
    934: "group function is not allowed here",
    936: "missing expression",
    942: "table or view does not exist",
    972: "identifier is too long",
    979: "not a GROUP BY expression",
    1001: "invalid cursor",
    1012: "not logged on",
    1013: "user requested cancel of current operation",
    1017: "invalid username/password; logon denied",
    1031: "insufficient privileges",
    1426: "numeric overflow",
    1427: "single-row subquery returns more than one row",
    1435: "user does not exist",
    1476: "divisor is equal to zero",
    1722: "invalid number",
    1789: "query block has incorrect number of result columns",
    1858: "a non-numeric character was found where a numeric was expected",
    3001: "unimplemented feature: {}",
    28000: "the account is locked",
}

# the first pattern found in DuckDB's text decides; its group, if any, is the name to tell
_PATTERNS = [
    (r"(?:Table|View) with name .* does not exist|[Ss]chema .* does not exist", 942),
    (r"Function with name (\S+) does not exist", 904),
    (r'Referenced (?:column|table) "([^"]+)" not found', 904),
    (r'does not have a column (?:named|with name) "([^"]+)"', 904),
    (r"Ambiguous reference", 918),
    (r"must appear in the GROUP BY", 979),
    (r"cannot contain aggregates", 934),
    (r"More than one row returned by a subquery", 1427),
    (r"same number of result columns", 1789),
    (r"Could not (?:convert|cast|parse) string .*(?:DATE|TIMESTAMP|format)", 1858),
    (r"Could not convert string", 1722),
    (r"Could not cast value|out of range|Overflow", 1426),
    (r"syntax error", 933),
]


class OraError(Exception):
    """An error as the client sees it: number, text and, for bad SQL, the position in it."""

    def __init__(self, code: int, detail: str = "", *, text: str = "", offset: int = 0) -> None:
        """Take the number's own text, with `detail` filled in, unless `text` is given."""
        super().__init__(f"ORA-{code:05}: {text or MESSAGES.get(code, '').format(detail)}")
        self.code, self.offset = code, offset


def from_duckdb(error: duckdb.Error) -> OraError:
    """Find the ORA error that a real server would have given."""
    if isinstance(error, duckdb.InterruptException):
        return OraError(1013)
    text = str(error)
    for pattern, code in _PATTERNS:
        if match := re.search(pattern, text, re.DOTALL):
            return OraError(code, match[1].strip('"').upper() if match.groups() else "")
    return OraError(3001, re.sub(r"'[^']*'|\"[^\"]*\"", "...", text.splitlines()[0]))
