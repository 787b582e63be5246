"""Hospitals that share patients, and processes that dispatch them at once, by real clocks."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from typing import TYPE_CHECKING, Any

from tests.proof.model_erp import BEGINNING, CODES, HOSPITALS, MONDAY, SHARED_CPF, Attendance
from tests.proof.model_rig import track_client
from track_dispatch.config import rules_digest
from track_dispatch.delivery.context import DispatchContext
from track_dispatch.delivery.dispatch import dispatch
from track_dispatch.errors import BudgetSpentError, LinesInFlightError, NotDeliveredError
from track_dispatch.ledger.database import Ledger, connect
from track_dispatch.ledger.extractions import stage_extraction
from track_dispatch.ledger.keys import KeyRing
from track_dispatch.pipeline import Run
from track_dispatch.pipeline.transform import transform
from track_dispatch.records import Actor, HospitalDay

if TYPE_CHECKING:
    from track_dispatch.config import Hospital
    from track_dispatch.records import ErpRow

#: The patients that all hospitals share, each with another address in each of them.
SHARED_CPFS = (SHARED_CPF, "111.444.777-35", "390.533.447-05", "168.995.350-09")
#: Attendances of each hospital, and how many of them are of these patients.
ATTENDANCES, SHARED = 12, len(SHARED_CPFS)
#: Seconds between two tries of a task.
PAUSE = 0.05


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker process is told."""

    ledger_url: str
    keys: str
    api_url: str
    codes: tuple[str, ...]
    settings: Mapping[str, Any]
    number: int


def hospital(code: str, settings: Mapping[str, Any]) -> Hospital:
    return HOSPITALS[code].model_copy(update={"volume_gate": None, **settings})


def read_hospitals(ledger: Ledger) -> None:
    """Let every hospital's day be read and judged."""
    for code in CODES:
        own = hospital(code, {})
        rows = [_row(code, number) for number in numbers(code)]
        run = Run(own, MONDAY, Actor("transform", run_id=f"run-{code}", try_number=1))
        columns = {name: [row[name] for row in rows] for name in rows[0]}
        day = HospitalDay(code, MONDAY)
        stage_extraction(ledger, [columns], source=own.source, day=day, actor=run.actor)
        transform(run, ledger=ledger, now=BEGINNING)


def numbers(code: str) -> list[str]:
    """Return a hospital's attendances; the first are those of the shared patients."""
    first = 960_000_001 + 1000 * CODES.index(code)
    return [str(first + number) for number in range(ATTENDANCES)]


def person(number: str) -> str:
    """Name the patient of an attendance: the shared ones are the same in every hospital."""
    place = (int(number) - 1) % 1000
    return SHARED_CPFS[place] if place < SHARED else number


def _row(code: str, number: str) -> ErpRow:
    (row,) = Attendance(codes=(code,), day=MONDAY).rows(number)
    who = person(number)
    cpf = who if who in SHARED_CPFS else ""
    return row | {"email": f"fulana.{number}@exemplo.test", "cpf": cpf}


def work(task: Work, start: Barrier) -> None:
    """Dispatch one hospital after the other until nothing is left, or Track takes nothing more."""
    keys = KeyRing.model_validate_json(task.keys)
    with Ledger(connect(task.ledger_url), keys) as ledger:
        start.wait(timeout=60)
        for code in task.codes:
            while _left_over(ledger, hospital(code, task.settings), task):
                time.sleep(PAUSE)


def _left_over(ledger: Ledger, own: Hospital, task: Work) -> bool:
    with track_client(task.api_url, own, now=lambda: BEGINNING) as client:
        context = DispatchContext(
            hospital=own,
            ledger=ledger,
            client=client,
            track_host=task.api_url,
            actor=Actor("dispatch", run_id=f"worker-{task.number}", try_number=1),
            series=f"worker-{task.number}",
            rules=rules_digest(own),
            now=lambda: BEGINNING,
        )
        try:
            dispatch(context, MONDAY)
        except (LinesInFlightError, NotDeliveredError):
            return True
        except BudgetSpentError:
            return False
    return False
