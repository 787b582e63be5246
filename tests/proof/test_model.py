"""The model test: whatever happens in whatever order, at most once, and no line is lost.

Everything is the shipped code on a real database, against the stand-in over HTTP. What must hold
after every step is in `ledger_watch.py`. Here is counted which rows of the transition table were
taken: all of them, but for those that nobody can take yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.proof.ledger_machine import machine_of
from tests.proof.ledger_places import Databases, Files
from tests.proof.ledger_tally import Move, Tally
from tests.proof.ledger_walks import WALKS, walk
from tests.proof.ledger_world import World
from tests.proof.report import IN_FULL, note
from track_dispatch.ledger.creation import init_ledger
from track_dispatch.ledger.keys import new_keys
from track_dispatch.ledger.opening import open_ledger
from track_dispatch.ledger.transitions import TABLE, Transition
from track_dispatch.records import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.proof.ledger_places import Places

#: Sequences that Hypothesis makes up; a sequence has up to `STEPS` rules.
SEQUENCES = {"sqlite": 600, "postgresql": 100} if IN_FULL else {"sqlite": 15, "postgresql": 1}
STEPS = 30

#: Every row of the table, by the state it leaves and the one it enters.
ROWS: frozenset[Move] = frozenset(
    (transition, left, entered)
    for transition, row in TABLE.items()
    for left in row.leaves or {None}
    for entered in row.enters
)
#: The rules about a person, checked again at the claim.
AT_THE_CLAIM = frozenset(
    (Transition.EXCLUDED_AT_CLAIM, reason) for reason in (Reason.OPT_OUT, Reason.CONTACT_CAP)
)


@pytest.fixture(params=SEQUENCES)
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Places]:
    if request.param == "sqlite":
        yield Files(tmp_path)
        return
    databases = Databases(request.getfixturevalue("postgres"))
    yield databases
    databases.drop()


@pytest.fixture
def tally() -> Tally:
    return Tally()


@pytest.fixture
def new_world(places: Places, tally: Tally) -> Iterator[Callable[[], World]]:
    keys = new_keys()
    init_ledger(places.url("empty"), keys)
    places.copy("empty", "live")
    ledger = open_ledger(places.url("live"), keys)
    yield lambda: World(places, ledger, tally)
    ledger.close()


def test_whatever_happens_nobody_is_asked_twice_and_no_line_is_lost(
    new_world: Callable[[], World], tally: Tally, request: pytest.FixtureRequest
) -> None:
    for taken in WALKS:
        walk(new_world, taken)
    run_state_machine_as_test(
        machine_of(new_world),
        settings=settings(
            max_examples=SEQUENCES[request.node.callspec.params["places"]],
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            derandomize=not IN_FULL,
            print_blob=True,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )

    tell(tally)
    assert ROWS - tally.moves.keys() == set(), "rows of the table that nobody took"
    assert AT_THE_CLAIM - tally.reasons.keys() == set(), "rules that left nobody out"


def tell(tally: Tally) -> None:
    """Give the numbers to `docs/guarantees.md`; where one was not 0 we did not come here."""
    note(
        "model",
        sequences=tally.sequences,
        steps=tally.steps,
        posts=tally.posts,
        faults=tally.faults,
        kills=tally.kills,
        decisions=tally.decisions.total(),
        backups_put_back=tally.restored,
        accepted=tally.accepted,
        duplicates=0,
        duplicates_by_people=tally.by_people,
        lost=0,
        **{
            f"{transition}: {left or 'none'} -> {entered}": count
            for (transition, left, entered), count in sorted(tally.moves.items(), key=str)
        },
    )
