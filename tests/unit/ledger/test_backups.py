"""After a backup was put back nobody is asked twice because the ledger has forgotten it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest
from reading_steps import (
    DAY,
    OTHER_RUN,
    RUN,
    TERMS,
    TODAY,
    apply,
    change,
    events_of,
    identities_of,
    invited,
    leave,
    line_of,
    lines_of,
    not_invited,
    read_day,
    rows_of,
    stage,
    stands,
)
from sqlalchemy import select

from track_dispatch.errors import ConfigError
from track_dispatch.ledger import schema
from track_dispatch.ledger.backups import require_extractable, restore
from track_dispatch.ledger.batches import in_doubt_batches
from track_dispatch.ledger.contact_policy import come_back
from track_dispatch.ledger.creation import require_same_server
from track_dispatch.ledger.decisions import Decision, decide_batch
from track_dispatch.ledger.sql import moment_in
from track_dispatch.records import Area, HospitalDay
from track_dispatch.states import Reason, Verb

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger

BACKUP = datetime(2026, 3, 11, 3, tzinfo=UTC)
RESTORED = Decision(Verb.RESTORED, decided_by="rui", why="disco trocado")
UNSENT = Decision(Verb.SETTLE_UNSENT, decided_by="ana", why="não está no Track")
SENT = Decision(Verb.SETTLE_SENT, decided_by="ana", why="está no Track")


def put_back(ledger: Ledger) -> int:
    return restore(ledger, as_of=BACKUP, decision=RESTORED)


def decide(ledger: Ledger, decision: Decision) -> None:
    """Decide about the only batch in doubt."""
    with ledger.reading() as connection:
        (doubt,) = in_doubt_batches(connection)
    decide_batch(ledger, doubt.id, decision, today=TODAY)


def test_whatever_waits_is_in_doubt_in_one_batch_for_each_unit(ledger: Ledger) -> None:
    read_day(ledger, invited(1), invited(2), invited(3, Area.EXAMES), not_invited(4))
    change(ledger, "update lines set state = 'held' where attendance_id = '1'")
    change(ledger, "update lines set state = 'reopened' where attendance_id = '2'")

    assert put_back(ledger) == 3

    assert stands(ledger) == [("in_doubt", None)] * 3 + [("excluded", "no_contact")]
    assert [line.payload for line in lines_of(ledger)] == [None] * 4
    with ledger.reading() as connection:
        doubts = in_doubt_batches(connection)
    assert sorted((one.area, one.lines, one.posted_lines, one.restored) for one in doubts) == [
        ("EXAMES", 1, 1, True),
        ("INTERNACAO", 2, 2, True),
    ]
    (decision,) = rows_of(ledger, schema.decisions)
    assert (decision["as_of"], decision["lines"], decision["decided_by"]) == (BACKUP, 3, "rui")


@pytest.mark.parametrize("state", ["sending", "accepted", "refused", "excluded", "abandoned"])
def test_what_does_not_wait_stays_as_it_is(ledger: Ledger, state: str) -> None:
    read_day(ledger, invited(1))
    leave(ledger, state)

    assert put_back(ledger) == 0
    assert line_of(ledger).state == state


def test_a_backup_is_not_of_tomorrow(ledger: Ledger) -> None:
    read_day(ledger, invited(1))
    with ledger.reading() as connection:
        tomorrow = connection.execute(select(moment_in(86_400))).scalar_one()

    with pytest.raises(ConfigError, match="still to come"):
        restore(ledger, as_of=tomorrow, decision=RESTORED)

    assert stands(ledger) == [("ready", None)]


def test_such_a_doubt_is_settled_as_sent(ledger: Ledger) -> None:
    read_day(ledger, invited(1), invited(2))
    put_back(ledger)
    decide(ledger, SENT)

    assert stands(ledger) == [("accepted", None)] * 2


def test_what_a_person_says_was_not_sent_is_read_again_and_ready(ledger: Ledger) -> None:
    read_day(ledger, invited(1))
    put_back(ledger)
    decide(ledger, UNSENT)
    reopened = line_of(ledger).state
    read_day(ledger, invited(1), actor=OTHER_RUN)

    assert (reopened, line_of(ledger).state) == ("reopened", "ready")
    assert line_of(ledger).payload is not None


# --- days before the restore, read anew -----------------------------------------------------


def test_an_attendance_that_the_ledger_forgot_is_in_doubt(ledger: Ledger) -> None:
    """A late line of Sunday, sent on Tuesday; Monday's backup put back; Sunday read again."""
    read_day(ledger, not_invited(1))
    put_back(ledger)
    read_day(ledger, not_invited(1), invited(2), invited(3), invited(4, Area.EXAMES))

    assert stands(ledger) == [("excluded", "no_contact")] + [("in_doubt", None)] * 3
    assert not any(line.payload for line in lines_of(ledger))
    with ledger.reading() as connection:
        doubts = in_doubt_batches(connection)
    assert sorted((one.area, one.lines, one.restored) for one in doubts) == [
        ("EXAMES", 1, True),
        ("INTERNACAO", 2, True),
    ]
    assert identities_of(ledger, lines_of(ledger)[1].id) != set()
    assert events_of(ledger)[-1][:2] == ("restored", "in_doubt")


@pytest.mark.parametrize(
    ("state", "reason"), [("excluded", "no_contact"), ("refused", "refused_4xx")]
)
def test_what_a_reading_would_wake_is_in_doubt(ledger: Ledger, state: str, reason: str) -> None:
    """It may have been corrected, and sent, after the backup."""
    read_day(ledger, invited(1, name="ANTES"))
    leave(ledger, state, reason=reason)
    put_back(ledger)
    read_day(ledger, invited(1), actor=OTHER_RUN)

    line = line_of(ledger)
    assert (line.state, line.payload) == ("in_doubt", None)
    event = rows_of(ledger, schema.events)[-1]
    assert (event["transition"], event["batch"]) == ("restored", line.batch)
    assert (event["decision"], event["came_from"] is not None) == (
        rows_of(ledger, schema.decisions)[0]["id"],
        True,
    )


def test_what_stays_excluded_is_not_doubted(ledger: Ledger) -> None:
    read_day(ledger, not_invited(1))
    put_back(ledger)
    read_day(ledger, not_invited(1, Reason.DEATH))

    assert stands(ledger) == [("excluded", "death")]


def test_a_day_that_was_not_over_is_as_good_as_ever(ledger: Ledger) -> None:
    put_back(ledger)
    later = HospitalDay("HMS", date(2999, 1, 1))
    read_day(ledger, invited(1), day=later, terms=replace(TERMS, ask_until=None))

    assert stands(ledger) == [("ready", None)]


def test_another_unit_of_the_same_reading_has_a_batch_of_its_own_each_time(
    ledger: Ledger,
) -> None:
    put_back(ledger)
    read_day(ledger, invited(1))
    read_day(ledger, invited(1), invited(2), actor=OTHER_RUN)

    first, second = lines_of(ledger)
    assert (first.state, second.state) == ("in_doubt", "in_doubt")
    assert first.batch != second.batch


# --- who is trusted -------------------------------------------------------------------------


def test_what_was_reopened_and_then_excluded_is_trusted_when_it_wakes(ledger: Ledger) -> None:
    read_day(ledger, invited(1))
    put_back(ledger)
    decide(ledger, UNSENT)
    read_day(ledger, not_invited(1), actor=OTHER_RUN)
    excluded = line_of(ledger).state
    read_day(ledger, invited(1), actor=replace(OTHER_RUN, run_id="manual__3"))

    assert (excluded, line_of(ledger).state) == ("excluded", "ready")


def test_what_was_sent_and_refused_since_is_trusted_when_it_is_mended(ledger: Ledger) -> None:
    read_day(ledger, invited(1))
    put_back(ledger)
    change(
        ledger,
        "insert into batches (id, claim, survey, state, lines, validity_at, created_at, changed_at)"
        " select 'b-9', 'c', 's', 'settled', 1, 0, at, at from decisions",
    )
    leave(ledger, "refused", reason="refused_4xx", batch="b-9")
    read_day(ledger, invited(1, email="mended@example.test"), actor=OTHER_RUN)

    assert line_of(ledger).state == "ready"


def test_what_came_back_by_itself_is_not_trusted(ledger: Ledger) -> None:
    """It may have come back, and been sent, in the time that is lost."""
    read_day(ledger, invited(1), invited(2, email="p1@example.test"))
    change(ledger, "update lines set state = 'excluded', reason = 'contact_cap'")
    put_back(ledger)
    first = lines_of(ledger)[0].id
    with ledger.writing() as connection:
        assert come_back(connection, ledger.keys, [first], actor=RUN) == 1
    read_day(ledger, not_invited(1), invited(2, email="p1@example.test"), actor=OTHER_RUN)

    assert stands(ledger) == [("excluded", "no_contact"), ("in_doubt", None)]


def test_a_second_restore_takes_the_trust_back(ledger: Ledger) -> None:
    read_day(ledger, invited(1))
    put_back(ledger)
    decide(ledger, UNSENT)
    read_day(ledger, not_invited(1), actor=OTHER_RUN)
    put_back(ledger)
    read_day(ledger, invited(1), actor=replace(OTHER_RUN, run_id="manual__3"))

    assert line_of(ledger).state == "in_doubt"


def test_a_retry_of_transform_after_the_restore_is_no_new_application(ledger: Ledger) -> None:
    extraction = read_day(ledger, invited(1))
    put_back(ledger)

    assert apply(ledger, (extraction, [invited(1)])) == [False]
    assert line_of(ledger).state == "in_doubt"


# --- what the ledger does not know at all ---------------------------------------------------


def test_a_day_whose_lines_were_deleted_is_refused(ledger: Ledger) -> None:
    change(
        ledger,
        "insert into horizons (hospital, first_known_day) values ('HMS', '2026-03-11')",
    )
    extraction = stage(ledger, invited(1))

    with pytest.raises(ConfigError, match="HMS 2026-03-10: the lines of this day were deleted"):
        apply(ledger, (extraction, [invited(1)]))
    with ledger.reading() as connection:
        require_extractable(connection, DAY._replace(hospital="OTOA"))
        require_extractable(connection, DAY._replace(business_day=date(2026, 3, 11)))


def test_the_server_that_took_over_is_accepted_once_a_person_declared_it(
    postgresql_ledger: Ledger,
) -> None:
    ledger = postgresql_ledger
    change(ledger, "update ledger set system_identifier = '1', timeline = 1")
    with ledger.reading() as connection, pytest.raises(ConfigError, match="another one than"):
        require_same_server(connection)

    put_back(ledger)

    with ledger.reading() as connection:
        require_same_server(connection)
    change(ledger, "update ledger set system_identifier = null, timeline = null")
