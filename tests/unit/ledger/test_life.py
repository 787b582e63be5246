"""The life of an attendance and the refusals, as the ledger tells them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger_steps import ACTOR, DAY, end_leases, fill, ids, invited, read_day, take

from track_dispatch.ledger.deciding import allow_retry, settle_doubt
from track_dispatch.ledger.life import life_of, refusals
from track_dispatch.ledger.settling import Settlement, doubt, settle
from track_dispatch.records import Decision, Verb

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger

NUMBER = "900000001"
RETRY = Decision(Verb.RETRY_REFUSED, person="ana", why="corrigido")


def test_it_tells_when_and_in_which_batch_with_which_receipt_it_was_sent(ledger: Ledger) -> None:
    fill(ledger, 1)
    batch = take(ledger)
    settle(ledger, batch, Settlement(accepted=ids(batch), receipt="dist-7"), actor=ACTOR)

    with ledger.reading() as connection:
        life = life_of(connection, source="hms", attendance_id=NUMBER)

    assert life is not None
    assert (life.hospital, life.business_day, life.state) == ("HMS", DAY, "accepted")
    assert [(step.transition, step.batch_id, step.receipt) for step in life.steps] == [
        ("found", None, None),
        ("claimed", batch.id, "dist-7"),
        ("answered", batch.id, "dist-7"),
    ]


def test_it_tells_who_decided_and_why(ledger: Ledger) -> None:
    fill(ledger, 1)
    batch = take(ledger)
    doubt(ledger, batch, status=None, actor=ACTOR)
    end_leases(ledger)
    settle_doubt(ledger, batch.id, Decision(Verb.ABANDON, person="ana", why="ninguém sabe"))

    with ledger.reading() as connection:
        life = life_of(connection, source="hms", attendance_id=NUMBER)

    assert life is not None
    assert (life.steps[-1].actor, life.steps[-1].why) == ("ana", "ninguém sabe")


def test_it_shows_no_patient(ledger: Ledger) -> None:
    fill(ledger, 1)

    with ledger.reading() as connection:
        life = life_of(connection, source="hms", attendance_id=NUMBER)

    assert "MARIA" not in repr(life)
    assert NUMBER not in repr(life)


def test_an_attendance_of_another_source_is_another_one(ledger: Ledger) -> None:
    fill(ledger, 1)

    with ledger.reading() as connection:
        assert life_of(connection, source="hac", attendance_id=NUMBER) is None


def test_refusals_are_counted_by_what_track_faulted(ledger: Ledger) -> None:
    read_day(ledger, *(invited(900_000_001 + number) for number in range(3)))
    batch = take(ledger)
    first, *others = ids(batch)
    faulted = {first: "invalid_email email", **dict.fromkeys(others, "")}
    settle(ledger, batch, Settlement(refused=faulted), actor=ACTOR)

    with ledger.reading() as connection:
        found = refusals(connection)
    allow_retry(ledger, hospital="HMS", business_day=DAY, decision=RETRY)
    with ledger.reading() as connection:
        allowed = refusals(connection)

    told = sorted((one.detail or "", one.lines, one.retry_allowed) for one in found)
    assert told == [("", 2, False), ("invalid_email email", 1, False)]
    assert sorted((one.detail or "", one.lines, one.retry_allowed) for one in allowed) == [
        ("", 2, True),
        ("invalid_email email", 1, True),
    ]
