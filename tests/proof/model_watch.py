"""Looks after every step: what Track got, what the ledger's events tell, and what stands in it.

Where an attendance that Track has accepted may stand in the ledger:

- `accepted`: the answer was written down, or a person said so;
- `sending`: the worker died before it wrote the answer down, and its lease still runs;
- `in_doubt`: the lease is over, or the answer was none;
- `abandoned`: a person gave the doubt up.

Never anything from which a machine would send it again, nor where somebody would believe that
nobody was asked. Two exceptions:

- A person said that Track has it not, although it has: "not sent", or "never processed". From then
  on one further acceptance is that person's: it is counted apart. Machines alone never do that.
- A backup was put back. The ledger may then have forgotten the attendance, or hold it where it
  stood then; but what a machine might send is in doubt.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from stand_ins.track_api.record import Fate
from tests.proof import model_invariants
from tests.proof.model_facts import read_facts
from tests.proof.model_readings import Readings
from tests.proof.model_replay import ANSWERS, INVITES, RELEASED, Replay
from track_dispatch.ledger.transitions import Transition
from track_dispatch.states import INVITED, LineState

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from stand_ins.track_api import Received
    from tests.proof.model_coverage import Coverage
    from tests.proof.model_erp import Patient
    from tests.proof.model_facts import Facts
    from tests.proof.model_readings import Change
    from tests.proof.model_replay import Played
    from tests.proof.model_world import World

_S = LineState
#: Where an attendance may stand that Track has accepted.
OF_ACCEPTED = frozenset(INVITED)
#: The same where a backup that was put back knew less; None: the ledger has forgotten it.
OF_FORGOTTEN = OF_ACCEPTED | {_S.EXCLUDED, _S.REFUSED, _S.REOPENED, None}
#: Transitions by which a transform makes a line ready.
OF_TRANSFORM = frozenset(
    {Transition.FOUND, Transition.REEVALUATED, Transition.CORRECTED, Transition.MOVED}
)
#: Transitions by which a person says that Track has it not.
WORDS = frozenset({Transition.SETTLED_BY_PERSON, Transition.REOPENED_BY_PERSON})


#: How long a claim may take from the look at the clock to its event.
MINUTE = timedelta(minutes=1)


class Invited(NamedTuple):
    """Whom an invitation was for, and where it went."""

    patient: Patient
    contact: str


@dataclass
class Memory:
    """What the ledger ought to know; it goes back with a backup.

    Attributes:
        replay: its lines, as its events tell them.
        readings: what it has learned from the ERP and from patients.
        invited_as: whom a line's invitations were for, by the line.
        posted_as: the attendances of each batch, and whom they were for.
        said_sent: attendances of which a person said that Track has them.
        deleted: attendances whose time was over.
        facts: how it stood at the last look.
    """

    replay: Replay = field(default_factory=Replay)
    readings: Readings = field(default_factory=Readings)
    invited_as: dict[int, list[Invited]] = field(default_factory=lambda: defaultdict(list))
    posted_as: dict[str, dict[str, Patient]] = field(default_factory=lambda: defaultdict(dict))
    said_sent: frozenset[str] = frozenset()
    deleted: frozenset[str] = frozenset()
    facts: Facts | None = None

    def copy(self) -> Memory:
        """Return what is known now."""
        copied = Memory(self.replay.copy(), self.readings.copy())
        copied.invited_as |= {line: list(invited) for line, invited in self.invited_as.items()}
        copied.posted_as |= self.posted_as
        copied.said_sent, copied.deleted = self.said_sent, self.deleted
        copied.facts = self.facts
        return copied


class Watch:
    """Looks at Track and at the ledger after every step."""

    def __init__(self, world: World, coverage: Coverage) -> None:
        self._world, self._coverage = world, coverage
        self.memory, self._backup = Memory(), Memory()
        self._seen_posts = 0
        #: Whether the last look has found, or may have found, something broken.
        self.broken = False
        self._accepted: Counter[str] = Counter()
        #: How often a person said of an accepted attendance that Track has it not.
        self._words: Counter[str] = Counter()
        self._refused: set[str] = set()
        self._bodies: dict[str | None, Any] = {}
        self._forgotten: set[str] = set()
        self._numbers: dict[int, str] = {}

    @property
    def readings(self) -> Readings:
        """What was read of the ERP."""
        return self.memory.readings

    @property
    def facts(self) -> Facts | None:
        """How the ledger stood at the last look."""
        return self.memory.facts

    def remember(self) -> None:
        """Keep what is known, with a backup."""
        self._backup = self.memory.copy()

    def go_back(self) -> None:
        """Forget what the backup that was put back does not know."""
        contents = self.readings.contents
        self.memory = self._backup.copy()
        self.readings.contents |= contents
        self._forgotten |= {
            number for number in self._accepted if self._state(number) not in OF_ACCEPTED
        }

    def standing(self, *states: LineState) -> bool:
        """Tell whether any line stood in one of these states at the last look."""
        return self.facts is not None and bool(self.facts.in_state(*states))

    @property
    def stopped(self) -> bool:
        """Whether the switch was closed at the last look."""
        return self.facts is not None and self.facts.stopped

    def look(self, *, housekeeping: bool = False) -> None:
        """Check everything."""
        self.broken = True
        was_stopped = self.stopped
        posts = self._world.api.received[self._seen_posts :]
        self._seen_posts += len(posts)
        with self._world.ledger.reading() as connection:
            facts = read_facts(connection)
            before, self.memory.facts = self.facts, facts
            self.readings.note_applied(facts, before, self._world.gate)
            self._count_acceptances(posts)
            self._play(facts, before, housekeeping=housekeeping)
            self._check_posts(posts, stopped=was_stopped)
            self._check_acceptances()
            if not facts.is_like(before):
                self._check_ledger(facts, connection)
        assert self._world.api.violations == [], "one batch of a survey at a time"
        self.broken = False

    # -- the ledger --------------------------------------------------------------------

    def _check_ledger(self, facts: Facts, connection: Connection) -> None:
        memory = self.memory
        model_invariants.check_lines(facts, memory.replay)
        model_invariants.check_envelopes(facts)
        model_invariants.check_payloads(facts, self._world.ledger.keys, memory.readings)
        model_invariants.check_identities(
            facts, self._world.ledger.keys, memory.readings, memory.invited_as.keys()
        )
        model_invariants.check_staged(facts)
        model_invariants.check_batches(facts, connection)
        model_invariants.check_extractions(facts, memory.readings, memory.deleted, connection)

    def _play(self, facts: Facts, before: Facts | None, *, housekeeping: bool) -> None:
        """Follow every line from state to state, along the table only."""
        self._numbers |= {line.id: line.attendance_id for line in facts.lines.values()}
        changes, self.readings.changes = self.readings.changes, []
        woken: set[int] = set()
        for played in self.memory.replay.play(facts.events):
            while changes and changes[0].after < played.event.id:
                self._take(changes.pop(0), woken, facts)
            self._note(played)
            if played.event.transition in INVITES and played.line.state is _S.SENDING:
                self._check_invitation(played, facts)
            if played.event.transition in OF_TRANSFORM and played.line.state is _S.READY:
                woken.add(played.line.id)
            if played.event.transition == Transition.GONE:
                day = facts.day_at(played.line.address)
                assert not (changes and day in changes[0].lacked), "gone by a wrong reading"
        for change in changes:
            self._take(change, woken, facts)
        self._let_go_of_deleted(facts, before, housekeeping=housekeeping)

    def _take(self, change: Change, woken: set[int], facts: Facts) -> None:
        """Let a change count; `woken` are the lines that a transform has made ready since the last.

        Where that transform held their day, it made them so for a moment only.
        """
        for line in self.memory.replay.lines.values():
            if line.id in woken and line.state is _S.READY:
                assert facts.day_at(line.address) not in change.held, "a held day was passed by"
        woken.clear()
        self.readings.take(change)

    def _note(self, played: Played) -> None:
        """Count what was taken of the table, and note what a person answers for from now on."""
        transition, _, entered = played.move
        self._coverage.moves[played.move] += 1
        if played.event.reason:
            self._coverage.reasons[transition, played.event.reason] += 1
        number = self._numbers[played.line.id]
        if transition in ANSWERS and entered in RELEASED:  # nobody was invited
            self.memory.invited_as[played.line.id].pop()
        if transition not in WORDS:
            return
        if entered is _S.ACCEPTED:
            self.memory.said_sent |= {number}
        elif entered is _S.REOPENED and self._accepted[number]:
            self._words[number] += 1

    def _let_go_of_deleted(self, facts: Facts, before: Facts | None, *, housekeeping: bool) -> None:
        gone = [line for line in self.memory.replay.lines.values() if line.id not in facts.lines]
        if not gone:
            return
        assert housekeeping, "only housekeeping deletes lines"
        assert before is not None
        kept = self._world.hospital("HMSM").ledger_retention_days
        first = (self._world.clock.now - timedelta(days=kept)).date()
        for line in gone:
            assert line.state not in {_S.SENDING, _S.IN_DOUBT}, "an open line was deleted"
            assert before.day_at(line.address).business_day < first, "deleted before its time"
        self.memory.deleted |= {self._numbers[line.id] for line in gone}
        self.memory.replay.forget(line.id for line in gone)

    # -- who is invited ----------------------------------------------------------------

    def _check_invitation(self, played: Played, facts: Facts) -> None:
        """Find a line that goes out to be one that may, as the ERP was read last."""
        number, line = self._numbers[played.line.id], played.line
        unit = facts.unit_at(line.address)
        if played.event.transition == Transition.CLAIMED:
            found = self.readings.newest.get(number)
            assert found is not None, "the newest reading of its day lacks who goes out"
            hospital = self._world.hospital(unit.hospital)
            assert not found.is_forbidden(hospital), "who may not be asked goes out"
            at, window = played.event.at, hospital.window
            moments = (at, at - MINUTE)
            assert any(window.opening(one) == one for one in moments), "goes out at closed hours"
            patient = found.patient(number)
            invited = Invited(patient, patient.contact_by(unit.channel))
            self._check_nobody_invited_lately(played, invited, facts)
            today = at.astimezone(hospital.zone).date()
            assert self._world.may_be_asked(facts.day_at(line.address), today), "asked too late"
            self.memory.invited_as[line.id].append(invited)
        else:  # a part of what went out
            assert played.before is not None
            patient = self.memory.posted_as[played.before.batch or ""][number]
        barred = {
            value
            for value, channel in self.readings.opted_out
            if channel is None or channel == unit.channel
        }
        assert patient.values.isdisjoint(barred), "who opted out goes out"
        self.memory.posted_as[played.event.batch][number] = patient

    def _check_nobody_invited_lately(self, played: Played, now: Invited, facts: Facts) -> None:
        unit, at = facts.unit_at(played.line.address), played.event.at
        hospital = self._world.hospital(unit.hospital)
        midnight = _midnight(at, hospital.zone)
        cap_began = at - timedelta(days=hospital.contact_cap_days)
        for other in self.memory.replay.lines.values():
            if other.id == played.line.id or other.state not in INVITED:
                continue
            invited_at = other.invited_at
            assert invited_at is not None
            for before in self.memory.invited_as.get(other.id, ()):
                if hospital.contact_cap_days and invited_at > cap_began:
                    same = now.patient.is_same_person(before.patient)
                    assert not same, "invited within the cap"
                if invited_at >= midnight:
                    assert now.contact != before.contact, "a contact is used twice a day"

    # -- what Track got ----------------------------------------------------------------

    def _check_posts(self, posts: Sequence[Received], *, stopped: bool) -> None:
        assert not (posts and stopped), "nothing goes out while the switch is closed"
        for post in posts:
            self._coverage.posts += 1
            self._coverage.faults += post.fault is not None
            body = (post.body or {}).get("import_lines")
            if body is None:
                continue
            known = self._bodies.setdefault(post.idempotency_key, body)
            assert known == body, "a key goes out with one content only"
            expected = self.memory.posted_as[str(post.idempotency_key)]
            assert sorted(line["cd_atendimento"] for line in body) == sorted(expected)
            for line in body:
                patient = expected[line["cd_atendimento"]]
                assert line["email"] == patient.email, "posted to another address than claimed"
                assert line["phone"].endswith(patient.phone)

    def _count_acceptances(self, posts: Sequence[Received]) -> None:
        for post in posts:
            for number in post.ids(Fate.ACCEPTED):
                self._accepted[number] += 1
                first = self._accepted[number] == 1
                self._coverage.accepted += first
                self._coverage.by_people += not first
            self._refused.update(post.ids(Fate.REFUSED))

    def _check_acceptances(self) -> None:
        for number, times in self._accepted.items():
            allowed = 1 + self._words[number]
            assert times <= allowed, "a machine made Track accept twice"
            if times < allowed or number in self.memory.deleted:
                continue
            legal = OF_FORGOTTEN if number in self._forgotten else OF_ACCEPTED
            state = self._state(number)
            assert state in legal, f"Track has accepted what is {state}"
        facts = self.facts
        for line in facts.lines.values() if facts is not None else ():
            if line.state == _S.ACCEPTED:
                known = self.memory.said_sent | self._accepted.keys()
                assert line.attendance_id in known, "lost: Track never accepted it"
            if line.state == _S.REFUSED:
                assert line.attendance_id in self._refused, "lost: Track never refused it"

    def _state(self, number: str) -> LineState | None:
        ids = {id_ for id_, found in self._numbers.items() if found == number}
        states = (line.state for line in self.memory.replay.lines.values() if line.id in ids)
        return next(states, None)


def _midnight(at: datetime, zone: Any) -> datetime:
    return datetime.combine(at.astimezone(zone).date(), time(), zone)
