"""What dispatch meets with Track, and what must hold after it died in the middle and was retried.

Judged from outside only: the record of the stand-in Track API, and the ledger's tables.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import requests
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from demo.track_api import TOKEN, TrackStandIn, faults
from tests.unit.delivery.bench import UNIT, Bench
from track_dispatch.errors import LinesInFlightError
from track_dispatch.ledger.schema import WAITING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from track_dispatch.ledger.database import Ledger

#: More retries than any death needs: one that meets the lease, one that goes on, one doubt each.
TRIES = 6
#: How a dying process introduces itself to PostgreSQL.
DYING = "dying"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A unit and how Track answers; so many of the answers are uncertain even if nobody dies."""

    name: str
    lines: int
    batch_size: int
    answers: Callable[[TrackStandIn, list[str]], None]
    uncertain: int = 0


def _name_lines(api: TrackStandIn, ids: list[str]) -> None:
    api.reject({ids[0]})
    api.refuse_in_acceptance({ids[3]})


SCENARIOS = (
    Scenario("plain", 4, 2, lambda api, ids: None),
    Scenario("split", 4, 4, lambda api, ids: api.reject({ids[1]}, named=False)),
    Scenario("named", 4, 2, _name_lines),
    Scenario(
        "doubt",
        4,
        2,
        lambda api, ids: api.script(faults.answer(500, accepted=True), faults.drop(accepted=False)),
        uncertain=2,
    ),
    Scenario(
        "doubt_in_split",
        4,
        4,
        lambda api, ids: api.script(faults.refuse(422), faults.drop(accepted=True)),
        uncertain=1,
    ),
    Scenario(
        "split_not_taken",
        4,
        4,
        lambda api, ids: api.script(faults.refuse(422), None, faults.too_many_requests()),
    ),
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
    _until(lambda: api.is_quiet)
    if ledger.on_postgresql:
        engine = create_engine(ledger.engine.url, isolation_level="AUTOCOMMIT")
        alive = text(f"select count(*) from pg_stat_activity where application_name = '{DYING}'")
        with engine.connect() as connection:
            _until(lambda: not connection.scalar(alive))
        engine.dispose()


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "what the dead process sent is never worked off"
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
        <= scenario.batch_size * (1 + scenario.uncertain),
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
