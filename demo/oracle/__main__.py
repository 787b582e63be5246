"""Command line: python -m oracle_standin --port 15210 --user X --password Y --init schema.sql"""

from __future__ import annotations

import argparse
import threading
from pathlib import Path

from demo.oracle.server import Faults, OracleStandIn


def _fault(text: str) -> tuple[str, int, str]:
    pattern, _, rest = text.rpartition("=")
    code, _, message = rest.partition(":")
    if not pattern:
        raise argparse.ArgumentTypeError("expected REGEX=CODE[:MESSAGE]")
    return pattern, int(code), message


def main() -> None:
    parser = argparse.ArgumentParser(prog="oracle_standin", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=15210)
    parser.add_argument("--user", action="append", required=True)
    parser.add_argument("--password", action="append", required=True, help="one per --user")
    parser.add_argument("--service", action="append", help="service name or SID (default ORCL)")
    parser.add_argument("--init", type=Path, action="append", default=[], help="DuckDB SQL script")
    parser.add_argument("--database", default=":memory:", help="DuckDB file")
    parser.add_argument("--clob", action="append", default=[], help="result column sent as CLOB")
    parser.add_argument("--long", action="append", default=[], help="result column sent as LONG")
    parser.add_argument("--strict-schema", action="store_true")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds per execute or fetch")
    parser.add_argument("--drop-after-rows", type=int)
    parser.add_argument("--refuse", type=int, default=0, metavar="CODE")
    parser.add_argument("--error", type=_fault, action="append", default=[], metavar="REGEX=CODE[:MESSAGE]")
    options = parser.parse_args()
    if len(options.user) != len(options.password):
        parser.error("give one --password for each --user")
    server = OracleStandIn(
        users=dict(zip(options.user, options.password, strict=True)),
        init_sql="\n".join(path.read_text(encoding="utf-8") for path in options.init),
        services=tuple(options.service or ["ORCL"]),
        database=options.database,
        host=options.host,
        port=options.port,
        faults=Faults(options.latency, options.drop_after_rows, options.refuse, options.error),
        lob_columns=dict.fromkeys(options.clob, "CLOB") | dict.fromkeys(options.long, "LONG"),
        strict_schema=options.strict_schema,
    )
    with server:
        print(f"listening on {server.dsn}", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
