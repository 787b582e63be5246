"""What the ledger knows beside the lines, asked for each chunk of a day's evaluation.

Reading only: opt-outs, forgotten attendances, and which of two readings is the newer one.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from sqlalchemy import select

from track_dispatch.ledger import schema
from track_dispatch.ledger.sql import among
from track_dispatch.records import Channel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from track_dispatch.ledger.envelope_writer import LineHashes
    from track_dispatch.ledger.extractions import Extraction
    from track_dispatch.ledger.keys import KeyRing


class Lookups:
    """The ledger as an evaluation asks it, within one transaction.

    Args:
        connection: of the transaction.
        keys: hash what is asked for.
        source: the ERP whose attendances are evaluated.
    """

    def __init__(self, connection: Connection, keys: KeyRing, *, source: str) -> None:
        self._connection, self._keys, self._source = connection, keys, source
        self._completed: dict[str, datetime | None] = {}

    def barred(self, patients: Sequence[LineHashes]) -> dict[int, frozenset[Channel]]:
        """Return the channels that patients opted out of, by position, of those who did."""
        opted_out = self._opted_out
        if not opted_out:
            return {}
        found: dict[int, frozenset[Channel]] = {}
        for position, (persons, contacts, others) in enumerate(patients):
            theirs = {*persons, *contacts, *others} & opted_out.keys()
            if theirs:
                found[position] = frozenset().union(*(opted_out[one] for one in theirs))
        return found

    def forgotten(self, attendance_ids: Sequence[str]) -> set[str]:
        """Return those attendances that were asked once and whose lines are deleted."""
        if not attendance_ids or not self._forgot_any:
            return set()
        owners = {
            hashed.hash: one
            for one in attendance_ids
            for hashed in self._keys.attendance_hashes(one)
        }
        table = schema.forgotten
        rows = self._connection.scalars(
            select(table.c.hash).where(
                table.c.source == self._source, among(table.c.hash, "hashes")
            ),
            {"hashes": list(owners)},
        )
        return {owners[found] for found in rows}

    def completed_after(self, extraction: str, other: Extraction) -> bool:
        """Tell whether an extraction, if it is still known, was completed after another one."""
        if extraction not in self._completed:
            table = schema.extractions
            self._completed[extraction] = self._connection.scalar(
                select(table.c.completed_at).where(table.c.id == extraction)
            )
        completed = self._completed[extraction]
        return completed is not None and completed > other.completed_at

    @cached_property
    def _opted_out(self) -> dict[int, frozenset[Channel]]:
        table = schema.optouts
        found: dict[int, frozenset[Channel]] = {}
        every = frozenset(Channel)
        for one, channel in self._connection.execute(select(table.c.hash, table.c.channel)):
            barred = frozenset((Channel(channel),)) if channel else every
            found[one] = found.get(one, frozenset()) | barred
        return found

    @cached_property
    def _forgot_any(self) -> bool:
        table = schema.forgotten
        some = select(table.c.hash).where(table.c.source == self._source).limit(1)
        return self._connection.scalar(some) is not None
