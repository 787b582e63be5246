"""The model test: whatever happens in whatever order, at most once, and no line is lost.

Everything is the shipped code on a real database, against the stand-in over HTTP; the clock is the
model's. What must hold after every step is in `model_watch.py` and `model_invariants.py`. Here is
counted which rows of the transition table were taken: all of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.proof.driver_instants import watchable_drivers
from tests.proof.model_clock import ModelClock
from tests.proof.model_coverage import Coverage
from tests.proof.model_databases import PostgresqlDatabases, SqliteFiles
from tests.proof.model_erp import BEGINNING
from tests.proof.model_replay import MOVES
from tests.proof.model_sequences import random_sequence
from tests.proof.model_walks import WALKS, walk
from tests.proof.model_world import World
from tests.proof.proof_report import IN_FULL, note
from track_dispatch.ledger.creation import open_ledger_at
from track_dispatch.ledger.keys import new_keys
from track_dispatch.ledger.transitions import Transition
from track_dispatch.states import Reason

if TYPE_CHECKING:
    from tests.proof.model_databases import Databases

#: Sequences that a seed draws, of so many steps.
SEQUENCES = {"sqlite": 600, "postgresql": 100} if IN_FULL else {"sqlite": 10, "postgresql": 1}
STEPS = 30
#: Rules about a person that are asked once more at the claim.
AT_THE_CLAIM = frozenset(
    (Transition.EXCLUDED_AT_CLAIM, reason)
    for reason in (
        Reason.OPT_OUT,
        Reason.CONTACT_CAP,
        Reason.SAME_CONTACT,
        Reason.EXPIRED,
        Reason.NO_SURVEY,
        Reason.BEFORE_GO_LIVE,
    )
)


@pytest.fixture(params=SEQUENCES)
def databases(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Databases]:
    clock = ModelClock(BEGINNING)
    with clock.on_sqlite(), watchable_drivers():
        if request.param == "sqlite":
            yield SqliteFiles(tmp_path, clock)
            return
        found = PostgresqlDatabases(request.getfixturevalue("postgres"), clock)
        yield found
        found.drop()


@pytest.fixture
def coverage() -> Coverage:
    return Coverage()


@pytest.fixture
def new_world(databases: Databases, coverage: Coverage) -> Iterator[Callable[[], World]]:
    keys = new_keys()
    databases.create("live", keys)
    ledger = open_ledger_at(databases.url("live"), keys)
    yield lambda: World(databases, ledger, coverage)
    ledger.close()


def test_whatever_happens_nobody_is_asked_twice_and_no_line_is_lost(
    new_world: Callable[[], World], coverage: Coverage, request: pytest.FixtureRequest
) -> None:
    for taken in WALKS:
        walk(new_world, taken)
    for seed in seeds(request.node.callspec.params["databases"]):
        random_sequence(new_world, seed=seed, steps=STEPS)

    tell(coverage)
    assert MOVES - coverage.moves.keys() == set(), "rows of the table that nobody took"
    assert AT_THE_CLAIM - coverage.reasons.keys() == set(), "rules that left nobody out"
    assert set(Reason) - {reason for _, reason in coverage.reasons} == set(), "rules nobody met"
    assert coverage.errors["QuietHoursError"], "every dispatch came at open hours"


def seeds(database: str) -> range:
    """Return the seeds: the same ones each time, unless TRACK_PROOF_SEED names the first."""
    first = int(os.environ.get("TRACK_PROOF_SEED", "1"))
    return range(first, first + SEQUENCES[database])


def tell(coverage: Coverage) -> None:
    """Give the numbers to `docs/guarantees.md`; where one was not 0 we did not come here."""
    note(
        "model",
        sequences=coverage.sequences,
        steps=coverage.steps,
        posts=coverage.posts,
        faults=coverage.faults,
        kills=coverage.kills,
        decisions=coverage.decisions.total(),
        backups_put_back=coverage.restored,
        keys_dropped=coverage.rotated,
        accepted=coverage.accepted,
        duplicates=0,
        duplicates_by_people=coverage.by_people,
        lost=0,
        **{
            f"{transition}: {left or 'none'} -> {entered}": count
            for (transition, left, entered), count in sorted(coverage.moves.items(), key=str)
        },
    )
