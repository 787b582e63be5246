"""Days, lines and batches put into a ledger as transform and dispatch leave them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from tests.unit.ledger.ledger_facts import LedgerFacts
from track_dispatch.ledger import schema
from track_dispatch.ledger.envelopes import (
    SealedLine,
    address_of,
    reseal,
    reserve_envelopes,
    seal,
    unit_id,
)
from track_dispatch.ledger.sql import moment_in
from track_dispatch.ledger.transitions import Transition, append_events
from track_dispatch.records import Actor, Area, Channel, HospitalDay, IdentityKind, Unit
from track_dispatch.states import WAITING, BatchState, LineState

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger

DAY = date(2026, 3, 10)
TODAY = date(2026, 3, 11)
HMS_DAY = HospitalDay("HMS", DAY)
UNIT = Unit("HMS", DAY, Area.EXAMES, Channel.EMAIL)
RUN = Actor("transform", run_id="run-1", try_number=1)
HOUR = 3_600.0

#: Values of a patient's identities by kind; made up.
Patient = dict[IdentityKind, tuple[str, ...]]


def patient(number: int) -> Patient:
    """Make a patient up who shares nothing with another number's."""
    return {
        IdentityKind.PERSON: (f"cpf:{number:011}",),
        IdentityKind.CONTACT: (f"email:p{number}@example.test",),
        IdentityKind.OTHER: (f"phone:55279{number:08}",),
    }


@dataclass(frozen=True, slots=True)
class Put:
    """Lines that were put into one envelope."""

    envelope: int
    ids: tuple[int, ...]
    batch: str | None


def _sealed(ledger: Ledger, envelope: int, place: int, first: int, person: Patient) -> SealedLine:
    hashes = {
        kind: tuple(
            one.hash for value in person.get(kind, ()) for one in ledger.keys.identity_hashes(value)
        )
        for kind in IdentityKind
    }
    return SealedLine(
        place,
        address_of(envelope, place),
        f"{900_000_000 + first + place}",
        hashes[IdentityKind.PERSON],
        hashes[IdentityKind.CONTACT],
        hashes[IdentityKind.OTHER],
        b'{"name":"MARIA DE TESTE"}',
    )


def _identity_rows(
    ledger: Ledger, sealed: Sequence[SealedLine], people: Sequence[Patient]
) -> list[dict[str, Any]]:
    return [
        {"hash": one.hash, "line": line.line, "kind": kind, "key": one.key}
        for line, person in zip(sealed, people, strict=False)
        for kind, values in person.items()
        for value in values
        for one in ledger.keys.identity_hashes(value)
    ]


class PutSteps(LedgerFacts):
    """Days, lines and batches as earlier runs left them."""

    def put_extraction(
        self,
        attendances: int,
        *,
        day: HospitalDay = HMS_DAY,
        run_id: str = "run-1",
        hours_old: float = 0.0,
        **numbers: Any,
    ) -> str:
        """Put an extraction of so many attendances that was applied; return its id.

        `numbers` are further columns; `applied_at=None` for one that was not.
        """
        extraction = str(uuid.uuid4())
        at = moment_in(-hours_old * HOUR)
        values = {
            "id": extraction,
            "source": day.hospital.lower(),
            "hospital": day.hospital,
            "business_day": day.business_day,
            "run_id": run_id,
            "try_number": 1,
            "started_at": at,
            "completed_at": at,
            "applied_at": at,
            "rows": attendances,
            "rows_merged": 0,
            "attendances": attendances,
            "other_day": 0,
            "other_hospital": 0,
        }
        with self.ledger.writing() as connection:
            connection.execute(insert(schema.extractions).values({**values, **numbers}))
        return extraction

    def put_lines(
        self,
        count: int,
        state: str = "ready",
        *,
        day: HospitalDay = HMS_DAY,
        area: str = UNIT.area,
        channel: str = UNIT.channel,
        extraction: str = "no-extraction",
        source: str | None = None,
        first: int = 1,
        batch: str | None = None,
        patients: Sequence[Patient] = (),
        **columns: Any,
    ) -> Put:
        """Put lines of one unit into one envelope, all in one state.

        The patients are numbers `first` and on, unless they are given; what waits has its payload.
        `columns` are further ones of `lines`.
        """
        source = source or day.hospital.lower()
        people = list(patients) or [patient(first + number) for number in range(count)]
        with self.ledger.writing() as connection:
            unit = unit_id(connection, day.hospital, day.business_day, area, channel)
            envelope = reserve_envelopes(connection, 1)[0]
            sealed = [_sealed(self.ledger, envelope, at, first, people[at]) for at in range(count)]
            payload = (
                seal(self.ledger.keys, envelope, sealed) if state in WAITING and count else None
            )
            connection.execute(
                insert(schema.envelopes).values(
                    id=envelope,
                    unit=unit,
                    extraction=extraction,
                    rules="rules",
                    lines=count,
                    waiting=count if payload else 0,
                    reopened=count if state == LineState.REOPENED else 0,
                    payload=payload,
                )
            )
            rows = [
                {
                    "id": line.line,
                    "address": line.line,
                    "source": source,
                    "attendance_id": line.attendance_id,
                    "state": state,
                    "batch": batch,
                    "digest": b"digest",
                    **columns,
                }
                for line in sealed
            ]
            if rows:
                connection.execute(insert(schema.lines), rows)
                connection.execute(
                    insert(schema.identities), _identity_rows(self.ledger, sealed, people)
                )
            append_events(
                connection,
                Transition.FOUND,
                LineState(state),
                [line.line for line in sealed],
                actor=RUN,
                batch=batch,
            )
        return Put(envelope, tuple(line.line for line in sealed), batch)

    def put_batch(
        self,
        count: int,
        state: str = "in_doubt",
        *,
        batch_state: str = "in_doubt",
        lease: float | None = -1,
        hours_old: float = 0.0,
        batch: Mapping[str, Any] | None = None,
        **lines: Any,
    ) -> Put:
        """Put a batch and its lines; by default in doubt, its lease over.

        Args:
            count: of lines.
            state: of the lines.
            batch_state: of the batch.
            lease: seconds that are left of it; None = nobody owns it.
            hours_old: since the batch was made.
            batch: further columns of `batches`.
            lines: as `put_lines` takes them.
        """
        made = str(uuid.uuid4())
        put = self.put_lines(count, state, batch=made, **lines)
        with self.ledger.writing() as connection:
            unit = connection.scalar(
                select(schema.envelopes.c.unit).where(schema.envelopes.c.id == put.envelope)
            )
            values = {
                "id": made,
                "claim": str(uuid.uuid4()),
                "survey": str(uuid.uuid4()),
                "unit": unit,
                "envelope": put.envelope,
                "state": BatchState(batch_state),
                "lines": count,
                "lease_until": moment_in(lease) if lease is not None else None,
                "validity_at": 1_774_000_000,
                "created_at": moment_in(-hours_old * HOUR),
                "changed_at": moment_in(-hours_old * HOUR),
            }
            connection.execute(insert(schema.batches).values({**values, **(batch or {})}))
        return put

    def put_question(
        self,
        lines: int,
        *,
        day: HospitalDay = HMS_DAY,
        usual: int = 1,
        answer: str | None = None,
        run_id: str = "run-1",
        open_for: float = -1,
    ) -> int:
        """Put a question about a day's volume, open for so many seconds; return its id."""
        with self.ledger.writing() as connection:
            return int(
                connection.execute(
                    insert(schema.approvals)
                    .values(
                        hospital=day.hospital,
                        business_day=day.business_day,
                        run_id=run_id,
                        asked_at=moment_in(),
                        open_until=moment_in(open_for),
                        lines=lines,
                        volume=lines,
                        usual=usual,
                        answer=answer,
                    )
                    .returning(schema.approvals.c.id)
                ).scalar_one()
            )

    def put_move(
        self,
        put: Put,
        *,
        day: HospitalDay,
        transition: Transition = Transition.MOVED,
        state: str = "ready",
    ) -> Put:
        """Let lines lie in an envelope of another day, as transform leaves what it moved."""
        with self.ledger.writing() as connection:
            unit = unit_id(connection, day.hospital, day.business_day, UNIT.area, UNIT.channel)
            envelope = reserve_envelopes(connection, 1)[0]
            connection.execute(
                insert(schema.envelopes).values(
                    id=envelope, unit=unit, extraction="x", rules="r", lines=len(put.ids), waiting=0
                )
            )
            came_from = {}
            for place, line in enumerate(put.ids):
                old = connection.scalar(
                    select(schema.lines.c.address).where(schema.lines.c.id == line)
                )
                came_from[address_of(envelope, place)] = old
                connection.execute(
                    update(schema.lines)
                    .where(schema.lines.c.id == line)
                    .values(address=address_of(envelope, place), state=state)
                )
            append_events(
                connection,
                transition,
                LineState(state),
                list(came_from),
                actor=RUN,
                came_from=came_from,
            )
            reseal(connection, self.ledger.keys, [put.envelope, envelope])
        return Put(envelope, put.ids, put.batch)

    def add_line(self, attendance_id: str, *, state: str = "excluded") -> None:
        """Write a line with its unit and its envelope, as transform would."""
        with self.ledger.writing() as connection:
            unit = unit_id(connection, "HMS", DAY, "EXAMES", "")
            envelope = reserve_envelopes(connection, 1)[0]
            connection.execute(
                insert(schema.envelopes).values(
                    id=envelope, unit=unit, extraction="x", rules="r", lines=1, waiting=0
                )
            )
            connection.execute(
                insert(schema.lines).values(
                    id=envelope * 1000,
                    address=envelope * 1000,
                    source="hms",
                    attendance_id=attendance_id,
                    state=state,
                    reason="no_contact",
                )
            )
