"""The made-up ERPs in a real Oracle, from 11.2 on. Never run by the project's own checks.

python -m demo.erp_in_oracle hms hsmc            print the script, for a DBA's SQL*Plus
python -m demo.erp_in_oracle hms --dsn sys/...   run it there; what the schemas held is lost

Sources of one schema (every MV has DBAMV) exclude each other: the last one stays.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime

from demo.stand_ins import days_around
from stand_ins.erp.schemas import ErpSchema, script
from stand_ins.erp.tables import Tables
from stand_ins.erp_data import SOURCES, erp_schema, erp_tables
from track_dispatch.config import working_hospitals

#: Who reads the made-up ERPs there, with the rights that docs/dba.md lists.
READER, _PASSWORD = "track_reader", "demo-Only-1"

#: The folder of Oracle's client, without which servers before 12.1 let nobody in.
CLIENT = os.environ.get("ORACLE_CLIENT_DIR")
_THICK = {"thick_mode": True, "thick_mode_lib_dir": CLIENT} if CLIENT else {}


def main(arguments: list[str] | None = None) -> None:
    """Print the script of some sources, or run it."""
    parser = argparse.ArgumentParser(
        prog="python -m demo.erp_in_oracle",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("sources", nargs="+", choices=SOURCES, metavar="SOURCE")
    parser.add_argument("--dsn", help="a DBA's user/password@host:port/service")
    parser.add_argument("--day", type=date.fromisoformat, help="in the middle; by default today")
    options = parser.parse_args(arguments)
    days = days_around(options.day or datetime.now(UTC).date())
    erps = [(erp_schema(source), erp_tables(source, days=days)) for source in options.sources]
    if options.dsn:
        load(options.dsn, erps)
        print(reader_connection(options.dsn))
    else:
        sys.stdout.write(f"set define off\n{script(statements(erps))}commit;\n")


def statements(erps: Iterable[tuple[ErpSchema, Tables]]) -> Iterator[str]:
    """Yield the statements that make ERPs anew, and the user that may read them."""
    yield (
        f"begin execute immediate 'create user {READER} identified by \"{_PASSWORD}\"';"
        " exception when others then if sqlcode <> -1920 then raise; end if; end;"
    )
    for schema, tables in erps:
        yield from schema.oracle(tables)
        yield from _grants(schema)


def _grants(schema: ErpSchema) -> list[str]:
    from track_dispatch.extraction.query import render  # noqa: PLC0415 - imports Jinja
    from track_dispatch.extraction.query_tree import grants  # noqa: PLC0415 - imports sqlglot

    queries = (
        render(hospital)
        for hospital in working_hospitals()
        if erp_schema(hospital.source) == schema
    )
    return grants(queries, to=READER)


def load(dsn: str, erps: Iterable[tuple[ErpSchema, Tables]]) -> None:
    """Make ERPs anew in a real Oracle.

    Args:
        dsn: a DBA's `user/password@host:port/service`.
        erps: the schemas and their rows; a user of a schema's name is dropped with all it has.
    """
    import oracledb  # noqa: PLC0415 - only where it is wanted

    if CLIENT:
        oracledb.init_oracle_client(lib_dir=CLIENT)
    with oracledb.connect(dsn) as connection, connection.cursor() as cursor:
        for statement in statements(erps):
            cursor.execute(statement)
        connection.commit()


def reader_connection(dsn: str) -> str:
    """Return the Airflow connection of the user that may read the ERPs at an address."""
    import oracledb  # noqa: PLC0415 - only where it is wanted

    parameters = oracledb.ConnectParams()
    parameters.parse_connect_string(parameters.parse_dsn_with_credentials(dsn)[2])
    return json.dumps(
        {
            "conn_type": "oracle",
            "host": parameters.host,
            "port": parameters.port,
            "login": READER,
            "password": _PASSWORD,
            "extra": {"service_name": parameters.service_name} | _THICK,
        }
    )


if __name__ == "__main__":
    main()
