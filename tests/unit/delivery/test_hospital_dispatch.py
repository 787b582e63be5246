"""Dispatching a hospital where Track behaves: what goes out, in which order, once."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from stand_ins.track_api import faults
from tests.unit.delivery.delivery_rig import DAY, HOSPITAL, NOW, SURVEY, UNIT, once_each
from track_dispatch.delivery.context import Tally
from track_dispatch.errors import ConfigError, NotDeliveredError
from track_dispatch.ledger.database import Ledger
from track_dispatch.ledger.keys import new_keys
from track_dispatch.records import Area, Channel

if TYPE_CHECKING:
    from tests.unit.delivery.delivery_rig import Rig

WHATSAPP = replace(UNIT, channel=Channel.WHATSAPP)
INTERNACAO = replace(UNIT, area=Area.INTERNACAO)
DAY_BEFORE = replace(UNIT, business_day=DAY - timedelta(days=1))


def in_days(days: int, after: datetime = NOW) -> int:
    return int((after + timedelta(days=days)).timestamp())


# -- what goes out -----------------------------------------------------------------


def test_a_unit_goes_out_in_batches_and_every_line_once(rig: Rig) -> None:
    ids = rig.fill(5, batch_size=2)

    tally = rig.dispatch()

    assert tally == Tally(accepted=5)
    assert rig.sizes == [2, 2, 1]
    assert rig.api.accepted_ids(SURVEY) == once_each(ids)
    assert rig.counts() == {"accepted": 5}
    assert rig.api.violations == []


def test_each_batch_is_one_post_under_its_own_id(rig: Rig) -> None:
    rig.fill(5, batch_size=2)

    rig.dispatch()

    keys = [post.idempotency_key for post in rig.api.received]
    assert sorted(filter(None, keys)) == sorted(batch.id for batch in rig.batches())


def test_receipt_and_status_of_each_answer_are_kept(rig: Rig) -> None:
    rig.fill(3, batch_size=2)

    rig.dispatch()

    kept = [(batch.state, batch.status, bool(batch.receipt)) for batch in rig.batches()]
    assert kept == [("settled", 201, True)] * 2


def test_what_is_accepted_keeps_no_patient_data_and_no_lease(rig: Rig) -> None:
    rig.fill(2)

    rig.dispatch()

    assert rig.kept_payloads() == 0
    assert {batch.lease_until for batch in rig.batches()} == {None}


def test_units_follow_one_another_the_oldest_day_first_then_the_area_then_the_channel(
    rig: Rig,
) -> None:
    whatsapp = rig.fill(1, unit=WHATSAPP)
    exames = rig.fill(1, unit=UNIT)
    internacao = rig.fill(1, unit=INTERNACAO)
    maternidade = rig.fill(1, unit=replace(UNIT, area=Area.MATERNIDADE))
    oldest = rig.fill(1, unit=replace(INTERNACAO, business_day=DAY - timedelta(days=2)))
    before = rig.fill(1, unit=DAY_BEFORE)

    rig.dispatch()

    assert rig.posts == [oldest, before, maternidade, exames, whatsapp, internacao]


def test_a_later_day_than_the_runs_own_waits_for_its_run(rig: Rig) -> None:
    ids = rig.fill(1, unit=DAY_BEFORE)
    rig.fill(1)

    rig.dispatch(until=DAY_BEFORE.business_day)

    assert rig.api.accepted_ids() == once_each(ids)
    assert rig.counts() == {"accepted": 1, "ready": 1}


def test_another_hospitals_lines_are_left_alone(rig: Rig) -> None:
    rig.fill(1, unit=replace(UNIT, hospital="OTOA"))
    ids = rig.fill(1)

    rig.dispatch()

    assert rig.api.accepted_ids() == once_each(ids)


def test_an_email_batch_carries_templates_and_reminder(rig: Rig) -> None:
    rig.fill(1)

    rig.dispatch()

    body = dict(rig.api.received[0].body or {})
    del body["import_lines"]
    templates = HOSPITAL.template_set.email
    assert templates is not None
    assert body == {
        "survey_uuid": SURVEY,
        "distribution_channel": "email",
        "reminder_channel": "email",
        "validity_at": in_days(HOSPITAL.validity_days),
        "reminder_at": in_days(HOSPITAL.reminder_days),
        "template_invite_hash": templates.invite,
        "template_expired_hash": templates.expired,
        "template_thanks_hash": templates.thanks,
    }


def test_a_whatsapp_batch_carries_templates_and_integration(rig: Rig) -> None:
    rig.fill(1, unit=WHATSAPP)

    rig.dispatch()

    body = dict(rig.api.received[0].body or {})
    templates = HOSPITAL.template_set.whatsapp
    assert templates is not None
    assert (body["distribution_channel"], body["reminder_channel"]) == ("whatsapp", "whatsapp")
    assert body["whatsapp_template"]["name"] == templates.template.name
    assert body["whatsapp_reminder_template"]["name"] == templates.reminder.name
    assert body["whatsapp_integration_uuid"] == str(templates.integration_uuid)


def test_each_line_is_what_transform_made_of_it_and_names_its_survey(rig: Rig) -> None:
    (attendance_id,) = rig.fill(1)

    rig.dispatch()

    (line,) = (rig.api.received[0].body or {})["import_lines"]
    assert (line["uuid"], line["cd_atendimento"]) == (SURVEY, attendance_id)
    assert line["name"] == "Fulana Sintética"


def test_validity_counts_from_the_moment_of_dispatch_and_the_ledger_keeps_it(rig: Rig) -> None:
    rig.fill(1)
    later = NOW + timedelta(days=3, hours=2)

    rig.dispatch(now=later)

    (batch,) = rig.batches()
    body = rig.api.received[0].body or {}
    assert body["validity_at"] == in_days(HOSPITAL.validity_days, after=later)
    assert (batch.validity_at, batch.reminder_at) == (body["validity_at"], body["reminder_at"])


def test_what_the_hospital_holds_back_is_not_posted(rig: Rig) -> None:
    rig.fill(1, import_fields=("area_pesquisa",))

    rig.dispatch()

    (line,) = (rig.api.received[0].body or {})["import_lines"]
    assert line.keys() == {"area_pesquisa", "cd_atendimento", "email", "name", "uuid"}


def test_without_ready_lines_track_is_asked_nothing(rig: Rig) -> None:
    rig.fill(2, state="held")

    assert (rig.dispatch(), rig.api.requests) == (Tally(), Counter())


def test_track_is_asked_once_before_the_first_post_of_all_units(rig: Rig) -> None:
    rig.fill(2, batch_size=1)
    rig.fill(1, unit=INTERNACAO)

    rig.dispatch()

    assert rig.api.requests == {"surveys": 1, "distributions": 3}


def test_each_request_to_track_is_taken_from_the_budget(rig: Rig) -> None:
    rig.fill(3, batch_size=1)

    rig.dispatch()

    assert rig.requests_taken() == rig.api.requests.total() == 4


def test_one_connection_to_the_ledger_serves_all_units(rig: Rig) -> None:
    rig.fill(3, batch_size=1)
    rig.fill(2, unit=INTERNACAO)
    rig.ledger.engine.dispose()
    opened: list[object] = []
    rig.on_ledger("connect", lambda connection, _: opened.append(connection))

    rig.dispatch()

    assert len(opened) == 1


def test_the_log_tells_of_each_batch_and_of_nobody(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    ids = rig.fill(4, batch_size=2)
    rig.api.reject(ids[3:])

    with caplog.at_level("DEBUG", logger="track_dispatch"):
        rig.dispatch()

    assert all(batch.id in caplog.text for batch in rig.batches())
    assert [id_ for id_ in ids if id_ in caplog.text] == []
    assert [word for word in ("Fulana", "exemplo.test", "5527") if word in caplog.text] == []


def test_the_log_tells_each_batch_and_then_all_in_the_analysts_language(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    ids = rig.fill(4, batch_size=2)
    rig.api.reject(ids[3:])

    with caplog.at_level("INFO", logger="track_dispatch"):
        rig.dispatch()
        rig.dispatch()

    told = [record.getMessage() for record in caplog.records]
    posted = [line.partition(" · batch_id=")[0] for line in told if " · batch_id=" in line]
    assert posted == [
        f"{UNIT}: lote de 2 linhas aceito",
        f"{UNIT}: lote de 2 linhas recusado",
        f"{UNIT}: lote de 1 linha aceito",
    ]
    assert [line for line in told if line.startswith("HMS · até")] == [
        "HMS · até 02/03/2026: 3 aceitas, 1 recusada",
        "HMS · até 02/03/2026: nada a enviar",
    ]


# -- again -------------------------------------------------------------------------


def test_dispatching_again_sends_nothing(rig: Rig) -> None:
    ids = rig.fill(3)
    rig.dispatch()

    tally = rig.dispatch()

    assert tally == Tally()
    assert rig.api.accepted_ids() == once_each(ids)


def test_what_a_broken_dispatch_left_goes_out_with_the_next(rig: Rig) -> None:
    ids = rig.fill(6, batch_size=2)
    rig.api.script(None, faults.too_many_requests())
    with pytest.raises(NotDeliveredError):
        rig.dispatch()
    sent = rig.api.accepted_ids()

    tally = rig.dispatch()

    assert sent == once_each(ids[:2])
    assert tally == Tally(accepted=4)
    assert rig.api.accepted_ids() == once_each(ids)


def test_lines_that_become_ready_behind_a_dispatch_are_left_to_its_retry(rig: Rig) -> None:
    ids = rig.fill(2, batch_size=1)
    late: list[str] = []
    rig.during_post(2, lambda: late.extend(rig.fill(1, unit=DAY_BEFORE)))

    with pytest.raises(NotDeliveredError, match=rf"1 line .*{DAY_BEFORE.business_day}"):
        rig.dispatch()
    rig.dispatch()

    assert rig.posts == [[id_] for id_ in (*ids, *late)]


# -- what is not asked at all ------------------------------------------------------


def test_a_survey_removed_meanwhile_excludes_the_unit_and_no_other(rig: Rig) -> None:
    surveys = {key: value for key, value in HOSPITAL.surveys.items() if key != "exames"}
    rig.fill(2, surveys=surveys)
    ids = rig.fill(1, unit=INTERNACAO)

    tally = rig.dispatch()

    assert (tally, rig.posts) == (Tally(accepted=1), [ids])
    assert rig.counts() == {"excluded no_survey": 2, "accepted": 1}
    assert rig.kept_payloads() == 0


@pytest.mark.parametrize("first", [date(2026, 3, 3), None])
def test_a_day_before_the_go_live_is_excluded(rig: Rig, first: date | None) -> None:
    rig.fill(2, first_business_day=first)

    rig.dispatch()

    assert rig.counts() == {"excluded before_go_live": 2}
    assert rig.posts == []
    assert rig.kept_payloads() == 0


@pytest.mark.parametrize(
    ("now", "fate"),
    [
        (datetime(2026, 3, 17, 12, 0, tzinfo=UTC), "accepted"),
        (datetime(2026, 3, 18, 2, 59, tzinfo=UTC), "accepted"),  # still the 17th in São Paulo
        (datetime(2026, 3, 18, 3, 0, tzinfo=UTC), "excluded expired"),
    ],
)
def test_a_line_is_asked_until_its_last_day_is_over_at_the_hospital(
    rig: Rig, now: datetime, fate: str
) -> None:
    rig.fill(1, ask_until=date(2026, 3, 17))

    rig.dispatch(now=now)

    assert rig.counts() == {fate: 1}


MIDNIGHT = datetime(2026, 3, 18, 3, tzinfo=UTC)  # of the 17th, in São Paulo


def test_a_last_day_that_ends_during_the_post_before_it_is_over(rig: Rig) -> None:
    ids = rig.fill(2, batch_size=1, ask_until=date(2026, 3, 17))
    rig.during_post(1, lambda: setattr(rig.time, "began", MIDNIGHT))

    rig.dispatch(now=MIDNIGHT - timedelta(seconds=1))

    assert (rig.posts, rig.fates()[ids[1]]) == ([ids[:1]], "excluded expired")


def test_a_last_day_that_ends_while_a_survey_is_waited_for_is_over(rig: Rig) -> None:
    other = rig.claim_elsewhere(rig.fill(1, unit=DAY_BEFORE))
    ids = rig.fill(2, ask_until=date(2026, 3, 17))

    def act() -> None:
        if len(rig.time.pauses) == 10:  # two seconds
            rig.accept_elsewhere(other)

    rig.time.on_pause = act
    rig.dispatch(now=MIDNIGHT - timedelta(seconds=1))

    assert (rig.posts, [rig.fates()[id_] for id_ in ids]) == ([], ["excluded expired"] * 2)


def test_a_last_day_that_ends_while_a_batch_is_split_is_over(rig: Rig) -> None:
    ids = rig.fill(4, ask_until=date(2026, 3, 17))
    rig.api.reject(ids[3:], named=False)
    rig.during_post(2, lambda: setattr(rig.time, "began", MIDNIGHT))

    rig.dispatch(now=MIDNIGHT - timedelta(seconds=1))

    assert (rig.sizes, rig.counts()) == ([4, 2], {"accepted": 2, "excluded expired": 2})


def test_what_was_judged_under_other_rules_is_read_again_before_it_goes(rig: Rig) -> None:
    rig.fill(2, rules="rules-0")
    ids = rig.fill(1, unit=DAY_BEFORE)

    tally = rig.dispatch()

    assert (tally, rig.posts) == (Tally(accepted=1), [ids])
    assert rig.counts() == {"reopened": 2, "accepted": 1}
    assert rig.kept_payloads() == 0


def test_a_channel_that_no_template_serves_any_more_does_not_keep_its_lines(rig: Rig) -> None:
    templates = HOSPITAL.template_set.model_copy(update={"whatsapp": None})
    rig.fill(1, unit=WHATSAPP, rules="rules-0", template_set=templates)
    ids = rig.fill(1)

    rig.dispatch()

    assert rig.posts == [ids]
    assert rig.counts() == {"reopened": 1, "accepted": 1}


def test_what_was_read_too_long_ago_is_read_again_before_it_goes(rig: Rig) -> None:
    rig.fill(2, age_hours=37)

    rig.dispatch()

    assert (rig.counts(), rig.posts) == ({"reopened": 2}, [])


# -- settings ----------------------------------------------------------------------


def test_a_real_host_takes_nothing_under_shipped_settings(rig: Rig) -> None:
    rig.fill(2)

    with pytest.raises(ConfigError, match="reaches real patients"):
        rig.dispatch(track_host="https://api.track.co")

    assert (rig.counts(), rig.api.requests) == ({"ready": 2}, Counter())


def test_a_lease_margin_too_small_stops_before_any_claim(rig: Rig) -> None:
    rig.fill(2, lease_margin_seconds=0.9)

    with pytest.raises(ConfigError, match="lease_margin_seconds"):
        rig.dispatch()

    assert (rig.counts(), rig.api.requests) == ({"ready": 2}, Counter())


def test_lines_that_no_key_opens_are_not_claimed(rig: Rig) -> None:
    rig.fill(2)
    other_keys = Ledger(rig.ledger.engine, new_keys())

    with pytest.raises(ConfigError, match="payload_secrets"):
        rig.dispatch(ledger=other_keys)

    assert (rig.counts(), rig.batches(), rig.posts) == ({"ready": 2}, [], [])
