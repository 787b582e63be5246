"""What the DBA's page takes from the queries: who reads which database when, and the rights."""

from __future__ import annotations

from collections import defaultdict

from docs.make_tables import code, table
from track_dispatch.config import Hospital, working_hospitals
from track_dispatch.extraction.query import render
from track_dispatch.extraction.query_tree import grants

#: What the page calls the user.
READER = "track_reader"


def readings() -> str:
    """Return a table of the connections: which hospitals read there, and when."""
    return table(
        ["connection", "hospital", "when", "in the time zone"],
        [
            [
                code(connection),
                code(*(one.code for one in hospitals)),
                ", ".join(sorted({_time(one) for one in hospitals})),
                ", ".join(sorted({one.timezone for one in hospitals})),
            ]
            for connection, hospitals in sorted(_by_connection().items())
        ],
    )


def rights() -> str:
    """Return a script of grants for each set of rights."""
    alike: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for connection, hospitals in sorted(_by_connection().items()):
        found = grants([render(one) for one in hospitals], to=READER)
        alike[tuple(found)].append(connection)
    return "\n".join(
        f"{code(*connections)}:\n\n```sql\n" + "".join(f"{line};\n" for line in found) + "```\n"
        for found, connections in alike.items()
    )


def _by_connection() -> dict[str, list[Hospital]]:
    found: defaultdict[str, list[Hospital]] = defaultdict(list)
    for hospital in working_hospitals():
        found[hospital.oracle_conn_id].append(hospital)
    return found


def _time(hospital: Hospital) -> str:
    minute, hour = (int(part) for part in hospital.schedule.split()[:2])
    return f"{hour:02}:{minute:02}"
