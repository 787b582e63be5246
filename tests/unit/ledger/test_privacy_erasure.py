"""What is held about a person is erased by any of her values."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.unit.ledger.put_steps import HMS_DAY, TODAY, Patient, patient
from track_dispatch.errors import ConfigError
from track_dispatch.ledger import schema
from track_dispatch.ledger.decisions import Decision
from track_dispatch.ledger.envelopes import open_envelope, read_envelope
from track_dispatch.ledger.privacy import Erased, HeldData, erase_person, held_about, optouts_of
from track_dispatch.records import IdentityKind
from track_dispatch.states import Verb

if TYPE_CHECKING:
    from tests.unit.ledger.steps import Steps
    from track_dispatch.ledger.database import Ledger

ERASE = Decision(Verb.ERASE, "ana", "pedido da pessoa")
#: Patient 1's values, as the rig makes them up.
CPF, EMAIL, PHONE = "cpf:00000000001", "email:p1@example.test", "phone:5527900000001"


def held(ledger: Ledger, *values: str) -> HeldData:
    with ledger.reading() as connection:
        return held_about(connection, ledger.keys, values, rows_about=len)


def erase(ledger: Ledger, *values: str) -> Erased:
    return erase_person(ledger, values, ERASE, today=TODAY)


def kinds_left(steps: Steps) -> list[str]:
    rows = steps.rows(schema.identities, "line", "kind")
    return sorted(IdentityKind(row["kind"]).label for row in rows)


@pytest.mark.parametrize("value", [CPF, EMAIL, PHONE])
@pytest.mark.parametrize("state", ["ready", "held", "reopened"])
def test_whatever_waits_is_taken_and_never_asked_again(
    steps: Steps, state: str, value: str
) -> None:
    put = steps.put_lines(2, state)

    done = erase(steps.ledger, value)

    assert done == Erased(excluded=1, unlinked=1, under_way=0, optouts=1)
    assert steps.fates() == {"excluded opt_out": 1, state: 1}
    with steps.ledger.reading() as connection:
        assert [one.kind for one in optouts_of(connection, steps.ledger.keys, [value])]
        payload = read_envelope(connection, put.envelope).payload
        left = open_envelope(steps.ledger.keys, put.envelope, payload) if payload else []
    assert [line.place for line in left] == ([] if state == "reopened" else [1])
    assert held(steps.ledger, CPF, EMAIL, PHONE).attendances == ()
    assert steps.rows(schema.events)[-1]["transition"] == "erased"


def test_who_is_not_held_is_put_on_the_list_all_the_same(ledger: Ledger) -> None:
    """Before, clearing her day invited her again."""
    assert erase(ledger, EMAIL, PHONE) == Erased(excluded=0, unlinked=0, under_way=0, optouts=2)

    assert len(held(ledger, EMAIL, PHONE).optouts) == 2


@pytest.mark.parametrize("state", ["sending", "in_doubt"])
def test_what_is_under_way_is_told_and_stays(steps: Steps, state: str) -> None:
    steps.put_batch(1, state, batch_state=state, lease=300)
    before = steps.rows(schema.lines), steps.rows(schema.identities, "line", "kind")

    assert erase(steps.ledger, CPF) == Erased(
        excluded=0, unlinked=0, under_way=1, optouts=1, identities=3
    )

    after = steps.rows(schema.lines), steps.rows(schema.identities, "line", "kind")
    assert after == before
    assert [one.history.state for one in held(steps.ledger, CPF).attendances] == [state]


@pytest.mark.parametrize("state", ["accepted", "abandoned"])
def test_of_who_was_asked_there_stays_what_the_cap_needs(steps: Steps, state: str) -> None:
    """The list bars the value that was given; another one still tells that she was asked."""
    steps.put_batch(1, state, batch_state="settled", lease=None)

    done = erase(steps.ledger, EMAIL)

    assert (done.identities, done.accepted) == (1, int(state == "accepted"))
    assert kinds_left(steps) == ["person"]
    assert held(steps.ledger, EMAIL).attendances == ()
    assert steps.rows(schema.lines)[0]["digest"] is None


@pytest.mark.parametrize("state", ["excluded", "refused"])
def test_of_who_was_not_asked_nothing_stays(steps: Steps, state: str) -> None:
    steps.put_lines(1, state, reason="contact_cap" if state == "excluded" else "refused_4xx")
    steps.put_lines(1, "accepted", first=7)

    assert erase(steps.ledger, EMAIL).unlinked == 1

    assert held(steps.ledger, CPF, PHONE).attendances == ()
    assert kinds_left(steps) == ["contact", "other", "person"]


def test_others_lose_nothing(steps: Steps) -> None:
    steps.put_lines(3)

    erase(steps.ledger, CPF)

    assert steps.states() == ["excluded", "ready", "ready"]
    assert steps.payloads() == [True]
    assert len(kinds_left(steps)) == 6


def test_somebody_else_who_stood_back_for_her_contact_comes_back(steps: Steps) -> None:
    shared = {**patient(2), IdentityKind.CONTACT: (EMAIL,)}
    hers: Patient = {**patient(1), IdentityKind.CONTACT: (EMAIL,)}
    steps.put_lines(1, patients=[hers])
    steps.put_lines(1, "excluded", first=5, patients=[shared], reason="same_contact")

    erase(steps.ledger, CPF)

    assert steps.fates() == {"excluded opt_out": 1, "reopened": 1}


def test_what_came_back_for_her_contact_and_is_hers_is_taken_as_well(steps: Steps) -> None:
    hers: Patient = {IdentityKind.PERSON: (CPF,), IdentityKind.CONTACT: (EMAIL,)}
    steps.put_lines(1, patients=[hers])
    steps.put_lines(1, "excluded", first=5, patients=[hers], reason="same_contact")

    done = erase(steps.ledger, EMAIL)

    assert (done.excluded, steps.fates()) == (2, {"excluded opt_out": 2})


def test_her_other_visit_does_not_come_back(steps: Steps) -> None:
    """It stood back for this one: without it she would be asked by the other address."""
    steps.put_lines(1)
    other: Patient = {
        IdentityKind.PERSON: (CPF,), IdentityKind.CONTACT: ("email:other@example.test",)
    }  # fmt: skip
    steps.put_lines(1, "excluded", first=5, patients=[other], reason="same_person")

    erase(steps.ledger, EMAIL)

    assert steps.fates() == {"excluded opt_out": 1, "excluded same_person": 1}


def test_an_erasure_is_on_record_without_the_person(steps: Steps) -> None:
    steps.put_lines(1)

    erase(steps.ledger, CPF)

    (written,) = steps.rows(schema.decisions)
    assert (written["verb"], written["decided_by"], written["lines"]) == ("erase", "ana", 1)
    assert not any(value.partition(":")[2] in str(written) for value in (CPF, EMAIL, PHONE))


def test_an_erasure_that_fails_changes_nothing(steps: Steps) -> None:
    steps.put_lines(1)
    once = Decision(Verb.ERASE, "ana", "pedido", run_id="r1")
    erase_person(steps.ledger, ["cpf:11144477735"], once)

    with pytest.raises(ConfigError):
        erase_person(steps.ledger, [CPF], once)

    assert steps.states() == ["ready"]
    assert held(steps.ledger, CPF).optouts == ()


def test_who_may_no_longer_be_asked_does_not_come_back(steps: Steps) -> None:
    shared = {**patient(2), IdentityKind.CONTACT: (EMAIL,)}
    steps.put_lines(1)
    steps.put_lines(
        1,
        "excluded",
        first=5,
        patients=[shared],
        reason="same_contact",
        ask_until=TODAY - timedelta(days=1),
    )

    erase(steps.ledger, CPF)

    assert steps.fates() == {"excluded opt_out": 1, "excluded same_contact": 1}


def test_rows_of_a_moved_line_are_found_by_its_id(steps: Steps) -> None:
    steps.put_lines(1)
    steps.put_lines(1, first=9)
    steps.run_sql("update lines set address = address + 5 where attendance_id = '900000001'")

    [found] = held(steps.ledger, CPF).attendances
    assert (found.history.hospital, found.history.business_day) == HMS_DAY
