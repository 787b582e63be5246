"""After a backup was put back nobody is asked twice because the ledger has forgotten it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from tests.unit.ledger.reading_steps import DAY, OTHER_RUN, RUN, TERMS, TODAY, invited, not_invited
from tests.unit.ledger.steps import Steps
from track_dispatch.errors import ConfigError
from track_dispatch.ledger import schema
from track_dispatch.ledger.backups import require_extractable, restore
from track_dispatch.ledger.contact_policy import come_back
from track_dispatch.ledger.creation import require_same_server
from track_dispatch.ledger.decisions import Decision, decide_batch
from track_dispatch.ledger.in_doubt import in_doubt_batches
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


def test_whatever_waits_is_in_doubt_in_one_batch_for_each_unit(steps: Steps) -> None:
    steps.read(invited(1), invited(2), invited(3, Area.EXAMES), not_invited(4))
    steps.run_sql("update lines set state = 'held' where attendance_id = '1'")
    steps.run_sql("update lines set state = 'reopened' where attendance_id = '2'")

    assert put_back(steps.ledger) == 3

    assert steps.stands() == [("in_doubt", None)] * 3 + [("excluded", "no_contact")]
    assert [line.payload for line in steps.lines()] == [None] * 4
    with steps.ledger.reading() as connection:
        doubts = in_doubt_batches(connection)
    assert sorted((one.area, one.lines, one.posted_lines, one.restored) for one in doubts) == [
        ("EXAMES", 1, 1, True),
        ("INTERNACAO", 2, 2, True),
    ]
    (decision,) = steps.rows(schema.decisions)
    assert (decision["as_of"], decision["lines"], decision["decided_by"]) == (BACKUP, 3, "rui")


@pytest.mark.parametrize("state", ["sending", "accepted", "refused", "excluded", "abandoned"])
def test_what_does_not_wait_stays_as_it_is(steps: Steps, state: str) -> None:
    steps.read(invited(1))
    steps.leave(state)

    assert put_back(steps.ledger) == 0
    assert steps.line().state == state


def test_a_backup_is_not_of_tomorrow(steps: Steps) -> None:
    steps.read(invited(1))
    with steps.ledger.reading() as connection:
        tomorrow = connection.execute(select(moment_in(86_400))).scalar_one()

    with pytest.raises(ConfigError, match="still to come"):
        restore(steps.ledger, as_of=tomorrow, decision=RESTORED)

    assert steps.stands() == [("ready", None)]


def test_such_a_doubt_is_settled_as_sent(steps: Steps) -> None:
    steps.read(invited(1), invited(2))
    put_back(steps.ledger)
    decide(steps.ledger, SENT)

    assert steps.stands() == [("accepted", None)] * 2


def test_what_a_person_says_was_not_sent_is_read_again_and_ready(steps: Steps) -> None:
    steps.read(invited(1))
    put_back(steps.ledger)
    decide(steps.ledger, UNSENT)
    reopened = steps.line().state
    steps.read(invited(1), actor=OTHER_RUN)

    assert (reopened, steps.line().state) == ("reopened", "ready")
    assert steps.line().payload is not None


# --- days before the restore, read anew -----------------------------------------------------


def test_an_attendance_that_the_ledger_forgot_is_in_doubt(steps: Steps) -> None:
    """A late line of Sunday, sent on Tuesday; Monday's backup put back; Sunday read again."""
    steps.read(not_invited(1))
    put_back(steps.ledger)
    steps.read(not_invited(1), invited(2), invited(3), invited(4, Area.EXAMES))

    assert steps.stands() == [("excluded", "no_contact")] + [("in_doubt", None)] * 3
    assert not any(line.payload for line in steps.lines())
    with steps.ledger.reading() as connection:
        doubts = in_doubt_batches(connection)
    assert sorted((one.area, one.lines, one.restored) for one in doubts) == [
        ("EXAMES", 1, True),
        ("INTERNACAO", 2, True),
    ]
    assert steps.identities(steps.lines()[1].id) != set()
    assert steps.events()[-1][:2] == ("restored", "in_doubt")


@pytest.mark.parametrize(
    ("state", "reason"), [("excluded", "no_contact"), ("refused", "refused_4xx")]
)
def test_what_a_reading_would_wake_is_in_doubt(steps: Steps, state: str, reason: str) -> None:
    """It may have been corrected, and sent, after the backup."""
    steps.read(invited(1, name="ANTES"))
    steps.leave(state, reason=reason)
    put_back(steps.ledger)
    steps.read(invited(1), actor=OTHER_RUN)

    line = steps.line()
    assert (line.state, line.payload) == ("in_doubt", None)
    event = steps.rows(schema.events)[-1]
    assert (event["transition"], event["batch"]) == ("restored", line.batch)
    assert (event["decision"], event["came_from"] is not None) == (
        steps.rows(schema.decisions)[0]["id"],
        True,
    )


def test_what_stays_excluded_is_not_doubted(steps: Steps) -> None:
    steps.read(not_invited(1))
    put_back(steps.ledger)
    steps.read(not_invited(1, Reason.DEATH))

    assert steps.stands() == [("excluded", "death")]


def test_a_day_that_was_not_over_is_as_good_as_ever(steps: Steps) -> None:
    put_back(steps.ledger)
    later = HospitalDay("HMS", date(2999, 1, 1))
    steps.read(invited(1), day=later, terms=replace(TERMS, ask_until=None))

    assert steps.stands() == [("ready", None)]


def test_another_unit_of_the_same_reading_has_a_batch_of_its_own_each_time(
    steps: Steps,
) -> None:
    put_back(steps.ledger)
    steps.read(invited(1))
    steps.read(invited(1), invited(2), actor=OTHER_RUN)

    first, second = steps.lines()
    assert (first.state, second.state) == ("in_doubt", "in_doubt")
    assert first.batch != second.batch


# --- who is trusted -------------------------------------------------------------------------


def test_what_was_reopened_and_then_excluded_is_trusted_when_it_wakes(steps: Steps) -> None:
    steps.read(invited(1))
    put_back(steps.ledger)
    decide(steps.ledger, UNSENT)
    steps.read(not_invited(1), actor=OTHER_RUN)
    excluded = steps.line().state
    steps.read(invited(1), actor=replace(OTHER_RUN, run_id="manual__3"))

    assert (excluded, steps.line().state) == ("excluded", "ready")


def test_what_was_sent_and_refused_since_is_trusted_when_it_is_mended(steps: Steps) -> None:
    steps.read(invited(1))
    put_back(steps.ledger)
    steps.run_sql(
        "insert into batches (id, claim, survey, state, lines, validity_at, created_at, changed_at)"
        " select 'b-9', 'c', 's', 'settled', 1, 0, at, at from decisions",
    )
    steps.leave("refused", reason="refused_4xx", batch="b-9")
    steps.read(invited(1, email="mended@example.test"), actor=OTHER_RUN)

    assert steps.line().state == "ready"


def test_what_came_back_by_itself_is_not_trusted(steps: Steps) -> None:
    """It may have come back, and been sent, in the time that is lost."""
    steps.read(invited(1), invited(2, email="p1@example.test"))
    steps.run_sql("update lines set state = 'excluded', reason = 'contact_cap'")
    put_back(steps.ledger)
    first = steps.lines()[0].id
    with steps.ledger.writing() as connection:
        assert come_back(connection, steps.ledger.keys, [first], actor=RUN) == 1
    steps.read(not_invited(1), invited(2, email="p1@example.test"), actor=OTHER_RUN)

    assert steps.stands() == [("excluded", "no_contact"), ("in_doubt", None)]


def test_a_second_restore_takes_the_trust_back(steps: Steps) -> None:
    steps.read(invited(1))
    put_back(steps.ledger)
    decide(steps.ledger, UNSENT)
    steps.read(not_invited(1), actor=OTHER_RUN)
    put_back(steps.ledger)
    steps.read(invited(1), actor=replace(OTHER_RUN, run_id="manual__3"))

    assert steps.line().state == "in_doubt"


def test_a_retry_of_transform_after_the_restore_is_no_new_application(steps: Steps) -> None:
    extraction = steps.read(invited(1))
    put_back(steps.ledger)

    assert steps.transform((extraction, [invited(1)])) == [False]
    assert steps.line().state == "in_doubt"


# --- what the ledger does not know at all ---------------------------------------------------


def test_a_day_whose_lines_were_deleted_is_refused(steps: Steps) -> None:
    steps.run_sql(
        "insert into horizons (hospital, first_known_day) values ('HMS', '2026-03-11')",
    )
    extraction = steps.extract(invited(1))

    with pytest.raises(ConfigError, match="HMS 2026-03-10: the lines of this day were deleted"):
        steps.transform((extraction, [invited(1)]))
    with steps.ledger.reading() as connection:
        require_extractable(connection, DAY._replace(hospital="OTOA"))
        require_extractable(connection, DAY._replace(business_day=date(2026, 3, 11)))


def test_the_server_that_took_over_is_accepted_once_a_person_declared_it(
    postgresql_steps: Steps,
) -> None:
    steps = postgresql_steps
    steps.run_sql("update ledger set system_identifier = '1', timeline = 1")
    with steps.ledger.reading() as connection, pytest.raises(ConfigError, match="another one than"):
        require_same_server(connection)

    put_back(steps.ledger)

    with steps.ledger.reading() as connection:
        require_same_server(connection)
    steps.run_sql("update ledger set system_identifier = null, timeline = null")
