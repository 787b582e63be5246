"""What must hold after a task died in the middle: at once, after its retries, after decisions.

Judged from outside only: the record of the stand-in Track API, and the ledger's tables.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import requests
from sqlalchemy import func, select, text

from stand_ins.track_api import TOKEN
from tests.proof.crash_hospital import read_days
from tests.proof.dying_process import DYING
from tests.proof.model_facts import read_facts
from tests.unit.delivery.delivery_rig import DAY, SOMEBODY, Time
from track_dispatch.config import rules_digest
from track_dispatch.errors import LinesInFlightError
from track_dispatch.ledger import schema
from track_dispatch.ledger.approvals import release_day
from track_dispatch.ledger.decisions import Decision, decide_batch
from track_dispatch.ledger.envelopes import address_of, open_envelope
from track_dispatch.ledger.in_doubt import expire_leases, in_doubt_batches
from track_dispatch.ledger.views import day_facts
from track_dispatch.records import HospitalDay
from track_dispatch.states import WAITING, BatchState, LineState, Verb

if TYPE_CHECKING:
    from stand_ins.track_api import TrackStandIn
    from tests.proof.crash_hospital import Scenario
    from tests.unit.delivery.delivery_rig import Rig
    from track_dispatch.errors import TrackDispatchError
    from track_dispatch.ledger.database import Ledger

#: More retries than any death needs: one that goes on, one for each doubt, one that ends.
TRIES = 6
#: Hours after which a person's release would have a line read again.
MAX_AGE_HOURS = 36
#: Seconds that a dispatch waits at once for another one's lease, and in vain.
LONG_WAIT = 1000.0
_S = LineState
#: States in which nothing more happens to a line.
ENDED = {_S.ACCEPTED, _S.REFUSED, _S.EXCLUDED, _S.ABANDONED}
#: States of a line that went out, or may have.
OUT = {_S.SENDING, _S.IN_DOUBT, _S.ACCEPTED, _S.REFUSED}

Promises = dict[str, bool]


@dataclass(frozen=True, slots=True)
class Left:
    """What stood when the process was dead: POSTs so far, and the lines that were on their way."""

    posts: int
    on_the_way: frozenset[str]


def wait_for_the_dead(ledger: Ledger, api: TrackStandIn) -> None:
    """Wait until both servers are through with what the dead process sent them."""
    # answered in the order of arrival: who connected before is known by now
    requests.get(api.surveys_url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30).close()
    until(lambda: api.is_quiet)
    if ledger.on_postgresql:
        until(lambda: not sessions_of_the_dying(ledger))


def sessions_of_the_dying(ledger: Ledger, *, waiting: bool = False) -> int:
    """Count what PostgreSQL still does for a process that is to die, or lets wait for a lock."""
    sessions = "select count(*) from pg_stat_activity where application_name = :name"
    condition = " and wait_event_type = 'Lock'" if waiting else ""
    with ledger.reading() as connection:
        return connection.scalar(text(sessions + condition), {"name": DYING}) or 0


def until(condition: Callable[[], object]) -> None:
    """Wait for another process, half a minute at most."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)


def dispatch_again(rig: Rig, *, on_pause: Callable[[], None]) -> TrackDispatchError | None:
    """Run the task once more, as Airflow does; nobody really waits."""
    rig.time = Time()
    rig.time.on_pause = on_pause
    return rig.dispatch_anyhow(rules=rules_digest(rig.hospital))


# -- what must hold at once ------------------------------------------------------------------


def left_behind(rig: Rig) -> Left:
    """Look what stands now that the process is dead."""
    under_way = {_S.SENDING, _S.IN_DOUBT}
    lines = rig.lines().items()
    return Left(len(rig.posts), frozenset(id_ for id_, line in lines if line.state in under_way))


def kept_at_once(rig: Rig) -> Promises:
    """Tell what must hold whenever anybody looks."""
    with rig.ledger.reading() as connection:
        facts = read_facts(connection)
    out = {line.attendance_id for line in facts.in_state(*OUT)}
    waiting = {line.address: line.attendance_id for line in facts.in_state(*WAITING)}
    batches = facts.batches.values()
    leased = {
        batch.id
        for batch in batches
        if batch.state in {BatchState.SENDING, BatchState.SPLIT} and batch.lease_until is not None
    }
    surveys = Counter(one.survey for one in batches if one.state == BatchState.SENDING)
    return {
        "nobody is asked twice": duplicates(rig) == 0,
        "one batch of a survey at a time": not rig.api.violations
        and max(surveys.values(), default=0) <= 1,
        "every line is there": {line.attendance_id for line in facts.lines.values()}
        == set(rig.ids),
        "what Track accepted is on its way, in doubt or accepted": set(rig.api.accepted_ids())
        <= out,
        "what is on its way is of a batch with a lease": {
            line.batch for line in facts.in_state(_S.SENDING)
        }
        <= leased,
        "only what waits can be opened, and all of it": dict(opened(rig)) == waiting,
    }


def opened(rig: Rig) -> Iterator[tuple[int, str]]:
    """Open all payloads: the address of each line found in one, and its attendance."""
    for row in rig.rows(schema.envelopes):
        if row.payload is not None:
            for line in open_envelope(rig.ledger.keys, row.id, row.payload):
                yield address_of(row.id, line.place), line.attendance_id


def kept_while_leased(rig: Rig) -> Promises:
    """Dispatch before the lease is over: what is on its way is left alone, and not called done."""
    before = _on_their_way(rig)
    error = dispatch_again(rig, on_pause=lambda: rig.time.pauses.append(LONG_WAIT))
    return {
        "a lease keeps its lines": before.items() <= _on_their_way(rig).items(),
        "who meets a lease is not done": not before or error is not None,
    }


def _on_their_way(rig: Rig) -> dict[str, str]:
    return {id_: line.batch for id_, line in rig.lines().items() if line.state == _S.SENDING}


# -- what must hold after the retries --------------------------------------------------------


def end_leases(rig: Rig) -> Promises:
    """Let the leases be over; what was on its way is in doubt, and nothing else."""
    expected = set(_on_their_way(rig))
    doubted = {id_ for id_, line in rig.lines().items() if line.state == _S.IN_DOUBT}
    rig.end_leases()
    expire_leases(rig.ledger, actor=SOMEBODY)
    found = {id_ for id_, line in rig.lines().items() if line.state == _S.IN_DOUBT}
    return {"a lease that ends puts what was on its way in doubt": found == expected | doubted}


def retry_until_done(rig: Rig) -> None:
    """Run the task again and again, as Airflow does; waiting is what ends a lease."""
    for _ in range(TRIES):
        error = dispatch_again(rig, on_pause=rig.end_leases)
        if error is None:
            return
        if isinstance(error, LinesInFlightError):
            rig.end_leases()
    raise AssertionError(f"not done after {TRIES} tries: {error}")


def kept_after_retries(rig: Rig, scenario: Scenario, left: Left) -> Promises:
    """Tell what must hold when a machine can do no more: only people can."""
    states = {id_: line.state for id_, line in rig.lines().items()}
    accepted = set(rig.api.accepted_ids())
    by_state = {state: {id_ for id_, found in states.items() if found == state} for state in _S}
    in_doubt = by_state[_S.IN_DOUBT]
    again = {id_ for ids in rig.posts[left.posts :] for id_ in ids} & left.on_the_way
    batches = {batch.id for batch in rig.batches() if batch.state == BatchState.IN_DOUBT}
    return {
        "nothing that was on its way is posted again": not again,
        "every line has come to an end, to a person, or was held": set(states.values())
        <= ENDED | {_S.IN_DOUBT, _S.HELD},
        "accepted lines are those that Track accepted": by_state[_S.ACCEPTED] <= accepted,
        "what Track accepted is accepted or in doubt": accepted <= by_state[_S.ACCEPTED] | in_doubt,
        "a death puts no more in doubt than one claim": len(in_doubt)
        <= scenario.batch_size * (1 + scenario.doubts),
        "no batch is in flight": rig.batch_states()[BatchState.SENDING] == 0,
        "every batch in doubt has lines to decide on": batches
        == {line.batch for line in rig.lines().values() if line.state == _S.IN_DOUBT},
        "every POST was counted before": rig.api.requests["distributions"] <= rig.requests_taken(),
    }


# -- what must hold after decisions ----------------------------------------------------------


def decide(rig: Rig) -> set[str]:
    """Decide about all that is in doubt, as a person who looked into Track does.

    A batch that Track has is marked as sent; one that it has not is read again, or let be, in turn.
    Days that are held are released.

    Returns:
        What counts as accepted by the person's word.
    """
    sent: set[str] = set()
    rig.end_leases()
    accepted = set(rig.api.accepted_ids())
    lines = rig.lines()
    with rig.ledger.reading() as connection:
        doubts = in_doubt_batches(connection)
    for number, doubt in enumerate(doubts):
        ids = {id_ for id_, line in lines.items() if line.batch == doubt.id}
        verb = (Verb.SETTLE_UNSENT, Verb.ABANDON)[number % 2]
        if ids & accepted:
            verb = Verb.SETTLE_SENT
            sent |= ids
        decide_batch(rig.ledger, doubt.id, Decision(verb, "ana", "looked into Track"), today=DAY)
    with rig.ledger.reading() as connection:
        facts = read_facts(connection)
    for day in {facts.day_at(line.address) for line in facts.in_state(_S.HELD)}:
        release = Decision(Verb.RELEASE, "ana", "the volume is right")
        release_day(rig.ledger, day, release, max_age_hours=MAX_AGE_HOURS, today=DAY)
    return sent


def kept_in_the_end(rig: Rig, scenario: Scenario) -> Promises:
    """Decide, read the days again, dispatch: tell what must hold when all is done."""
    by_word = decide(rig)
    read_days(rig.ledger, scenario.again)
    rig.api.behave()
    retry_until_done(rig)
    states = {line.state for line in rig.lines().values()}
    with rig.ledger.reading() as connection:
        days = [HospitalDay(rig.hospital.code, day) for day in scenario.again.days()]
        equations = [told.equation for told in day_facts(connection, days).values()]
    return {
        "everything has come to an end": states <= ENDED,
        "nothing is lost": lost(rig) <= by_word,
        "no payload is left": rig.kept_payloads() == 0,
        "the equation of each day holds": len(equations) == len(days)
        and all(one is not None and one.holds for one in equations),
    }


def duplicates(rig: Rig) -> int:
    """Count acceptances beyond each line's first."""
    return sum(count - 1 for count in rig.api.accepted_ids().values())


def lost(rig: Rig) -> set[str]:
    """Return attendances that Track never accepted and the ledger names in no state of its own."""
    named = {
        id_
        for id_, line in rig.lines().items()
        if line.state in {_S.IN_DOUBT, _S.REFUSED, _S.EXCLUDED, _S.ABANDONED, _S.HELD}
    }
    return set(rig.ids) - set(rig.api.accepted_ids()) - named


def broken(promises: Mapping[str, bool]) -> list[str]:
    """Return the promises that do not hold; none if all is well."""
    return [promise for promise, is_kept in promises.items() if not is_kept]


def staged_chunks(ledger: Ledger) -> int:
    """Count what of extractions was not applied yet."""
    with ledger.reading() as connection:
        return connection.scalar(select(func.count()).select_from(schema.staged)) or 0
