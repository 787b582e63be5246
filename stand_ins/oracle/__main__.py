"""Start a stand-in Oracle: `python -m stand_ins.oracle --user X --password Y --init schema.sql`."""

from __future__ import annotations

import argparse
import signal
import threading
from pathlib import Path

from stand_ins.oracle import Faults, OracleStandIn


def main() -> None:
    """Serve until SIGINT or SIGTERM; the first line of output tells the address."""
    parser = argparse.ArgumentParser(prog="python -m stand_ins.oracle", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=15210, help="0 takes a free one")
    parser.add_argument("--user", action="append", required=True)
    parser.add_argument("--password", action="append", required=True, help="one for each --user")
    parser.add_argument("--service", action="append", help="service name or SID (default ORCL)")
    parser.add_argument("--init", type=Path, action="append", default=[], help="DuckDB SQL script")
    parser.add_argument("--database", default=":memory:", help="DuckDB file that keeps the data")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds per execute or fetch")
    parser.add_argument("--drop-after-rows", type=int)
    parser.add_argument("--refuse", type=int, default=0, metavar="LISTENER_ERROR")
    options = parser.parse_args()
    if len(options.user) != len(options.password):
        parser.error("give one --password for each --user")
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    server = OracleStandIn(
        users=dict(zip(options.user, options.password, strict=True)),
        init_sql="\n".join(path.read_text(encoding="utf-8") for path in options.init),
        services=tuple(options.service or ["ORCL"]),
        database=options.database,
        host=options.host,
        port=options.port,
        faults=Faults(options.latency, options.drop_after_rows, options.refuse),
    )
    with server:
        print(f"listening on {server.dsn}", flush=True)
        stopped.wait()


if __name__ == "__main__":
    main()
