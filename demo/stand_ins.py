"""The stand-ins as services of docker-compose.yaml, profile `demo`.

python -m demo.stand_ins erps hms:15211 oto_ing:15212     an ERP for each source, on its port
python -m demo.stand_ins track 8085                       Track, with the surveys of all hospitals
"""

from __future__ import annotations

import argparse
import signal
import threading
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta

from demo.world import REFUSED_DOMAIN, chosen_hospitals, erp_server, surveys_of
from stand_ins.erp_data import SOURCES, erp_sql
from stand_ins.oracle import OracleStandIn
from stand_ins.track_api import TrackStandIn

#: Days that have patients, before and after the start: a container may run for a while.
DAYS_BEFORE, DAYS_AFTER = 7, 14


def main(arguments: list[str] | None = None) -> None:
    """Serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(
        prog="python -m demo.stand_ins",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    kinds = parser.add_subparsers(dest="kind", required=True)
    kinds.add_parser("erps").add_argument("places", nargs="+", type=place, metavar="SOURCE:PORT")
    kinds.add_parser("track").add_argument("port", type=int)
    options = parser.parse_args(arguments)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with ExitStack() as running:
        if options.kind == "track":
            track = running.enter_context(track_at(options.host, options.port))
            print(f"Track listens on {track.url}", flush=True)
        else:
            for source, port in options.places:
                running.enter_context(erp_at(options.host, port, source))
                print(f"the ERP {source} listens on port {port}", flush=True)
        stopped.wait()


def place(text: str) -> tuple[str, int]:
    """Read `SOURCE:PORT`.

    Raises:
        argparse.ArgumentTypeError: there is no such source.
        ValueError: the port is no number.
    """
    source, _, port = text.partition(":")
    if source not in SOURCES:
        raise argparse.ArgumentTypeError(f"no source {source}; there are {', '.join(SOURCES)}")
    return source, int(port)


def erp_at(host: str, port: int, source: str) -> OracleStandIn:
    """Return a source's ERP, with patients around today."""
    patients = erp_sql(source, days=days_around(datetime.now(UTC).date()))
    return erp_server(patients, host=host, port=port)


def track_at(host: str, port: int) -> TrackStandIn:
    """Return Track with the surveys of all hospitals."""
    return TrackStandIn(
        surveys=[
            survey for hospital in chosen_hospitals(["ALL"]) for survey in surveys_of(hospital)
        ],
        refused_email_domain=REFUSED_DOMAIN,
        host=host,
        port=port,
    )


def days_around(today: date) -> list[date]:
    """Return the days that have patients."""
    return [today + timedelta(days=offset) for offset in range(-DAYS_BEFORE, DAYS_AFTER + 1)]


if __name__ == "__main__":
    main()
