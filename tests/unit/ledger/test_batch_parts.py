"""A refused batch is posted again in parts: each a batch of its own, under the same claim."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from ledger_rig import (
    ACTOR,
    OTHER_UNIT,
    TERMS,
    TODAY,
    Line,
    batch_state,
    batches_of,
    claim,
    counts_are_true,
    end_leases,
    events_of,
    fill,
    mark_in_doubt,
    opt_out,
    people,
    refusing,
    requests_taken,
    rows_of,
    run_sql,
    states_of,
    try_claim,
    wanted,
)
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from track_dispatch.errors import LedgerError
from track_dispatch.ledger import schema
from track_dispatch.ledger.batches import Batch, CommitUnknownError, expire_leases
from track_dispatch.ledger.claims import Hindrance, NotClaimed
from track_dispatch.ledger.parts import start_part
from track_dispatch.ledger.settling import Settlement, settle
from track_dispatch.ledger.stop_switch import stop_service
from track_dispatch.states import BatchState

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger


@pytest.fixture
def claimed(ledger: Ledger) -> Batch:
    """Claim four lines."""
    return claim(ledger, fill(ledger, 4))


def part_of(
    ledger: Ledger, batch: Batch, start: int, end: int, **options: Any
) -> Batch | NotClaimed:
    terms = options.pop("terms", TERMS)
    return start_part(
        ledger, batch, batch.lines[start:end], terms=terms, status=422, actor=ACTOR, **options
    )


def started(ledger: Ledger, batch: Batch, start: int, end: int, **options: Any) -> Batch:
    part = part_of(ledger, batch, start, end, **options)
    assert isinstance(part, Batch), part
    return part


def everything(ledger: Ledger) -> list[Any]:
    tables = (schema.lines, schema.envelopes, schema.batches, schema.events)
    return [rows_of(ledger, table) for table in tables]


def test_a_part_is_a_new_batch_under_the_same_claim(ledger: Ledger, claimed: Batch) -> None:
    part = started(ledger, claimed, 0, 2)

    assert part == replace(claimed, id=part.id, lines=claimed.lines[:2], parent=claimed.id)
    assert part.id != claimed.id


def test_a_parts_id_may_be_made_beforehand(ledger: Ledger, claimed: Batch) -> None:
    assert started(ledger, claimed, 0, 2, batch_id="p1").id == "p1"


def test_the_refused_batch_is_split_and_the_part_in_flight(ledger: Ledger, claimed: Batch) -> None:
    part = started(ledger, claimed, 0, 2)

    told = ("state", "status", "lines", "parent", "claim", "envelope")
    assert {id_: [row[name] for name in told] for id_, row in batches_of(ledger).items()} == {
        claimed.id: ["split", 422, 4, None, claimed.claim, claimed.envelope],
        part.id: ["sending", None, 2, claimed.id, claimed.claim, claimed.envelope],
    }


def test_the_parts_lines_move_and_the_rest_waits(ledger: Ledger, claimed: Batch) -> None:
    part = started(ledger, claimed, 0, 2)

    assert [line["batch"] for line in rows_of(ledger, schema.lines)] == [part.id] * 2 + [
        claimed.id
    ] * 2
    assert states_of(ledger) == ["sending"] * 4
    assert events_of(ledger)[-1] == ("split", "0-1")


def test_what_is_not_posted_yet_shares_the_renewed_lease(ledger: Ledger, claimed: Batch) -> None:
    part = started(ledger, claimed, 0, 2, terms=replace(TERMS, lease_seconds=5000))

    leases = {id_: row["lease_until"] for id_, row in batches_of(ledger).items()}
    assert abs((leases[claimed.id] - leases[part.id]).total_seconds()) < 60
    renewed = leases[part.id] - batches_of(ledger)[part.id]["created_at"]
    assert renewed.total_seconds() > TERMS.lease_seconds


def test_a_refused_half_that_waits_shares_the_renewed_lease(ledger: Ledger, claimed: Batch) -> None:
    half = started(ledger, claimed, 0, 2)
    started(ledger, claimed, 2, 4, terms=replace(TERMS, lease_seconds=5000))

    now = batches_of(ledger)
    assert now[half.id]["state"] == "split"
    assert (now[half.id]["lease_until"] - now[half.id]["created_at"]).total_seconds() > 4000


def test_a_batch_of_which_nothing_is_left_gets_no_lease_again(
    ledger: Ledger, claimed: Batch
) -> None:
    first = started(ledger, claimed, 0, 2)
    settle(ledger, Settlement(first, accepted=first.places), actor=ACTOR)
    started(ledger, claimed, 2, 4)

    leases = {id_: row["lease_until"] for id_, row in batches_of(ledger).items()}
    assert (leases[first.id], leases[claimed.id]) == (None, None)


def test_parts_follow_one_another(ledger: Ledger, claimed: Batch) -> None:
    for start in (0, 2):
        part = started(ledger, claimed, start, start + 2)
        settle(ledger, Settlement(part, accepted=part.places), actor=ACTOR)

    assert states_of(ledger) == ["accepted"] * 4
    states = [row["state"] for row in batches_of(ledger).values()]
    assert sorted(states) == ["settled", "settled", "split"]


def test_a_part_of_a_part_stays_in_the_claim(ledger: Ledger, claimed: Batch) -> None:
    half = started(ledger, claimed, 0, 2)
    single = started(ledger, half, 0, 1)

    states = {id_: row["state"] for id_, row in batches_of(ledger).items()}
    assert states == {claimed.id: "split", half.id: "split", single.id: "sending"}
    assert [line["batch"] for line in rows_of(ledger, schema.lines)] == [
        single.id, half.id, claimed.id, claimed.id,
    ]  # fmt: skip


def test_each_part_takes_a_request(ledger: Ledger, claimed: Batch) -> None:
    started(ledger, claimed, 0, 2)

    assert requests_taken(ledger) == 2


# -- what keeps a part from going --------------------------------------------------------


@pytest.mark.parametrize("noticed", [True, False], ids=["in_doubt", "still_sending"])
def test_after_the_lease_nothing_is_split(ledger: Ledger, claimed: Batch, noticed: bool) -> None:
    end_leases(ledger)
    if noticed:
        expire_leases(ledger, actor=ACTOR)
    before = everything(ledger)

    assert part_of(ledger, claimed, 0, 2) == NotClaimed(Hindrance.LEASE_OVER)
    assert everything(ledger) == before


@pytest.mark.parametrize("changed", ["state = 'in_doubt'", "batch = 'other'"])
def test_when_one_line_is_no_longer_ours_nothing_is_split(
    ledger: Ledger, claimed: Batch, changed: str
) -> None:
    run_sql(ledger, f"update lines set {changed} where id = :id", id=claimed.lines[0].line)
    before = everything(ledger)

    assert part_of(ledger, claimed, 0, 2) == NotClaimed(Hindrance.LEASE_OVER)
    assert everything(ledger) == before


def test_a_batch_that_a_backup_lost_is_not_split(ledger: Ledger, claimed: Batch) -> None:
    run_sql(ledger, "delete from batches")

    assert part_of(ledger, claimed, 0, 2) == NotClaimed(Hindrance.LEASE_OVER)


def test_while_a_stop_stands_nothing_is_split(ledger: Ledger, claimed: Batch) -> None:
    stop_service(ledger, hospital="HMSM", why="CAPTCHA", status=405, actor=ACTOR)
    before = everything(ledger)

    assert part_of(ledger, claimed, 0, 2) == NotClaimed(Hindrance.STOPPED)
    assert everything(ledger) == before


def test_without_a_request_left_nothing_is_split(ledger: Ledger, claimed: Batch) -> None:
    before = everything(ledger)
    hindered = part_of(ledger, claimed, 0, 2, terms=replace(TERMS, requests_per_5_minutes=1))

    assert isinstance(hindered, NotClaimed)
    assert hindered.why is Hindrance.BUDGET_SPENT
    assert hindered.seconds > 0
    assert everything(ledger) == before


def test_a_part_waits_while_its_survey_is_busy(ledger: Ledger, claimed: Batch) -> None:
    first = started(ledger, claimed, 0, 2)
    settle(ledger, Settlement(first, accepted=first.places), actor=ACTOR)
    claim(ledger, fill(ledger, 1, start=20, unit=OTHER_UNIT))
    before = everything(ledger)
    hindered = part_of(ledger, claimed, 2, 4)

    assert isinstance(hindered, NotClaimed)
    assert hindered.why is Hindrance.SURVEY_BUSY
    assert 0 < hindered.seconds <= TERMS.lease_seconds
    assert everything(ledger) == before


def test_a_part_that_fails_on_its_way_leaves_the_claim_as_it_was(
    ledger: Ledger, claimed: Batch
) -> None:
    before = everything(ledger)
    with refusing(ledger, "batches", "insert"), pytest.raises(LedgerError):
        part_of(ledger, claimed, 0, 2)

    assert everything(ledger) == before


@pytest.mark.parametrize("committed", [True, False])
def test_a_lost_commit_of_a_part_is_told(ledger: Ledger, claimed: Batch, committed: bool) -> None:
    def lose(connection: Any) -> None:
        event.remove(ledger.engine, "commit", lose)
        if committed:
            connection.connection.driver_connection.commit()
        raise OperationalError("COMMIT", {}, Exception("the connection is gone"))

    event.listen(ledger.engine, "commit", lose)
    with pytest.raises(CommitUnknownError):
        part_of(ledger, claimed, 0, 2, batch_id="p1")

    assert batch_state(ledger, "p1") is (BatchState.SENDING if committed else None)


# -- lines that may not go any more --------------------------------------------------------


def test_who_opts_out_between_two_parts_is_released(ledger: Ledger, claimed: Batch) -> None:
    first = started(ledger, claimed, 0, 2)
    settle(ledger, Settlement(first, accepted=first.places), actor=ACTOR)
    opt_out(ledger, "cpf:3")
    second = started(ledger, claimed, 2, 4)

    assert second.lines == claimed.lines[3:]
    assert states_of(ledger) == ["accepted", "accepted", "ready", "sending"]
    assert [line.place for line in wanted(ledger, claimed.envelope).read.lines] == [2]
    assert batches_of(ledger)[second.id]["lines"] == 1
    assert counts_are_true(ledger)


def test_who_opted_out_is_excluded_by_the_next_claim(ledger: Ledger, claimed: Batch) -> None:
    opt_out(ledger, "cpf:1")
    started(ledger, claimed, 0, 4)
    run_sql(ledger, "update batches set state = 'settled'")
    other = claim(ledger, fill(ledger, 1, start=20))
    settle(ledger, Settlement(other, accepted=other.places), actor=ACTOR)

    assert try_claim(ledger, claimed.envelope) == NotClaimed(Hindrance.ALL_EXCLUDED)
    assert rows_of(ledger, schema.lines)[0]["reason"] == "opt_out"


def test_who_may_be_asked_until_yesterday_is_released(ledger: Ledger) -> None:
    """Midnight came between two parts."""
    lines = [*people(1), *people(1, start=2, ask_until=TODAY)]
    claimed = claim(ledger, fill(ledger, lines))
    tomorrow = replace(TERMS, today=TODAY + timedelta(1))

    assert started(ledger, claimed, 0, 2, terms=tomorrow).lines == claimed.lines[:1]
    assert states_of(ledger) == ["sending", "ready"]


def test_whom_another_hospital_invited_meanwhile_is_released(ledger: Ledger) -> None:
    claimed = claim(ledger, fill(ledger, 2))
    with ledger.writing() as connection:
        connection.execute(schema.batches.update().values(survey="refused"))
    hers = Line(person="cpf:1", contact="email:else@example.test")
    # a rule of the house says that it cannot be: the claim itself bars her elsewhere
    other = fill(ledger, [hers], unit=replace(OTHER_UNIT, hospital="HMSM"))
    run_sql(ledger, "update lines set state = 'accepted', batch = :b where id / 1000 = :e",
            b=claimed.id, e=other)  # fmt: skip

    assert started(ledger, claimed, 0, 2).lines == claimed.lines[1:]


def test_when_none_of_a_part_may_go_all_of_it_is_released(ledger: Ledger, claimed: Batch) -> None:
    opt_out(ledger, "cpf:1")
    opt_out(ledger, "cpf:2")

    assert part_of(ledger, claimed, 0, 2) == NotClaimed(Hindrance.ALL_EXCLUDED)
    assert states_of(ledger) == ["ready", "ready", "sending", "sending"]
    assert len(batches_of(ledger)) == 1
    assert counts_are_true(ledger)


def test_what_was_read_too_long_ago_is_released(ledger: Ledger, claimed: Batch) -> None:
    terms = replace(TERMS, extraction_max_age_hours=0.5)

    assert part_of(ledger, claimed, 0, 2, terms=terms) == NotClaimed(Hindrance.OUTDATED)
    assert states_of(ledger) == ["ready", "ready", "sending", "sending"]


def test_a_split_of_which_all_is_released_has_no_lease(ledger: Ledger) -> None:
    claimed = claim(ledger, fill(ledger, 1))
    opt_out(ledger, "cpf:1")
    part_of(ledger, claimed, 0, 1)

    row = batches_of(ledger)[claimed.id]
    assert (row["state"], row["lease_until"]) == ("split", None)


# -- the rest of a claim ----------------------------------------------------------------


def test_a_doubt_about_a_part_leaves_the_rest_of_the_claim(ledger: Ledger, claimed: Batch) -> None:
    part = started(ledger, claimed, 0, 2)
    mark_in_doubt(ledger, part, status=502)

    assert states_of(ledger) == ["in_doubt", "in_doubt", "sending", "sending"]
    settle(
        ledger,
        Settlement(claimed, released=[2, 3], batch_state=BatchState.SPLIT),
        actor=ACTOR,
    )
    assert states_of(ledger) == ["in_doubt", "in_doubt", "ready", "ready"]
    assert batches_of(ledger)[part.id]["state"] == "in_doubt"
