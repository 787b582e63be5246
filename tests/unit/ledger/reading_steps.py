"""Readings of made-up days, taken as `extract` and `transform` take them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date
from typing import Any, NamedTuple

import orjson
from sqlalchemy import select

from tests.unit.ledger.ledger_facts import LedgerFacts
from track_dispatch.ledger.apply_extraction import applying_extractions
from track_dispatch.ledger.day_apply import DayTerms
from track_dispatch.ledger.extractions import Extraction, run_extractions, stage_extraction
from track_dispatch.ledger.sql import moment_in
from track_dispatch.pipeline.transform import standing_back
from track_dispatch.records import Actor, Area, Channel, HospitalDay
from track_dispatch.states import Reason
from track_dispatch.transformation import Identities

DAY = HospitalDay("HMS", date(2026, 3, 10))
DAY_BEFORE = HospitalDay("HMS", date(2026, 3, 9))
TODAY = date(2026, 3, 11)
#: An attendance, and the CPF of one person.
NUMBER, SAME = 900_000_001, "52998224725"
RUN = Actor("transform", run_id="scheduled__2026-03-10", try_number=1)
OTHER_RUN = Actor("transform", run_id="backfill__2026-03-10", try_number=1)
TERMS = DayTerms(rules="rules-1", batch_size=100, today=TODAY, ask_until=date(2026, 3, 25))


class Attendance(NamedTuple):
    """An attendance as the rules would have evaluated it."""

    attendance_id: str
    area: Area | None
    channel: Channel | None
    reason: Reason | None
    line: bytes | None
    identities: Identities


def invited(
    number: int,
    area: Area = Area.INTERNACAO,
    channel: Channel = Channel.EMAIL,
    *,
    person: str = "",
    email: str = "",
    **fields: str,
) -> Attendance:
    """Make an attendance up whose patient may be asked; of a person of its own by default."""
    address = email or f"p{number}@example.test"
    line = {"cd_atendimento": str(number), "name": "MARIA DE TESTE", "email": address, **fields}
    cpf = person or f"{number:011}"
    return Attendance(
        str(number),
        area,
        channel,
        None,
        orjson.dumps(line),
        Identities(
            persons=(f"cpf:{cpf}", f"name:email:{address}\x1fmaria de teste"),
            contacts=(f"email:{address}",),
            others=(f"phone:5527{number:09}",),
        ),
    )


def not_invited(
    number: int, reason: Reason = Reason.NO_CONTACT, area: Area | None = Area.INTERNACAO
) -> Attendance:
    """Make an attendance up whose patient is not asked."""
    return Attendance(str(number), area, None, reason, None, Identities())


def without_limit(terms: DayTerms = TERMS) -> DayTerms:
    """Return terms under which patients may be asked for ever."""
    return replace(terms, ask_until=None)


class ReadingSteps(LedgerFacts):
    """Readings of days, as `extract` and `transform` take them."""

    def let_a_moment_pass(self) -> None:
        """Let the next reading begin later than the last: SQLite's clock counts milliseconds."""

        def now() -> object:
            with self.ledger.reading() as connection:
                return connection.scalar(select(moment_in()))

        began = now()
        while now() == began:
            pass

    def extract(
        self,
        *attendances: Attendance,
        day: HospitalDay = DAY,
        source: str = "hms",
        actor: Actor = RUN,
    ) -> Extraction:
        """Stage a day's rows, one for each attendance, and return the extraction."""
        columns = {"cd_atendimento": [one.attendance_id for one in attendances]}
        self.let_a_moment_pass()
        stage_extraction(self.ledger, [columns], source=source, day=day, actor=actor)
        found = self.newest_extraction(day, run_id=str(actor.run_id))
        assert found is not None
        return found

    def extract_around(self, act: Callable[[], object], day: HospitalDay = DAY) -> Extraction:
        """Stage a reading of another run that began before `act` and ended after it."""

        def slowly() -> Iterator[dict[str, list[str]]]:
            yield {"cd_atendimento": [str(NUMBER)]}
            act()

        stage_extraction(self.ledger, slowly(), source="hms", day=day, actor=OTHER_RUN)
        found = self.newest_extraction(day, run_id=str(OTHER_RUN.run_id))
        assert found is not None
        return found

    def transform(
        self,
        *readings: tuple[Extraction, Sequence[Attendance]],
        terms: DayTerms = TERMS,
        actor: Actor = RUN,
    ) -> list[bool]:
        """Apply extractions in one transaction; tell of each whether there was any to apply."""
        source = readings[0][0].source
        applied = []
        with applying_extractions(self.ledger, source=source, zone=UTC, actor=actor) as transform:
            for extraction, attendances in readings:
                day = transform.begin(extraction, terms)
                applied.append(day is not None)
                if day is not None:
                    day.take(attendances, lambda barred: {})
                    day.end_of_reading(rows_merged=0)
            transform.finish(standing_back)
        return applied

    def read(self, *attendances: Attendance, terms: DayTerms = TERMS, **where: Any) -> Extraction:
        """Stage and apply one reading of a day that finds these attendances and no others."""
        extraction = self.extract(*attendances, **where)
        actor = where.get("actor", RUN)
        assert self.transform((extraction, attendances), terms=terms, actor=actor) == [True]
        return extraction

    def read_days(
        self,
        days: Mapping[HospitalDay, Sequence[Attendance]],
        *,
        terms: DayTerms = TERMS,
        actor: Actor = RUN,
    ) -> None:
        """Stage and apply one reading of several days, in one run."""
        readings = [
            (self.extract(*attendances, day=day, actor=actor), attendances)
            for day, attendances in days.items()
        ]
        self.transform(*readings, terms=terms, actor=actor)

    def leave(self, state: str, *, reason: str | None = None, batch: str | None = "b-1") -> None:
        """Leave all lines in a state, without payload unless they wait, as dispatches do."""
        waits = state in {"ready", "held"}
        counts = "" if waits else ", payload = null, waiting = 0"
        reopened = "lines" if state == "reopened" else "0"
        self.run_sql(f"update envelopes set version = version + 1, reopened = {reopened}{counts}")
        self.run_sql(
            "update lines set state = :state, reason = :reason, batch = :batch",
            state=state,
            reason=reason,
            batch=batch,
        )

    def newest_extraction(
        self, day: HospitalDay = DAY, *, run_id: str = str(RUN.run_id)
    ) -> Extraction | None:
        """Return what a run's transform would apply of a day."""
        with self.ledger.reading() as connection:
            found = run_extractions(connection, hospital=day.hospital, run_id=run_id)
        return next((one for one in found if one.day == day), None)
