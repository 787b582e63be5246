"""`make ui`: the demo's world under a live Airflow, until Ctrl-C."""

from __future__ import annotations

import os
import secrets
import shlex
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from rich.console import Console

from demo import week
from demo.airflow_api import USER, USERS, AirflowApi, live_settings
from demo.choices import Choices, hospitals_in
from demo.components import AIRFLOW, Components, airflow_component
from demo.folders import emptied_folder
from demo.run import DEFAULT_HOSPITALS, prepare, step, terminal_apart
from demo.world import ROOT, World, airflow_settings, leave_hospitals
from track_dispatch.config import Hospital

HOME = ROOT / ".airflow" / "ui"
#: How long Airflow may take until all its components are healthy, in seconds.
START_LIMIT = 180.0
#: The DAGs that are no hospital's.
OPERATIONS = frozenset({"track_decide", "track_doctor", "track_housekeeping", "track_morning"})
COMPONENTS = AIRFLOW | {"triggerer": airflow_component("triggerer", "--skip-serve-logs")}


def main(arguments: list[str] | None = None) -> int:
    """Run until a signal comes; return 0, or 1 when a component failed."""
    parser = Choices(prog="make ui", usage="make ui [HOSPITALS=HMS,OTOA] [PORT=8080]")
    parser.add_argument("--hospitals", default=DEFAULT_HOSPITALS, help="codes, or all")
    parser.add_argument("--port", type=int, default=8080, help="of the UI, on the loopback only")
    options = parser.parse_args(arguments)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stopped.set())
    hospitals = hospitals_in(options.hospitals)
    require_free(options.port)
    api = AirflowApi(options.port, secrets.token_urlsafe(9))
    with emptied_folder(HOME), World(hospitals, days=days_of(hospitals)) as world:
        settings = (
            airflow_settings(HOME, **week.POLICIES) | world.connections() | live_settings(api, HOME)
        )
        # nobody misses the days of those that have no ERP here
        leave_hospitals(Path(settings["TRACK_INCLUDE_DIR"]), hospitals)
        write_exports(HOME / "env", settings)
        os.environ.update(settings)
        with terminal_apart(HOME / "setup.log") as console:
            make_the_week(world, console)
            with Components(COMPONENTS, logs=HOME) as components:
                console.print("Airflow's components are starting", highlight=False)
                failed = watch(components, stopped, console, api, world)
                console.print("stopping", highlight=False)
            console.print("stopped", highlight=False)
    return int(failed)


def make_the_week(world: World, console: Console) -> None:
    """Make the databases, and what was before Airflow went live."""
    with step("Airflow database, ledger, pools", console):
        prepare()
    begun = time.monotonic()
    for what in week.play(world, HOME / "logs", moment=datetime.now(UTC), by=USER):
        console.print(f"the week before: {what}", highlight=False)
    console.print(f"the week before: {time.monotonic() - begun:.0f} s", highlight=False)


def watch(
    components: Components,
    stopped: threading.Event,
    console: Console,
    api: AirflowApi,
    world: World,
) -> bool:
    """Wait for health, tell how to log in, wait for a signal; tell whether a component failed."""
    dags = OPERATIONS | {hospital.dag_id for hospital in world.hospitals}
    told, limit = False, time.monotonic() + START_LIMIT
    while not stopped.wait(0.5):
        if ended := components.ended():
            logs = ", ".join(str(components.log(name)) for name in ended)
            console.print(f"stopped by itself: {', '.join(ended)}; see {logs}", highlight=False)
            return True
        if not told and api.is_healthy() and api.unpause(dags):
            tell(console, api, world)
            told = True
        if not told and time.monotonic() > limit:
            console.print(f"Airflow did not get healthy; see the logs in {HOME}", highlight=False)
            return True
    return False


def tell(console: Console, api: AirflowApi, world: World) -> None:
    """Print where to look and how to log in."""
    console.print(
        f"\nAirflow   http://localhost:{api.port}   user {USER}   password {api.password}"
        f"\n          who may less, with the same password: {', '.join(USERS[1:])}"
        f"\nTrack     {world.track.url}   what the stand-in has received"
        f"\nlogs      {HOME}"
        f"\n\nin a shell: source {os.path.relpath(HOME / 'env')}"
        "\n\nPesquisas, in the side bar, shows the week before; the latest day's rest is on its"
        " way.\nCtrl-C stops everything.\n",
        highlight=False,
        soft_wrap=True,
    )


def write_exports(path: Path, settings: Mapping[str, str]) -> None:
    """Write what a shell needs to be in this Airflow's world, for its owner only."""
    exports = {**settings, "PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT}"}
    lines = [f"export {name}={shlex.quote(value)}" for name, value in exports.items()]
    lines.append(f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"')
    path.touch(mode=0o600)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def days_of(hospitals: Sequence[Hospital]) -> list[date]:
    """Return the days that have patients: some before today, and today for tomorrow's run."""
    today = max(datetime.now(UTC).astimezone(hospital.zone).date() for hospital in hospitals)
    return [today - timedelta(days=back) for back in range(week.PATIENT_DAYS, -1, -1)]


def require_free(port: int) -> None:
    """Refuse a port that somebody listens on.

    Raises:
        SystemExit: it is taken.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise SystemExit(
                f"port {port} is not free ({error.strerror}): stop what listens there, or choose"
                " another: make ui PORT=8081"
            ) from None


if __name__ == "__main__":
    sys.exit(main())
