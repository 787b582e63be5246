"""A refused batch is posted again in parts: each a batch of its own, under the same claim."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from tests.unit.ledger.claim_steps import ACTOR, OTHER_UNIT, TERMS, TODAY, Line, people
from track_dispatch.errors import LedgerError
from track_dispatch.ledger import schema
from track_dispatch.ledger.batches import Batch, CommitUnknownError
from track_dispatch.ledger.claims import Hindrance, NotClaimed
from track_dispatch.ledger.in_doubt import expire_leases
from track_dispatch.ledger.parts import start_part
from track_dispatch.ledger.stop_switch import stop_service
from track_dispatch.states import BatchState

if TYPE_CHECKING:
    from tests.unit.ledger.steps import Steps
    from track_dispatch.ledger.database import Ledger


@pytest.fixture
def claimed(steps: Steps) -> Batch:
    """Claim four lines."""
    return steps.claim(steps.fill(4))


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


def everything(steps: Steps) -> list[Any]:
    tables = (schema.lines, schema.envelopes, schema.batches, schema.events)
    return [steps.rows(table) for table in tables]


def test_a_part_is_a_new_batch_under_the_same_claim(ledger: Ledger, claimed: Batch) -> None:
    part = started(ledger, claimed, 0, 2)

    assert part == replace(claimed, id=part.id, lines=claimed.lines[:2], parent=claimed.id)
    assert part.id != claimed.id


def test_a_parts_id_may_be_made_beforehand(ledger: Ledger, claimed: Batch) -> None:
    assert started(ledger, claimed, 0, 2, batch_id="p1").id == "p1"


def test_the_refused_batch_is_split_and_the_part_in_flight(steps: Steps, claimed: Batch) -> None:
    part = started(steps.ledger, claimed, 0, 2)

    told = ("state", "status", "lines", "parent", "claim", "envelope")
    assert {id_: [row[name] for name in told] for id_, row in steps.batches().items()} == {
        claimed.id: ["split", 422, 4, None, claimed.claim, claimed.envelope],
        part.id: ["sending", None, 2, claimed.id, claimed.claim, claimed.envelope],
    }


def test_the_parts_lines_move_and_the_rest_waits(steps: Steps, claimed: Batch) -> None:
    part = started(steps.ledger, claimed, 0, 2)

    assert [line["batch"] for line in steps.rows(schema.lines)] == [part.id] * 2 + [claimed.id] * 2
    assert steps.states() == ["sending"] * 4
    assert steps.moves()[-1] == ("split", "0-1")


def test_what_is_not_posted_yet_shares_the_renewed_lease(steps: Steps, claimed: Batch) -> None:
    part = started(steps.ledger, claimed, 0, 2, terms=replace(TERMS, lease_seconds=5000))

    leases = {id_: row["lease_until"] for id_, row in steps.batches().items()}
    assert abs((leases[claimed.id] - leases[part.id]).total_seconds()) < 60
    renewed = leases[part.id] - steps.batches()[part.id]["created_at"]
    assert renewed.total_seconds() > TERMS.lease_seconds


def test_a_refused_half_that_waits_shares_the_renewed_lease(steps: Steps, claimed: Batch) -> None:
    half = started(steps.ledger, claimed, 0, 2)
    started(steps.ledger, claimed, 2, 4, terms=replace(TERMS, lease_seconds=5000))

    now = steps.batches()
    assert now[half.id]["state"] == "split"
    assert (now[half.id]["lease_until"] - now[half.id]["created_at"]).total_seconds() > 4000


def test_a_batch_of_which_nothing_is_left_gets_no_lease_again(steps: Steps, claimed: Batch) -> None:
    first = started(steps.ledger, claimed, 0, 2)
    steps.settle(first, accepted=first.places)
    started(steps.ledger, claimed, 2, 4)

    leases = {id_: row["lease_until"] for id_, row in steps.batches().items()}
    assert (leases[first.id], leases[claimed.id]) == (None, None)


def test_parts_follow_one_another(steps: Steps, claimed: Batch) -> None:
    for start in (0, 2):
        part = started(steps.ledger, claimed, start, start + 2)
        steps.settle(part, accepted=part.places)

    assert steps.states() == ["accepted"] * 4
    states = [row["state"] for row in steps.batches().values()]
    assert sorted(states) == ["settled", "settled", "split"]


def test_a_part_of_a_part_stays_in_the_claim(steps: Steps, claimed: Batch) -> None:
    half = started(steps.ledger, claimed, 0, 2)
    single = started(steps.ledger, half, 0, 1)

    states = {id_: row["state"] for id_, row in steps.batches().items()}
    assert states == {claimed.id: "split", half.id: "split", single.id: "sending"}
    assert [line["batch"] for line in steps.rows(schema.lines)] == [
        single.id, half.id, claimed.id, claimed.id,
    ]  # fmt: skip


def test_each_part_takes_a_request(steps: Steps, claimed: Batch) -> None:
    started(steps.ledger, claimed, 0, 2)

    assert steps.requests_taken() == 2


# -- what keeps a part from going --------------------------------------------------------


@pytest.mark.parametrize("noticed", [True, False], ids=["in_doubt", "still_sending"])
def test_after_the_lease_nothing_is_split(steps: Steps, claimed: Batch, noticed: bool) -> None:
    steps.end_leases()
    if noticed:
        expire_leases(steps.ledger, actor=ACTOR)
    before = everything(steps)

    assert part_of(steps.ledger, claimed, 0, 2) == NotClaimed(Hindrance.LEASE_OVER)
    assert everything(steps) == before


@pytest.mark.parametrize("changed", ["state = 'in_doubt'", "batch = 'other'"])
def test_when_one_line_is_no_longer_ours_nothing_is_split(
    steps: Steps, claimed: Batch, changed: str
) -> None:
    steps.run_sql(f"update lines set {changed} where id = :id", id=claimed.lines[0].line)
    before = everything(steps)

    assert part_of(steps.ledger, claimed, 0, 2) == NotClaimed(Hindrance.LEASE_OVER)
    assert everything(steps) == before


def test_a_batch_that_a_backup_lost_is_not_split(steps: Steps, claimed: Batch) -> None:
    steps.run_sql("delete from batches")

    assert part_of(steps.ledger, claimed, 0, 2) == NotClaimed(Hindrance.LEASE_OVER)


def test_while_a_stop_stands_nothing_is_split(steps: Steps, claimed: Batch) -> None:
    stop_service(steps.ledger, hospital="HMSM", why="CAPTCHA", status=405, actor=ACTOR)
    before = everything(steps)

    assert part_of(steps.ledger, claimed, 0, 2) == NotClaimed(Hindrance.STOPPED)
    assert everything(steps) == before


def test_without_a_request_left_nothing_is_split(steps: Steps, claimed: Batch) -> None:
    before = everything(steps)
    hindered = part_of(steps.ledger, claimed, 0, 2, terms=replace(TERMS, requests_per_5_minutes=1))

    assert isinstance(hindered, NotClaimed)
    assert hindered.why is Hindrance.BUDGET_SPENT
    assert hindered.seconds > 0
    assert everything(steps) == before


def test_a_part_waits_while_its_survey_is_busy(steps: Steps, claimed: Batch) -> None:
    first = started(steps.ledger, claimed, 0, 2)
    steps.settle(first, accepted=first.places)
    steps.claim(steps.fill(1, start=20, unit=OTHER_UNIT))
    before = everything(steps)
    hindered = part_of(steps.ledger, claimed, 2, 4)

    assert isinstance(hindered, NotClaimed)
    assert hindered.why is Hindrance.SURVEY_BUSY
    assert 0 < hindered.seconds <= TERMS.lease_seconds
    assert everything(steps) == before


def test_a_part_that_fails_on_its_way_leaves_the_claim_as_it_was(
    steps: Steps, claimed: Batch
) -> None:
    before = everything(steps)
    with steps.refusing("batches", "insert"), pytest.raises(LedgerError):
        part_of(steps.ledger, claimed, 0, 2)

    assert everything(steps) == before


@pytest.mark.parametrize("committed", [True, False])
def test_a_lost_commit_of_a_part_is_told(steps: Steps, claimed: Batch, committed: bool) -> None:
    def lose(connection: Any) -> None:
        event.remove(steps.ledger.engine, "commit", lose)
        if committed:
            connection.connection.driver_connection.commit()
        raise OperationalError("COMMIT", {}, Exception("the connection is gone"))

    event.listen(steps.ledger.engine, "commit", lose)
    with pytest.raises(CommitUnknownError):
        part_of(steps.ledger, claimed, 0, 2, batch_id="p1")

    assert steps.batch_state("p1") is (BatchState.SENDING if committed else None)


# -- lines that may not go any more --------------------------------------------------------


def test_who_opts_out_between_two_parts_is_released(steps: Steps, claimed: Batch) -> None:
    first = started(steps.ledger, claimed, 0, 2)
    steps.settle(first, accepted=first.places)
    steps.opt_out("cpf:3")
    second = started(steps.ledger, claimed, 2, 4)

    assert second.lines == claimed.lines[3:]
    assert steps.states() == ["accepted", "accepted", "ready", "sending"]
    assert [line.place for line in steps.request(claimed.envelope).read.lines] == [2]
    assert steps.batches()[second.id]["lines"] == 1
    assert steps.counts_are_true()


def test_who_opted_out_is_excluded_by_the_next_claim(steps: Steps, claimed: Batch) -> None:
    steps.opt_out("cpf:1")
    started(steps.ledger, claimed, 0, 4)
    steps.run_sql("update batches set state = 'settled'")
    other = steps.claim(steps.fill(1, start=20))
    steps.settle(other, accepted=other.places)

    assert steps.try_claim(claimed.envelope) == NotClaimed(Hindrance.ALL_EXCLUDED)
    assert steps.rows(schema.lines)[0]["reason"] == "opt_out"


def test_who_may_be_asked_until_yesterday_is_released(steps: Steps) -> None:
    """Midnight came between two parts."""
    lines = [*people(1), *people(1, start=2, ask_until=TODAY)]
    claimed = steps.claim(steps.fill(lines))
    tomorrow = replace(TERMS, today=TODAY + timedelta(1))

    assert started(steps.ledger, claimed, 0, 2, terms=tomorrow).lines == claimed.lines[:1]
    assert steps.states() == ["sending", "ready"]


def test_whom_another_hospital_invited_meanwhile_is_released(steps: Steps) -> None:
    claimed = steps.claim(steps.fill(2))
    with steps.ledger.writing() as connection:
        connection.execute(schema.batches.update().values(survey="refused"))
    hers = Line(person="cpf:1", contact="email:else@example.test")
    # a rule of the house says that it cannot be: the claim itself bars her elsewhere
    other = steps.fill([hers], unit=replace(OTHER_UNIT, hospital="HMSM"))
    steps.run_sql("update lines set state = 'accepted', batch = :b where id / 1000 = :e",
            b=claimed.id, e=other)  # fmt: skip

    assert started(steps.ledger, claimed, 0, 2).lines == claimed.lines[1:]


def test_when_none_of_a_part_may_go_all_of_it_is_released(steps: Steps, claimed: Batch) -> None:
    steps.opt_out("cpf:1")
    steps.opt_out("cpf:2")

    assert part_of(steps.ledger, claimed, 0, 2) == NotClaimed(Hindrance.ALL_EXCLUDED)
    assert steps.states() == ["ready", "ready", "sending", "sending"]
    assert len(steps.batches()) == 1
    assert steps.counts_are_true()


def test_what_was_read_too_long_ago_is_released(steps: Steps, claimed: Batch) -> None:
    terms = replace(TERMS, extraction_max_age_hours=0.5)

    assert part_of(steps.ledger, claimed, 0, 2, terms=terms) == NotClaimed(Hindrance.OUTDATED)
    assert steps.states() == ["ready", "ready", "sending", "sending"]


def test_a_split_of_which_all_is_released_has_no_lease(steps: Steps) -> None:
    claimed = steps.claim(steps.fill(1))
    steps.opt_out("cpf:1")
    part_of(steps.ledger, claimed, 0, 1)

    row = steps.batches()[claimed.id]
    assert (row["state"], row["lease_until"]) == ("split", None)


# -- the rest of a claim ----------------------------------------------------------------


def test_a_doubt_about_a_part_leaves_the_rest_of_the_claim(steps: Steps, claimed: Batch) -> None:
    part = started(steps.ledger, claimed, 0, 2)
    steps.mark_in_doubt(part, status=502)

    assert steps.states() == ["in_doubt", "in_doubt", "sending", "sending"]
    steps.settle(claimed, released=[2, 3], batch_state=BatchState.SPLIT)
    assert steps.states() == ["in_doubt", "in_doubt", "ready", "ready"]
    assert steps.batches()[part.id]["state"] == "in_doubt"
