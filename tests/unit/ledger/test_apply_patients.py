"""Applying an extraction: which of a patient's attendances waits, how long, by which channel."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.ledger.reading_steps import (
    DAY,
    DAY_BEFORE,
    NUMBER,
    OTHER_RUN,
    RUN,
    SAME,
    TERMS,
    TODAY,
    invited,
    not_invited,
)
from track_dispatch.ledger.apply_extraction import applying_extractions
from track_dispatch.pipeline.transform import standing_back
from track_dispatch.records import Area, Channel
from track_dispatch.states import Reason

if TYPE_CHECKING:
    from tests.unit.ledger.steps import Steps


# --- how long a patient may be asked --------------------------------------------------------


def test_who_may_not_be_asked_any_more_is_too_old(steps: Steps) -> None:
    steps.read(invited(NUMBER), terms=replace(TERMS, ask_until=TODAY - timedelta(1)))

    line = steps.line()
    assert (*line.stands, line.payload) == ("excluded", "too_old", None)


def test_the_last_day_is_still_a_day(steps: Steps) -> None:
    steps.read(invited(NUMBER), terms=replace(TERMS, ask_until=TODAY))

    assert steps.line().stands == ("ready", None)


def test_without_a_limit_nobody_is_too_old(steps: Steps) -> None:
    steps.read(invited(NUMBER), terms=replace(TERMS, ask_until=None, today=date(2036, 1, 1)))

    assert (steps.line().state, steps.line().ask_until) == ("ready", None)


@pytest.mark.parametrize("reason", ["too_old", "expired"])
def test_a_persons_wish_to_ask_old_ones_revives_them(steps: Steps, reason: str) -> None:
    steps.read(invited(NUMBER), terms=replace(TERMS, ask_until=TODAY - timedelta(1)))
    steps.run_sql("update lines set reason = :reason", reason=reason)
    steps.read(invited(NUMBER), terms=replace(TERMS, ask_until=TODAY + timedelta(15)))

    line = steps.line()
    assert (*line.stands, line.ask_until) == ("ready", None, TODAY + timedelta(15))


def test_a_later_reading_never_shortens_the_limit(steps: Steps) -> None:
    old, wished = TODAY - timedelta(1), TODAY + timedelta(15)
    steps.read(invited(NUMBER), terms=replace(TERMS, ask_until=wished))
    steps.read(invited(NUMBER), terms=replace(TERMS, ask_until=old))

    line = steps.line()
    assert (*line.stands, line.ask_until) == ("ready", None, wished)


def test_who_may_be_asked_for_ever_stays_so_under_a_later_limit(steps: Steps) -> None:
    steps.read(invited(NUMBER), terms=replace(TERMS, ask_until=None))
    steps.read(invited(NUMBER), terms=replace(TERMS, ask_until=TODAY - timedelta(1)))

    assert (steps.line().state, steps.line().ask_until) == ("ready", None)


def test_what_expired_and_is_too_old_stays_expired(steps: Steps) -> None:
    old = replace(TERMS, ask_until=TODAY - timedelta(1))
    steps.read(invited(NUMBER), terms=old)
    steps.run_sql("update lines set reason = 'expired'")
    steps.read(invited(NUMBER), terms=old)

    assert steps.line().stands == ("excluded", "expired")


# --- one person, several attendances --------------------------------------------------------


def test_of_a_persons_attendances_of_a_day_one_waits(steps: Steps) -> None:
    steps.read(
        invited(NUMBER, Area.EXAMES, person=SAME),
        invited(NUMBER + 1, Area.MATERNIDADE, person=SAME),
        invited(NUMBER + 2),
    )

    assert steps.stands() == [("excluded", "same_person"), ("ready", None), ("ready", None)]
    other, chosen, _ = steps.lines()
    assert (other.payload, chosen.payload is None) == (None, False)
    assert steps.identities(other.id) != set()


@pytest.mark.parametrize("state", ["sending", "in_doubt", "accepted", "abandoned"])
def test_who_was_asked_before_stays_the_one(steps: Steps, state: str) -> None:
    steps.read(invited(NUMBER, Area.EXAMES, person=SAME))
    steps.leave(state)
    steps.read(
        invited(NUMBER, Area.EXAMES, person=SAME),
        invited(NUMBER + 1, Area.MATERNIDADE, person=SAME),
    )

    assert steps.stands() == [(state, None), ("excluded", "same_person")]


def test_who_was_asked_stays_the_one_although_the_erp_lacks_her(steps: Steps) -> None:
    steps.read(invited(NUMBER, person=SAME))
    steps.leave("accepted")
    steps.read(invited(NUMBER + 1, person=SAME))

    assert steps.stands() == [("accepted", None), ("excluded", "same_person")]


def test_a_refused_attendance_keeps_no_other_one_back(steps: Steps) -> None:
    steps.read(invited(NUMBER, person=SAME), invited(NUMBER + 1, person=SAME))
    steps.run_sql(
        "update lines set state = 'refused', reason = 'refused_4xx' where state = 'ready'",
    )
    steps.read(invited(NUMBER, person=SAME), invited(NUMBER + 1, person=SAME))

    assert steps.stands() == [("refused", "refused_4xx"), ("ready", None)]


def test_who_stood_back_stays_so_without_an_event(steps: Steps) -> None:
    both = invited(NUMBER, person=SAME), invited(NUMBER + 1, person=SAME)
    steps.read(*both)
    before = steps.lines()[1]
    steps.read(*both)

    assert steps.lines()[1] == before
    assert [event for event in steps.events() if event[1] == "excluded"] == [
        ("reevaluated", "excluded", "same_person", 1)
    ]


def test_a_corrected_contact_of_who_stands_back_is_known_too(steps: Steps) -> None:
    """For opt-outs and erasure, and for the day on which she comes back."""
    mended = invited(NUMBER + 1, person=SAME, email="mended@example.test")
    steps.read(invited(NUMBER, person=SAME), invited(NUMBER + 1, person=SAME))
    steps.read(invited(NUMBER, person=SAME), mended)

    back = steps.lines()[1]
    assert back.stands == ("excluded", "same_person")
    assert steps.identities(back.id) == steps.hashed(mended)


def test_a_wish_for_old_ones_holds_for_who_stands_back_too(steps: Steps) -> None:
    """She may come back within the new limit."""
    both = invited(NUMBER, person=SAME), invited(NUMBER + 1, person=SAME)
    steps.read(*both)
    later = TODAY + timedelta(30)
    steps.read(*both, terms=replace(TERMS, ask_until=later), actor=OTHER_RUN)

    assert [(*line.stands, line.ask_until) for line in steps.lines()] == [
        ("ready", None, later),
        ("excluded", "same_person", later),
    ]


@pytest.mark.parametrize("now", ["missing", "excluded", "another_person"])
def test_who_stood_back_waits_again_when_the_other_one_does_not(steps: Steps, now: str) -> None:
    second = invited(NUMBER + 1, person=SAME)
    steps.read(invited(NUMBER, person=SAME), second)
    first = {
        "missing": [],
        "excluded": [not_invited(NUMBER, Reason.DEATH)],
        "another_person": [invited(NUMBER)],
    }[now]
    steps.read(*first, second)

    line = steps.lines()[1]
    assert line.stands == ("ready", None)
    assert line.payload is not None


def test_with_a_third_attendance_the_best_that_is_left_waits(steps: Steps) -> None:
    best, middle, last = (
        invited(NUMBER + n, area, person=SAME)
        for n, area in enumerate((Area.ONCOLOGIA, Area.EXAMES, Area.AMBULATORIO))
    )
    steps.read(best, middle, last)
    steps.read(middle, last)

    assert steps.stands() == [
        ("excluded", "gone"),
        ("ready", None),
        ("excluded", "same_person"),
    ]


def test_a_wrong_reading_does_not_ask_the_same_person_twice(steps: Steps) -> None:
    """The one who waits is lacking and stays: the other one still stands back."""
    crowd = [invited(NUMBER + n) for n in range(2, 40)]
    second = invited(NUMBER + 1, person=SAME)
    steps.read(invited(NUMBER, person=SAME), second, *crowd)
    steps.read(second)

    assert steps.stands()[:2] == [("ready", None), ("excluded", "same_person")]


def test_a_better_attendance_that_comes_later_takes_the_place(steps: Steps) -> None:
    known = invited(NUMBER, Area.EXAMES, person=SAME)
    steps.read(known)
    steps.read(known, invited(NUMBER + 1, Area.ONCOLOGIA, person=SAME))

    assert steps.stands() == [("excluded", "same_person"), ("ready", None)]


def test_who_stood_back_and_moves_to_another_day_within_the_run_waits_there(
    steps: Steps,
) -> None:
    """Both readings bring her attendance: the ERP moved it between them."""
    both = [invited(NUMBER, person=SAME), invited(NUMBER + 1, person=SAME)]
    steps.read(*both)
    steps.read_days({DAY: both, DAY_BEFORE: both[1:]}, actor=OTHER_RUN)

    assert [(line.day, *line.stands) for line in steps.lines()] == [
        (DAY, "ready", None),
        (DAY_BEFORE, "ready", None),
    ]


def test_people_are_compared_within_a_day_only(steps: Steps) -> None:
    steps.read_days(
        {DAY: [invited(NUMBER, person=SAME)], DAY_BEFORE: [invited(NUMBER + 1, person=SAME)]},
    )

    assert steps.stands() == [("ready", None), ("ready", None)]


# --- opt-outs -------------------------------------------------------------------------------


@pytest.mark.parametrize("opted_out", ["email:p900000001@example.test", f"cpf:{NUMBER:011}"])
def test_who_opted_out_is_evaluated_again_without_the_channel(steps: Steps, opted_out: str) -> None:
    found = steps.ledger.keys.identity_hashes(opted_out)[0]
    steps.run_sql(
        "insert into optouts (full_hash, channel, hash, key, entry, kind, source, added_at)"
        " values (:full, 'email', :hash, :key, 'e', 'email', 'list', '2026-01-01 00:00:00')",
        full=found.full,
        hash=found.hash,
        key=found.key,
    )
    extraction = steps.extract(invited(NUMBER), invited(NUMBER + 1))
    asked: list[Any] = []

    def again(barred: Any) -> Any:
        asked.append(dict(barred))
        return {0: invited(NUMBER, channel=Channel.WHATSAPP)}

    with applying_extractions(steps.ledger, source="hms", zone=UTC, actor=RUN) as transform:
        day = transform.begin(extraction, TERMS)
        assert day is not None
        day.take([invited(NUMBER), invited(NUMBER + 1)], again)
        day.end_of_reading(rows_merged=0)
        transform.finish(standing_back)

    assert asked == [{0: {Channel.EMAIL}}]
    assert [line.channel for line in steps.lines()] == ["whatsapp", "email"]
