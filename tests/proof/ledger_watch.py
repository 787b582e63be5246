"""What must hold after every step, judged from outside: by what Track got and what SQL finds.

Where an attendance that Track has accepted may stand in the ledger:

- `accepted`: the answer was written down, or a person said so;
- `sending`: the worker died before it wrote the answer down, and its lease still runs;
- `in_doubt`: the lease is over, or the answer was none;
- `abandoned`: a person gave the doubt up.

Never `ready` or `held` (it would be sent again), `excluded` or `expired` (somebody would believe
that nobody was asked) or `refused` (a person may let that be retried). Two exceptions:

- A person said that Track has it not, although it has: "send again", a release, or the word that
  a day was not sent. From then on the second acceptance is that person's: it is counted apart, and
  one machine may send the line once. Machines alone never do.
- A backup was put back. The ledger may then have forgotten the attendance, or hold it `excluded` or
  `refused` as it stood then; but never `ready`.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from demo.track_api.record import Fate
from tests.proof.ledger_erp import HOSPITALS, Where
from tests.proof.ledger_tally import Memory, Tally
from track_dispatch.ledger import schema
from track_dispatch.ledger.doubts import doubts
from track_dispatch.ledger.switch import standing_stops
from track_dispatch.ledger.transitions import TABLE, Transition
from track_dispatch.records import LineState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row

    from demo.track_api import Received
    from tests.proof.ledger_workshop import Workshop
    from track_dispatch.records import ErpRow

_S = LineState
#: Where an attendance may stand that Track has accepted.
OF_ACCEPTED = frozenset({_S.ACCEPTED, _S.SENDING, _S.IN_DOUBT, _S.ABANDONED})
#: The same where a backup that was put back knew less; None: the ledger has forgotten it.
OF_FORGOTTEN = OF_ACCEPTED | {_S.EXCLUDED, _S.REFUSED, None}
#: Transitions by which a transform makes a line ready.
WAKING = frozenset({Transition.FOUND, Transition.REEVALUATED, Transition.REFUSAL_REOPENED})

#: Transitions that wait for the end of a lease.
AFTER_THE_LEASE = frozenset({Transition.LEASE_OVER, Transition.DECIDED, Transition.SENT_AGAIN})


class Watch:
    """Looks at Track and at the ledger after every step."""

    def __init__(self, world: Workshop, tally: Tally) -> None:
        self._world, self._tally = world, tally
        self._now, self._backup = Memory(), Memory()
        self._seen_posts = 0
        #: Whether leases were ended since the last look.
        self.leases_ended = False
        #: Whether the last look has found, or may have found, something broken.
        self.broken = False
        self._accepted: Counter[str] = Counter()
        self._refused: set[str] = set()
        self._bodies: dict[str | None, Any] = {}
        self._on_a_word: set[str] = set()
        self._forgotten: set[str] = set()
        #: What each extraction has read, by run and try.
        self.contents: dict[tuple[str, int], Sequence[ErpRow]] = {}
        #: Days of complete extractions that nobody has applied.
        self.staged: set[Where] = set()
        #: Days that a person allowed since a backup was put back.
        self.allowed: set[Where] = set()

    def remember(self) -> None:
        """Keep what is known, with a backup."""
        self._backup = self._now.copy()

    def go_back(self) -> None:
        """Forget what the backup that was put back does not know."""
        self._now = self._backup.copy()
        self._on_a_word, self.allowed = set(), set()
        self._forgotten = {
            number for number in self._accepted if self._now.state(number) not in OF_ACCEPTED
        }

    def standing(self, *states: LineState) -> bool:
        """Tell whether any line stood in one of these states at the last look."""
        return any(row.state in states for row in self._now.lines.values())

    @property
    def stopped(self) -> bool:
        """Whether the switch was closed at the last look."""
        return self._now.stopped

    def look(self, *, again: str | None = None, housekeeping: bool = False) -> None:
        """Check everything; `again` is the batch that a person has just let out once more."""
        self.broken = True
        before = self._now.copy()
        posts = self._world.api.received[self._seen_posts :]
        with self._world.ledger.reading() as connection:
            self._read_events(connection)
            self._read_lines(connection, housekeeping=housekeeping)
            self._check_posts(posts, before, again)
            self._check_accepted()
            self._check_payloads(connection)
            self._check_extractions(connection)
            self._check_doubts(connection)
            self._now.stopped = bool(standing_stops(connection))
        assert self._world.api.violations == [], "one batch of a survey at a time"
        self.broken = self.leases_ended = False

    # -- moves -----------------------------------------------------------------------

    def _read_events(self, connection: Connection) -> None:
        """Follow every line from state to state, along the table only."""
        events, lines, horizons = schema.events, schema.lines, schema.horizons
        first_known = dict(
            map(tuple, connection.execute(select(horizons.c.hospital, horizons.c.first_known_day)))
        )
        kept = connection.execute(
            select(events, lines.c.attendance_id, lines.c.hospital, lines.c.business_day)
            .join(lines, lines.c.id == events.c.line_id)
            .order_by(events.c.id)
        ).all()
        # SQLite gives the ids of deleted events to new ones: an id alone says nothing
        seen, self._now.events = self._now.events, frozenset(map(tuple, kept))
        for move in (move for move in kept if tuple(move) not in seen):
            transition, entered = Transition(move.transition), LineState(move.state)
            left, rule = self._now.entered.get(move.line_id), TABLE[Transition(move.transition)]
            assert left in rule.leaves if left else transition is Transition.FOUND, move
            assert entered in rule.enters, move
            if transition is Transition.FOUND:
                assert move.business_day >= first_known.get(move.hospital, move.business_day)
            if transition in AFTER_THE_LEASE:
                self._check_lease(move)
            self._now.entered[move.line_id] = entered
            self._tally.moves[transition, left, entered] += 1
            if move.reason:
                self._tally.reasons[transition, move.reason] += 1
            self._note_word(move, transition, entered)

    def _check_lease(self, move: Row[Any]) -> None:
        """Let nobody but its owner touch a claim whose lease still runs."""
        line = self._now.lines.get(move.line_id)
        claimed = line is not None and line.state in {_S.SENDING, _S.IN_DOUBT}
        until = line.lease_until if line is not None and claimed else None
        over = claimed and (until is None or until <= move.at)
        assert over or self.leases_ended, f"{move.transition} while a lease runs"

    def _note_word(self, move: Row[Any], transition: Transition, entered: LineState) -> None:
        """Note what a person answers for from now on."""
        number: str = move.attendance_id
        if transition is Transition.DECIDED and entered is _S.ACCEPTED:
            self._now.said_sent |= {number}
        if not self._accepted[number]:
            return
        released = transition is Transition.DECIDED and entered is _S.READY
        day = Where(move.hospital, move.business_day)
        woken = transition in WAKING and entered is _S.READY and day in self.allowed
        if released or (woken and number in self._forgotten):
            self._on_a_word.add(number)

    def _read_lines(self, connection: Connection, *, housekeeping: bool) -> None:
        """Find every line in the one state that its events led to, and none gone astray."""
        lines = schema.lines
        found = {row.id: row for row in connection.execute(select(lines))}
        gone = [row for id_, row in self._now.lines.items() if id_ not in found]
        if gone:
            assert housekeeping, "only housekeeping deletes lines"
            kept = HOSPITALS["HMSM"].ledger_retention_days
            first = (self._world.now - timedelta(days=kept)).date()
            waiting = {
                Where(row.hospital, row.business_day)
                for row in self._now.lines.values()
                if row.state in {_S.SENDING, _S.IN_DOUBT}
            }
            for row in gone:
                assert row.business_day < first
                assert Where(row.hospital, row.business_day) not in waiting
                del self._now.entered[row.id]
            self._now.deleted |= {row.attendance_id for row in gone}
        self._now.lines = found
        assert {id_: row.state for id_, row in found.items()} == self._now.entered
        identities = [(row.source, row.attendance_id) for row in found.values()]
        assert len(identities) == len(set(identities)), "an attendance has one line"

    # -- what Track got --------------------------------------------------------------

    def _check_posts(self, posts: Sequence[Received], before: Memory, again: str | None) -> None:
        self._seen_posts += len(posts)
        if again is None:
            assert not (posts and before.stopped), "nothing goes out while the switch is closed"
        for post in posts:
            self._tally.posts += 1
            self._tally.faults += post.fault is not None
            numbers = [line.cd_atendimento for line in post.lines]
            assert len(numbers) == len(set(numbers))
            if again is None:
                assert not before.doubtful() & set(numbers), "a machine sent what was in doubt"
            body = (post.body or {}).get("import_lines")
            if body is not None:
                known = self._bodies.setdefault(post.idempotency_key, body)
                assert known == body, "a key goes out with one content only"
            for number in post.ids(Fate.ACCEPTED):
                self._accept(number, again)
            self._refused.update(post.ids(Fate.REFUSED))

    def _accept(self, number: str, again: str | None) -> None:
        self._accepted[number] += 1
        if self._accepted[number] == 1:
            self._tally.accepted += 1
            return
        assert again is not None or number in self._on_a_word, "a machine made Track accept twice"
        self._tally.by_people += 1
        self._on_a_word.discard(number)

    def _check_accepted(self) -> None:
        for number in self._accepted:
            if number in self._on_a_word | self._now.deleted:
                continue
            legal = OF_FORGOTTEN if number in self._forgotten else OF_ACCEPTED
            state = self._now.state(number)
            assert state in legal, f"Track has accepted what is {state}"
        for row in self._now.lines.values():
            if row.state == _S.ACCEPTED:
                known = self._now.said_sent | self._accepted.keys()
                assert row.attendance_id in known, "lost: Track never accepted it"
            if row.state == _S.REFUSED:
                assert row.attendance_id in self._refused, "lost: Track never refused it"

    # -- what the ledger holds -------------------------------------------------------

    def _check_payloads(self, connection: Connection) -> None:
        for row in self._now.lines.values():
            if row.state not in schema.WAITING:
                assert row.payload is None, "a settled line keeps a payload"
            elif row.state != _S.IN_DOUBT:
                assert row.payload is not None, "what may be sent has something to send"
        extractions, staged = schema.extractions, schema.staged_rows
        done = extractions.c.applied_at.is_not(None) | extractions.c.superseded_at.is_not(None)
        kept = connection.execute(
            select(staged.c.extraction_id)
            .join(extractions, extractions.c.id == staged.c.extraction_id)
            .where(done)
        ).all()
        assert not kept, "an extraction that is done keeps rows"
        waiting = select(extractions.c.hospital, extractions.c.business_day).where(
            extractions.c.completed_at.is_not(None), ~done
        )
        self.staged = {Where(*row) for row in connection.execute(waiting)}

    def _check_extractions(self, connection: Connection) -> None:
        """Find every attendance that was applied, and each day's sum equal to its parts."""
        table = schema.extractions
        applied = connection.execute(
            select(table).where(table.c.applied_at.is_not(None)).order_by(table.c.completed_at)
        ).all()
        known = {row.attendance_id for row in self._now.lines.values()} | self._now.deleted
        newest: dict[Where, Row[Any]] = {}
        seen = Counter(row.extraction_id for row in self._now.lines.values())
        for row in applied:
            assert self._numbers(row) <= known, "lost: an attendance was read and has no line"
            newest[Where(row.hospital, row.business_day)] = row
        for where, row in newest.items():
            rows, numbers = self.contents[row.run_id, row.try_number], self._numbers(row)
            assert (row.rows, row.attendances) == (len(rows), len(numbers))
            assert row.rows == row.rows_merged + row.attendances, where
            assert row.attendances == seen[row.id] + row.other_day + row.other_hospital, where

    def _numbers(self, extraction: Row[Any]) -> set[str]:
        rows = self.contents[extraction.run_id, extraction.try_number]
        return {row["cd_atendimento"] for row in rows}

    def _check_doubts(self, connection: Connection) -> None:
        """Find every line in doubt where a person finds it, and no batch without a line."""
        listed = sum(doubt.lines for doubt in doubts(connection))
        assert listed == len(self._now.doubtful()), "lost: nobody can decide about a doubt"
        batches = schema.batches
        open_ = connection.execute(
            select(batches.c.id, batches.c.state).where(
                batches.c.state.in_(("sending", "in_doubt"))
            )
        ).all()
        held = {(row.batch_id, row.state) for row in self._now.lines.values()}
        for batch in open_:
            assert (batch.id, batch.state) in held, f"a batch is {batch.state} without a line"
