"""A hospital whose ERP is one table on the stand-in: tests say what each day holds, and read it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, text

from stand_ins.oracle import Faults
from track_dispatch.config import load_hospital
from track_dispatch.ledger import schema
from track_dispatch.ledger.schema import PLACES
from track_dispatch.pipeline import Run
from track_dispatch.pipeline.extract import extract
from track_dispatch.pipeline.transform import transform
from track_dispatch.records import COLUMNS, MOMENT_FORMAT, Actor

if TYPE_CHECKING:
    from stand_ins.oracle import OracleStandIn
    from track_dispatch.config import Hospital
    from track_dispatch.ledger.database import Ledger
    from track_dispatch.pipeline.transform import Transformed

DAY = date(2026, 3, 10)
NOW = datetime(2026, 3, 11, 12, tzinfo=UTC)
CONN_ID = "oracle_days"

#: What a test may say of an attendance; its moment is both of its dates.
TEXTS = tuple(column for column in COLUMNS if not column.startswith("data_"))
EXTRAS = ("x_obito", "x_idade")
TABLE = f"""
create schema dbamv;
create table dbamv.days (
  moment timestamp_s, {", ".join(f"{column} varchar" for column in (*TEXTS, *EXTRAS))}
);
"""
_CHOSEN = ", ".join(
    f'd.{column} as "{column}"'
    if column in (*TEXTS, *EXTRAS)
    else f"to_char(d.moment, '{MOMENT_FORMAT}') as \"{column}\""
    for column in (*COLUMNS, *EXTRAS)
)
SQL = f"""
select {_CHOSEN} from dbamv.days d
where d.moment >= :day_start and d.moment < :day_end
"""
HOSPITAL = load_hospital("HMS").model_copy(
    update={
        "oracle_conn_id": CONN_ID,
        "sql": "mv/days.sql",
        "contact_cap_days": 30,
        "max_age_days": 15,
        "send_window": "08:00-20:00",
        "look_back_days": 0,
        "volume_gate": None,
    }
)


@dataclass
class ErpDays:
    """The ERP, the hospital that reads it, and the ledger that it is read into."""

    erp: OracleStandIn
    ledger: Ledger
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def hospital(self) -> Hospital:
        """The hospital with what a test has set."""
        return HOSPITAL.model_copy(update=self.settings)

    def add(self, number: int, day: date = DAY, **changed: str) -> None:
        """Let the ERP have an attendance on a day, of a patient of its own."""
        row = dict.fromkeys((*TEXTS, *EXTRAS), "") | {
            "ID_Cliente_Hfocus": "40085",
            "cd_atendimento": str(number),
            "name": f"MARIA {number}",
            "email": f"p{number}@example.test",
            "area_pesquisa": "INTERNACAO",
            "unidade": "Meridional Serra",
            "setor": "UTI",
            **changed,
        }
        marks = ", ".join("?" for _ in row)
        self.erp.execute(
            f"insert into dbamv.days values (timestamp '{day} 08:00:00', {marks})",
            list(row.values()),
        )

    def clear(self, day: date | None = None) -> None:
        """Let the ERP have nobody on a day, or at all."""
        where = f" where cast(moment as date) = date '{day}'" if day else ""
        self.erp.execute(f"delete from dbamv.days{where}")

    def run(self, name: str = "run-1", *, day: date = DAY, **wishes: Any) -> Run:
        """Return a run of a day."""
        return Run(self.hospital, day, Actor("transform", run_id=name, try_number=1), **wishes)

    def extract(self, run: Run, now: datetime = NOW) -> dict[str, int | str]:
        """Read what is due."""
        return extract(run, ledger=self.ledger, track_host="https://track.test", now=now)

    def transform(self, run: Run, now: datetime = NOW) -> Transformed:
        """Apply what was read."""
        return transform(run, ledger=self.ledger, now=now)

    def read(
        self, name: str = "run-1", *, day: date = DAY, now: datetime = NOW, **wishes: Any
    ) -> Transformed:
        """Extract and transform, as one run."""
        run = self.run(name, day=day, **wishes)
        self.extract(run, now)
        return self.transform(run, now)

    def stands(self) -> dict[str, str]:
        """Return where each attendance stands: day, state, reason."""
        lines, envelopes, units = schema.lines, schema.envelopes, schema.units
        with self.ledger.reading() as connection:
            rows = connection.execute(
                select(lines, units.c.business_day, units.c.area, units.c.channel)
                .join_from(lines, envelopes, envelopes.c.id == lines.c.address // PLACES)
                .join(units, units.c.id == envelopes.c.unit)
                .order_by(lines.c.attendance_id)
            ).all()
        return {
            row.attendance_id: f"{row.business_day} {row.state}"
            + (f" {row.reason}" if row.reason else "")
            for row in rows
        }

    def states(self) -> Counter[str]:
        """Count the lines by state."""
        with self.ledger.reading() as connection:
            return Counter(connection.scalars(select(schema.lines.c.state)))

    def sql(self, statement: str, **values: Any) -> None:
        """Write by SQL, as other tasks would have left it."""
        with self.ledger.writing() as connection:
            connection.execute(text(statement), values)

    def grow_old(self, hours: int = 24) -> None:
        """Let all that was read be read some hours earlier."""
        with self.ledger.reading() as connection:
            rows = connection.execute(select(schema.extractions)).all()
        for row in rows:
            with self.ledger.writing() as connection:
                connection.execute(
                    schema.extractions.update()
                    .where(schema.extractions.c.id == row.id)
                    .values(
                        started_at=row.started_at - timedelta(hours=hours),
                        completed_at=row.completed_at and row.completed_at - timedelta(hours=hours),
                    )
                )

    def begin(self) -> None:
        """Forget what an earlier test left in the ERP."""
        self.erp.faults = Faults()
        self.clear()
