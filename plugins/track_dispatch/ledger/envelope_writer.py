"""Write lines into envelopes: collected by unit, sealed, many at a time.

The hot half of transform. What is written obeys `transitions.RULES` and tells the same events as
`transitions.apply_transition`, which would cost ten times as much for each line.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from functools import cache
from operator import itemgetter
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, bindparam, delete, insert, update

from track_dispatch.errors import LedgerError
from track_dispatch.ledger import schema
from track_dispatch.ledger.envelopes import (
    SealedLine,
    envelope_of,
    format_places,
    reseal,
    reserve_envelopes,
    seal,
    unit_id,
)
from track_dispatch.ledger.extractions import Extraction
from track_dispatch.ledger.keys import KeyRing
from track_dispatch.ledger.schema import PLACES
from track_dispatch.ledger.sql import among, insert_into, insert_rows, moment_in
from track_dispatch.ledger.transitions import Transition
from track_dispatch.records import Actor, IdentityKind
from track_dispatch.states import WAITING, Count, LineState

#: Lines that are written together.
_LINES_A_WRITE = 2000
#: Identities that are: 20,000 lines' at once, and so few that a processor's cache holds the pages
#: of their index by line, 20 bytes for each (300,000 took a sixth longer).
_IDENTITIES_A_WRITE = 100_000
#: Envelope ids that are reserved at a time.
_RESERVED = 32
#: The kinds of identities, in the order of `LineHashes`.
KINDS = (IdentityKind.PERSON, IdentityKind.CONTACT, IdentityKind.OTHER)


class LineHashes(NamedTuple):
    """The hashes of a line's identities, by kind; of each kind those under the newest key first."""

    persons: tuple[int, ...] = ()
    contacts: tuple[int, ...] = ()
    others: tuple[int, ...] = ()


NO_HASHES = LineHashes()


class KnownLine(NamedTuple):
    """A line as the ledger has it, with the unit and the extraction of its envelope."""

    id: int
    address: int
    attendance_id: str
    state: str
    reason: str | None
    digest: bytes | None
    ask_until: date | None
    batch: str | None
    released: bool
    question: int | None
    extraction: str
    hospital: str
    business_day: date
    area: str
    channel: str

    def __repr__(self) -> str:
        """Tell of no patient."""
        return f"KnownLine(id={self.id}, state={self.state!r})"

    @property
    def was_claimed(self) -> bool:
        """Whether it went out, or could have, for whomever it was then."""
        return self.batch is not None or self.released


class Placement(NamedTuple):
    """The state and content that a line is to have, and its origin; patient data.

    Attributes:
        area: "" where it has none.
        channel: "" where it has none.
        attendance_id: as the ERP numbers it.
        state: the state that it enters.
        reason: of an exclusion.
        fields: its import line; None when there is nothing to send.
        hashes: of its identities.
        ask_until: the last day on which the patient may be asked; None: no limit.
        transition: by which it enters the state.
        known: what the ledger has of it; None: it is new.
        batch: that doubts it, after a backup was put back.
        decision: of that batch.
    """

    area: str
    channel: str
    attendance_id: str
    state: LineState
    reason: str | None
    fields: bytes | None
    hashes: LineHashes
    ask_until: date | None
    transition: Transition = Transition.FOUND
    known: KnownLine | None = None
    batch: str | None = None
    decision: int | None = None

    def __repr__(self) -> str:
        """Tell of no patient."""
        return f"Placement(state={self.state!r}, reason={self.reason!r})"


class IdentityRows:
    """Identities of new lines, 24 bytes each, written in the order of their hashes.

    So each page of their index is written once. Not too many at a time, or the pages of the index
    by line, which follows another order, would not fit in memory.
    """

    def __init__(self, connection: Connection, keys: Sequence[str]) -> None:
        self._connection = connection
        self._keys = len(keys)
        self._tags = [(str(kind), key) for kind in KINDS for key in keys]
        #: By a hash's first five bits, as few are sorted fast: hash, line, place of its tag.
        self._parts = [array("q") for _ in range(32)]
        self._left: set[int] = set()

    def add(self, line: int, hashes: LineHashes) -> None:
        """Add a new line's identities."""
        parts = self._parts
        for tag, hashes_of_key in enumerate(
            hashes if self._keys == 1 else _by_key(hashes, self._keys)
        ):
            for hash_ in hashes_of_key:
                parts[hash_ >> 59].extend((hash_, line, tag))

    def leave_out(self, line: int) -> None:
        """Remove a line's identities: another day of the run has taken the line over."""
        self._left.add(line)

    def write(self, *, at_least: int = 1) -> None:
        """Write the collected identities, if there are so many."""
        if sum(map(len, self._parts)) < 3 * at_least:
            return
        for part in (*self._parts[16:], *self._parts[:16]):  # the negative hashes come first
            values = [iter(part)] * 3
            rows = [
                (hash_, line, *self._tags[tag])
                for hash_, line, tag in sorted(zip(*values, strict=True), key=_HASH)
                if line not in self._left
            ]
            insert_rows(self._connection, "identities", ("hash", "line", "kind", "key"), rows)
            del part[:]


class SharedPersons:
    """Finds the lines of a day that have a person's hash in common."""

    def __init__(self) -> None:
        #: By a hash's first five bits, as few are counted at a time: hash, address.
        self._parts = [array("q") for _ in range(32)]

    def add(self, address: int, persons: Sequence[int]) -> None:
        """Add a line."""
        for hash_ in persons:
            self._parts[hash_ >> 59].extend((hash_, address))

    def find(self) -> dict[int, set[int]]:
        """Return the addresses of lines that share a hash, with the hashes that they share."""
        shared: dict[int, set[int]] = {}
        for part in self._parts:
            times = Counter(part[::2])
            for hash_, address in zip(part[::2], part[1::2], strict=True):
                if times[hash_] > 1:
                    shared.setdefault(address, set()).add(hash_)
        return shared


class EnvelopeWriter:
    """Collects lines by unit and writes them as envelopes of one POST's size.

    Args:
        connection: of the writing transaction.
        keys: hash and seal.
        extraction: whose lines they are.
        rules: digest of what they were judged under.
        batch_size: lines of one POST.
        actor: who moves them.
    """

    def __init__(
        self,
        connection: Connection,
        keys: KeyRing,
        extraction: Extraction,
        *,
        rules: str,
        batch_size: int,
        actor: Actor,
    ) -> None:
        self.identities = IdentityRows(connection, [key.id for key in keys.identity_secrets])
        self.persons = SharedPersons()
        self.inserted = 0
        self._connection, self._keys, self._extraction = connection, keys, extraction
        self._rules, self._size = rules, batch_size
        self._by = {
            "actor": actor.name, "run_id": actor.run_id, "try_number": actor.try_number,
        }  # fmt: skip
        self._units: dict[tuple[str, str], int] = {}
        self._pending: defaultdict[tuple[str, str], list[Placement]] = defaultdict(list)
        self._reserved: list[int] = []
        self._new: list[tuple[Any, ...]] = []
        self._changed: list[tuple[int, Placement]] = []
        self._envelopes: list[dict[str, Any]] = []
        self._events: list[dict[str, Any]] = []
        self._unlinked: list[Placement] = []
        #: Envelopes that lines have left.
        self._left: set[int] = set()

    def put(self, placement: Placement) -> None:
        """Add one line."""
        unit = placement.area, placement.channel
        pending = self._pending[unit]
        pending.append(placement)
        if len(pending) == self._size:
            del self._pending[unit]
            self._fill(*unit, pending)

    def flush(self) -> None:
        """Write all collected lines, and seal again the envelopes that lines have left."""
        for (area, channel), pending in self._pending.items():
            self._fill(area, channel, pending)
        self._pending.clear()
        self._write()
        reseal(self._connection, self._keys, self._left)
        self._left.clear()

    def unit(self, area: str, channel: str) -> int:
        """Return the id of one of the day's units."""
        if (area, channel) not in self._units:
            unit = unit_id(self._connection, *self._extraction.day, str(area), str(channel))
            self._units[area, channel] = unit
        return self._units[area, channel]

    def _fill(self, area: str, channel: str, placements: list[Placement]) -> None:
        """Put lines into a new envelope."""
        if not self._reserved:
            self._reserved = reserve_envelopes(self._connection, _RESERVED)[::-1]
        envelope = self._reserved.pop()
        source, first = self._extraction.source, envelope * PLACES
        sealed: list[SealedLine] = []
        for address, placement in enumerate(placements, start=first):
            known, fields = placement.known, placement.fields
            line = known.id if known else address
            if placement.state in WAITING and fields is not None:
                place = address - first
                sealed.append(
                    SealedLine(place, line, placement.attendance_id, *placement.hashes, fields)
                )
            if known:
                self._changed.append((address, placement))
                continue
            self.identities.add(address, placement.hashes)
            self.persons.add(address, placement.hashes.persons)
            digest = self._keys.digest(fields) if fields is not None else None
            until = placement.ask_until and _iso(placement.ask_until)
            self._new.append(
                (address, address, source, placement.attendance_id, _TEXT[placement.state],
                 placement.reason, digest, until, placement.batch)
            )  # fmt: skip
        self._envelopes.append(
            {
                "id": envelope,
                "unit": self.unit(area, channel),
                "extraction": self._extraction.id,
                "rules": self._rules,
                "lines": len(placements),
                "waiting": len(sealed),
                "payload": seal(self._keys, envelope, sealed) if sealed else None,
            }
        )
        self._events += self._events_of(envelope, placements)
        if len(self._new) + len(self._changed) >= _LINES_A_WRITE:
            self._write()

    def _events_of(
        self, envelope: int, placements: Sequence[Placement]
    ) -> Iterator[dict[str, Any]]:
        """Return the events of lines of an envelope: one for all lines of the same transition."""
        alike: defaultdict[tuple[Any, ...], list[int]] = defaultdict(list)
        for place, placement in enumerate(placements):
            alike[
                placement.transition,
                placement.state,
                placement.reason,
                placement.batch,
                placement.decision,
            ].append(place)
        for (transition, state, reason, batch, decision), places in alike.items():
            came_from = {
                str(place): known.address
                for place in places
                if (known := placements[place].known) is not None
            }
            yield {
                **self._by,
                "envelope": envelope,
                "places": format_places(places),
                "transition": transition.value,
                "state": state.value,
                "reason": reason,
                "batch": batch,
                "decision": decision,
                "came_from": orjson.dumps(came_from).decode() if came_from else None,
            }

    def _write(self) -> None:
        if self._envelopes:
            self._connection.execute(insert(schema.envelopes), self._envelopes)
            insert_rows(self._connection, "lines", _NEW_LINE, self._new)
            self._connection.execute(_INSERT_EVENTS, self._events)
        if self._changed:
            self._change()
        self.identities.write(at_least=_IDENTITIES_A_WRITE)
        self.inserted += len(self._new)
        for written in (self._new, self._changed, self._envelopes, self._events):
            written.clear()

    def _change(self) -> None:
        """Move known lines to their new envelopes, each only from the state that it was read in.

        Raises:
            LedgerError: another transaction changed one.
        """
        rows = [
            {
                "_id": known.id,
                "_address": known.address,
                "_state": known.state,
                "address": address,
                "state": placement.state.value,
                "reason": placement.reason,
                "digest": self._keys.digest(placement.fields)
                if placement.fields is not None
                else None,
                "ask_until": placement.ask_until,
                "batch": placement.batch or known.batch,
                "question": known.question if placement.state is LineState.HELD else None,
            }
            for address, placement in self._changed
            if (known := placement.known) is not None
        ]
        moved = self._connection.execute(_CHANGE_LINES, rows).rowcount
        if moved != len(rows):
            message = (
                f"{Count(len(rows) - moved):line was|lines were} changed by somebody else during"
                " the transform: nothing was applied, the next try reads them again"
            )
            raise LedgerError(message)
        self._left |= {
            envelope_of(placement.known.address)
            for _, placement in self._changed
            if placement.known
        }
        self._replace_identities()

    def _replace_identities(self) -> None:
        """Write the identities of known lines; a line that was claimed keeps its former ones."""
        identities = schema.identities
        changed = [placement for _, placement in self._changed]
        never_claimed = [
            placement
            for placement in changed
            if placement.known and not placement.known.was_claimed
        ]
        self._delete_identities([placement for placement in never_claimed if any(placement.hashes)])
        self._unlinked += [placement for placement in never_claimed if not any(placement.hashes)]
        keys = [key.id for key in self._keys.identity_secrets]
        rows = [
            {"hash": hash_, "line": placement.known.id, "kind": str(kind), "key": key}
            for placement in changed
            if placement.known
            for kind, hashes in zip(KINDS, placement.hashes, strict=True)
            for hash_, key in zip(hashes, _of_keys(keys, len(hashes)), strict=True)
        ]
        if rows:
            adding = insert_into(self._connection, identities).on_conflict_do_nothing()
            self._connection.execute(adding, rows)
        for address, placement in self._changed:
            self.persons.add(address, placement.hashes.persons)

    def unlink(self) -> None:
        """Delete the identities of lines that are not asked any more, and never were.

        Not before others have come back that stood back for them.
        """
        self._delete_identities(self._unlinked)
        self._unlinked.clear()

    def _delete_identities(self, placements: Sequence[Placement]) -> None:
        identities = schema.identities
        self._connection.execute(
            delete(identities).where(among(identities.c.line, "ids")),
            {"ids": [placement.known.id for placement in placements if placement.known]},
        )


def _by_key(hashes: LineHashes, keys: int) -> list[tuple[int, ...]]:
    """Return the hashes of each kind under each key: all under the newest come first."""
    return [
        of_kind[len(of_kind) * key // keys : len(of_kind) * (key + 1) // keys]
        for of_kind in hashes
        for key in range(keys)
    ]


def _of_keys(keys: Sequence[str], hashes: int) -> list[str]:
    """Return the key of each of some hashes: all under the newest come first."""
    return [key for key in keys for _ in range(hashes // len(keys))]


_HASH = itemgetter(0)
_iso = cache(date.isoformat)  # a reading has one last day, hardly ever another one
_TEXT = {state: state.value for state in LineState}
_NEW_LINE = (
    "id", "address", "source", "attendance_id", "state", "reason", "digest", "ask_until", "batch",
)  # fmt: skip
_INSERT_EVENTS = insert(schema.events).values(at=moment_in())
_CHANGE_LINES = update(schema.lines).where(
    schema.lines.c.id == bindparam("_id"),
    schema.lines.c.address == bindparam("_address"),
    schema.lines.c.state == bindparam("_state"),
)
