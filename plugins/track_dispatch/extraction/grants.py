"""What the user that reads an ERP must be allowed to, taken from the queries that it will run."""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp, parse_one


def grants(queries: Iterable[str], *, to: str) -> list[str]:
    """Return the statements that allow a user to run queries, and nothing else.

    Args:
        queries: from `query.render`; those of one database.
        to: the user.
    """
    found: set[str] = set()
    for sql in queries:
        tree = parse_one(sql, read="oracle")
        tables = (f"{table.db}.{table.name}" for table in tree.find_all(exp.Table) if table.db)
        functions = (
            f"{call.parent.this.name}.{call.name}"
            for call in tree.find_all(exp.Anonymous)
            if isinstance(call.parent, exp.Dot)
        )
        found |= {f"select on {name}".lower() for name in tables}
        found |= {f"execute on {name}".lower() for name in functions}
    return [f"grant create session to {to}"] + [
        f"grant {what} to {to}" for what in sorted(found, key=lambda what: what.split()[::-1])
    ]
