"""Applying an extraction: one line or exclusion per attendance, and nothing that is on its way."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC
from itertools import chain
from typing import TYPE_CHECKING

import pytest

from tests.unit.ledger.reading_steps import NUMBER, RUN, TERMS, Attendance, invited, not_invited
from tests.unit.ledger.steps import Steps
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


def test_each_attendance_becomes_one_line_or_exclusion(steps: Steps) -> None:
    steps.read(
        invited(NUMBER),
        not_invited(NUMBER + 1, Reason.DEATH),
        not_invited(NUMBER + 2, Reason.UNKNOWN_AREA, area=None),
    )

    assert [(one.attendance_id, *one.stands, one.area, one.channel) for one in steps.lines()] == [
        (str(NUMBER), "ready", None, "INTERNACAO", "email"),
        (str(NUMBER + 1), "excluded", "death", "INTERNACAO", ""),
        (str(NUMBER + 2), "excluded", "unknown_area", "", ""),
    ]


def test_a_ready_line_has_its_import_line_and_an_exclusion_none(steps: Steps) -> None:
    steps.read(invited(NUMBER), not_invited(NUMBER + 1))

    ready, excluded = steps.lines()
    assert ready.payload is not None
    assert ready.payload["email"] == f"p{NUMBER}@example.test"
    assert (excluded.payload, excluded.digest) == (None, None)


def test_an_envelope_holds_what_one_post_takes_of_a_unit(steps: Steps) -> None:
    attendances = [invited(NUMBER + n) for n in range(7)]
    attendances += [invited(NUMBER + n, Area.EXAMES) for n in range(7, 9)]
    attendances += [not_invited(NUMBER + n) for n in range(9, 13)]
    steps.read(*attendances, terms=replace(TERMS, batch_size=3))

    envelopes = steps.rows(schema.envelopes)
    assert sorted((row["lines"], row["waiting"]) for row in envelopes) == sorted(
        [(3, 3), (3, 3), (1, 1), (2, 2), (3, 0), (1, 0)]
    )
    assert {row["rules"] for row in envelopes} == {"rules-1"}


def test_every_identity_is_written_under_every_key_and_of_exclusions_none(
    two_keys: Steps,
) -> None:
    asked = invited(NUMBER)
    two_keys.read(asked, not_invited(NUMBER + 1))

    line, excluded = two_keys.lines()
    assert two_keys.identities(line.id) == two_keys.hashed(asked)
    assert len(two_keys.hashed(asked)) == 8
    assert two_keys.identities(excluded.id) == set()
    ids = {key.id for key in two_keys.ledger.keys.identity_secrets}
    by_key = [row["key"] for row in two_keys.rows(schema.identities, "hash")]
    assert {key: by_key.count(key) for key in ids} == dict.fromkeys(ids, 4)


def test_each_hash_stands_beside_the_key_it_was_made_with(two_keys: Steps) -> None:
    asked = invited(NUMBER)
    two_keys.read(asked)

    expected = {
        (found.hash, found.key)
        for value in chain.from_iterable(asked.identities)
        for found in two_keys.ledger.keys.identity_hashes(value)
    }
    rows = two_keys.rows(schema.identities, "hash")
    assert {(row["hash"], row["key"]) for row in rows} == expected


def test_no_value_of_a_patient_is_readable_in_the_ledger(steps: Steps) -> None:
    steps.read(invited(NUMBER, name="ANASTACIA PLANTADA", email="plantada@example.test"))

    held = repr(steps.everything()).lower()
    assert (str(NUMBER) in held, "plantada" in held) == (True, False)


def test_lines_found_together_are_told_by_one_event(steps: Steps) -> None:
    steps.read(invited(NUMBER), invited(NUMBER + 1), not_invited(NUMBER + 2))

    assert sorted(steps.events()) == [
        ("found", "excluded", "no_contact", 1),
        ("found", "ready", None, 2),
    ]
    event, _ = steps.rows(schema.events)
    assert (event["actor"], event["run_id"], event["try_number"]) == ("transform", RUN.run_id, 1)


# --- the same day read again ----------------------------------------------------------------


def test_what_waits_goes_into_an_envelope_of_the_newest_reading(steps: Steps) -> None:
    steps.read(invited(NUMBER))
    before = steps.line()
    second = steps.read(invited(NUMBER))

    line = steps.line()
    (left, entered) = steps.rows(schema.envelopes)
    assert (line.id, line.stands) == (before.id, ("ready", None))
    assert line.address != before.address
    assert (left["waiting"], left["payload"]) == (0, None)
    assert (entered["extraction"], entered["waiting"]) == (second.id, 1)


def test_an_event_tells_where_a_line_came_from(steps: Steps) -> None:
    steps.read(invited(NUMBER), invited(NUMBER + 1))
    before = steps.lines()
    steps.read(invited(NUMBER), invited(NUMBER + 1))

    _, event = steps.rows(schema.events)
    assert (event["envelope"], event["places"]) == (steps.lines()[0].address // PLACES, "0-1")
    assert event["came_from"] == f'{{"0":{before[0].address},"1":{before[1].address}}}'


def test_an_exclusion_that_still_holds_stays_where_it_is(steps: Steps) -> None:
    steps.read(not_invited(NUMBER))
    before = steps.line()
    steps.read(not_invited(NUMBER))

    assert steps.line() == before
    assert len(steps.events()) == 1


def test_an_exclusion_is_counted_under_the_area_that_the_attendance_has_now(
    steps: Steps,
) -> None:
    steps.read(not_invited(NUMBER))
    steps.read(not_invited(NUMBER, area=Area.EXAMES))

    assert (steps.line().area, steps.line().stands) == ("EXAMES", ("excluded", "no_contact"))


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
def test_what_waits_follows_what_is_read_anew(steps: Steps, state: str, now: Attendance) -> None:
    steps.read(not_invited(NUMBER, Reason.DEATH) if state == "excluded" else invited(NUMBER))
    if state == "reopened":
        steps.leave("reopened")
    steps.read(now)

    line = steps.line()
    assert (line.state, line.reason) == ("excluded" if now.reason else "ready", now.reason)
    assert (line.area, line.channel) == (now.area, now.channel or "")
    assert (line.payload is not None) == (now.line is not None)
    if line.payload is not None:
        assert line.payload["name"] in str(now.line)


def test_a_held_line_stays_held_with_its_new_payload(steps: Steps) -> None:
    steps.read(invited(NUMBER))
    steps.leave("held", batch=None)
    steps.run_sql("update lines set question = 7")
    steps.read(invited(NUMBER, email="mended@example.test"))

    line = steps.line()
    assert (*line.stands, line.question) == ("held", None, 7)
    assert line.payload is not None
    assert line.payload["email"] == "mended@example.test"


def test_a_held_line_that_may_no_longer_be_asked_is_excluded(steps: Steps) -> None:
    steps.read(invited(NUMBER))
    steps.leave("held", batch=None)
    steps.run_sql("update lines set question = 7")
    steps.read(not_invited(NUMBER, Reason.DEATH))

    line = steps.line()
    assert (*line.stands, line.question, line.payload) == ("excluded", "death", None, None)


@pytest.mark.parametrize("read_as", ["changed", "excluded", "missing"])
@pytest.mark.parametrize("state", ["sending", "in_doubt", "accepted", "abandoned"])
def test_what_is_on_its_way_or_settled_is_not_touched(
    steps: Steps, state: str, read_as: str
) -> None:
    steps.read(invited(NUMBER))
    steps.leave(state)
    before = steps.line()
    again = {"changed": [invited(NUMBER, name="MARIA DO CARMO")], "excluded": [not_invited(NUMBER)]}
    steps.read(*again.get(read_as, []))

    assert steps.line() == before
    assert len(steps.events()) == 1


def test_a_line_changed_by_somebody_else_meanwhile_breaks_the_transform_off(
    steps: Steps,
) -> None:
    """Its guard is the state that was read: what was claimed in between must not be moved."""
    steps.read(invited(NUMBER))
    extraction = steps.extract(invited(NUMBER))
    before = steps.everything()

    with pytest.raises(LedgerError, match="1 line was changed by somebody else"):
        claim_within_transform(steps.ledger, extraction)
    assert steps.everything() == before


def claim_within_transform(ledger: Ledger, extraction: Extraction) -> None:
    with applying_extractions(ledger, source="hms", zone=UTC, actor=RUN) as transform:
        day = transform.begin(extraction, TERMS)
        assert day is not None
        day.take([invited(NUMBER)], lambda _: {})
        transform.connection.exec_driver_sql("update lines set state = 'sending', batch = 'b-2'")
        day.end_of_reading(rows_merged=0)


# --- identities of lines that are evaluated anew --------------------------------------------


def test_a_corrected_contact_replaces_the_identities_of_a_line_never_claimed(
    steps: Steps,
) -> None:
    steps.read(invited(NUMBER))
    mended = invited(NUMBER, email="mended@example.test")
    steps.read(mended)

    assert steps.identities(steps.line().id) == steps.hashed(mended)


def test_a_corrected_contact_is_added_to_those_of_a_line_once_claimed(steps: Steps) -> None:
    asked, mended = invited(NUMBER), invited(NUMBER, email="mended@example.test")
    steps.read(asked)
    steps.leave("reopened", batch="b-1")
    steps.read(mended)

    line = steps.line()
    assert steps.identities(line.id) == steps.hashed(asked) | steps.hashed(mended)
    assert line.batch == "b-1"


def test_who_may_not_be_asked_any_more_leaves_no_identity(steps: Steps) -> None:
    steps.read(invited(NUMBER))
    steps.read(not_invited(NUMBER, Reason.DEATH))

    assert steps.identities(steps.line().id) == set()


# --- all or nothing -------------------------------------------------------------------------


class BrokenOffError(Exception):
    pass


def test_a_transform_that_breaks_off_leaves_the_ledger_as_it_was(steps: Steps) -> None:
    steps.read(invited(NUMBER))
    extraction = steps.extract(invited(NUMBER))
    before = steps.everything()

    with pytest.raises(BrokenOffError):
        apply_and_break_off(steps.ledger, extraction)
    assert steps.everything() == before


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
    steps: Steps, table: str
) -> None:
    extraction = steps.extract(invited(NUMBER))
    before = steps.everything()
    with steps.refusing(table, "insert"), pytest.raises(LedgerError):
        steps.transform((extraction, [invited(NUMBER)]))

    assert steps.everything() == before


def test_a_chunk_without_attendances_writes_nothing(steps: Steps) -> None:
    """Every row of a chunk may belong to an attendance that another row stands for."""
    extraction = steps.extract(invited(NUMBER))
    with applying_extractions(steps.ledger, source="hms", zone=UTC, actor=RUN) as transform:
        day = transform.begin(extraction, TERMS)
        assert day is not None
        day.take([], lambda _: {})
        day.take([invited(NUMBER)], lambda _: {})
        day.end_of_reading(rows_merged=0)
        transform.finish(standing_back)

    assert steps.stands() == [("ready", None)]
