"""Applying an extraction: one line or exclusion per attendance, and nothing that is on its way."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC
from itertools import chain
from typing import TYPE_CHECKING

import pytest
from reading_steps import (
    NUMBER,
    RUN,
    TERMS,
    Attendance,
    apply,
    change,
    events_of,
    everything,
    hashed,
    identities_of,
    invited,
    leave,
    line_of,
    lines_of,
    not_invited,
    read_day,
    refusing,
    rows_of,
    stage,
    stands,
)

from track_dispatch.errors import LedgerError
from track_dispatch.ledger import schema
from track_dispatch.ledger.apply_extraction import applying_extractions
from track_dispatch.ledger.schema import PLACES
from track_dispatch.pipeline.transform import standing_back
from track_dispatch.records import Area, Channel
from track_dispatch.states import Reason

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger
    from track_dispatch.ledger.extractions import Extraction


def test_each_attendance_becomes_one_line_or_exclusion(ledger: Ledger) -> None:
    read_day(
        ledger,
        invited(NUMBER),
        not_invited(NUMBER + 1, Reason.DEATH),
        not_invited(NUMBER + 2, Reason.UNKNOWN_AREA, area=None),
    )

    assert [
        (one.attendance_id, *one.stands, one.area, one.channel) for one in lines_of(ledger)
    ] == [
        (str(NUMBER), "ready", None, "INTERNACAO", "email"),
        (str(NUMBER + 1), "excluded", "death", "INTERNACAO", ""),
        (str(NUMBER + 2), "excluded", "unknown_area", "", ""),
    ]


def test_a_ready_line_has_its_import_line_and_an_exclusion_none(ledger: Ledger) -> None:
    read_day(ledger, invited(NUMBER), not_invited(NUMBER + 1))

    ready, excluded = lines_of(ledger)
    assert ready.payload is not None
    assert ready.payload["email"] == f"p{NUMBER}@example.test"
    assert (excluded.payload, excluded.digest) == (None, None)


def test_an_envelope_holds_what_one_post_takes_of_a_unit(ledger: Ledger) -> None:
    attendances = [invited(NUMBER + n) for n in range(7)]
    attendances += [invited(NUMBER + n, Area.EXAMES) for n in range(7, 9)]
    attendances += [not_invited(NUMBER + n) for n in range(9, 13)]
    read_day(ledger, *attendances, terms=replace(TERMS, batch_size=3))

    envelopes = rows_of(ledger, schema.envelopes)
    assert sorted((row["lines"], row["waiting"]) for row in envelopes) == sorted(
        [(3, 3), (3, 3), (1, 1), (2, 2), (3, 0), (1, 0)]
    )
    assert {row["rules"] for row in envelopes} == {"rules-1"}


def test_every_identity_is_written_under_every_key_and_of_exclusions_none(
    two_keys: Ledger,
) -> None:
    asked = invited(NUMBER)
    read_day(two_keys, asked, not_invited(NUMBER + 1))

    line, excluded = lines_of(two_keys)
    assert identities_of(two_keys, line.id) == hashed(two_keys, asked)
    assert len(hashed(two_keys, asked)) == 8
    assert identities_of(two_keys, excluded.id) == set()
    ids = {key.id for key in two_keys.keys.identity_secrets}
    by_key = [row["key"] for row in rows_of(two_keys, schema.identities, "hash")]
    assert {key: by_key.count(key) for key in ids} == dict.fromkeys(ids, 4)


def test_each_hash_stands_beside_the_key_it_was_made_with(two_keys: Ledger) -> None:
    asked = invited(NUMBER)
    read_day(two_keys, asked)

    expected = {
        (found.hash, found.key)
        for value in chain.from_iterable(asked.identities)
        for found in two_keys.keys.identity_hashes(value)
    }
    rows = rows_of(two_keys, schema.identities, "hash")
    assert {(row["hash"], row["key"]) for row in rows} == expected


def test_no_value_of_a_patient_is_readable_in_the_ledger(ledger: Ledger) -> None:
    read_day(ledger, invited(NUMBER, name="ANASTACIA PLANTADA", email="plantada@example.test"))

    held = repr(everything(ledger)).lower()
    assert (str(NUMBER) in held, "plantada" in held) == (True, False)


def test_lines_found_together_are_told_by_one_event(ledger: Ledger) -> None:
    read_day(ledger, invited(NUMBER), invited(NUMBER + 1), not_invited(NUMBER + 2))

    assert sorted(events_of(ledger)) == [
        ("found", "excluded", "no_contact", 1),
        ("found", "ready", None, 2),
    ]
    event, _ = rows_of(ledger, schema.events)
    assert (event["actor"], event["run_id"], event["try_number"]) == ("transform", RUN.run_id, 1)


# --- the same day read again ----------------------------------------------------------------


def test_what_waits_goes_into_an_envelope_of_the_newest_reading(ledger: Ledger) -> None:
    read_day(ledger, invited(NUMBER))
    before = line_of(ledger)
    second = read_day(ledger, invited(NUMBER))

    line = line_of(ledger)
    (left, entered) = rows_of(ledger, schema.envelopes)
    assert (line.id, line.stands) == (before.id, ("ready", None))
    assert line.address != before.address
    assert (left["waiting"], left["payload"]) == (0, None)
    assert (entered["extraction"], entered["waiting"]) == (second.id, 1)


def test_an_event_tells_where_a_line_came_from(ledger: Ledger) -> None:
    read_day(ledger, invited(NUMBER), invited(NUMBER + 1))
    before = lines_of(ledger)
    read_day(ledger, invited(NUMBER), invited(NUMBER + 1))

    _, event = rows_of(ledger, schema.events)
    assert (event["envelope"], event["places"]) == (lines_of(ledger)[0].address // PLACES, "0-1")
    assert event["came_from"] == f'{{"0":{before[0].address},"1":{before[1].address}}}'


def test_an_exclusion_that_still_holds_stays_where_it_is(ledger: Ledger) -> None:
    read_day(ledger, not_invited(NUMBER))
    before = line_of(ledger)
    read_day(ledger, not_invited(NUMBER))

    assert line_of(ledger) == before
    assert len(events_of(ledger)) == 1


def test_an_exclusion_is_counted_under_the_area_that_the_attendance_has_now(
    ledger: Ledger,
) -> None:
    read_day(ledger, not_invited(NUMBER))
    read_day(ledger, not_invited(NUMBER, area=Area.EXAMES))

    assert (line_of(ledger).area, line_of(ledger).stands) == ("EXAMES", ("excluded", "no_contact"))


@pytest.mark.parametrize(
    "now",
    [
        invited(NUMBER, name="MARIA DO CARMO"),
        invited(NUMBER, Area.EXAMES),
        invited(NUMBER, channel=Channel.WHATSAPP),
        not_invited(NUMBER),
    ],
    ids=["content", "area", "channel", "exclusion"],
)
@pytest.mark.parametrize("state", ["ready", "excluded", "reopened"])
def test_what_waits_follows_what_is_read_anew(ledger: Ledger, state: str, now: Attendance) -> None:
    read_day(ledger, not_invited(NUMBER, Reason.DEATH) if state == "excluded" else invited(NUMBER))
    if state == "reopened":
        leave(ledger, "reopened")
    read_day(ledger, now)

    line = line_of(ledger)
    assert (line.state, line.reason) == ("excluded" if now.reason else "ready", now.reason)
    assert (line.area, line.channel) == (now.area, now.channel or "")
    assert (line.payload is not None) == (now.line is not None)
    if line.payload is not None:
        assert line.payload["name"] in str(now.line)


def test_a_held_line_stays_held_with_its_new_payload(ledger: Ledger) -> None:
    read_day(ledger, invited(NUMBER))
    leave(ledger, "held", batch=None)
    change(ledger, "update lines set question = 7")
    read_day(ledger, invited(NUMBER, email="mended@example.test"))

    line = line_of(ledger)
    assert (*line.stands, line.question) == ("held", None, 7)
    assert line.payload is not None
    assert line.payload["email"] == "mended@example.test"


def test_a_held_line_that_may_no_longer_be_asked_is_excluded(ledger: Ledger) -> None:
    read_day(ledger, invited(NUMBER))
    leave(ledger, "held", batch=None)
    change(ledger, "update lines set question = 7")
    read_day(ledger, not_invited(NUMBER, Reason.DEATH))

    line = line_of(ledger)
    assert (*line.stands, line.question, line.payload) == ("excluded", "death", None, None)


@pytest.mark.parametrize("read_as", ["changed", "excluded", "missing"])
@pytest.mark.parametrize("state", ["sending", "in_doubt", "accepted", "abandoned"])
def test_what_is_on_its_way_or_settled_is_not_touched(
    ledger: Ledger, state: str, read_as: str
) -> None:
    read_day(ledger, invited(NUMBER))
    leave(ledger, state)
    before = line_of(ledger)
    again = {"changed": [invited(NUMBER, name="MARIA DO CARMO")], "excluded": [not_invited(NUMBER)]}
    read_day(ledger, *again.get(read_as, []))

    assert line_of(ledger) == before
    assert len(events_of(ledger)) == 1


def test_a_line_changed_by_somebody_else_meanwhile_breaks_the_transform_off(
    ledger: Ledger,
) -> None:
    """Its guard is the state that was read: what was claimed in between must not be moved."""
    read_day(ledger, invited(NUMBER))
    extraction = stage(ledger, invited(NUMBER))
    before = everything(ledger)

    with pytest.raises(LedgerError, match="1 lines were changed by somebody else"):
        claim_within_transform(ledger, extraction)
    assert everything(ledger) == before


def claim_within_transform(ledger: Ledger, extraction: Extraction) -> None:
    with applying_extractions(ledger, source="hms", zone=UTC, actor=RUN) as transform:
        day = transform.begin(extraction, TERMS)
        assert day is not None
        day.take([invited(NUMBER)], lambda _: {})
        transform.connection.exec_driver_sql("update lines set state = 'sending', batch = 'b-2'")
        day.end_of_reading(rows_merged=0)


# --- identities of lines that are evaluated anew --------------------------------------------


def test_a_corrected_contact_replaces_the_identities_of_a_line_never_claimed(
    ledger: Ledger,
) -> None:
    read_day(ledger, invited(NUMBER))
    mended = invited(NUMBER, email="mended@example.test")
    read_day(ledger, mended)

    assert identities_of(ledger, line_of(ledger).id) == hashed(ledger, mended)


def test_a_corrected_contact_is_added_to_those_of_a_line_once_claimed(ledger: Ledger) -> None:
    asked, mended = invited(NUMBER), invited(NUMBER, email="mended@example.test")
    read_day(ledger, asked)
    leave(ledger, "reopened", batch="b-1")
    read_day(ledger, mended)

    line = line_of(ledger)
    assert identities_of(ledger, line.id) == hashed(ledger, asked) | hashed(ledger, mended)
    assert line.batch == "b-1"


def test_who_may_not_be_asked_any_more_leaves_no_identity(ledger: Ledger) -> None:
    read_day(ledger, invited(NUMBER))
    read_day(ledger, not_invited(NUMBER, Reason.DEATH))

    assert identities_of(ledger, line_of(ledger).id) == set()


# --- all or nothing -------------------------------------------------------------------------


class BrokenOffError(Exception):
    pass


def test_a_transform_that_breaks_off_leaves_the_ledger_as_it_was(ledger: Ledger) -> None:
    read_day(ledger, invited(NUMBER))
    extraction = stage(ledger, invited(NUMBER))
    before = everything(ledger)

    with pytest.raises(BrokenOffError):
        apply_and_break_off(ledger, extraction)
    assert everything(ledger) == before


def apply_and_break_off(ledger: Ledger, extraction: Extraction) -> None:
    with applying_extractions(ledger, source="hms", zone=UTC, actor=RUN) as transform:
        day = transform.begin(extraction, TERMS)
        assert day is not None
        day.take([not_invited(NUMBER), invited(NUMBER + 1)], lambda _: {})
        day.end_of_reading(rows_merged=0)
        transform.finish(standing_back)
        raise BrokenOffError


@pytest.mark.parametrize("table", ["lines", "identities", "events", "envelopes"])
def test_a_transform_that_the_database_refuses_leaves_the_ledger_as_it_was(
    ledger: Ledger, table: str
) -> None:
    extraction = stage(ledger, invited(NUMBER))
    before = everything(ledger)
    with refusing(ledger, table, "insert"), pytest.raises(LedgerError):
        apply(ledger, (extraction, [invited(NUMBER)]))

    assert everything(ledger) == before


def test_a_chunk_without_attendances_writes_nothing(ledger: Ledger) -> None:
    """Every row of a chunk may belong to an attendance that another row stands for."""
    extraction = stage(ledger, invited(NUMBER))
    with applying_extractions(ledger, source="hms", zone=UTC, actor=RUN) as transform:
        day = transform.begin(extraction, TERMS)
        assert day is not None
        day.take([], lambda _: {})
        day.take([invited(NUMBER)], lambda _: {})
        day.end_of_reading(rows_merged=0)
        transform.finish(standing_back)

    assert stands(ledger) == [("ready", None)]
