"""Who may be asked now: opt-outs, who was invited lately, and who comes back."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from tests.unit.ledger.claim_steps import (
    ACTOR,
    OTHER_SURVEY,
    OTHER_UNIT,
    POLICY,
    TERMS,
    TODAY,
    Line,
)
from tests.unit.ledger.steps import Steps
from track_dispatch.ledger.between_posts import settle_and_claim_at_once
from track_dispatch.ledger.contact_policy import come_back
from track_dispatch.ledger.database import Ledger
from track_dispatch.ledger.keys import IdentityKey, KeyRing
from track_dispatch.ledger.schema import PLACES
from track_dispatch.ledger.settling import Settlement, settle
from track_dispatch.ledger.sql import moment_in
from track_dispatch.records import Channel, IdentityKind, Unit
from track_dispatch.states import INVITED, LineState, Reason

if TYPE_CHECKING:
    from track_dispatch.ledger.batches import ClaimTerms

MARIA = Line(person="cpf:1", contact="email:maria@example.test")
#: Another invitation of hers, to another address.
MARIA_AGAIN = replace(MARIA, contact="email:m@example.test")
#: Who shares her address.
HER_SON = replace(MARIA, person="cpf:2")
STRANGER = Line(person="cpf:99", contact="email:stranger@example.test")


def asked(
    steps: Steps, *lines: Line, terms: ClaimTerms = TERMS, unit: Unit = OTHER_UNIT
) -> list[str]:
    """Claim an envelope of another unit; return why each of its lines is excluded, or "goes"."""
    envelope = steps.fill(lines, unit=unit)
    steps.try_claim(envelope, terms=replace(terms, survey=OTHER_SURVEY))
    return [reason or "goes" for reason in steps.reasons(envelope)]


def invite(steps: Steps, *lines: Line, hours_ago: float = 0) -> int:
    """Have lines accepted by Track some hours ago; return their envelope."""
    envelope = steps.fill(lines)
    batch = steps.claim(envelope)
    steps.settle(batch, accepted=batch.places)
    steps.age_batches(hours=hours_ago)
    return envelope


def capped(days: int, **changes: Any) -> ClaimTerms:
    return replace(TERMS, policy=replace(POLICY, cap_days=days, **changes))


def day_that_began(ledger: Ledger, *, hours_ago: float) -> datetime:
    with ledger.reading() as connection:
        began: datetime = connection.execute(select(moment_in(-3600 * hours_ago))).scalar_one()
    return began


# -- opt-outs ------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", ["cpf:1", "email:maria@example.test", "phone:5527999990000"], ids=lambda v: v[:3]
)
def test_whoever_opted_out_by_any_identity_is_not_asked(steps: Steps, value: str) -> None:
    steps.opt_out(value)
    line = replace(MARIA, others=("phone:5527999990000",))

    assert asked(steps, line, STRANGER) == ["opt_out", "goes"]


@pytest.mark.parametrize(
    ("channel", "reason"), [("", "opt_out"), ("email", "opt_out"), ("whatsapp", "goes")]
)
def test_an_opt_out_holds_for_its_channel_or_for_all(
    steps: Steps, channel: str, reason: str
) -> None:
    steps.opt_out("cpf:1", channel)

    assert asked(steps, MARIA, STRANGER) == [reason, "goes"]
    by_whatsapp = replace(OTHER_UNIT, channel=Channel.WHATSAPP)
    assert asked(steps, replace(MARIA, person="cpf:7"), unit=by_whatsapp) == ["goes"]


def test_an_opt_out_under_an_older_key_holds(sqlite_ledger: Ledger) -> None:
    """An older key signs nothing new, but what it knew is known."""
    newer = IdentityKey(id="newer", secret="n" * 40)
    keys = sqlite_ledger.keys
    rotated = KeyRing(
        ledger_id=keys.ledger_id,
        payload_secrets=keys.payload_secrets,
        identity_secrets=(newer, *keys.identity_secrets),
    )
    Steps(sqlite_ledger).opt_out("cpf:1")
    ledger = Ledger(sqlite_ledger.engine, rotated)

    assert asked(Steps(ledger), MARIA, STRANGER) == ["opt_out", "goes"]


# -- invited lately --------------------------------------------------------------


@pytest.mark.parametrize("state", LineState)
def test_only_who_was_or_may_have_been_invited_bars_her_other_lines(
    steps: Steps, state: LineState
) -> None:
    invite(steps, MARIA)
    steps.run_sql(f"update lines set state = '{state}'")

    reason = "contact_cap" if state in INVITED else "goes"
    assert asked(steps, MARIA_AGAIN, STRANGER) == [reason, "goes"]


@pytest.mark.parametrize(
    ("days_ago", "reason"), [(29.9, "contact_cap"), (30.1, "goes")], ids=["within", "after"]
)
def test_a_person_is_left_in_peace_for_the_days_of_the_cap(
    steps: Steps, days_ago: float, reason: str
) -> None:
    invite(steps, MARIA, hours_ago=24 * days_ago)

    assert asked(steps, MARIA_AGAIN, terms=capped(30)) == [reason]


def test_the_cap_holds_over_all_hospitals(steps: Steps) -> None:
    invite(steps, MARIA)

    assert asked(steps, MARIA_AGAIN, unit=replace(OTHER_UNIT, hospital="HMSM")) == ["contact_cap"]


def test_without_a_cap_a_person_is_asked_again(steps: Steps) -> None:
    invite(steps, MARIA)

    assert asked(steps, MARIA_AGAIN, terms=capped(0)) == ["goes"]


@pytest.mark.parametrize(
    ("hours_ago", "reason"), [(2, "same_contact"), (4, "goes")], ids=["today", "yesterday"]
)
@pytest.mark.parametrize("cap_days", [0, 30])
def test_a_contact_is_used_once_a_day(
    steps: Steps, hours_ago: float, reason: str, cap_days: int
) -> None:
    invite(steps, MARIA, hours_ago=hours_ago)
    terms = capped(cap_days, day_began=day_that_began(steps.ledger, hours_ago=3))

    assert asked(steps, HER_SON, terms=terms) == [reason]


@pytest.mark.parametrize(("cap_days", "reason"), [(30, "contact_cap"), (0, "goes")])
def test_who_is_known_by_the_contact_alone_is_capped_by_it(
    steps: Steps, cap_days: int, reason: str
) -> None:
    invite(steps, MARIA, hours_ago=48)
    terms = capped(cap_days, day_began=day_that_began(steps.ledger, hours_ago=3))

    assert asked(steps, replace(MARIA, person=None), terms=terms) == [reason]


def test_a_further_address_of_somebody_invited_bars_nobody(steps: Steps) -> None:
    invite(steps, replace(STRANGER, others=("email:maria@example.test",)))

    assert asked(steps, MARIA) == ["goes"]


def test_ones_own_further_address_bars_nobody(steps: Steps) -> None:
    invite(steps, MARIA)

    assert asked(steps, replace(STRANGER, others=("email:maria@example.test",))) == ["goes"]


def test_a_line_is_not_barred_by_itself(steps: Steps) -> None:
    """Released after a claim, its batch is on record, and it goes again."""
    envelope = steps.fill([MARIA])
    batch = steps.claim(envelope)
    released = Settlement(batch, released=batch.places)
    settle(steps.ledger, released, actor=ACTOR)

    assert steps.claim(envelope).lines == batch.lines


def test_a_line_that_lies_elsewhere_by_now_is_not_barred_by_itself(steps: Steps) -> None:
    """Its identities stand under its id, wherever its payload lies."""
    steps.fill([replace(MARIA_AGAIN, state="excluded", found_at=7_000_002)])
    envelope = steps.fill(
        [replace(MARIA, found_at=7_000_001), replace(STRANGER, found_at=7_000_003)]
    )

    assert settle_and_claim_at_once(
        steps.ledger, settlement=None, request=steps.request(envelope), actor=ACTOR
    )


def test_a_line_found_between_the_claims_own_is_another_one(steps: Steps) -> None:
    steps.fill([replace(MARIA, state="accepted", found_at=7_000_002, batch="b")])
    batch = steps.claim(steps.fill([replace(STRANGER)]))
    steps.run_sql("update lines set batch = :batch where id = 7000002", batch=batch.id)
    envelope = steps.fill(
        [
            replace(MARIA_AGAIN, found_at=7_000_001),
            replace(STRANGER, person="cpf:98", contact="email:x@example.test", found_at=7_000_003),
        ],
    )
    claimed = steps.claim(envelope, terms=replace(TERMS, survey=OTHER_SURVEY))

    assert [line.line for line in claimed.lines] == [7_000_003]


# -- two lines of one claim --------------------------------------------------------


def test_of_two_lines_of_a_person_the_lower_place_goes(steps: Steps) -> None:
    assert asked(steps, MARIA, STRANGER, MARIA_AGAIN) == ["goes", "goes", "same_person"]


def test_of_two_lines_to_a_contact_the_lower_place_goes(steps: Steps) -> None:
    assert asked(steps, MARIA, STRANGER, HER_SON) == ["goes", "goes", "same_contact"]


def test_without_a_cap_two_lines_of_a_person_go_to_two_contacts(steps: Steps) -> None:
    assert asked(steps, MARIA, MARIA_AGAIN, terms=capped(0)) == ["goes", "goes"]


def test_nobody_stands_back_for_a_line_that_does_not_go(steps: Steps) -> None:
    steps.opt_out("email:maria@example.test")

    assert asked(steps, MARIA, MARIA_AGAIN) == ["opt_out", "goes"]


def test_nobody_stands_back_for_a_line_whose_time_is_over(steps: Steps) -> None:
    late = replace(MARIA, ask_until=TODAY - timedelta(1))

    assert asked(steps, late, MARIA_AGAIN) == ["expired", "goes"]


# -- who comes back ------------------------------------------------------------------

SAME_PERSON = replace(MARIA_AGAIN, state="excluded", reason="same_person")
SAME_CONTACT = replace(HER_SON, state="excluded", reason="same_contact")
BY_CAP = replace(MARIA_AGAIN, state="excluded", reason="contact_cap")


def ended(steps: Steps, *waiting: Line, over: Collection[IdentityKind] | None = None) -> list[str]:
    """End Maria's line, refused, before lines that stand back; return these lines' states."""
    first = steps.fill([replace(MARIA, state="refused", reason="refused_4xx")])
    stood_back = steps.fill(waiting)
    kinds = {} if over is None else {"over": over}
    with steps.ledger.writing() as connection:
        come_back(
            connection, steps.ledger.keys, [first * PLACES], actor=ACTOR, today=TODAY, **kinds
        )
    return steps.states(stood_back)


@pytest.mark.parametrize("line", [SAME_PERSON, SAME_CONTACT, BY_CAP], ids=lambda one: one.reason)
def test_who_stood_back_for_a_line_that_ended_comes_back(steps: Steps, line: Line) -> None:
    assert ended(steps, line) == ["reopened"]
    assert steps.moves() == [("came_back", "0")]
    assert steps.counts_are_true()


@pytest.mark.parametrize(
    "reason", [one for one in Reason if one not in ("same_person", "contact_cap")]
)
def test_who_is_excluded_for_another_reason_stays_so(steps: Steps, reason: Reason) -> None:
    assert ended(steps, replace(SAME_PERSON, reason=str(reason))) == ["excluded"]


@pytest.mark.parametrize("state", [one for one in LineState if one is not LineState.EXCLUDED])
def test_only_who_is_excluded_comes_back(steps: Steps, state: LineState) -> None:
    line = replace(SAME_PERSON, state=str(state), batch="b")

    assert ended(steps, line) == [state]


@pytest.mark.parametrize(
    "line",
    [replace(SAME_PERSON, person="cpf:5"), replace(SAME_CONTACT, contact="email:o@example.test")],
    ids=["person", "contact"],
)
def test_who_is_nobody_of_hers_stays_excluded(steps: Steps, line: Line) -> None:
    assert ended(steps, line) == ["excluded"]


def test_a_shared_contact_brings_no_other_visit_of_a_person_back(steps: Steps) -> None:
    """She stood back for her own visit, not for whoever shares the address."""
    assert ended(steps, replace(HER_SON, state="excluded", reason="same_person")) == ["excluded"]


def test_a_shared_contact_brings_nobody_back_whom_the_cap_bars_as_a_person(
    steps: Steps,
) -> None:
    assert ended(steps, replace(HER_SON, state="excluded", reason="contact_cap")) == ["excluded"]


def test_who_is_known_by_the_contact_alone_comes_back_by_it(steps: Steps) -> None:
    unnamed = replace(MARIA, person=None, state="excluded", reason="contact_cap")

    assert ended(steps, unnamed) == ["reopened"]


@pytest.mark.parametrize(
    ("until", "state"),
    [(TODAY, "reopened"), (TODAY - timedelta(1), "excluded"), (None, "reopened")],
    ids=["last day", "too late", "no limit"],
)
def test_who_may_no_longer_be_asked_does_not_come_back(
    steps: Steps, until: Any, state: str
) -> None:
    assert ended(steps, replace(SAME_PERSON, ask_until=until)) == [state]


@pytest.mark.parametrize(
    ("over", "states"),
    [
        ((IdentityKind.PERSON,), ["reopened", "excluded"]),
        ((IdentityKind.CONTACT,), ["excluded", "reopened"]),
    ],
    ids=["person", "contact"],
)
def test_lines_come_back_over_the_identity_that_is_free(
    steps: Steps, over: Collection[IdentityKind], states: list[str]
) -> None:
    assert ended(steps, SAME_PERSON, SAME_CONTACT, over=over) == states


def test_a_visit_comes_back_when_track_refuses_the_chosen_one(steps: Steps) -> None:
    chosen, other = steps.fill([MARIA]), steps.fill([SAME_PERSON])
    batch = steps.claim(chosen)
    steps.settle(batch, refused={0: "invalid email"}, status=422)

    assert (steps.states(chosen), steps.states(other)) == (["refused"], ["reopened"])


@pytest.mark.parametrize(
    ("excluded", "by_person", "by_contact"),
    [
        ("opt_out", "reopened", "reopened"),
        ("expired", "reopened", "reopened"),
        ("contact_cap", "excluded", "reopened"),
        ("same_contact", "reopened", "excluded"),
    ],
)
def test_lines_come_back_when_a_claim_excludes_the_one_they_stood_back_for(
    steps: Steps, excluded: str, by_person: str, by_contact: str
) -> None:
    """Who bars her as a person bars her other visits, but not those who share her address."""
    hers = MARIA
    match excluded:
        case "opt_out":
            steps.opt_out("phone:1")
            hers = replace(MARIA, others=("phone:1",))
        case "expired":
            hers = replace(MARIA, ask_until=TODAY - timedelta(1))
        case "contact_cap":
            invite(steps, replace(MARIA, contact="email:elsewhere@example.test"))
        case "same_contact":
            invite(steps, replace(MARIA, person="cpf:44"))
    waiting = steps.fill([SAME_PERSON, SAME_CONTACT])

    assert asked(steps, hers) == [excluded]
    assert steps.states(waiting) == [by_person, by_contact]


@pytest.mark.parametrize(
    ("until", "state"), [(TODAY, "reopened"), (TODAY - timedelta(1), "excluded")]
)
def test_neither_a_claim_nor_an_answer_brings_back_who_may_no_longer_be_asked(
    steps: Steps, until: Any, state: str
) -> None:
    other = Line(person="cpf:3", contact="email:other@example.test")
    batch = steps.claim(steps.fill([MARIA]))
    steps.opt_out("cpf:3")
    stood_back = replace(other, state="excluded", reason="same_person", ask_until=until)
    waiting = steps.fill([replace(SAME_PERSON, ask_until=until), stood_back])
    steps.settle(batch, refused={0: ""}, today=TODAY)

    assert asked(steps, other) == ["opt_out"]
    assert steps.states(waiting) == [state, state]


def test_lines_of_an_outdated_envelope_let_others_come_back(steps: Steps) -> None:
    waiting = steps.fill([SAME_PERSON])
    steps.try_claim(steps.fill([MARIA], age_hours=40))

    assert steps.states(waiting) == ["reopened"]


def test_the_visits_of_a_weekly_patient_do_not_bring_each_other_back(steps: Steps) -> None:
    """Else each visit that the cap excludes would reopen those before it, and they it."""
    invite(steps, MARIA)
    last_week = steps.fill([replace(MARIA, state="excluded", reason="contact_cap")])

    assert asked(steps, MARIA) == ["contact_cap"]
    assert steps.states(last_week) == ["excluded"]


def test_an_ordinary_claim_of_two_lines_of_a_person_reopens_nothing(steps: Steps) -> None:
    """Else a third one would be read again every day, and every day be excluded again."""
    third = steps.fill([replace(SAME_PERSON, contact="email:third@example.test")])

    assert asked(steps, MARIA, MARIA_AGAIN) == ["goes", "same_person"]
    assert steps.states(third) == ["excluded"]
