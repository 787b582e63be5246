"""What dispatch meets with Track, and what must hold after it died in the middle and was retried.

Judged from outside only: the record of the stand-in Track API, and the ledger's tables.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import requests
from sqlalchemy import text
from sqlalchemy.engine import make_url

from demo.track_api import TOKEN, faults
from tests.unit.delivery.bench import SURVEY, UNIT, Bench
from track_dispatch.errors import LinesInFlightError
from track_dispatch.ledger.claims import Terms, claim, start_part
from track_dispatch.ledger.schema import WAITING
from track_dispatch.records import Actor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from demo.track_api import TrackStandIn
    from track_dispatch.ledger.database import Ledger

#: More retries than any death needs: one that meets the lease, one that goes on, one doubt each.
TRIES = 6
#: How a dying process introduces itself to PostgreSQL.
DYING = "dying"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A unit, and what a dispatch of it meets.

    So many claims end in doubt even if nobody dies.
    """

    name: str
    lines: int
    batch_size: int
    arrange: Callable[[Bench, list[str]], None]
    doubts: int = 0


def _in_peace(bench: Bench, ids: list[str]) -> None:
    """Let Track take everything."""


def _one_is_refused(bench: Bench, ids: list[str]) -> None:
    bench.api.reject({ids[1]}, named=False)


def _two_are_named(bench: Bench, ids: list[str]) -> None:
    bench.api.reject({ids[0]})
    bench.api.refuse_in_acceptance({ids[3]})


def _nobody_knows(bench: Bench, ids: list[str]) -> None:
    bench.api.script(faults.answer(500, accepted=True), faults.drop(accepted=False))


def _nobody_knows_of_a_part(bench: Bench, ids: list[str]) -> None:
    bench.api.script(faults.refuse(422), faults.drop(accepted=True))


def _a_part_is_not_taken(bench: Bench, ids: list[str]) -> None:
    bench.api.script(faults.refuse(422), None, faults.too_many_requests())


def _somebody_died_in_a_split(bench: Bench, ids: list[str]) -> None:
    actor = Actor("dispatch", run_id="run-0", try_number=1)
    terms = Terms(SURVEY, validity_at=0, reminder_at=None, lease_seconds=60)
    old = claim(bench.ledger, UNIT, terms, limit=3, after=0, actor=actor)
    assert old is not None
    start_part(bench.ledger, old, old.lines[:1], lease_seconds=60, actor=actor)
    bench.end_leases()


SCENARIOS = (
    Scenario("plain", 4, 2, _in_peace),
    Scenario("split", 4, 4, _one_is_refused),
    Scenario("named", 4, 2, _two_are_named),
    Scenario("doubt", 4, 2, _nobody_knows, doubts=2),
    Scenario("doubt_in_split", 4, 4, _nobody_knows_of_a_part, doubts=1),
    Scenario("split_not_taken", 4, 4, _a_part_is_not_taken),
    Scenario("after_a_death", 5, 3, _somebody_died_in_a_split, doubts=1),
)


@dataclass(frozen=True, slots=True)
class Left:
    """What stood when the process was dead: POSTs so far, and the lines that were on their way."""

    posts: int
    on_the_way: set[str]


def under_its_name(ledger_url: str) -> str:
    """Let a process that is to die tell PostgreSQL who it is."""
    url = make_url(ledger_url)
    if url.get_backend_name() == "postgresql":
        url = url.update_query_dict({"application_name": DYING})
    return url.render_as_string(hide_password=False)


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


def left_behind(bench: Bench) -> Left:
    under_way = {"sending", "in_doubt"}
    lines = bench.lines().items()
    return Left(len(bench.posts), {id_ for id_, line in lines if line.state in under_way})


def retry_until_done(bench: Bench) -> None:
    """Run the task again and again, as Airflow does; waiting is what ends a lease."""
    for _ in range(TRIES):
        error = bench.dispatch_anyhow(UNIT, pause=lambda _: bench.end_leases())
        if error is None:
            return
        if isinstance(error, LinesInFlightError):
            bench.end_leases()
    raise AssertionError(f"not done after {TRIES} tries: {error}")


def broken_promises(bench: Bench, scenario: Scenario, left: Left) -> list[str]:
    """Tell every promise that does not hold; none if all is well."""
    lines, accepted = bench.lines(), bench.api.accepted_ids()
    states = {id_: line.state for id_, line in lines.items()}
    again = {id_ for ids in bench.posts[left.posts :] for id_ in ids} & left.on_the_way
    in_doubt = {id_ for id_, state in states.items() if state == "in_doubt"}
    promises: Mapping[str, bool] = {
        "nobody is asked twice": max(accepted.values(), default=0) <= 1,
        "one batch of a survey at a time": bench.api.violations == [],
        "nothing that was on its way is posted again": not again,
        "every line is there": set(states) == set(bench.ids),
        "every line has come to an end": set(states.values())
        <= {"accepted", "refused", "in_doubt"},
        "accepted lines are those that Track accepted": _in(states, "accepted") <= set(accepted),
        "what Track accepted is accepted or in doubt": set(accepted)
        <= _in(states, "accepted") | in_doubt,
        "a death puts no more in doubt than one claim": len(in_doubt)
        <= scenario.batch_size * (1 + scenario.doubts),
        "only what waits has a payload": all(
            (line.payload is not None) == (line.state in WAITING) for line in lines.values()
        ),
        "no batch is in flight": bench.batch_states()["sending"] == 0,
        "every batch in doubt has lines to decide on": {
            batch.id for batch in bench.batches() if batch.state == "in_doubt"
        }
        == {line.batch_id for line in lines.values() if line.state == "in_doubt"},
    }
    return [promise for promise, kept in promises.items() if not kept]


def duplicates(bench: Bench) -> int:
    return sum(count - 1 for count in bench.api.accepted_ids().values())


def lost(bench: Bench) -> int:
    """Count lines that Track never accepted and the ledger does not name in doubt or refused."""
    lines, accepted = bench.lines(), bench.api.accepted_ids()
    named = {id_ for id_, line in lines.items() if line.state in {"in_doubt", "refused"}}
    return len(set(bench.ids) - set(accepted) - named)


def _in(states: Mapping[str, str], state: str) -> set[str]:
    return {id_ for id_, found in states.items() if found == state}
