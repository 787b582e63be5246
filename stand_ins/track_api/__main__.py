"""Run the stand-in: python -m stand_ins.track_api --port 8085 --surveys-file surveys.json.

The file is a JSON object of names by survey UUID, or a list of objects with `uuid` and `name`.
"""

from __future__ import annotations

import argparse
import json
import signal
import threading
from pathlib import Path

from stand_ins.track_api.server import ORGANIZATION, TOKEN, TrackStandIn
from stand_ins.track_api.terms import Survey


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m stand_ins.track_api", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8085, help="0 for a free one")
    parser.add_argument("--organization", default=ORGANIZATION)
    parser.add_argument("--token", default=TOKEN)
    parser.add_argument("--surveys-file", type=Path, required=True, metavar="JSON")
    parser.add_argument("--identifier", default="cd_atendimento")
    parser.add_argument("--refuse-email-domain", metavar="DOMAIN", help="refuse lines with it")
    parser.add_argument("--forget-bodies", action="store_true", help="save memory")
    return parser.parse_args()


def read_surveys(path: Path) -> list[Survey]:
    """Read surveys from JSON in either form."""
    content = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(content, dict):
        return [Survey(uuid=uuid, name=name) for uuid, name in content.items()]
    return [Survey(**row) for row in content]


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    options = _arguments()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    with TrackStandIn(
        surveys=read_surveys(options.surveys_file),
        organization=options.organization,
        token=options.token,
        identifier=options.identifier,
        refused_email_domain=options.refuse_email_domain,
        keep_bodies=not options.forget_bodies,
        host=options.host,
        port=options.port,
    ) as api:
        print(f"listening on {api.url}", flush=True)
        stopping.wait()


if __name__ == "__main__":
    main()
