"""The doctor: whether a live installation can do its work, found out without sending anything."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import chain

from track_dispatch.config import BrokenHospital, Hospital
from track_dispatch.doctor.airflow_checks import check_airflow, check_dag, read_airflow
from track_dispatch.doctor.check import Check, softened
from track_dispatch.doctor.hospital_checks import check_erp, check_file, check_hospital
from track_dispatch.doctor.ledger_checks import check_ledger, check_software
from track_dispatch.doctor.track_checks import check_alert, check_track


def run_checks(
    entries: Sequence[Hospital | BrokenHospital], *, now: Callable[[], datetime]
) -> Iterator[Check]:
    """Look at everything the hospitals need, one check after the other; nothing is sent.

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
    for conn_id, hospitals in by_connection.items():
        looks = check_erp(conn_id, hospitals)
        are_live = any(_is_live(one, now()) for one in hospitals)
        yield from looks if are_live else softened(looks)


def _is_live(hospital: Hospital, now: datetime) -> bool:
    return hospital.is_live(now.astimezone(hospital.zone).date())
