"""Applying an extraction: one line or exclusion per attendance, and nothing that is on its way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any

import pytest
from reading_steps import (
    DAY,
    DAY_BEFORE,
    OTHER_RUN,
    RUN,
    TERMS,
    TODAY,
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
    newest_extraction,
    not_invited,
    read_day,
    read_days,
    refusing,
    rows_of,
    stage,
    stands,
)

from track_dispatch.errors import LedgerError
from track_dispatch.ledger import envelope_writer, schema
from track_dispatch.ledger.apply_extraction import applying_extractions
from track_dispatch.ledger.extractions import CHUNKS_A_TRANSACTION, stage_extraction
from track_dispatch.ledger.keys import KeyRing, new_keys
from track_dispatch.ledger.schema import PLACES
from track_dispatch.ledger.views import day_facts
from track_dispatch.pipeline.transform import standing_back
from track_dispatch.records import Area, Channel, HospitalDay
from track_dispatch.states import Reason, Refusal

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger
    from track_dispatch.ledger.extractions import Extraction

NUMBER = 900_000_001


@pytest.fixture
def two_keys(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """Return a ledger whose identity key was changed, and whose former one is still there."""
    newest, former = (new_keys().identity_secrets[0] for _ in range(2))
    known = ledger.keys
    keys = KeyRing(
        ledger_id=known.ledger_id,
        payload_secrets=known.payload_secrets,
        identity_secrets=(newest, former),
    )
    monkeypatch.setattr(ledger, "keys", keys)
    return ledger


def extraction_of(ledger: Ledger, id_: str) -> Any:
    return next(row for row in rows_of(ledger, schema.extractions) if row["id"] == id_)


def counted(ledger: Ledger, id_: str) -> dict[str, int]:
    row = extraction_of(ledger, id_)
    names = ("attendances", "other_day", "other_hospital", "absent", "lacking")
    return {name: row[name] for name in names if row[name]}


def staged_around(ledger: Ledger, act: Callable[[], object], day: HospitalDay = DAY) -> Extraction:
    """Stage a reading of another run that began before `act` and ended after it."""

    def slowly() -> Iterator[dict[str, list[str]]]:
        yield {"cd_atendimento": [str(NUMBER)]}
        act()

    stage_extraction(ledger, slowly(), source="hms", day=day, actor=OTHER_RUN)
    found = newest_extraction(ledger, day, run_id=str(OTHER_RUN.run_id))
    assert found is not None
    return found


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


# --- what a reading does not bring ----------------------------------------------------------


@pytest.mark.parametrize("state", ["ready", "held", "reopened"])
def test_what_the_day_no_longer_holds_is_gone(ledger: Ledger, state: str) -> None:
    read_day(ledger, invited(NUMBER))
    leave(ledger, state)
    second = read_day(ledger, invited(NUMBER + 1))

    gone, new = lines_of(ledger)
    assert (*gone.stands, gone.payload) == ("excluded", "gone", None)
    assert new.stands == ("ready", None)
    assert counted(ledger, second.id) == {"attendances": 1, "absent": 1}


def test_what_reappears_after_it_was_gone_is_ready_again(ledger: Ledger) -> None:
    read_day(ledger, invited(NUMBER))
    read_day(ledger)
    read_day(ledger, invited(NUMBER))

    line = line_of(ledger)
    assert line.stands == ("ready", None)
    assert line.payload is not None


@pytest.mark.parametrize(
    "where",
    [{"day": DAY_BEFORE}, {"day": HospitalDay("HMSM", DAY.business_day), "source": "hmsm"}],
    ids=["day", "hospital"],
)
def test_an_empty_reading_takes_nothing_from_another(ledger: Ledger, where: Any) -> None:
    read_day(ledger, invited(NUMBER))
    read_day(ledger, **where)

    assert stands(ledger) == [("ready", None)]


@pytest.mark.parametrize(
    ("known", "brought", "lacking"),
    [(30, 0, 30), (61, 30, 31), (60, 30, 0), (29, 0, 0)],
    ids=["empty_view", "more_than_half", "half", "too_few_to_tell"],
)
def test_a_wrong_reading_takes_nobody_away_and_says_so(
    ledger: Ledger, known: int, brought: int, lacking: int
) -> None:
    attendances = [invited(NUMBER + n) for n in range(known)]
    read_day(ledger, *attendances)
    second = read_day(ledger, *attendances[:brought])

    gone = stands(ledger).count(("excluded", "gone"))
    assert gone == (0 if lacking else known - brought)
    assert extraction_of(ledger, second.id)["lacking"] == lacking
    assert extraction_of(ledger, second.id)["absent"] == known - brought


def test_what_was_gone_before_is_not_lacking(ledger: Ledger) -> None:
    attendances = [invited(NUMBER + n) for n in range(40)]
    read_day(ledger, *attendances)
    change(ledger, "update lines set state = 'excluded', reason = 'gone'")
    second = read_day(ledger)

    assert counted(ledger, second.id) == {"absent": 40}


# --- refusals -------------------------------------------------------------------------------


def refused(ledger: Ledger, refusal: Refusal = Refusal.BY_STATUS) -> None:
    read_day(ledger, invited(NUMBER))
    leave(ledger, "refused", reason=refusal.value)


def test_a_refusal_by_status_is_ready_again_when_the_erp_mended_the_line(ledger: Ledger) -> None:
    refused(ledger)
    read_day(ledger, invited(NUMBER, email="mended@example.test"))

    assert line_of(ledger).stands == ("ready", None)
    assert events_of(ledger)[-1] == ("corrected", "ready", None, 1)


def test_a_refusal_by_status_stays_while_the_line_is_the_same(ledger: Ledger) -> None:
    refused(ledger)
    read_day(ledger, invited(NUMBER))

    assert line_of(ledger).stands == ("refused", "refused_4xx")


def test_a_refusal_stays_while_the_line_is_the_same_under_an_older_key(two_keys: Ledger) -> None:
    refused(two_keys)
    older = two_keys.keys.digests(invited(NUMBER).line or b"")[1]
    change(two_keys, "update lines set digest = :digest", digest=older)
    read_day(two_keys, invited(NUMBER))

    assert line_of(two_keys).stands == ("refused", "refused_4xx")


def test_a_refused_line_that_may_no_longer_be_asked_is_excluded(ledger: Ledger) -> None:
    refused(ledger)
    read_day(ledger, not_invited(NUMBER, Reason.DEATH))

    assert line_of(ledger).stands == ("excluded", "death")


@pytest.mark.parametrize(
    "read_as",
    [invited(NUMBER), invited(NUMBER, email="mended@example.test"), not_invited(NUMBER)],
    ids=["alike", "mended", "excluded"],
)
def test_a_refusal_inside_an_acceptance_is_final(ledger: Ledger, read_as: Attendance) -> None:
    refused(ledger, Refusal.IN_ACCEPTANCE)
    read_day(ledger, read_as)

    assert line_of(ledger).stands == ("refused", "refused_2xx")


def test_a_refused_line_that_is_gone_stays_refused(ledger: Ledger) -> None:
    refused(ledger)
    read_day(ledger)

    assert line_of(ledger).state == "refused"


# --- attendances that are known already -----------------------------------------------------


@pytest.mark.parametrize("state", ["ready", "excluded", "reopened", "held"])
def test_an_attendance_that_the_erp_moved_to_another_day_moves_along(
    ledger: Ledger, state: str
) -> None:
    first = read_day(ledger, invited(NUMBER))
    leave(ledger, state, reason="gone" if state == "excluded" else None)
    later = replace(TERMS, ask_until=date(2026, 3, 24))
    second = read_day(ledger, invited(NUMBER, Area.EXAMES), day=DAY_BEFORE, terms=later)

    line = line_of(ledger)
    assert (line.day, line.area) == (DAY_BEFORE, "EXAMES")
    assert line.stands == ("held" if state == "held" else "ready", None)
    assert line.ask_until == date(2026, 3, 24)
    assert line.payload is not None
    assert events_of(ledger)[-1][0] == "moved"
    assert counted(ledger, first.id) == {"attendances": 1, "other_day": 1}
    assert counted(ledger, second.id) == {"attendances": 1}


@pytest.mark.parametrize("state", ["sending", "in_doubt", "accepted", "abandoned", "refused"])
def test_what_was_sent_under_another_day_stays_there_and_is_counted(
    ledger: Ledger, state: str
) -> None:
    read_day(ledger, invited(NUMBER))
    leave(ledger, state, reason="refused_4xx" if state == "refused" else None)
    before = line_of(ledger)
    second = read_day(ledger, invited(NUMBER, name="MARIA DO CARMO"), day=DAY_BEFORE)

    assert line_of(ledger) == before
    assert counted(ledger, second.id) == {"attendances": 1, "other_day": 1}


def test_a_day_and_the_day_before_in_one_run_move_and_let_nothing_go(ledger: Ledger) -> None:
    """Moved first, then gone: else the attendance would be gone on one day, known on the other."""
    read_day(ledger, invited(NUMBER), invited(NUMBER + 1))
    read_days(
        ledger,
        {DAY: [invited(NUMBER)], DAY_BEFORE: [invited(NUMBER + 1)]},
        actor=OTHER_RUN,
    )

    assert [(line.day, *line.stands) for line in lines_of(ledger)] == [
        (DAY, "ready", None),
        (DAY_BEFORE, "ready", None),
    ]


def test_what_moved_within_the_run_is_not_lacking(ledger: Ledger) -> None:
    attendances = [invited(NUMBER + n) for n in range(40)]
    read_day(ledger, *attendances)
    read_days(ledger, {DAY: [], DAY_BEFORE: attendances}, actor=OTHER_RUN)

    assert {row["lacking"] or 0 for row in rows_of(ledger, schema.extractions)} == {0}
    assert {line.day for line in lines_of(ledger)} == {DAY_BEFORE}


def test_an_attendance_that_two_days_of_a_run_bring_is_counted_where_it_left(
    ledger: Ledger,
) -> None:
    """The ERP moved it between the two readings."""
    read_days(ledger, {DAY: [invited(NUMBER)], DAY_BEFORE: [invited(NUMBER)]})

    by_day = {row["business_day"]: row for row in rows_of(ledger, schema.extractions)}
    assert line_of(ledger).day == DAY_BEFORE
    assert (by_day[DAY.business_day]["attendances"], by_day[DAY.business_day]["other_day"]) == (
        1,
        1,
    )
    assert by_day[DAY_BEFORE.business_day]["other_day"] == 0


def test_an_older_reading_moves_nothing_back(ledger: Ledger) -> None:
    older = stage(ledger, invited(NUMBER), day=DAY_BEFORE, actor=OTHER_RUN)
    read_day(ledger, invited(NUMBER))
    apply(ledger, (older, [invited(NUMBER)]), actor=OTHER_RUN)

    assert line_of(ledger).day == DAY
    assert counted(ledger, older.id) == {"attendances": 1, "other_day": 1}


def test_an_attendance_of_another_hospital_makes_no_second_line(ledger: Ledger) -> None:
    read_day(ledger, invited(NUMBER))
    before = line_of(ledger)
    second = read_day(ledger, invited(NUMBER), day=HospitalDay("HMSM", DAY.business_day))

    assert line_of(ledger) == before
    assert counted(ledger, second.id) == {"attendances": 1, "other_hospital": 1}


def test_attendances_of_another_source_are_other_people(ledger: Ledger) -> None:
    read_day(ledger, invited(NUMBER))
    read_day(ledger, invited(NUMBER), day=HospitalDay("HSMC", DAY.business_day), source="hsmc")

    assert [(line.source, line.state) for line in lines_of(ledger)] == [
        ("hms", "ready"),
        ("hsmc", "ready"),
    ]


def test_an_attendance_that_was_asked_once_and_forgotten_is_known(two_keys: Ledger) -> None:
    """Accepted, deleted after its time, and then the ERP gives it another date."""
    newest, older = two_keys.keys.attendance_hashes(str(NUMBER))
    for line, found in enumerate((older, older._replace(hash=newest.hash + 1))):
        change(
            two_keys,
            "insert into forgotten (source, hash, key, line) values ('hms', :hash, :key, :line)",
            hash=found.hash,
            key=found.key,
            line=line,
        )
    second = read_day(two_keys, invited(NUMBER), invited(NUMBER + 1))

    assert [line.attendance_id for line in lines_of(two_keys)] == [str(NUMBER + 1)]
    assert counted(two_keys, second.id) == {"attendances": 2, "other_day": 1}


# --- how long a patient may be asked --------------------------------------------------------


def test_who_may_not_be_asked_any_more_is_too_old(ledger: Ledger) -> None:
    read_day(ledger, invited(NUMBER), terms=replace(TERMS, ask_until=TODAY - timedelta(1)))

    line = line_of(ledger)
    assert (*line.stands, line.payload) == ("excluded", "too_old", None)


def test_the_last_day_is_still_a_day(ledger: Ledger) -> None:
    read_day(ledger, invited(NUMBER), terms=replace(TERMS, ask_until=TODAY))

    assert line_of(ledger).stands == ("ready", None)


def test_without_a_limit_nobody_is_too_old(ledger: Ledger) -> None:
    read_day(ledger, invited(NUMBER), terms=replace(TERMS, ask_until=None, today=date(2036, 1, 1)))

    assert (line_of(ledger).state, line_of(ledger).ask_until) == ("ready", None)


@pytest.mark.parametrize("reason", ["too_old", "expired"])
def test_a_persons_wish_to_ask_old_ones_revives_them(ledger: Ledger, reason: str) -> None:
    read_day(ledger, invited(NUMBER), terms=replace(TERMS, ask_until=TODAY - timedelta(1)))
    change(ledger, "update lines set reason = :reason", reason=reason)
    read_day(ledger, invited(NUMBER), terms=replace(TERMS, ask_until=TODAY + timedelta(15)))

    line = line_of(ledger)
    assert (*line.stands, line.ask_until) == ("ready", None, TODAY + timedelta(15))


def test_a_later_reading_never_shortens_the_limit(ledger: Ledger) -> None:
    old, wished = TODAY - timedelta(1), TODAY + timedelta(15)
    read_day(ledger, invited(NUMBER), terms=replace(TERMS, ask_until=wished))
    read_day(ledger, invited(NUMBER), terms=replace(TERMS, ask_until=old))

    line = line_of(ledger)
    assert (*line.stands, line.ask_until) == ("ready", None, wished)


def test_who_may_be_asked_for_ever_stays_so_under_a_later_limit(ledger: Ledger) -> None:
    read_day(ledger, invited(NUMBER), terms=replace(TERMS, ask_until=None))
    read_day(ledger, invited(NUMBER), terms=replace(TERMS, ask_until=TODAY - timedelta(1)))

    assert (line_of(ledger).state, line_of(ledger).ask_until) == ("ready", None)


def test_what_expired_and_is_too_old_stays_expired(ledger: Ledger) -> None:
    old = replace(TERMS, ask_until=TODAY - timedelta(1))
    read_day(ledger, invited(NUMBER), terms=old)
    change(ledger, "update lines set reason = 'expired'")
    read_day(ledger, invited(NUMBER), terms=old)

    assert line_of(ledger).stands == ("excluded", "expired")


# --- one person, several attendances --------------------------------------------------------

SAME = "52998224725"


def test_of_a_persons_attendances_of_a_day_one_waits(ledger: Ledger) -> None:
    read_day(
        ledger,
        invited(NUMBER, Area.EXAMES, person=SAME),
        invited(NUMBER + 1, Area.MATERNIDADE, person=SAME),
        invited(NUMBER + 2),
    )

    assert stands(ledger) == [("excluded", "same_person"), ("ready", None), ("ready", None)]
    other, chosen, _ = lines_of(ledger)
    assert (other.payload, chosen.payload is None) == (None, False)
    assert identities_of(ledger, other.id) != set()


@pytest.mark.parametrize("state", ["sending", "in_doubt", "accepted", "abandoned"])
def test_who_was_asked_before_stays_the_one(ledger: Ledger, state: str) -> None:
    read_day(ledger, invited(NUMBER, Area.EXAMES, person=SAME))
    leave(ledger, state)
    read_day(
        ledger,
        invited(NUMBER, Area.EXAMES, person=SAME),
        invited(NUMBER + 1, Area.MATERNIDADE, person=SAME),
    )

    assert stands(ledger) == [(state, None), ("excluded", "same_person")]


def test_who_was_asked_stays_the_one_although_the_erp_lacks_her(ledger: Ledger) -> None:
    read_day(ledger, invited(NUMBER, person=SAME))
    leave(ledger, "accepted")
    read_day(ledger, invited(NUMBER + 1, person=SAME))

    assert stands(ledger) == [("accepted", None), ("excluded", "same_person")]


def test_a_refused_attendance_keeps_no_other_one_back(ledger: Ledger) -> None:
    read_day(ledger, invited(NUMBER, person=SAME), invited(NUMBER + 1, person=SAME))
    change(
        ledger,
        "update lines set state = 'refused', reason = 'refused_4xx' where state = 'ready'",
    )
    read_day(ledger, invited(NUMBER, person=SAME), invited(NUMBER + 1, person=SAME))

    assert stands(ledger) == [("refused", "refused_4xx"), ("ready", None)]


def test_who_stood_back_stays_so_without_an_event(ledger: Ledger) -> None:
    both = invited(NUMBER, person=SAME), invited(NUMBER + 1, person=SAME)
    read_day(ledger, *both)
    before = lines_of(ledger)[1]
    read_day(ledger, *both)

    assert lines_of(ledger)[1] == before
    assert [event for event in events_of(ledger) if event[1] == "excluded"] == [
        ("reevaluated", "excluded", "same_person", 1)
    ]


def test_a_corrected_contact_of_who_stands_back_is_known_too(ledger: Ledger) -> None:
    """For opt-outs and erasure, and for the day on which she comes back."""
    mended = invited(NUMBER + 1, person=SAME, email="mended@example.test")
    read_day(ledger, invited(NUMBER, person=SAME), invited(NUMBER + 1, person=SAME))
    read_day(ledger, invited(NUMBER, person=SAME), mended)

    back = lines_of(ledger)[1]
    assert back.stands == ("excluded", "same_person")
    assert identities_of(ledger, back.id) == hashed(ledger, mended)


def test_a_wish_for_old_ones_holds_for_who_stands_back_too(ledger: Ledger) -> None:
    """She may come back within the new limit."""
    both = invited(NUMBER, person=SAME), invited(NUMBER + 1, person=SAME)
    read_day(ledger, *both)
    later = TODAY + timedelta(30)
    read_day(ledger, *both, terms=replace(TERMS, ask_until=later), actor=OTHER_RUN)

    assert [(*line.stands, line.ask_until) for line in lines_of(ledger)] == [
        ("ready", None, later),
        ("excluded", "same_person", later),
    ]


@pytest.mark.parametrize("now", ["missing", "excluded", "another_person"])
def test_who_stood_back_waits_again_when_the_other_one_does_not(ledger: Ledger, now: str) -> None:
    second = invited(NUMBER + 1, person=SAME)
    read_day(ledger, invited(NUMBER, person=SAME), second)
    first = {
        "missing": [],
        "excluded": [not_invited(NUMBER, Reason.DEATH)],
        "another_person": [invited(NUMBER)],
    }[now]
    read_day(ledger, *first, second)

    line = lines_of(ledger)[1]
    assert line.stands == ("ready", None)
    assert line.payload is not None


def test_with_a_third_attendance_the_best_that_is_left_waits(ledger: Ledger) -> None:
    best, middle, last = (
        invited(NUMBER + n, area, person=SAME)
        for n, area in enumerate((Area.ONCOLOGIA, Area.EXAMES, Area.AMBULATORIO))
    )
    read_day(ledger, best, middle, last)
    read_day(ledger, middle, last)

    assert stands(ledger) == [
        ("excluded", "gone"),
        ("ready", None),
        ("excluded", "same_person"),
    ]


def test_a_wrong_reading_does_not_ask_the_same_person_twice(ledger: Ledger) -> None:
    """The one who waits is lacking and stays: the other one still stands back."""
    crowd = [invited(NUMBER + n) for n in range(2, 40)]
    second = invited(NUMBER + 1, person=SAME)
    read_day(ledger, invited(NUMBER, person=SAME), second, *crowd)
    read_day(ledger, second)

    assert stands(ledger)[:2] == [("ready", None), ("excluded", "same_person")]


def test_a_better_attendance_that_comes_later_takes_the_place(ledger: Ledger) -> None:
    known = invited(NUMBER, Area.EXAMES, person=SAME)
    read_day(ledger, known)
    read_day(ledger, known, invited(NUMBER + 1, Area.ONCOLOGIA, person=SAME))

    assert stands(ledger) == [("excluded", "same_person"), ("ready", None)]


def test_who_stood_back_and_moves_to_another_day_within_the_run_waits_there(
    ledger: Ledger,
) -> None:
    """Both readings bring her attendance: the ERP moved it between them."""
    both = [invited(NUMBER, person=SAME), invited(NUMBER + 1, person=SAME)]
    read_day(ledger, *both)
    read_days(ledger, {DAY: both, DAY_BEFORE: both[1:]}, actor=OTHER_RUN)

    assert [(line.day, *line.stands) for line in lines_of(ledger)] == [
        (DAY, "ready", None),
        (DAY_BEFORE, "ready", None),
    ]


def test_people_are_compared_within_a_day_only(ledger: Ledger) -> None:
    read_days(
        ledger,
        {DAY: [invited(NUMBER, person=SAME)], DAY_BEFORE: [invited(NUMBER + 1, person=SAME)]},
    )

    assert stands(ledger) == [("ready", None), ("ready", None)]


# --- opt-outs -------------------------------------------------------------------------------


@pytest.mark.parametrize("opted_out", ["email:p900000001@example.test", f"cpf:{NUMBER:011}"])
def test_who_opted_out_is_evaluated_again_without_the_channel(
    ledger: Ledger, opted_out: str
) -> None:
    found = ledger.keys.identity_hashes(opted_out)[0]
    change(
        ledger,
        "insert into optouts (full_hash, channel, hash, key, entry, kind, source, added_at)"
        " values (:full, 'email', :hash, :key, 'e', 'email', 'list', '2026-01-01 00:00:00')",
        full=found.full,
        hash=found.hash,
        key=found.key,
    )
    extraction = stage(ledger, invited(NUMBER), invited(NUMBER + 1))
    asked: list[Any] = []

    def again(barred: Any) -> Any:
        asked.append(dict(barred))
        return {0: invited(NUMBER, channel=Channel.WHATSAPP)}

    with applying_extractions(ledger, source="hms", zone=UTC, actor=RUN) as transform:
        day = transform.begin(extraction, TERMS)
        assert day is not None
        day.take([invited(NUMBER), invited(NUMBER + 1)], again)
        day.end_of_reading(rows_merged=0)
        transform.finish(standing_back)

    assert asked == [{0: {Channel.EMAIL}}]
    assert [line.channel for line in lines_of(ledger)] == ["whatsapp", "email"]


# --- once, and in the order in which the readings began ------------------------------------


def test_an_extraction_is_applied_once(ledger: Ledger) -> None:
    extraction = stage(ledger, invited(NUMBER))
    apply(ledger, (extraction, [invited(NUMBER)]))
    before = everything(ledger)

    assert apply(ledger, (extraction, [not_invited(NUMBER)])) == [False]
    assert everything(ledger) == before


def test_an_older_extraction_is_superseded_by_a_newer_one_and_its_rows_are_erased(
    ledger: Ledger,
) -> None:
    older = stage(ledger, invited(NUMBER), actor=OTHER_RUN)
    read_day(ledger, invited(NUMBER))

    assert apply(ledger, (older, [not_invited(NUMBER)]), actor=OTHER_RUN) == [False]
    found = extraction_of(ledger, older.id)
    assert (found["applied_at"], found["superseded_at"] is not None) == (None, True)
    assert (stands(ledger), rows_of(ledger, schema.staged, "chunk")) == ([("ready", None)], [])


def test_a_slow_reading_is_superseded_by_one_that_began_after_it_and_ended_before(
    ledger: Ledger,
) -> None:
    """It shows the day as it was before the patient's death was entered."""
    slow = staged_around(ledger, lambda: read_day(ledger, not_invited(NUMBER, Reason.DEATH)))

    assert apply(ledger, (slow, [invited(NUMBER)]), actor=OTHER_RUN) == [False]
    assert extraction_of(ledger, slow.id)["superseded_at"] is not None
    assert stands(ledger) == [("excluded", "death")]


def test_a_reading_that_began_after_a_slow_one_is_applied_after_it(ledger: Ledger) -> None:
    newer: list[Extraction] = []
    slow = staged_around(ledger, lambda: newer.append(stage(ledger, not_invited(NUMBER))))
    apply(ledger, (slow, [invited(NUMBER)]), actor=OTHER_RUN)

    assert apply(ledger, (newer[0], [not_invited(NUMBER)])) == [True]
    assert stands(ledger) == [("excluded", "no_contact")]


def test_a_day_is_balanced_by_the_reading_that_began_last(ledger: Ledger) -> None:
    """Also what leaves it afterwards is counted there, not with the one that ended last."""
    both = [not_invited(NUMBER), not_invited(NUMBER + 1)]
    newer: list[Extraction] = []
    slow = staged_around(ledger, lambda: newer.append(stage(ledger, *both)))
    apply(ledger, (slow, [invited(NUMBER)]), actor=OTHER_RUN)
    apply(ledger, (newer[0], both))
    read_day(ledger, not_invited(NUMBER), day=DAY_BEFORE)

    with ledger.reading() as connection:
        equation = day_facts(connection, [DAY])[DAY].equation
    assert equation is not None
    assert (equation.rows, equation.other_day, equation.holds) == (2, 1, True)


def test_a_slow_reading_moves_nothing_back(ledger: Ledger) -> None:
    """The ERP moved the attendance after it had begun."""
    slow = staged_around(ledger, lambda: read_day(ledger, invited(NUMBER)), day=DAY_BEFORE)
    apply(ledger, (slow, [invited(NUMBER)]), actor=OTHER_RUN)

    assert line_of(ledger).day == DAY
    assert counted(ledger, slow.id) == {"attendances": 1, "other_day": 1}


def test_a_newer_extraction_that_is_not_applied_supersedes_nothing(ledger: Ledger) -> None:
    older = stage(ledger, invited(NUMBER), actor=OTHER_RUN)
    stage(ledger, invited(NUMBER))

    assert apply(ledger, (older, [invited(NUMBER)]), actor=OTHER_RUN) == [True]


def test_an_extraction_of_another_day_supersedes_nothing(ledger: Ledger) -> None:
    extraction = stage(ledger, invited(NUMBER))
    read_day(ledger, day=DAY_BEFORE)

    assert apply(ledger, (extraction, [invited(NUMBER)])) == [True]


def test_what_tries_of_the_run_left_behind_is_erased_and_that_of_others_not(
    ledger: Ledger,
) -> None:
    stage(ledger, invited(NUMBER))  # an earlier try of the run
    stage(ledger, invited(NUMBER), actor=OTHER_RUN)
    stage(ledger, invited(NUMBER), day=DAY_BEFORE)
    read_day(ledger, invited(NUMBER))

    assert len(rows_of(ledger, schema.staged, "chunk")) == 2


def test_what_a_later_try_is_staging_is_left_alone(ledger: Ledger) -> None:
    mine = stage(ledger, invited(NUMBER))
    stage(ledger, invited(NUMBER))
    apply(ledger, (mine, [invited(NUMBER)]))

    assert len(rows_of(ledger, schema.staged, "chunk")) == 1


def test_a_lost_try_that_ends_after_all_is_not_applied_without_its_rows(ledger: Ledger) -> None:
    """Its first rows were erased with those of the try that took its place."""

    def slowly() -> Iterator[dict[str, list[str]]]:
        for number in range(CHUNKS_A_TRANSACTION + 1):
            yield {"cd_atendimento": [str(NUMBER + number)]}
        read_day(ledger, invited(NUMBER), invited(NUMBER + 1))

    stage_extraction(ledger, slowly(), source="hms", day=DAY, actor=RUN)
    lost = newest_extraction(ledger)
    assert lost is not None

    assert apply(ledger, (lost, [invited(NUMBER + 2)])) == [False]
    assert stands(ledger) == [("ready", None)] * 2


def test_an_extraction_notes_what_it_came_to(ledger: Ledger) -> None:
    first = read_day(ledger, invited(NUMBER), invited(NUMBER + 1), not_invited(NUMBER + 2))

    row = extraction_of(ledger, first.id)
    assert row["applied_at"] is not None
    assert (row["rows"], row["rows_merged"], row["attendances"], row["volume"]) == (3, 0, 3, 2)


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


# --- days of any size -----------------------------------------------------------------------


def test_postgresql_counts_its_tables_after_a_large_day(postgresql_ledger: Ledger) -> None:
    """Without it the plans of the claims that follow would be guesses."""
    ledger = postgresql_ledger
    change(ledger, "analyze lines")
    read_day(ledger, *(invited(NUMBER + n) for n in range(1000)))

    with ledger.reading() as connection:
        counted = connection.exec_driver_sql(
            "select reltuples from pg_class where oid = 'lines'::regclass"
        ).scalar_one()
    assert counted == 1000


@pytest.fixture
def small_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few lines be as many as a large day has: they are written in several parts."""
    monkeypatch.setattr(envelope_writer, "_LINES_A_WRITE", 3)
    monkeypatch.setattr(envelope_writer, "_IDENTITIES_A_WRITE", 10)
    monkeypatch.setattr(envelope_writer, "_RESERVED", 1)


def test_a_day_that_is_written_in_parts_is_whole(ledger: Ledger, small_writes: None) -> None:
    attendances = [invited(NUMBER + n) for n in range(20)]
    read_day(ledger, *attendances, terms=replace(TERMS, batch_size=2))

    lines = lines_of(ledger)
    assert stands(ledger) == [("ready", None)] * 20
    assert all(line.payload for line in lines)
    assert {line.attendance_id: identities_of(ledger, line.id) for line in lines} == {
        one.attendance_id: hashed(ledger, one) for one in attendances
    }


def test_a_person_is_found_twice_although_the_lines_were_written_apart(
    ledger: Ledger, small_writes: None
) -> None:
    crowd = [invited(NUMBER + n) for n in range(1, 9)]
    both = invited(NUMBER, person=SAME), invited(NUMBER + 9, person=SAME)
    read_day(ledger, both[0], *crowd, both[1], terms=replace(TERMS, batch_size=2))

    assert stands(ledger) == [("ready", None)] * 9 + [("excluded", "same_person")]


def test_an_attendance_that_moves_within_the_run_keeps_the_identities_it_has_now(
    ledger: Ledger, small_writes: None
) -> None:
    """Those of the day it left may be written already, or not yet."""
    days = {
        DAY: [invited(NUMBER + n) for n in range(8)],
        DAY_BEFORE: [invited(NUMBER + n, email=f"new{n}@example.test") for n in (0, 7)],
    }
    read_days(ledger, days, terms=replace(TERMS, batch_size=2))

    moved = [line for line in lines_of(ledger) if line.day == DAY_BEFORE]
    assert [identities_of(ledger, line.id) for line in moved] == [
        hashed(ledger, one) for one in days[DAY_BEFORE]
    ]
