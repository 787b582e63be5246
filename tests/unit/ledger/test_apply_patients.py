"""Applying an extraction: which of a patient's attendances waits, how long, by which channel."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from reading_steps import (
    DAY,
    DAY_BEFORE,
    NUMBER,
    OTHER_RUN,
    RUN,
    SAME,
    TERMS,
    TODAY,
    change,
    events_of,
    hashed,
    identities_of,
    invited,
    leave,
    line_of,
    lines_of,
    not_invited,
    read_day,
    read_days,
    stage,
    stands,
)

from track_dispatch.ledger.apply_extraction import applying_extractions
from track_dispatch.pipeline.transform import standing_back
from track_dispatch.records import Area, Channel
from track_dispatch.states import Reason

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger


# --- how long a patient may be asked --------------------------------------------------------


def test_who_may_not_be_asked_any_more_is_too_old(ledger: Ledger) -> None:
    read_day(ledger, invited(NUMBER), terms=replace(TERMS, ask_until=TODAY - timedelta(1)))

    line = line_of(ledger)
    assert (*line.stands, line.payload) == ("excluded", "too_old", None)


def test_the_last_day_is_still_a_day(ledger: Ledger) -> None:
    read_day(ledger, invited(NUMBER), terms=replace(TERMS, ask_until=TODAY))

    assert line_of(ledger).stands == ("ready", None)


def test_without_a_limit_nobody_is_too_old(ledger: Ledger) -> None:
    read_day(ledger, invited(NUMBER), terms=replace(TERMS, ask_until=None, today=date(2036, 1, 1)))

    assert (line_of(ledger).state, line_of(ledger).ask_until) == ("ready", None)


@pytest.mark.parametrize("reason", ["too_old", "expired"])
def test_a_persons_wish_to_ask_old_ones_revives_them(ledger: Ledger, reason: str) -> None:
    read_day(ledger, invited(NUMBER), terms=replace(TERMS, ask_until=TODAY - timedelta(1)))
    change(ledger, "update lines set reason = :reason", reason=reason)
    read_day(ledger, invited(NUMBER), terms=replace(TERMS, ask_until=TODAY + timedelta(15)))

    line = line_of(ledger)
    assert (*line.stands, line.ask_until) == ("ready", None, TODAY + timedelta(15))


def test_a_later_reading_never_shortens_the_limit(ledger: Ledger) -> None:
    old, wished = TODAY - timedelta(1), TODAY + timedelta(15)
    read_day(ledger, invited(NUMBER), terms=replace(TERMS, ask_until=wished))
    read_day(ledger, invited(NUMBER), terms=replace(TERMS, ask_until=old))

    line = line_of(ledger)
    assert (*line.stands, line.ask_until) == ("ready", None, wished)


def test_who_may_be_asked_for_ever_stays_so_under_a_later_limit(ledger: Ledger) -> None:
    read_day(ledger, invited(NUMBER), terms=replace(TERMS, ask_until=None))
    read_day(ledger, invited(NUMBER), terms=replace(TERMS, ask_until=TODAY - timedelta(1)))

    assert (line_of(ledger).state, line_of(ledger).ask_until) == ("ready", None)


def test_what_expired_and_is_too_old_stays_expired(ledger: Ledger) -> None:
    old = replace(TERMS, ask_until=TODAY - timedelta(1))
    read_day(ledger, invited(NUMBER), terms=old)
    change(ledger, "update lines set reason = 'expired'")
    read_day(ledger, invited(NUMBER), terms=old)

    assert line_of(ledger).stands == ("excluded", "expired")


# --- one person, several attendances --------------------------------------------------------


def test_of_a_persons_attendances_of_a_day_one_waits(ledger: Ledger) -> None:
    read_day(
        ledger,
        invited(NUMBER, Area.EXAMES, person=SAME),
        invited(NUMBER + 1, Area.MATERNIDADE, person=SAME),
        invited(NUMBER + 2),
    )

    assert stands(ledger) == [("excluded", "same_person"), ("ready", None), ("ready", None)]
    other, chosen, _ = lines_of(ledger)
    assert (other.payload, chosen.payload is None) == (None, False)
    assert identities_of(ledger, other.id) != set()


@pytest.mark.parametrize("state", ["sending", "in_doubt", "accepted", "abandoned"])
def test_who_was_asked_before_stays_the_one(ledger: Ledger, state: str) -> None:
    read_day(ledger, invited(NUMBER, Area.EXAMES, person=SAME))
    leave(ledger, state)
    read_day(
        ledger,
        invited(NUMBER, Area.EXAMES, person=SAME),
        invited(NUMBER + 1, Area.MATERNIDADE, person=SAME),
    )

    assert stands(ledger) == [(state, None), ("excluded", "same_person")]


def test_who_was_asked_stays_the_one_although_the_erp_lacks_her(ledger: Ledger) -> None:
    read_day(ledger, invited(NUMBER, person=SAME))
    leave(ledger, "accepted")
    read_day(ledger, invited(NUMBER + 1, person=SAME))

    assert stands(ledger) == [("accepted", None), ("excluded", "same_person")]


def test_a_refused_attendance_keeps_no_other_one_back(ledger: Ledger) -> None:
    read_day(ledger, invited(NUMBER, person=SAME), invited(NUMBER + 1, person=SAME))
    change(
        ledger,
        "update lines set state = 'refused', reason = 'refused_4xx' where state = 'ready'",
    )
    read_day(ledger, invited(NUMBER, person=SAME), invited(NUMBER + 1, person=SAME))

    assert stands(ledger) == [("refused", "refused_4xx"), ("ready", None)]


def test_who_stood_back_stays_so_without_an_event(ledger: Ledger) -> None:
    both = invited(NUMBER, person=SAME), invited(NUMBER + 1, person=SAME)
    read_day(ledger, *both)
    before = lines_of(ledger)[1]
    read_day(ledger, *both)

    assert lines_of(ledger)[1] == before
    assert [event for event in events_of(ledger) if event[1] == "excluded"] == [
        ("reevaluated", "excluded", "same_person", 1)
    ]


def test_a_corrected_contact_of_who_stands_back_is_known_too(ledger: Ledger) -> None:
    """For opt-outs and erasure, and for the day on which she comes back."""
    mended = invited(NUMBER + 1, person=SAME, email="mended@example.test")
    read_day(ledger, invited(NUMBER, person=SAME), invited(NUMBER + 1, person=SAME))
    read_day(ledger, invited(NUMBER, person=SAME), mended)

    back = lines_of(ledger)[1]
    assert back.stands == ("excluded", "same_person")
    assert identities_of(ledger, back.id) == hashed(ledger, mended)


def test_a_wish_for_old_ones_holds_for_who_stands_back_too(ledger: Ledger) -> None:
    """She may come back within the new limit."""
    both = invited(NUMBER, person=SAME), invited(NUMBER + 1, person=SAME)
    read_day(ledger, *both)
    later = TODAY + timedelta(30)
    read_day(ledger, *both, terms=replace(TERMS, ask_until=later), actor=OTHER_RUN)

    assert [(*line.stands, line.ask_until) for line in lines_of(ledger)] == [
        ("ready", None, later),
        ("excluded", "same_person", later),
    ]


@pytest.mark.parametrize("now", ["missing", "excluded", "another_person"])
def test_who_stood_back_waits_again_when_the_other_one_does_not(ledger: Ledger, now: str) -> None:
    second = invited(NUMBER + 1, person=SAME)
    read_day(ledger, invited(NUMBER, person=SAME), second)
    first = {
        "missing": [],
        "excluded": [not_invited(NUMBER, Reason.DEATH)],
        "another_person": [invited(NUMBER)],
    }[now]
    read_day(ledger, *first, second)

    line = lines_of(ledger)[1]
    assert line.stands == ("ready", None)
    assert line.payload is not None


def test_with_a_third_attendance_the_best_that_is_left_waits(ledger: Ledger) -> None:
    best, middle, last = (
        invited(NUMBER + n, area, person=SAME)
        for n, area in enumerate((Area.ONCOLOGIA, Area.EXAMES, Area.AMBULATORIO))
    )
    read_day(ledger, best, middle, last)
    read_day(ledger, middle, last)

    assert stands(ledger) == [
        ("excluded", "gone"),
        ("ready", None),
        ("excluded", "same_person"),
    ]


def test_a_wrong_reading_does_not_ask_the_same_person_twice(ledger: Ledger) -> None:
    """The one who waits is lacking and stays: the other one still stands back."""
    crowd = [invited(NUMBER + n) for n in range(2, 40)]
    second = invited(NUMBER + 1, person=SAME)
    read_day(ledger, invited(NUMBER, person=SAME), second, *crowd)
    read_day(ledger, second)

    assert stands(ledger)[:2] == [("ready", None), ("excluded", "same_person")]


def test_a_better_attendance_that_comes_later_takes_the_place(ledger: Ledger) -> None:
    known = invited(NUMBER, Area.EXAMES, person=SAME)
    read_day(ledger, known)
    read_day(ledger, known, invited(NUMBER + 1, Area.ONCOLOGIA, person=SAME))

    assert stands(ledger) == [("excluded", "same_person"), ("ready", None)]


def test_who_stood_back_and_moves_to_another_day_within_the_run_waits_there(
    ledger: Ledger,
) -> None:
    """Both readings bring her attendance: the ERP moved it between them."""
    both = [invited(NUMBER, person=SAME), invited(NUMBER + 1, person=SAME)]
    read_day(ledger, *both)
    read_days(ledger, {DAY: both, DAY_BEFORE: both[1:]}, actor=OTHER_RUN)

    assert [(line.day, *line.stands) for line in lines_of(ledger)] == [
        (DAY, "ready", None),
        (DAY_BEFORE, "ready", None),
    ]


def test_people_are_compared_within_a_day_only(ledger: Ledger) -> None:
    read_days(
        ledger,
        {DAY: [invited(NUMBER, person=SAME)], DAY_BEFORE: [invited(NUMBER + 1, person=SAME)]},
    )

    assert stands(ledger) == [("ready", None), ("ready", None)]


# --- opt-outs -------------------------------------------------------------------------------


@pytest.mark.parametrize("opted_out", ["email:p900000001@example.test", f"cpf:{NUMBER:011}"])
def test_who_opted_out_is_evaluated_again_without_the_channel(
    ledger: Ledger, opted_out: str
) -> None:
    found = ledger.keys.identity_hashes(opted_out)[0]
    change(
        ledger,
        "insert into optouts (full_hash, channel, hash, key, entry, kind, source, added_at)"
        " values (:full, 'email', :hash, :key, 'e', 'email', 'list', '2026-01-01 00:00:00')",
        full=found.full,
        hash=found.hash,
        key=found.key,
    )
    extraction = stage(ledger, invited(NUMBER), invited(NUMBER + 1))
    asked: list[Any] = []

    def again(barred: Any) -> Any:
        asked.append(dict(barred))
        return {0: invited(NUMBER, channel=Channel.WHATSAPP)}

    with applying_extractions(ledger, source="hms", zone=UTC, actor=RUN) as transform:
        day = transform.begin(extraction, TERMS)
        assert day is not None
        day.take([invited(NUMBER), invited(NUMBER + 1)], again)
        day.end_of_reading(rows_merged=0)
        transform.finish(standing_back)

    assert asked == [{0: {Channel.EMAIL}}]
    assert [line.channel for line in lines_of(ledger)] == ["whatsapp", "email"]
