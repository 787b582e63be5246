"""The hospital whose tasks die: two days, three units, and what its dispatch meets with Track."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import update

from stand_ins.track_api import faults
from tests.unit.delivery.delivery_rig import DAY, HOSPITAL, NOW, Rig, Time
from track_dispatch.config import rules_digest
from track_dispatch.ledger import schema
from track_dispatch.ledger.extractions import stage_extraction
from track_dispatch.pipeline import Run
from track_dispatch.pipeline.transform import transform
from track_dispatch.records import COLUMNS, Actor, HospitalDay
from track_dispatch.states import LineState

if TYPE_CHECKING:
    from track_dispatch.config import Hospital
    from track_dispatch.ledger.database import Ledger

DAY_BEFORE = DAY - timedelta(days=1)
#: Small batches, and no volume that is odd.
POLICIES: Mapping[str, Any] = {"batch_size": 2, "volume_gate": None, "max_age_days": 15}
CPF = "529.982.247-25"
#: Rows of an extraction that are encrypted together.
CHUNK = 4


@dataclass(frozen=True, slots=True)
class Visit:
    """An attendance as the ERP holds it; of another patient each, but where `fields` say so."""

    number: str
    day: date = DAY
    area: str = "EXAMES"
    fields: tuple[tuple[str, str], ...] = ()

    def row(self) -> dict[str, str]:
        """Return its row as the reader yields it."""
        return dict.fromkeys(COLUMNS, "") | {
            "cd_atendimento": self.number,
            "data_atendimento": f"{self.day} 08:00:00",
            "data_saida_alta": f"{self.day} 09:00:00",
            "name": "FULANA SINTETICA",
            "email": f"fulana{self.number}@exemplo.test",
            "area_pesquisa": self.area,
            "unidade": "ERP",
            "setor": "A",
            "x_obito": "N",
            "x_idade": "40",
            **dict(self.fields),
        }


@dataclass(frozen=True, slots=True)
class Reading:
    """What one run reads: its own day and others."""

    run_id: str
    visits: tuple[Visit, ...]
    policies: Mapping[str, Any] = field(default_factory=lambda: dict(POLICIES))

    @property
    def hospital(self) -> Hospital:
        return HOSPITAL.model_copy(update=dict(self.policies))

    @property
    def run(self) -> Run:
        return Run(self.hospital, DAY, Actor("transform", run_id=self.run_id, try_number=1))

    def days(self) -> dict[date, list[Visit]]:
        """Return the visits by day; the run's own day is one, though empty."""
        found: defaultdict[date, list[Visit]] = defaultdict(list, {DAY: []})
        for visit in self.visits:
            found[visit.day].append(visit)
        return dict(found)


def read_days(ledger: Ledger, reading: Reading) -> None:
    """Extract the days and transform them, as two tasks of a run do."""
    extract_days(ledger, reading)
    transform(reading.run, ledger=ledger, now=NOW)


def extract_days(ledger: Ledger, reading: Reading) -> None:
    """Stage the rows, day after day, in chunks."""
    for day, visits in reading.days().items():
        stage_extraction(
            ledger,
            _chunks([visit.row() for visit in visits]),
            source=HOSPITAL.source,
            day=HospitalDay(HOSPITAL.code, day),
            actor=reading.run.actor,
        )


def _chunks(rows: list[dict[str, str]]) -> Iterator[Mapping[str, list[str]]]:
    for first in range(0, len(rows), CHUNK):
        some = rows[first : first + CHUNK]
        yield {name: [row[name] for row in some] for name in some[0]}


def dispatch_once(
    ledger: Ledger,
    api_url: str,
    settings: Mapping[str, Any],
    *,
    time: Time,
    stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Dispatch the hospital as one try of the task does.

    Raises:
        TrackDispatchError: as `dispatch` does.
    """
    with Rig(ledger, api=None, settings=dict(settings), time=time) as rig:  # type: ignore[arg-type]
        rig.dispatch(url=api_url, rules=rules_digest(rig.hospital), stopped=stopped)


# -- what a dispatch meets ---------------------------------------------------------------

VISITS = (
    *(Visit(f"{910_000_001 + number}", DAY_BEFORE) for number in range(4)),
    *(Visit(f"{910_000_011 + number}") for number in range(3)),
    *(Visit(f"{910_000_021 + number}", area="INTERNACAO") for number in range(2)),
)
IDS = tuple(visit.number for visit in VISITS)
#: Visits in which two of another day are the same patients, who may be asked once in 30 days.
SAME_PATIENTS = tuple(
    replace(visit, fields=(("email", "familia@exemplo.test"), ("cpf", CPF)))
    if visit.number in {IDS[0], IDS[4]}
    else visit
    for visit in VISITS
)


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a dispatch meets.

    Attributes:
        name: for the reader.
        arrange: makes Track, or the ledger, what the dispatch meets.
        visits: what the hospital's ERP holds.
        batch_size: lines of a batch.
        doubts: so many claims end in doubt even if nobody dies.
    """

    name: str
    arrange: Callable[[Rig], None]
    visits: Sequence[Visit] = VISITS
    batch_size: int = 2
    doubts: int = 0

    def __str__(self) -> str:
        return self.name

    @property
    def reading(self) -> Reading:
        """The first reading of the hospital's days."""
        return Reading("run-1", tuple(self.visits), {**POLICIES, "batch_size": self.batch_size})

    @property
    def again(self) -> Reading:
        """A later reading of the same days, that finds the same."""
        return replace(self.reading, run_id="run-2")


def _in_peace(rig: Rig) -> None:
    """Let Track take everything."""


def _one_is_refused(rig: Rig) -> None:
    rig.api.reject({IDS[1]}, named=False)


def _two_are_named(rig: Rig) -> None:
    rig.api.reject({IDS[0]})
    rig.api.refuse_in_acceptance({IDS[5]})


def _nobody_knows(rig: Rig) -> None:
    rig.api.script(None, faults.answer(500, accepted=True), faults.drop(accepted=False))


def _nobody_knows_of_a_part(rig: Rig) -> None:
    rig.api.script(faults.refuse(422), faults.drop(accepted=True))


def _one_is_held(rig: Rig) -> None:
    """Keep the settlement and the next claim apart: an envelope also holds what may not go."""
    for number in (IDS[2], IDS[5]):
        with rig.ledger.writing() as connection:
            lines = schema.lines
            held = update(lines).where(lines.c.attendance_id == number)
            connection.execute(held.values(state=LineState.HELD))


SCENARIOS = (
    Scenario("plain", _in_peace),
    Scenario("split", _one_is_refused, batch_size=4),
    Scenario("excluded", _in_peace, visits=SAME_PATIENTS),
    Scenario("apart", _one_is_held),
    Scenario("named", _two_are_named),
    Scenario("doubt", _nobody_knows, doubts=2),
    Scenario("doubt_in_split", _nobody_knows_of_a_part, batch_size=4, doubts=1),
)
