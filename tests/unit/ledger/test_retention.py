"""What has had its time leaves the ledger; what waits for a person never does."""

from __future__ import annotations

from datetime import UTC, date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from ledger_steps import (
    ACTOR,
    DAY,
    OTHER_RUN,
    UNIT,
    apply,
    end_leases,
    everything,
    fill,
    ids,
    invited,
    lines_of,
    not_invited,
    read_day,
    rows_of,
    sql,
    stage,
    states_of,
    take,
)
from sqlalchemy import text

from track_dispatch.errors import ConfigError
from track_dispatch.ledger import retention, schema
from track_dispatch.ledger.restoring import require_extractable
from track_dispatch.ledger.schema import moment_in
from track_dispatch.ledger.settling import Settlement, doubt, settle
from track_dispatch.ledger.staging import newest_extraction
from track_dispatch.ledger.views import run_work

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger

NEXT_DAY = DAY + timedelta(days=1)


def set_back(ledger: Ledger, table: Any, column: str, *, days: float) -> None:
    with ledger.writing() as connection:
        connection.execute(table.update().values({column: moment_in(-days * 86_400)}))


def accepted(ledger: Ledger, number: int = 900_000_001) -> None:
    read_day(ledger, invited(number))
    batch = take(ledger)
    settle(ledger, batch, Settlement(accepted=ids(batch), receipt="r1"), actor=ACTOR)


# -- old lines ---------------------------------------------------------------------


@pytest.mark.parametrize("state", ["ready", "held"])
def test_what_waits_too_long_expires_up_to_the_last_day(ledger: Ledger, state: str) -> None:
    fill(ledger, 2)
    sql(ledger, f"update lines set state = '{state}'")

    too_early = retention.expire_day_and_before(
        ledger, hospital="HMS", last=DAY - timedelta(days=1), actor=ACTOR
    )
    elsewhere = retention.expire_day_and_before(ledger, hospital="OTOA", last=DAY, actor=ACTOR)
    expired = retention.expire_day_and_before(ledger, hospital="HMS", last=DAY, actor=ACTOR)

    assert (too_early, elsewhere, expired) == (0, 0, 2)
    assert states_of(ledger) == ["expired"] * 2
    assert [line["payload"] for line in lines_of(ledger)] == [None, None]


def test_a_doubt_that_is_too_old_loses_its_payloads_and_stays_in_doubt(ledger: Ledger) -> None:
    fill(ledger, 1)
    doubt(ledger, take(ledger), status=500, actor=ACTOR)

    kept = retention.erase_doubtful_payloads(ledger, hospital="HMS", last=DAY - timedelta(days=1))
    erased = retention.erase_doubtful_payloads(ledger, hospital="HMS", last=DAY)

    assert (kept, erased) == (0, 1)
    assert [(line["state"], line["payload"]) for line in lines_of(ledger)] == [("in_doubt", None)]


def test_a_line_on_its_way_keeps_its_payload(ledger: Ledger) -> None:
    fill(ledger, 1)
    take(ledger)
    end_leases(ledger)

    assert retention.erase_doubtful_payloads(ledger, hospital="HMS", last=DAY) == 0
    assert retention.erase_settled_payloads(ledger) == 0
    assert lines_of(ledger)[0]["payload"] is not None


def test_a_payload_that_a_settled_line_has_in_spite_of_all_is_erased(
    sqlite_ledger: Ledger,
) -> None:
    accepted(sqlite_ledger)
    with sqlite_ledger.engine.begin() as connection:
        connection.execute(text("pragma ignore_check_constraints = on"))
        connection.execute(text("update lines set payload = 'left over'"))
        connection.execute(text("pragma ignore_check_constraints = off"))

    assert retention.erase_settled_payloads(sqlite_ledger) == 1
    assert lines_of(sqlite_ledger)[0]["payload"] is None


# -- staged rows -------------------------------------------------------------------


def test_rows_that_nobody_transformed_are_erased_after_three_days(ledger: Ledger) -> None:
    stage(ledger, [{"cd_atendimento": "1"}])
    set_back(ledger, schema.extractions, "started_at", days=2.9)
    too_early = retention.erase_staged(ledger)
    set_back(ledger, schema.extractions, "started_at", days=3.1)

    assert (too_early, retention.erase_staged(ledger)) == (0, 1)
    assert rows_of(ledger, schema.staged_rows, "chunk") == []


def test_an_extraction_without_its_rows_is_not_applied_as_an_empty_day(ledger: Ledger) -> None:
    """It would say that the day has no patients, and take away whatever is ready."""
    read_day(ledger, invited(900_000_001))
    stage(ledger, [{"cd_atendimento": "900000001"}], actor=OTHER_RUN)
    set_back(ledger, schema.extractions, "started_at", days=4)
    retention.erase_staged(ledger)
    day = {"hospital": "HMS", "business_day": DAY, "run_id": str(OTHER_RUN.run_id)}

    with ledger.reading() as connection:
        assert newest_extraction(connection, **day) is None
        assert not run_work(connection, **day).extracted
    assert states_of(ledger) == ["ready"]


def test_an_applied_extraction_stays_complete(ledger: Ledger) -> None:
    read_day(ledger, invited(900_000_001))
    set_back(ledger, schema.extractions, "started_at", days=4)
    before = everything(ledger)

    assert retention.erase_staged(ledger) == 0
    assert everything(ledger) == before


# -- settled lines -----------------------------------------------------------------


def test_a_settled_line_keeps_only_what_proves_that_it_was(ledger: Ledger) -> None:
    accepted(ledger)
    set_back(ledger, schema.lines, "changed_at", days=44.9)
    too_early = retention.thin(ledger, hospital="HMS", days=45)
    set_back(ledger, schema.lines, "changed_at", days=45.1)
    before = dict(lines_of(ledger)[0])

    thinned = retention.thin(ledger, hospital="HMS", days=45)

    after = dict(lines_of(ledger)[0])
    gone = {name for name in before if before[name] is not None and after[name] is None}
    assert (too_early, thinned) == (0, 1)
    assert gone == {"email_hash", "digest", "area", "channel"}
    assert {name: after[name] for name in after.keys() - gone} == {
        name: before[name] for name in before.keys() - gone
    }
    assert retention.thin(ledger, hospital="HMS", days=45) == 0


@pytest.mark.parametrize("state", ["ready", "held", "in_doubt"])
def test_a_line_that_waits_is_not_thinned(ledger: Ledger, state: str) -> None:
    fill(ledger, 1)
    sql(ledger, f"update lines set state = '{state}'")
    set_back(ledger, schema.lines, "changed_at", days=100)

    assert retention.thin(ledger, hospital="HMS", days=45) == 0


def test_a_thinned_line_is_not_asked_again(ledger: Ledger) -> None:
    accepted(ledger)
    set_back(ledger, schema.lines, "changed_at", days=100)
    retention.thin(ledger, hospital="HMS", days=45)

    read_day(ledger, invited(900_000_001, email="nova@example.test"))

    assert states_of(ledger) == ["accepted"]


# -- days --------------------------------------------------------------------------


def test_days_before_the_horizon_go_with_all_that_hangs_on_them(ledger: Ledger) -> None:
    accepted(ledger)
    stage(ledger, [{"cd_atendimento": "2"}])
    read_day(ledger, not_invited(900_000_009), day=NEXT_DAY)

    assert retention.forget(ledger, hospital="HMS", first_known_day=NEXT_DAY) == 1

    assert [line["business_day"] for line in lines_of(ledger)] == [NEXT_DAY]
    assert [one["business_day"] for one in rows_of(ledger, schema.extractions)] == [NEXT_DAY]
    assert rows_of(ledger, schema.batches) == []
    assert len(rows_of(ledger, schema.events)) == 1
    assert rows_of(ledger, schema.staged_rows, "chunk") == []


def test_other_hospitals_keep_their_days(ledger: Ledger) -> None:
    accepted(ledger)

    assert retention.forget(ledger, hospital="OTOA", first_known_day=NEXT_DAY) == 0
    assert states_of(ledger) == ["accepted"]


@pytest.mark.parametrize("state", ["ready", "held", "in_doubt"])
def test_a_day_that_waits_for_somebody_stays_whole(ledger: Ledger, state: str) -> None:
    read_day(ledger, invited(900_000_001), not_invited(900_000_002))
    sql(ledger, f"update lines set state = '{state}' where state = 'ready'")

    assert retention.forget(ledger, hospital="HMS", first_known_day=NEXT_DAY) == 0
    assert sorted(states_of(ledger)) == sorted(["excluded", state])


def test_a_forgotten_day_is_refused_for_good(ledger: Ledger) -> None:
    accepted(ledger)
    retention.forget(ledger, hospital="HMS", first_known_day=NEXT_DAY)
    retention.forget(ledger, hospital="HMS", first_known_day=DAY)  # a longer retention later
    extraction = stage(ledger, [{"cd_atendimento": "900000001"}])

    with pytest.raises(ConfigError, match="ledger_retention_days"):
        apply(ledger, extraction, invited(900_000_001))
    with ledger.reading() as connection:
        for hospital, day in (("HMS", NEXT_DAY), ("OTOA", date(2020, 1, 1))):
            found = require_extractable(connection, hospital=hospital, business_day=day, zone=UTC)
            assert found is None

    assert states_of(ledger) == []
    assert UNIT.hospital == "HMS"
