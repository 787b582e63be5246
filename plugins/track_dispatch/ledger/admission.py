"""Who may still be asked, checked again in the claim's own transaction.

The ledger knows hashes, not what a person is: how a line's identities and its person are read comes
with the claim.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from track_dispatch.ledger.contacts import win_contacts
from track_dispatch.ledger.optouts import barred_channels
from track_dispatch.records import Channel, Reason

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection

    from track_dispatch.ledger.database import Ledger

#: Reads normalised values by kind off the fields of an import line.
Reading = Callable[[Mapping[str, str]], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Admission:
    """How to tell who a line is, and how long a person is left in peace.

    Attributes:
        identity: the line's CPF, e-mail and phone, by which people opt out.
        person: what makes two lines one person.
        cap_days: days between two invitations of a person; 0 = no cap.
    """

    identity: Reading
    person: Reading
    cap_days: int


def opted_out(
    ledger: Ledger,
    connection: Connection,
    lines: Mapping[int, Mapping[str, str]],
    *,
    channel: Channel,
    admission: Admission,
) -> set[int]:
    """Return the lines, given by id with their fields, whose person opted out of the channel."""
    identities = {line: admission.identity(fields) for line, fields in lines.items()}
    barred = barred_channels(ledger, connection, identities)
    return {line for line, channels in barred.items() if channel in channels}


def inadmissible(
    ledger: Ledger,
    connection: Connection,
    lines: Mapping[int, Mapping[str, str]],
    *,
    channel: Channel,
    admission: Admission,
) -> dict[Reason, Collection[int]]:
    """Return the lines of a claim that may not be asked, by reason; enter the others' contacts."""
    out = opted_out(ledger, connection, lines, channel=channel, admission=admission)
    if not admission.cap_days:
        return {Reason.OPT_OUT: out}
    hashes = {
        line: [
            found
            for kind, value in admission.person(fields).items()
            for found in ledger.keys.identities(kind, value)
        ]
        for line, fields in lines.items()
        if line not in out
    }
    capped = win_contacts(connection, hashes, cap_days=admission.cap_days)
    return {Reason.OPT_OUT: out, Reason.CONTACT_CAP: capped}
