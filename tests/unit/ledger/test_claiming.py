"""A claim: short, committed before it returns, and exactly what goes out."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from ledger_steps import (
    ACTOR,
    DAY,
    OTHER_SURVEY,
    TERMS,
    UNIT,
    batches_of,
    end_leases,
    events_of,
    everything,
    fill,
    ids,
    invited,
    lines_of,
    read_day,
    refusing,
    sql,
    states_of,
    take,
)
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError

from track_dispatch.errors import ConfigError, LedgerError
from track_dispatch.ledger.batches import SurveyBusyError
from track_dispatch.ledger.claims import claim
from track_dispatch.ledger.database import Ledger, connect
from track_dispatch.ledger.keys import new_keys
from track_dispatch.ledger.settling import Settlement, settle
from track_dispatch.records import Area, Channel, Unit

BY_WHATSAPP = replace(UNIT, channel=Channel.WHATSAPP)


def test_what_a_claim_returns_is_committed_as_sending(ledger: Ledger) -> None:
    fill(ledger, 3)
    batch = take(ledger, limit=2)

    sending = [line for line in lines_of(ledger) if line["state"] == "sending"]
    assert [(line["id"], line["claim_id"], line["batch_id"]) for line in sending] == [
        (line_id, batch.claim_id, batch.id) for line_id in ids(batch)
    ]


def test_a_claim_gives_the_import_lines_as_they_were_proposed(ledger: Ledger) -> None:
    proposed = [invited(900_000_001, name="JOSÉ D'ÁVILA"), invited(900_000_002)]
    read_day(ledger, *proposed)
    batch = take(ledger)

    assert [(line.attendance_id, line.fields) for line in batch.lines] == [
        (proposal.attendance_id, proposal.line) for proposal, _ in proposed
    ]


def test_a_claimed_line_shows_no_patient(ledger: Ledger) -> None:
    fill(ledger, 1)

    assert "90000" not in repr(take(ledger))


def test_a_claim_is_in_the_order_of_the_lines_and_within_its_limit(ledger: Ledger) -> None:
    lines = fill(ledger, 5)

    assert ids(take(ledger, limit=3)) == lines[:3]


def test_a_claim_takes_only_lines_after_the_last_one(ledger: Ledger) -> None:
    lines = fill(ledger, 5)

    assert ids(take(ledger, limit=2, after=lines[1])) == lines[2:4]


def test_a_claim_puts_its_batch_on_record(ledger: Ledger) -> None:
    fill(ledger, 2)
    batch = take(ledger)

    (found,) = batches_of(ledger)
    expected = {
        "id": batch.id,
        "claim_id": batch.claim_id,
        "survey_uuid": TERMS.survey_uuid,
        "hospital": UNIT.hospital,
        "business_day": DAY,
        "area": UNIT.area,
        "channel": UNIT.channel,
        "state": "sending",
        "lines": 2,
        "validity_at": TERMS.validity_at,
        "reminder_at": TERMS.reminder_at,
        "split_from": None,
        "run_id": ACTOR.run_id,
        "try_number": ACTOR.try_number,
    }
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(
    "other",
    [
        replace(UNIT, hospital="HMSM"),
        replace(UNIT, business_day=DAY - timedelta(1)),
        replace(UNIT, area=Area.EXAMES),
        BY_WHATSAPP,
    ],
    ids=["hospital", "day", "area", "channel"],
)
def test_a_claim_stays_within_its_unit(ledger: Ledger, other: Unit) -> None:
    fill(ledger, 2)

    assert claim(ledger, other, TERMS, limit=9, after=0, actor=ACTOR) is None


def test_where_nothing_is_ready_nothing_is_written(ledger: Ledger) -> None:
    before = everything(ledger)
    claim(ledger, UNIT, TERMS, limit=9, after=0, actor=ACTOR)

    assert everything(ledger) == before


def test_a_survey_with_a_batch_in_flight_is_busy_for_the_rest_of_its_lease(ledger: Ledger) -> None:
    fill(ledger, 2)
    take(ledger, limit=1)
    with pytest.raises(SurveyBusyError) as busy:
        take(ledger)

    assert 0 < busy.value.seconds <= TERMS.lease_seconds


def test_a_busy_survey_leaves_the_ledger_as_it_was(ledger: Ledger) -> None:
    fill(ledger, 2)
    take(ledger, limit=1)
    before = everything(ledger)
    with pytest.raises(SurveyBusyError):
        take(ledger)

    assert everything(ledger) == before


def test_a_survey_is_busy_for_its_other_channel_too(ledger: Ledger) -> None:
    read_day(ledger, invited(900_000_001), invited(900_000_002, BY_WHATSAPP))
    take(ledger)

    with pytest.raises(SurveyBusyError):
        take(ledger, BY_WHATSAPP)


def test_another_survey_is_free(ledger: Ledger) -> None:
    lines = fill(ledger, 2)
    take(ledger, limit=1)
    batch = take(ledger, terms=replace(TERMS, survey_uuid=OTHER_SURVEY))

    assert ids(batch) == lines[1:]


def test_a_busy_survey_whose_lease_is_over_asks_for_no_more_patience(ledger: Ledger) -> None:
    fill(ledger, 2)
    take(ledger, limit=1)
    end_leases(ledger)
    with pytest.raises(SurveyBusyError) as busy:
        take(ledger)

    assert busy.value.seconds <= 0


def test_where_nothing_is_ready_a_busy_survey_does_not_matter(ledger: Ledger) -> None:
    fill(ledger, 1)
    take(ledger)

    assert claim(ledger, UNIT, TERMS, limit=9, after=0, actor=ACTOR) is None


def test_a_settled_batch_frees_its_survey(ledger: Ledger) -> None:
    lines = fill(ledger, 2)
    first = take(ledger, limit=1)
    settle(ledger, first, Settlement(accepted=ids(first)), actor=ACTOR)

    assert ids(take(ledger)) == lines[1:]


@pytest.mark.parametrize("second", ["sending", "settled", "in_doubt", "split", "not_delivered"])
def test_the_database_itself_refuses_a_second_batch_in_flight(ledger: Ledger, second: str) -> None:
    fill(ledger, 1)
    take(ledger)
    copied = "claim_id, survey_uuid, hospital, business_day, area, channel, lines, validity_at"
    copied += ", lease_until, created_at, changed_at"
    twin = f"insert into batches (id, state, {copied}) select 'b2', :state, {copied} from batches"
    if second == "sending":
        with pytest.raises(IntegrityError):
            sql(ledger, twin, state=second)
    else:
        sql(ledger, twin, state=second)

    assert [batch["state"] for batch in batches_of(ledger)].count("sending") == 1


def test_a_claim_that_fails_on_its_way_leaves_nothing(ledger: Ledger) -> None:
    fill(ledger, 2)
    before = everything(ledger)
    with refusing(ledger, "lines", "update"), pytest.raises(LedgerError):
        take(ledger)

    assert everything(ledger) == before


def test_what_no_key_opens_is_not_claimed(ledger: Ledger) -> None:
    fill(ledger, 2)
    before = everything(ledger)
    stranger = Ledger(ledger.engine, new_keys())
    with pytest.raises(ConfigError, match="payload_keys"):
        claim(stranger, UNIT, TERMS, limit=9, after=0, actor=ACTOR)

    assert everything(ledger) == before


def test_every_claim_is_a_new_batch_under_a_new_id(ledger: Ledger) -> None:
    fill(ledger, 1)
    first = take(ledger)
    settle(ledger, first, Settlement(released=ids(first)), actor=ACTOR)
    second = take(ledger)

    assert ids(second) == ids(first)
    assert (second.id, second.claim_id) != (first.id, first.claim_id)
    assert events_of(ledger) == ["found", "claimed", "answered", "claimed"]


def test_a_limit_holds_whatever_plan_the_database_chooses(postgresql_ledger: Ledger) -> None:
    """A plan that evaluates the inner selection once for each line took the whole unit."""
    fill(postgresql_ledger, 30)
    address = postgresql_ledger.engine.url.render_as_string(hide_password=False)
    stubborn = Ledger(connect(address), postgresql_ledger.keys)

    @event.listens_for(stubborn.engine, "connect")
    def forbid_other_plans(dbapi: object, _record: object) -> None:
        for plan in ("hashjoin", "mergejoin", "hashagg", "sort", "material", "memoize"):
            dbapi.execute(f"set enable_{plan} = off")  # type: ignore[attr-defined]
        dbapi.commit()  # type: ignore[attr-defined]

    try:
        batch = take(stubborn, limit=10)
    finally:
        stubborn.close()

    assert (len(batch.lines), states_of(postgresql_ledger).count("sending")) == (10, 10)


def test_the_day_of_a_claim_is_the_units_whatever_today_is(ledger: Ledger) -> None:
    long_ago = replace(UNIT, business_day=date(1999, 12, 31))
    read_day(ledger, invited(900_000_001, long_ago), day=long_ago.business_day)

    assert take(ledger, long_ago).unit == long_ago
