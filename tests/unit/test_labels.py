"""No member of a closed set is without the words that somebody reads for it."""

from __future__ import annotations

from enum import Enum

import pytest

from track_dispatch.board import facts
from track_dispatch.ledger import transitions
from track_dispatch.pipeline import morning, problems
from track_dispatch.records import Channel, IdentityKind
from track_dispatch.states import Labelled

#: Every closed set whose members are shown to a person; some are imported above.
SHOWN = (*Labelled.__subclasses__(), Channel, IdentityKind)


@pytest.mark.parametrize("closed", SHOWN, ids=lambda one: one.__name__)
def test_every_member_has_a_label_of_its_own(closed: type[Enum]) -> None:
    labels = [member.label for member in closed]  # type: ignore[attr-defined]

    assert all(labels)
    assert len(set(labels)) == len(labels)


def test_the_sets_that_reports_are_made_of_are_among_them() -> None:
    assert {problems.ProblemKind, morning.NoRun} < set(SHOWN)
    assert {facts.DayStatus, transitions.Transition} < set(SHOWN)
