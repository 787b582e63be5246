"""The week before `make ui`: what came well and what did not, run by the DAGs on the stand-ins.

Nothing is written into Airflow or the ledger but by the product's own runs: whoever opens the board
finds each state that a line can wait in.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from demo.world import World
from stand_ins.track_api.faults import drop
from track_dispatch.config import Hospital
from track_dispatch.ledger.in_doubt import InDoubtBatch
from track_dispatch.pipeline.morning import due_day
from track_dispatch.states import Verb

#: Policies under which a week shows what usually takes months, or minutes of waiting.
POLICIES = {
    # the week before is enough to tell that a day is unusual
    "volume_gate": {"min_history_days": 1, "min_lines": 10, "low": 0.4},
    "post_deadline_seconds": 10,
    "lease_margin_seconds": 5,
}
#: So many of the chosen hospitals have a week behind them; each costs a quarter of a minute.
HOSPITALS = 3
#: Days of a week, and one more: a day is held against the same weekday before.
DAYS = 8
#: So many days before today must have had patients: the week's last day may be that before
#: yesterday, and its first run reads two days before its own, which others are held against.
PATIENT_DAYS = DAYS + 3
#: Where the families of ERPs keep attendances: table, number, the moment that tells the day.
_ATTENDANCES = {
    "mv": ("dbamv.atendime", "cd_atendimento", "dt_atendimento"),
    "tasy": ("tasy.atendimento_paciente", "nr_atendimento", "dt_alta"),
}
#: Of so many attendances of a thin day one is there.
_THIN = 12


@dataclass(frozen=True, slots=True)
class Plan:
    """What befalls which day of which hospital.

    Attributes:
        doubt: Track takes a batch, but its answer is lost; a person has yet to decide.
        reopened: Track never takes a batch, and a person has found that out and decided.
        thin: most attendances are missing, and a person has yet to say whether it may go.
        left: what the live Airflow does by itself: nothing has befallen it.
    """

    doubt: tuple[Hospital, date]
    reopened: tuple[Hospital, date]
    thin: tuple[Hospital, date]
    left: tuple[Hospital, date]

    @classmethod
    def of(cls, hospitals: Sequence[Hospital], *, moment: datetime) -> Plan:
        """Return the plan of the week before a moment; few hospitals share what befalls."""

        def at(place: int, back: int) -> tuple[Hospital, date]:
            hospital = hospitals[place % len(hospitals)]
            return hospital, due_day(hospital, moment) - timedelta(days=back)

        return cls(doubt=at(0, 3), reopened=at(2, 1), thin=at(1, 0), left=at(0, 0))

    def days(
        self, hospitals: Sequence[Hospital], moment: datetime
    ) -> Iterator[tuple[Hospital, date]]:
        """Yield what is to be run before Airflow is live, the earliest day of all first."""
        for back in range(DAYS - 1, -1, -1):
            for hospital in hospitals:
                day = due_day(hospital, moment) - timedelta(days=back)
                if not self.is_left(hospital, day):
                    yield hospital, day

    def is_left(self, hospital: Hospital, day: date) -> bool:
        """Tell whether a day is the live Airflow's, and not one that something befalls."""
        return (hospital, day) == self.left != self.thin


def play(world: World, logs: Path, *, moment: datetime, by: str) -> Iterator[str]:
    """Run the week of the world's first hospitals; yield what comes next.

    Airflow's database, the ledger and the pools are there.

    Args:
        world: running; Airflow's connections lead to it.
        logs: Airflow's folder of task logs.
        moment: the end of the week.
        by: the user who has decided.
    """
    from demo.in_process import InProcess  # noqa: PLC0415 - imports Airflow

    hospitals = world.hospitals[:HOSPITALS]
    plan = Plan.of(hospitals, moment=moment)
    thin_out(world, *plan.thin)
    runs = InProcess(logs)
    lost: set[str] = set()
    for hospital, day in plan.days(hospitals, moment):
        yield f"{hospital.dag_id} · {day}"
        known = {doubt.id for doubt in doubts()}
        if (hospital, day) == plan.doubt:
            world.track.script(drop(accepted=True))
        if (hospital, day) == plan.reopened:
            world.track.script(drop(accepted=False))
        # the schedule's run of a day is due in the course of the next one
        over = datetime.combine(day + timedelta(days=2), datetime.min.time(), hospital.zone)
        runs.run_scheduled(hospital.dag_id, before=over)
        if (hospital, day) == plan.reopened:
            lost = {doubt.id for doubt in doubts()} - known
    yield "track_decide"
    for batch in lost:
        wait_for_lease(batch)
        why = "procurei no Track, e o lote não está lá"
        conf = {"what": str(Verb.SETTLE_UNSENT), "batch": batch, "why": why}
        runs.run_by_hand("track_decide", conf, by=by, at=datetime.now(UTC))


def thin_out(world: World, hospital: Hospital, day: date) -> None:
    """Take most of a day's attendances out of an ERP."""
    table, number, moment = _ATTENDANCES[hospital.erp]
    world.erps[hospital.source].execute(
        f"delete from {table} where cast({moment} as date) = ? and {number} % {_THIN} <> 0", [day]
    )


def wait_for_lease(batch: str) -> None:
    """Wait until a person may decide about a batch in doubt."""
    while left := sum(doubt.lease_seconds for doubt in doubts() if doubt.id == batch):
        time.sleep(left)


def doubts() -> list[InDoubtBatch]:
    """Return the ledger's batches in doubt."""
    from track_dispatch.hooks.ledger import open_ledger  # noqa: PLC0415 - imports Airflow
    from track_dispatch.ledger.in_doubt import in_doubt_batches  # noqa: PLC0415

    with open_ledger() as ledger, ledger.reading() as connection:
        return in_doubt_batches(connection)
