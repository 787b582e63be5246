"""After a backup was put back nobody is asked twice because the ledger has forgotten it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from ledger_steps import (
    DAY,
    NOBODY,
    UNIT,
    apply,
    batches_of,
    events_of,
    fill,
    invited,
    let_the_clock_tick,
    lines_of,
    not_invited,
    read_day,
    rows_of,
    sql,
    stage,
    states_of,
    take,
)

from track_dispatch.errors import ConfigError
from track_dispatch.ledger import schema
from track_dispatch.ledger.deciding import release_day, settle_doubt
from track_dispatch.ledger.doubts import doubts
from track_dispatch.ledger.reclaiming import reclaim
from track_dispatch.ledger.restoring import allow_day, require_extractable, restore
from track_dispatch.records import Decision, Verb

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger

BACKUP = datetime(2026, 3, 11, 3, tzinfo=UTC)
RESTORED = Decision(Verb.RESTORED, person="rui", why="disco trocado")
RELEASE = Decision(Verb.RELEASE, person="ana", why="conferido no Track")
ALLOW = Decision(Verb.ALLOW_DAY, person="ana", why="não saiu nada")
AGAIN = Decision(Verb.SEND_AGAIN, person="ana", why="não está no Track")
SENT = Decision(Verb.SETTLE_SENT, person="ana", why="está no Track")
UNKNOWN_DAY = date(2026, 3, 12)


def put_back(ledger: Ledger) -> int:
    let_the_clock_tick(ledger)
    return restore(ledger, as_of=BACKUP, decision=RESTORED)


def test_whatever_waits_is_in_doubt_in_one_batch_for_each_unit(ledger: Ledger) -> None:
    fill(ledger, 3)
    sql(ledger, "update lines set area = 'EXAMES' where id = (select max(id) from lines)")
    sql(ledger, "update lines set state = 'held' where id = (select min(id) from lines)")

    assert put_back(ledger) == 3

    assert states_of(ledger) == ["in_doubt"] * 3
    assert sorted((one["area"], one["lines"], one["state"]) for one in batches_of(ledger)) == [
        ("EXAMES", 1, "in_doubt"),
        ("INTERNACAO", 2, "in_doubt"),
    ]
    (decision,) = rows_of(ledger, schema.decisions)
    assert (decision["as_of"], decision["lines"], decision["person"]) == (BACKUP, 3, "rui")


def test_what_is_settled_stays_as_it_is(ledger: Ledger) -> None:
    read_day(ledger, not_invited(900_000_001))

    assert put_back(ledger) == 0
    assert states_of(ledger) == ["excluded"]


def test_a_backup_is_not_of_tomorrow(ledger: Ledger) -> None:
    fill(ledger, 1)
    tomorrow = datetime.now(UTC) + timedelta(days=1)

    with pytest.raises(ConfigError, match="still to come"):
        restore(ledger, as_of=tomorrow, decision=RESTORED)

    assert states_of(ledger) == ["ready"]


def test_such_a_doubt_is_settled_as_sent(ledger: Ledger) -> None:
    fill(ledger, 2)
    put_back(ledger)
    (batch,) = batches_of(ledger)

    assert settle_doubt(ledger, batch["id"], SENT) == 2
    assert states_of(ledger) == ["accepted"] * 2


def test_such_a_doubt_is_released_and_then_goes_out_as_any_line(ledger: Ledger) -> None:
    fill(ledger, 2)
    put_back(ledger)

    assert release_day(ledger, hospital="HMS", business_day=DAY, decision=RELEASE) == 2

    assert states_of(ledger) == ["ready"] * 2
    assert [one["state"] for one in batches_of(ledger)] == ["not_delivered"]
    assert len(take(ledger).lines) == 2


def test_such_a_doubt_is_not_sent_again_for_it_was_never_posted(ledger: Ledger) -> None:
    fill(ledger, 1)
    put_back(ledger)
    with ledger.reading() as connection:
        (doubt,) = doubts(connection)

    with pytest.raises(ConfigError, match="release"):
        reclaim(
            ledger,
            doubt.id,
            AGAIN,
            validity_at=1,
            reminder_at=None,
            lease_seconds=9,
            admission=NOBODY,
        )

    assert doubt.restored
    assert states_of(ledger) == ["in_doubt"]


def test_a_day_that_the_ledger_does_not_know_is_refused_until_a_person_allows_it(
    ledger: Ledger,
) -> None:
    extraction = stage(ledger, [{"cd_atendimento": "1"}], day=UNKNOWN_DAY)
    put_back(ledger)

    with pytest.raises(ConfigError, match="allow-day HMS 2026-03-12"):
        apply(ledger, extraction, invited(1))
    refused = states_of(ledger)
    allow_day(ledger, hospital="HMS", business_day=UNKNOWN_DAY, decision=ALLOW)
    apply(ledger, extraction, invited(1))

    assert (refused, states_of(ledger)) == ([], ["ready"])


def test_allowing_a_day_allows_that_day_of_that_hospital_only(ledger: Ledger) -> None:
    put_back(ledger)
    allow_day(ledger, hospital="HMS", business_day=UNKNOWN_DAY, decision=ALLOW)

    with ledger.reading() as connection:
        for hospital, day in (("HMS", DAY), ("OTOA", UNKNOWN_DAY)):
            with pytest.raises(ConfigError):
                require_extractable(connection, hospital=hospital, business_day=day, zone=UTC)


def test_a_second_backup_takes_the_word_back(ledger: Ledger) -> None:
    put_back(ledger)
    allow_day(ledger, hospital="HMS", business_day=UNKNOWN_DAY, decision=ALLOW)
    put_back(ledger)

    with ledger.reading() as connection, pytest.raises(ConfigError):
        require_extractable(connection, hospital="HMS", business_day=UNKNOWN_DAY, zone=UTC)


def test_a_day_that_was_not_over_is_as_good_as_ever(ledger: Ledger) -> None:
    put_back(ledger)
    today = datetime.now(UTC).date()

    with ledger.reading() as connection:
        assert require_extractable(connection, hospital="HMS", business_day=today, zone=UTC) is None


def test_what_a_new_extraction_wakes_on_a_known_day_is_in_doubt(ledger: Ledger) -> None:
    """It may have been found, or corrected, and sent after the backup."""
    read_day(ledger, not_invited(900_000_001), invited(900_000_002))
    put_back(ledger)

    read_day(ledger, invited(900_000_001), invited(900_000_002), invited(900_000_003))

    assert states_of(ledger) == ["in_doubt"] * 3
    assert events_of(ledger)[-2:] == ["restored"] * 2
    with ledger.reading() as connection:
        assert [doubt.lines for doubt in doubts(connection)] == [1, 2]


def test_what_a_person_released_stays_released(ledger: Ledger) -> None:
    read_day(ledger, invited(900_000_001))
    put_back(ledger)
    release_day(ledger, hospital="HMS", business_day=DAY, decision=RELEASE)

    read_day(ledger, invited(900_000_001))

    assert states_of(ledger) == ["ready"]


def test_once_the_day_is_allowed_new_attendances_are_ready(ledger: Ledger) -> None:
    read_day(ledger, not_invited(900_000_001))
    put_back(ledger)
    allow_day(ledger, hospital="HMS", business_day=DAY, decision=ALLOW)

    read_day(ledger, invited(900_000_001), invited(900_000_002))

    assert states_of(ledger) == ["ready"] * 2


def test_a_retry_of_transform_after_the_backup_is_no_new_application(ledger: Ledger) -> None:
    extraction = read_day(ledger, invited(900_000_001))
    put_back(ledger)

    assert not apply(ledger, extraction, invited(900_000_001))
    assert [line["state"] for line in lines_of(ledger)] == ["in_doubt"]
    assert UNIT.hospital == extraction.hospital
