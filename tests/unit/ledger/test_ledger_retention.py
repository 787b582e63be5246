"""What has had its time leaves the ledger; what waits for somebody never does."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert, select

from tests.unit.ledger.put_steps import DAY, HMS_DAY, HOUR, TODAY, patient
from track_dispatch.errors import ConfigError
from track_dispatch.ledger import retention, schema
from track_dispatch.ledger.backups import require_extractable
from track_dispatch.ledger.extractions import run_work
from track_dispatch.ledger.history import attendance_history
from track_dispatch.ledger.sql import moment_in
from track_dispatch.ledger.views import day_counts
from track_dispatch.records import Actor, HospitalDay

if TYPE_CHECKING:
    from tests.unit.ledger.steps import Steps
    from track_dispatch.ledger.database import Ledger

KEEPER = Actor("housekeeping", run_id="scheduled__1", try_number=1)
NEXT = HospitalDay("HMS", TODAY)
OTOA_DAY = HospitalDay("OTOA", DAY)


def expire(ledger: Ledger, hospital: str = "HMS", today: date = TODAY) -> int:
    return retention.expire_past(ledger, hospital=hospital, today=today, actor=KEEPER)


def stage(ledger: Ledger, extraction: str) -> None:
    with ledger.writing() as connection:
        connection.execute(
            insert(schema.staged).values(extraction=extraction, chunk=0, ids=b"x", payload=b"x")
        )


# -- what waits --------------------------------------------------------------------


@pytest.mark.parametrize("state", ["ready", "held", "reopened"])
def test_what_waits_expires_after_its_last_day(steps: Steps, state: str) -> None:
    steps.put_lines(2, state, ask_until=TODAY)

    on_its_last_day = expire(steps.ledger)
    elsewhere = expire(steps.ledger, "OTOA", TODAY + timedelta(days=1))
    afterwards = expire(steps.ledger, today=TODAY + timedelta(days=1))

    assert (on_its_last_day, elsewhere, afterwards) == (0, 0, 2)
    assert steps.fates() == {"excluded expired": 2}
    assert steps.payloads() == [False]
    assert steps.rows(schema.events)[-1]["transition"] == "expired"


def test_each_line_has_its_own_last_day(steps: Steps) -> None:
    """A person who included old ones gave them more time: the night must not undo it."""
    steps.put_lines(1, ask_until=TODAY - timedelta(days=1))
    steps.put_lines(1, ask_until=TODAY + timedelta(days=9), first=5)
    steps.put_lines(1, ask_until=None, first=9)

    assert expire(steps.ledger) == 1
    assert steps.states() == ["excluded", "ready", "ready"]


def test_lines_of_one_envelope_expire_each_for_itself(steps: Steps) -> None:
    put = steps.put_lines(3, ask_until=TODAY)
    steps.run_sql("update lines set ask_until = '2026-03-01' where id = :id", id=put.ids[1])

    assert expire(steps.ledger) == 1
    assert steps.states() == ["ready", "excluded", "ready"]
    assert steps.payloads() == [True]


@pytest.mark.parametrize("state", ["sending", "in_doubt", "accepted", "refused", "abandoned"])
def test_what_does_not_wait_never_expires(steps: Steps, state: str) -> None:
    steps.put_batch(1, state, ask_until=date(2020, 1, 1))

    assert expire(steps.ledger) == 0
    assert steps.states() == [state]


def test_many_envelopes_expire_part_by_part(steps: Steps) -> None:
    for number in range(4):
        steps.put_lines(150, first=1000 * number + 1, ask_until=DAY)

    assert expire(steps.ledger) == 600
    assert steps.fates() == {"excluded expired": 600}


def test_who_stood_back_for_what_expired_comes_back(steps: Steps) -> None:
    steps.put_lines(1, ask_until=DAY)
    steps.put_lines(1, "excluded", first=5, patients=[patient(1)], reason="same_person")

    expire(steps.ledger)

    assert steps.fates() == {"excluded expired": 1, "reopened": 1}


# -- payloads ----------------------------------------------------------------------


@pytest.mark.parametrize(("hours", "old"), [(35.9, False), (36.1, True)])
def test_a_payload_that_is_too_old_to_be_sent_is_dropped(
    steps: Steps, hours: float, *, old: bool
) -> None:
    extraction = steps.put_extraction(4, hours_old=hours)
    steps.put_lines(2, extraction=extraction)
    steps.put_lines(2, "held", extraction=extraction, first=9, question=1)

    done = retention.drop_old_payloads(steps.ledger, max_age_hours=36, actor=KEEPER)

    assert done == ((2, 2) if old else (0, 0))
    assert steps.states() == (["reopened"] * 2 if old else ["ready"] * 2) + ["held"] * 2
    assert steps.payloads() == [not old, not old]
    assert retention.drop_old_payloads(steps.ledger, max_age_hours=36, actor=KEEPER) == (0, 0)


def test_a_held_line_stays_held_in_an_envelope_whose_ready_ones_leave(steps: Steps) -> None:
    extraction = steps.put_extraction(3, hours_old=99)
    put = steps.put_lines(3, extraction=extraction)
    steps.run_sql("update lines set state = 'held' where id = :id", id=put.ids[1])

    assert retention.drop_old_payloads(steps.ledger, max_age_hours=36, actor=KEEPER) == (2, 1)

    (envelope,) = steps.rows(schema.envelopes)
    told = (envelope["waiting"], envelope["reopened"], envelope["payload"])
    assert (told, steps.states()) == ((1, 2, None), ["reopened", "held", "reopened"])


# -- staged rows -------------------------------------------------------------------


def test_rows_that_nobody_transformed_are_erased_after_three_days(steps: Steps) -> None:
    stage(steps.ledger, steps.put_extraction(1, hours_old=71, applied_at=None))
    too_early = retention.erase_staged(steps.ledger)
    steps.run_sql("delete from staged")
    stage(steps.ledger, steps.put_extraction(1, hours_old=73, applied_at=None))

    assert (too_early, retention.erase_staged(steps.ledger)) == (0, 1)
    assert steps.rows(schema.staged, "chunk") == []


def test_an_extraction_without_its_rows_is_not_applied_as_an_empty_day(steps: Steps) -> None:
    """It would say that the day has no patients, and take away whatever is ready."""
    stage(steps.ledger, steps.put_extraction(1, hours_old=99, applied_at=None))
    retention.erase_staged(steps.ledger)

    assert steps.newest_extraction(HMS_DAY, run_id="run-1") is None
    with steps.ledger.reading() as connection:
        (work,) = run_work(connection, hospital="HMS", run_ids=["run-1"])
    assert not work.extracted


@pytest.mark.parametrize("left_over", [False, True])
def test_an_applied_extraction_stays_complete(steps: Steps, *, left_over: bool) -> None:
    extraction = steps.put_extraction(1, hours_old=99)
    if left_over:
        stage(steps.ledger, extraction)

    assert retention.erase_staged(steps.ledger) == left_over
    assert steps.rows(schema.extractions)[0]["completed_at"] is not None


# -- settled lines -----------------------------------------------------------------


def anonymise(ledger: Ledger, before: date = NEXT.business_day, days: float = 60) -> int:
    return retention.anonymise(ledger, hospital="HMS", before=before, days=days)


def settled(steps: Steps, state: str = "accepted", *, days_old: float = 61, **more: Any) -> None:
    steps.put_batch(2, state, batch_state="settled", lease=None, hours_old=days_old * 24, **more)


def test_a_settled_line_keeps_only_what_proves_that_it_was(steps: Steps) -> None:
    settled(steps)
    before = steps.rows(schema.lines)[0]

    assert anonymise(steps.ledger) == 2

    after = steps.rows(schema.lines)[0]
    assert {name for name in before if before[name] != after[name]} == {"digest"}
    assert steps.rows(schema.identities, "line") == []
    assert [row["survey"] for row in steps.rows(schema.batches)] == [""]
    with steps.ledger.reading() as connection:
        (count,) = day_counts(connection, [HMS_DAY])[HMS_DAY]
        life = attendance_history(connection, source="hms", attendance_id="900000001")
    assert (count.area, count.channel, count.state, count.lines) == ("", "", "accepted", 2)
    assert life is not None
    assert (life.area, life.business_day, life.state) == ("", DAY, "accepted")
    assert [step.batch for step in life.steps] == [after["batch"]]
    assert anonymise(steps.ledger) == 0


@pytest.mark.parametrize(
    ("days_old", "before", "anonymised"),
    [(61, TODAY, 2), (59, TODAY, 0), (61, DAY, 0)],
    ids=["old", "asked lately", "of a day that is not old"],
)
def test_a_line_is_anonymised_when_its_day_and_its_last_batch_are_old(
    steps: Steps, days_old: float, before: date, anonymised: int
) -> None:
    settled(steps, days_old=days_old)

    assert anonymise(steps.ledger, before) == anonymised


def test_who_was_never_asked_is_anonymised_by_the_day(steps: Steps) -> None:
    steps.put_lines(1, "excluded", channel="", reason="contact_cap")

    assert anonymise(steps.ledger) == 1
    assert steps.rows(schema.identities, "line") == []


@pytest.mark.parametrize("state", ["ready", "held", "reopened", "in_doubt", "sending"])
def test_a_unit_that_waits_for_somebody_is_not_anonymised(steps: Steps, state: str) -> None:
    settled(steps)
    if state in {"in_doubt", "sending"}:
        steps.put_batch(1, state, batch_state=state, lease=None, hours_old=9999, first=9)
    else:
        steps.put_lines(1, state, first=9)

    assert anonymise(steps.ledger) == 0


def test_a_moved_line_loses_the_identities_that_its_id_has(steps: Steps) -> None:
    put = steps.put_lines(1, "accepted", day=NEXT)
    steps.put_move(put, day=HMS_DAY, state="accepted")

    assert anonymise(steps.ledger) == 1
    assert steps.rows(schema.identities, "line") == []


def test_other_hospitals_keep_theirs(steps: Steps) -> None:
    settled(steps, day=OTOA_DAY)

    assert anonymise(steps.ledger) == 0


# -- days --------------------------------------------------------------------------


def purge(ledger: Ledger, first: date = TODAY, hospital: str = "HMS") -> int:
    return retention.purge(ledger, hospital=hospital, first_known_day=first)


def test_days_before_the_horizon_go_with_all_that_hangs_on_them(steps: Steps) -> None:
    settled(steps)
    steps.put_lines(1, "excluded", channel="", reason="no_contact", first=9)
    stage(steps.ledger, steps.put_extraction(1, applied_at=None))
    steps.put_question(5, answer="rejected")
    steps.put_lines(1, "accepted", first=20, day=NEXT)
    steps.put_extraction(1, day=NEXT)

    assert purge(steps.ledger) == 3

    with steps.ledger.reading() as connection:
        counts = day_counts(connection, [HMS_DAY, NEXT])
        for table in (schema.staged, schema.batches, schema.approvals):
            assert connection.execute(select(table)).all() == []
    assert (counts[HMS_DAY], len(counts[NEXT])) == ((), 1)
    assert [row["business_day"] for row in steps.rows(schema.units)] == [TODAY]
    assert [row["business_day"] for row in steps.rows(schema.extractions)] == [TODAY]
    for name in ("lines", "envelopes", "events"):
        assert len(steps.rows(schema.metadata.tables[name])) == 1
    assert len(steps.rows(schema.identities, "line")) == 3


def test_of_who_was_asked_a_hash_of_the_attendance_stays(steps: Steps) -> None:
    """The ERP may give it another day, and it would be new."""
    settled(steps)
    steps.put_lines(1, "excluded", channel="", reason="no_contact", first=9)

    purge(steps.ledger)

    kept = steps.rows(schema.forgotten, "line")
    asked = [f"{900_000_001 + number}" for number in range(2)]
    hashes = {steps.ledger.keys.attendance_hashes(number)[0].hash for number in asked}
    assert {row["hash"] for row in kept} == hashes
    assert {row["source"] for row in kept} == {"hms"}
    assert not any(number in str(kept) for number in asked)


@pytest.mark.parametrize("state", ["ready", "held", "reopened", "in_doubt", "sending"])
def test_a_day_that_waits_for_somebody_stays_whole(steps: Steps, state: str) -> None:
    steps.put_lines(1, "excluded", channel="", reason="no_contact", first=9)
    if state in {"in_doubt", "sending"}:
        steps.put_batch(1, state, batch_state=state, lease=None)
    else:
        steps.put_lines(1, state)

    assert purge(steps.ledger) == 0
    assert sorted(steps.states()) == sorted(["excluded", state])


def test_other_hospitals_keep_their_days(steps: Steps) -> None:
    settled(steps)

    assert purge(steps.ledger, hospital="OTOA") == 0
    assert steps.states() == ["accepted"] * 2


def test_a_purged_day_is_refused_for_good(ledger: Ledger) -> None:
    purge(ledger)
    purge(ledger, DAY)  # a longer retention later

    with ledger.reading() as connection:
        with pytest.raises(ConfigError, match="ledger_retention_days"):
            require_extractable(connection, HMS_DAY)
        require_extractable(connection, NEXT)
        require_extractable(connection, OTOA_DAY)


@pytest.mark.parametrize("state", ["ready", "held", "reopened", "in_doubt"])
def test_a_day_that_stays_whole_may_be_read_until_nothing_waits_there(
    steps: Steps, state: str
) -> None:
    """Without `max_age_days` its lines wait for good: refused, no decision could end them."""
    if state == "in_doubt":
        steps.put_batch(1, state, batch_state=state, lease=None)
    else:
        steps.put_lines(1, state)
    purge(steps.ledger)

    with steps.ledger.reading() as connection:
        require_extractable(connection, HMS_DAY)

    steps.run_sql("update lines set state = 'excluded', reason = 'gone'")
    steps.run_sql("update envelopes set waiting = 0, reopened = 0, payload = null")
    steps.run_sql("update batches set state = 'settled', lease_until = null")
    purge(steps.ledger)

    with steps.ledger.reading() as connection, pytest.raises(ConfigError, match="were deleted"):
        require_extractable(connection, HMS_DAY)


def test_hospitals_are_known_by_the_ledger_itself(steps: Steps) -> None:
    steps.put_lines(1)
    steps.put_lines(1, day=OTOA_DAY)

    with steps.ledger.reading() as connection:
        assert retention.known_hospitals(connection) == ["HMS", "OTOA"]


def test_ages_are_counted_by_the_databases_clock(steps: Steps) -> None:
    extraction = steps.put_extraction(1, started_at=moment_in(-37 * HOUR))
    steps.put_lines(1, extraction=extraction)

    assert retention.drop_old_payloads(steps.ledger, max_age_hours=36, actor=KEEPER).reopened == 1
