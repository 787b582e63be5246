"""Everything a newcomer has not got: ERPs and Track on free loopback ports, and Airflow's settings.

The product's code meets them as it meets the real ones: through Airflow connections.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import yaml

from stand_ins.erp_data import erp_sql
from stand_ins.oracle import OracleStandIn
from stand_ins.track_api import ORGANIZATION, TOKEN, Survey, TrackStandIn
from track_dispatch.config import BrokenHospital, Hospital, include_dir, load_hospitals
from track_dispatch.config.loading import hospital_files
from track_dispatch.config.yaml_file import read_yaml
from track_dispatch.errors import ConfigError, did_you_mean
from track_dispatch.records import Area

ROOT = Path(__file__).resolve().parents[1]
#: What `practice_include` puts in place of what is shipped.
POLICIES = ROOT / "demo" / "policies.yaml"
SERVICE, USER, PASSWORD = "ERP", "TRACK", "demo-only"
#: Patients whose address is here are refused by the stand-in, one by one and by name.
REFUSED_DOMAIN = "recusado.test"


class World:
    """The stand-ins of some hospitals, running; a context manager.

    Args:
        hospitals: whose ERPs to fill, and whose surveys Track has.
        days: the business days that have patients.
        seed: another seed, other patients.
        refused_domain: whose addresses Track refuses; None: it refuses nobody by itself.
        like: for a source that nobody knows, the known one whose ERP is made anew for it, with
            patients of its own.
    """

    def __init__(
        self,
        hospitals: Sequence[Hospital],
        *,
        days: Sequence[date],
        seed: int = 1,
        refused_domain: str | None = REFUSED_DOMAIN,
        like: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.hospitals = tuple(hospitals)
        own_seeds = {source: seed + place for place, source in enumerate(like, start=1)}
        self.erps = {
            source: erp_server(
                erp_sql(like.get(source, source), days=days, seed=own_seeds.get(source, seed))
            )
            for source in sorted({hospital.source for hospital in hospitals})
        }
        self.track = TrackStandIn(
            surveys=[survey for hospital in hospitals for survey in surveys_of(hospital)],
            refused_email_domain=refused_domain,
        )
        self._running = ExitStack()

    def __enter__(self) -> Self:
        for erp in self.erps.values():
            self._running.enter_context(erp)
        self._running.enter_context(self.track)
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def connections(self) -> dict[str, str]:
        """Return the Airflow connections as the environment variables that Airflow reads."""
        found = {
            hospital.oracle_conn_id: oracle_connection(self.erps[hospital.source].port)
            for hospital in self.hospitals
        }
        found["track_api"] = track_connection(self.track.url)
        return {f"AIRFLOW_CONN_{name.upper()}": value for name, value in found.items()}


def surveys_of(hospital: Hospital) -> list[Survey]:
    """Return the surveys that a hospital's file names, as Track would list them."""
    return [
        Survey(uuid=str(uuid), name=f"{hospital.name} · {area}")
        for area in Area
        if (uuid := hospital.survey(area)) is not None
    ]


def erp_server(init_sql: str, **listening: Any) -> OracleStandIn:
    """Return a stand-in of an ERP that a script fills; `oracle_connection` leads to it."""
    return OracleStandIn(
        users={USER: PASSWORD}, services=(SERVICE,), init_sql=init_sql, **listening
    )


def oracle_connection(port: int, host: str = "127.0.0.1") -> str:
    """Return the connection to a stand-in of an ERP."""
    return json.dumps(
        {
            "conn_type": "oracle",
            "host": host,
            "port": port,
            "login": USER,
            "password": PASSWORD,
            "extra": {"service_name": SERVICE},
        }
    )


def track_connection(url: str) -> str:
    """Return the connection to the stand-in of Track."""
    return json.dumps({"conn_type": "http", "host": url, "login": ORGANIZATION, "password": TOKEN})


def practice_include(folder: Path, **policies: Any) -> Path:
    """Copy the include folder to `folder`, under demo/policies.yaml and `policies`; return it.

    They hold for every hospital: a file that sets one of them otherwise loses that line.
    """
    shutil.copytree(include_dir(), folder, dirs_exist_ok=True)
    changes = yaml.safe_load(POLICIES.read_text(encoding="utf-8")) | policies
    defaults = folder / "defaults.yaml"
    _write_yaml(defaults, read_yaml(defaults, label=defaults.name) | changes)
    for path in (folder / "hospitals").glob("*.yaml"):
        with suppress(ConfigError):  # a broken file stays as it is: the loader says what is wrong
            content = read_yaml(path, label=path.name)
            if content.keys() & changes.keys():
                own = {name: value for name, value in content.items() if name not in changes}
                _write_yaml(path, own)
    return folder


def leave_hospitals(include: Path, hospitals: Collection[Hospital]) -> None:
    """Take every other hospital's file out of an include folder of the caller's own."""
    codes = {hospital.code for hospital in hospitals}
    for path in hospital_files(include):
        if path.stem.upper() not in codes:
            path.unlink()


def _write_yaml(path: Path, content: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")


def airflow_settings(home: Path, **policies: Any) -> dict[str, str]:
    """Return the environment of an Airflow of its own below `home`, with the project's DAGs.

    Its include folder is a `practice_include` with these `policies`; its config folder is ours.
    """
    config = home / "config"
    if not config.is_symlink():
        home.mkdir(parents=True, exist_ok=True)
        config.symlink_to(ROOT / "config")
    return {
        "TRACK_INCLUDE_DIR": str(practice_include(home / "include", **policies)),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }


def chosen_hospitals(codes: Collection[str]) -> list[Hospital]:
    """Return the hospitals with these codes, or all there are.

    Raises:
        SystemExit: there is no such hospital, or its file is broken.
    """
    found = {hospital.code: hospital for hospital in load_hospitals()}
    chosen = []
    for code in sorted(found) if "ALL" in codes else codes:
        hospital = found.get(code)
        if hospital is None:
            near, all_of_them = did_you_mean(code, found), ", ".join(sorted(found))
            raise SystemExit(f'no hospital "{code}"{near}; there are {all_of_them}, or all of them')
        if isinstance(hospital, BrokenHospital):
            raise SystemExit(hospital.message)
        chosen.append(hospital)
    return chosen
