"""Check a live installation without sending anything: Airflow, ledger, Track, hospitals, ERPs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain

from track_dispatch.config import BrokenHospital, Hospital
from track_dispatch.doctor.airflow_checks import check_airflow, check_dag, read_airflow
from track_dispatch.doctor.check import Check, softened
from track_dispatch.doctor.hospital_checks import (
    check_alert,
    check_erp,
    check_file,
    check_hospital,
    check_pools,
    check_track,
)
from track_dispatch.doctor.ledger_checks import check_clock, check_ledger, check_software


def run_checks(
    entries: Sequence[Hospital | BrokenHospital], *, now: Callable[[], datetime]
) -> Iterator[Check]:
    """Run every check of an installation, one after the other; nothing is sent.

    Args:
        entries: the hospitals to look at, broken files among them.
        now: our clock, aware.
    """
    airflow, answers = read_airflow()
    yield answers
    working = [entry for entry in entries if not isinstance(entry, BrokenHospital)]
    yield from check_airflow(airflow, working, now)
    yield from check_ledger()
    yield check_software()
    track, checks = check_track(now)
    yield from checks
    yield check_alert()
    by_connection: defaultdict[str, list[Hospital]] = defaultdict(list)
    for entry in entries:
        yield check_file(entry)
        if not isinstance(entry, BrokenHospital):
            is_live = _is_live(entry, now())
            looks: Iterator[Check] = chain(
                [check_dag(entry, airflow, is_live=is_live)], check_hospital(entry, track)
            )
            yield from looks if is_live else softened(looks)
            by_connection[entry.oracle_conn_id].append(entry)
    yield from _check_erps(by_connection, now, pools=True)


def run_worker_checks(
    hospitals: Sequence[Hospital], *, now: Callable[[], datetime]
) -> Iterator[Check]:
    """Run the checks of a machine that runs tasks, which need no database of Airflow's.

    Args:
        hospitals: whose tasks run here.
        now: this machine's clock, aware.
    """
    yield check_clock(now)
    yield from check_ledger()
    yield check_software()
    yield from check_track(now)[1]
    by_connection: defaultdict[str, list[Hospital]] = defaultdict(list)
    for hospital in hospitals:
        by_connection[hospital.oracle_conn_id].append(hospital)
    yield from _check_erps(by_connection, now, pools=False)


def _check_erps(
    by_connection: Mapping[str, Sequence[Hospital]],
    now: Callable[[], datetime],
    *,
    pools: bool,
) -> Iterator[Check]:
    for conn_id, hospitals in by_connection.items():
        looks = check_erp(conn_id, hospitals)
        if pools:
            looks = chain(check_pools(hospitals), looks)
        are_live = any(_is_live(hospital, now()) for hospital in hospitals)
        yield from looks if are_live else softened(looks)


def _is_live(hospital: Hospital, now: datetime) -> bool:
    return hospital.is_live(now.astimezone(hospital.zone).date())
