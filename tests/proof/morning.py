"""A hospital's day that is read a second time, after some of it went out: what transform works on.

The second reading finds a line that was accepted, one that Track refused and the ERP mended, one
that changed, one that did not, two new ones; one of the first reading is gone.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from tests.unit.delivery.bench import DAY, HOSPITAL, NOW, Bench
from track_dispatch.ledger import schema
from track_dispatch.ledger.staging import newest_extraction, stage_extraction
from track_dispatch.pipeline.run import Run
from track_dispatch.pipeline.transforming import transform
from track_dispatch.records import Actor, Area, Channel, Unit

if TYPE_CHECKING:
    from demo.track_api import TrackStandIn
    from track_dispatch.ledger.database import Ledger
    from track_dispatch.ledger.keys import KeyRing
    from track_dispatch.records import ErpRow

ACCEPTED, REFUSED, SAME, CHANGED, GONE, NEW, EXCLUDED = (str(910_000_001 + n) for n in range(7))


def row(attendance_id: str, **changed: str) -> ErpRow:
    """Make a row of a patient who does not exist."""
    return {
        "ID_Cliente_Hfocus": "40085",
        "cd_atendimento": attendance_id,
        "data_atendimento": "2026-03-02 08:00:00",
        "data_saida_alta": "2026-03-02 09:00:00",
        "name": "FULANA SINTETICA",
        "email": f"fulana{attendance_id}@exemplo.test",
        "phone": "",
        "cpf": "",
        "medico": "",
        "area_pesquisa": "INTERNACAO",
        "unidade": "",
        "setor": "",
        **changed,
    }


@dataclass(frozen=True, slots=True)
class Morning:
    """One run of the day: its rows by the chunk, and the ledger that it works on."""

    ledger_url: str
    keys: KeyRing
    run_id: str
    chunks: tuple[list[ErpRow], ...]

    @property
    def run(self) -> Run:
        return Run(HOSPITAL, DAY, Actor("transform", run_id=self.run_id, try_number=1))

    def extract(self, ledger: Ledger) -> None:
        """Stage the rows, as the first task of the run does."""
        run = self.run
        stage_extraction(
            ledger,
            iter(self.chunks),
            source=HOSPITAL.source,
            hospital=HOSPITAL.code,
            business_day=DAY,
            actor=run.actor,
        )

    def transform(self, ledger: Ledger) -> None:
        transform(self.run, ledger=ledger, now=NOW)

    def clear(self, ledger: Ledger) -> None:
        """Run again what is not done, as Airflow's retries do."""
        with ledger.reading() as connection:
            staged = newest_extraction(
                connection, hospital=HOSPITAL.code, business_day=DAY, run_id=self.run_id
            )
        if staged is None:
            self.extract(ledger)
        self.transform(ledger)


def earlier(ledger: Ledger, api: TrackStandIn) -> None:
    """Read the day and send some of it: one line is accepted, one refused, the rest is ready."""
    sent = [row(ACCEPTED), row(REFUSED)]
    kept = [row(SAME), row(CHANGED), row(GONE)]
    morning_of(ledger, "run-1", sent).clear(ledger)
    api.reject({REFUSED})
    Bench(ledger, api).dispatch(Unit(HOSPITAL.code, DAY, Area.INTERNACAO, Channel.EMAIL))
    morning_of(ledger, "run-2", sent, kept).clear(ledger)


def second_reading(ledger: Ledger) -> Morning:
    mended = row(REFUSED, email="mended@exemplo.test")
    changed = row(CHANGED, name="OUTRO NOME")
    excluded = row(EXCLUDED, email="")
    return morning_of(
        ledger, "run-3", [row(ACCEPTED), mended], [row(SAME), changed], [row(NEW), excluded]
    )


def morning_of(ledger: Ledger, run_id: str, *chunks: list[ErpRow]) -> Morning:
    url = ledger.engine.url.render_as_string(hide_password=False)
    return Morning(url, ledger.keys, run_id, chunks)


def told(ledger: Ledger) -> tuple[Any, ...]:
    """Tell what the ledger holds of people: its lines with their contents, and their events."""
    lines, events = schema.lines, schema.events
    unlike = {"id", "payload", "extraction_id", "batch_id", "claim_id", "found_at", "changed_at"}
    with ledger.reading() as connection:
        found = connection.execute(select(lines).order_by(lines.c.attendance_id)).mappings().all()
        lives = connection.execute(
            select(
                lines.c.attendance_id, events.c.transition, events.c.state, events.c.reason
            ).join(lines, lines.c.id == events.c.line_id)
        ).all()
    people = [
        {name: value for name, value in line.items() if name not in unlike}
        | {"line": line["payload"] and ledger.keys.decrypt(line["payload"])}
        for line in found
    ]
    return people, Counter(map(tuple, lives))


def staged_rows(ledger: Ledger) -> int:
    with ledger.reading() as connection:
        return connection.scalar(select(func.count()).select_from(schema.staged_rows)) or 0
