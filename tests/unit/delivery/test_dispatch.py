"""Dispatching a unit where Track behaves: what goes out, once, and who is left out at the claim."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from demo.track_api import faults
from tests.unit.delivery.bench import HOSPITAL, NOW, SURVEY, UNIT, once_each
from track_dispatch.delivery.splitting import Tally
from track_dispatch.errors import ConfigError, NotDeliveredError
from track_dispatch.ledger.database import Ledger
from track_dispatch.ledger.keys import new_keys
from track_dispatch.records import Area, Channel

if TYPE_CHECKING:
    from tests.unit.delivery.bench import Bench

WHATSAPP = replace(UNIT, channel=Channel.WHATSAPP)


def in_days(days: int, after: datetime = NOW) -> int:
    return int((after + timedelta(days=days)).timestamp())


# -- what goes out -----------------------------------------------------------------


def test_a_unit_goes_out_in_batches_and_every_line_once(bench: Bench) -> None:
    ids = bench.fill(5, batch_size=2)

    tally = bench.dispatch()

    assert tally == Tally(accepted=5)
    assert bench.sizes == [2, 2, 1]
    assert bench.api.accepted_ids(SURVEY) == once_each(ids)
    assert bench.counts() == {"accepted": 5}
    assert bench.api.violations == []


def test_each_batch_is_one_post_under_its_own_id(bench: Bench) -> None:
    bench.fill(5, batch_size=2)

    bench.dispatch()

    keys = [post.idempotency_key for post in bench.api.received]
    assert sorted(keys) == sorted(batch.id for batch in bench.batches())


def test_receipt_and_status_of_each_answer_are_kept(bench: Bench) -> None:
    bench.fill(3, batch_size=2)

    bench.dispatch()

    kept = [(batch.state, batch.status, bool(batch.receipt)) for batch in bench.batches()]
    assert kept == [("settled", 201, True)] * 2


def test_what_is_accepted_keeps_no_patient_data(bench: Bench) -> None:
    bench.fill(2)

    bench.dispatch()

    left = {(line.payload, line.claim_id, line.lease_until) for line in bench.lines().values()}
    assert left == {(None, None, None)}


def test_an_email_batch_carries_templates_and_reminder(bench: Bench) -> None:
    bench.fill(1)

    bench.dispatch()

    body = dict(bench.api.received[0].body or {})
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


def test_a_whatsapp_batch_carries_templates_and_integration(bench: Bench) -> None:
    bench.fill(1, unit=WHATSAPP)

    bench.dispatch(WHATSAPP)

    body = dict(bench.api.received[0].body or {})
    templates = HOSPITAL.template_set.whatsapp
    assert templates is not None
    assert (body["distribution_channel"], body["reminder_channel"]) == ("whatsapp", "whatsapp")
    assert body["whatsapp_template"]["name"] == templates.template.name
    assert body["whatsapp_reminder_template"]["name"] == templates.reminder.name
    assert body["whatsapp_integration_uuid"] == str(templates.integration_uuid)


def test_each_line_is_what_transform_made_of_it_and_names_its_survey(bench: Bench) -> None:
    (attendance_id,) = bench.fill(1)

    bench.dispatch()

    (line,) = (bench.api.received[0].body or {})["import_lines"]
    assert (line["uuid"], line["cd_atendimento"]) == (SURVEY, attendance_id)
    assert line["name"] == "Fulana Sintética"


def test_validity_counts_from_the_moment_of_dispatch(bench: Bench) -> None:
    bench.fill(1)
    later = NOW + timedelta(days=3, hours=2)

    bench.dispatch(now=later)

    body = bench.api.received[0].body or {}
    assert body["validity_at"] == in_days(HOSPITAL.validity_days, after=later)


def test_a_unit_is_one_area_and_channel_of_one_day(bench: Bench) -> None:
    others = [
        replace(UNIT, business_day=date(2026, 3, 1), channel=Channel.WHATSAPP),
        replace(UNIT, business_day=date(2026, 2, 28), area=Area.INTERNACAO),
        replace(UNIT, business_day=date(2026, 2, 27)),
    ]
    for other in others:
        bench.fill(1, unit=other)
    ids = bench.fill(1)

    bench.dispatch()

    assert bench.api.accepted_ids() == once_each(ids)


def test_an_empty_unit_asks_track_nothing(bench: Bench) -> None:
    assert (bench.dispatch(), bench.api.requests) == (Tally(), Counter())


def test_track_is_asked_once_before_the_first_post(bench: Bench) -> None:
    bench.fill(3, batch_size=1)

    bench.dispatch()

    assert bench.api.requests == {"surveys": 1, "distributions": 3}


# -- again -------------------------------------------------------------------------


def test_dispatching_again_sends_nothing(bench: Bench) -> None:
    ids = bench.fill(3)
    bench.dispatch()

    tally = bench.dispatch()

    assert tally == Tally()
    assert bench.api.accepted_ids() == once_each(ids)


def test_what_a_broken_dispatch_left_goes_out_with_the_next(bench: Bench) -> None:
    ids = bench.fill(6, batch_size=2)
    bench.api.script(None, faults.too_many_requests())
    with pytest.raises(NotDeliveredError):
        bench.dispatch()
    sent = bench.api.accepted_ids()

    tally = bench.dispatch()

    assert sent == once_each(ids[:2])
    assert tally == Tally(accepted=4)
    assert bench.api.accepted_ids() == once_each(ids)


def test_lines_that_become_ready_behind_a_dispatch_are_left_to_its_retry(bench: Bench) -> None:
    ids = bench.fill(3, batch_size=1)
    first = f"attendance_id = '{ids[0]}'"
    bench.execute(f"update lines set state = 'held' where {first}")
    bench.during_post(2, lambda: bench.execute(f"update lines set state = 'ready' where {first}"))

    with pytest.raises(NotDeliveredError, match="1 lines"):
        bench.dispatch()
    bench.dispatch()

    assert bench.posts == [[ids[1]], [ids[2]], [ids[0]]]


# -- who is left out at the claim --------------------------------------------------


def test_a_survey_removed_meanwhile_excludes_the_unit(bench: Bench) -> None:
    bench.fill(2, surveys={})

    tally = bench.dispatch()

    assert (tally, bench.posts) == (Tally(), [])
    assert bench.counts() == {"excluded no_survey": 2}


@pytest.mark.parametrize(
    ("now", "fate"),
    [
        (datetime(2026, 3, 17, 12, 0, tzinfo=UTC), "accepted"),  # 15 days
        (datetime(2026, 3, 18, 2, 59, tzinfo=UTC), "accepted"),  # still 15 days in São Paulo
        (datetime(2026, 3, 18, 3, 0, tzinfo=UTC), "expired"),
    ],
)
def test_a_line_older_than_the_limit_expires(bench: Bench, now: datetime, fate: str) -> None:
    bench.fill(1, max_age_days=15)

    bench.dispatch(now=now)

    assert bench.counts() == {fate: 1}


def test_without_a_limit_nothing_is_too_old(bench: Bench) -> None:
    bench.fill(1, max_age_days=0)

    bench.dispatch(now=NOW + timedelta(days=400))

    assert bench.counts() == {"accepted": 1}


def test_a_day_before_the_go_live_is_excluded(bench: Bench) -> None:
    bench.fill(2, first_business_day=date(2026, 3, 3))

    bench.dispatch()

    assert bench.counts() == {"excluded before_go_live": 2}
    assert bench.posts == []


def test_a_line_left_out_at_the_claim_keeps_no_patient_data(bench: Bench) -> None:
    bench.fill(1, surveys={})

    bench.dispatch()

    assert [line.payload for line in bench.lines().values()] == [None]


def test_a_real_host_takes_nothing_under_shipped_settings(bench: Bench) -> None:
    bench.fill(2)

    with pytest.raises(ConfigError, match="reaches real patients"):
        bench.dispatch(track_host="https://api.track.co")

    assert (bench.counts(), bench.api.requests) == ({"ready": 2}, Counter())


def test_a_lease_margin_too_small_stops_before_any_claim(bench: Bench) -> None:
    bench.fill(2, lease_margin_seconds=0.9)

    with pytest.raises(ConfigError, match="lease_margin_seconds"):
        bench.dispatch()

    assert (bench.counts(), bench.api.requests) == ({"ready": 2}, Counter())


def test_a_channel_given_up_meanwhile_is_not_used(bench: Bench) -> None:
    bench.fill(2, channels=(Channel.WHATSAPP,))

    with pytest.raises(ConfigError, match="channels"):
        bench.dispatch()

    assert (bench.counts(), bench.posts) == ({"ready": 2}, [])


def test_lines_that_no_key_opens_are_not_claimed(bench: Bench) -> None:
    bench.fill(2)
    other_keys = Ledger(bench.ledger.engine, new_keys())

    with pytest.raises(ConfigError, match="payload_keys"):
        bench.dispatch(ledger=other_keys)

    assert (bench.counts(), bench.batches(), bench.posts) == ({"ready": 2}, [], [])
