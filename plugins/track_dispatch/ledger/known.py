"""What the ledger knows of people and attendances while a day is evaluated. Reading only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from track_dispatch.ledger import schema
from track_dispatch.ledger.lists import among
from track_dispatch.ledger.optouts import barred_channels
from track_dispatch.ledger.schema import moment_in
from track_dispatch.records import LineState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from track_dispatch.ledger.database import Ledger
    from track_dispatch.records import Channel

#: States of a line whose person was asked, or may have been.
ASKED = (LineState.SENDING, LineState.IN_DOUBT, LineState.ACCEPTED, LineState.ABANDONED)
_SECONDS_A_DAY = 86_400.0


class Known:
    """The ledger as a day's evaluation asks it, within one transaction.

    Args:
        ledger: open.
        connection: of the transaction.
        source: the ERP whose attendances are evaluated.
    """

    def __init__(self, ledger: Ledger, connection: Connection, *, source: str) -> None:
        self.ledger = ledger
        self._connection = connection
        self._source = source

    def barred(self, identities: Mapping[int, Mapping[str, str]]) -> dict[int, frozenset[Channel]]:
        """Return the channels that people opted out of, by whatever number they are given."""
        return barred_channels(self.ledger, self._connection, identities)

    def asked(self, attendance_ids: Sequence[str]) -> set[str]:
        """Return those of these attendances that were asked, or may have been."""
        return {id_ for id_, state in self.states(attendance_ids).items() if state in ASKED}

    def states(self, attendance_ids: Sequence[str]) -> dict[str, LineState]:
        """Return the states of those attendances that the ledger has a line of."""
        lines = schema.lines
        rows = self._connection.execute(
            select(lines.c.attendance_id, lines.c.state).where(
                lines.c.source == self._source, among(lines.c.attendance_id, "ids")
            ),
            {"ids": list(attendance_ids)},
        )
        return {id_: LineState(state) for id_, state in rows}

    def invited_lately(self, person: Mapping[str, str], *, cap_days: int) -> bool:
        """Tell whether a person, given by what makes one, was invited within the cap."""
        if not cap_days:
            return False
        contacts = schema.contacts
        hashes = [
            found
            for kind, value in person.items()
            for found in self.ledger.keys.identities(kind, value)
        ]
        lately = contacts.c.claimed_at >= moment_in(-cap_days * _SECONDS_A_DAY)
        found = select(contacts.c.line).where(contacts.c.person_hash.in_(hashes), lately)
        return self._connection.scalar(found.limit(1)) is not None
