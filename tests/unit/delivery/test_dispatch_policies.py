"""Who may be asked, when, and with what, checked where it is sent."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from demo.track_api import Fault, faults
from tests.unit.delivery.bench import DAY, NOW, UNIT, once_each
from track_dispatch.delivery.dispatch import dispatch
from track_dispatch.delivery.splitting import Tally
from track_dispatch.errors import QuietHoursError
from track_dispatch.ledger.optouts import add_optout
from track_dispatch.ledger.schema import contacts, moment_in
from track_dispatch.records import Channel

if TYPE_CHECKING:
    from tests.unit.delivery.bench import Bench

NIGHT = datetime(2026, 3, 3, 5, tzinfo=UTC)  # 2:00 at the hospital
OPENING = datetime(2026, 3, 3, 11, tzinfo=UTC)
NEXT_DAY = replace(UNIT, business_day=date(2026, 3, 3))


# -- quiet hours -------------------------------------------------------------------


def test_at_night_nothing_leaves_and_nothing_is_claimed(bench: Bench) -> None:
    bench.fill(2, send_window="08:00-20:00")

    with pytest.raises(QuietHoursError) as caught:
        bench.dispatch(now=NIGHT)

    assert caught.value.opens_at == OPENING
    assert bench.api.requests == {}
    assert bench.batches() == []
    assert bench.counts() == {"ready": 2}


def test_when_the_window_opens_they_leave(bench: Bench) -> None:
    ids = bench.fill(2, send_window="08:00-20:00")

    bench.dispatch(now=OPENING)

    assert bench.api.accepted_ids() == once_each(ids)


def test_a_window_that_closes_between_two_batches_keeps_the_rest(bench: Bench) -> None:
    bench.fill(4, send_window="08:00-20:00", batch_size=2)
    closing = datetime(2026, 3, 3, 23, tzinfo=UTC)

    def now() -> datetime:
        return closing if bench.posts else closing - timedelta(minutes=1)

    with bench.desk() as desk, pytest.raises(QuietHoursError):
        dispatch(replace(desk, now=now), UNIT)

    assert bench.counts() == {"accepted": 2, "ready": 2}


def test_a_unit_with_nothing_to_send_does_not_wait_for_the_morning(bench: Bench) -> None:
    bench.settings["send_window"] = "08:00-20:00"

    assert bench.dispatch(now=NIGHT) == Tally()


# -- opt-outs ----------------------------------------------------------------------


def test_who_opts_out_after_transform_is_not_asked(bench: Bench) -> None:
    ids = bench.fill(3)
    email = f"fulana{ids[1]}@exemplo.test"
    add_optout(bench.ledger, {"email": email}, channel=None, source="balcão")

    assert bench.dispatch() == Tally(accepted=2)
    assert bench.fates()[ids[1]] == "excluded opt_out"
    assert bench.api.accepted_ids() == once_each([ids[0], ids[2]])


def test_an_opt_out_of_another_channel_changes_nothing(bench: Bench) -> None:
    ids = bench.fill(1)
    add_optout(
        bench.ledger,
        {"email": f"fulana{ids[0]}@exemplo.test"},
        channel=Channel.WHATSAPP,
        source="balcão",
    )

    assert bench.dispatch() == Tally(accepted=1)


def test_a_whole_bite_of_opted_out_lines_does_not_hide_the_ones_behind(bench: Bench) -> None:
    ids = bench.fill(5, batch_size=2)
    for gone in ids[:4]:
        add_optout(
            bench.ledger, {"email": f"fulana{gone}@exemplo.test"}, channel=None, source="lista"
        )

    assert bench.dispatch() == Tally(accepted=1)
    assert bench.counts() == {"accepted": 1, "excluded opt_out": 4}


def test_where_all_opted_out_nothing_is_posted(bench: Bench) -> None:
    ids = bench.fill(1)
    add_optout(
        bench.ledger, {"email": f"fulana{ids[0]}@exemplo.test"}, channel=None, source="lista"
    )

    assert bench.dispatch() == Tally()
    assert bench.posts == []
    assert bench.batches() == []


# -- the contact cap ---------------------------------------------------------------


def test_one_person_is_invited_once_within_the_cap(bench: Bench) -> None:
    """All made-up lines share a name and a phone: they are one person."""
    ids = bench.fill(3, contact_cap_days=30)

    assert bench.dispatch() == Tally(accepted=1)
    assert bench.api.accepted_ids() == once_each(ids[:1])
    assert bench.counts() == {"accepted": 1, "excluded contact_cap": 2}


@pytest.mark.parametrize(("days", "fate"), [(29, "excluded contact_cap"), (31, "accepted")])
def test_the_cap_holds_over_days_and_ends(bench: Bench, days: float, fate: str) -> None:
    bench.fill(1, contact_cap_days=30)
    bench.dispatch()
    with bench.ledger.writing() as connection:
        connection.execute(contacts.update().values(claimed_at=moment_in(-days * 86_400)))
    (second,) = bench.fill(1, unit=NEXT_DAY)

    bench.dispatch(NEXT_DAY)

    assert bench.fates()[second] == fate


def test_a_doubt_counts_as_an_invitation(bench: Bench) -> None:
    bench.fill(1, contact_cap_days=30)
    bench.api.script(faults.drop(accepted=False))
    bench.dispatch_anyhow()
    (second,) = bench.fill(1, unit=NEXT_DAY)

    bench.dispatch(NEXT_DAY)

    assert bench.fates()[second] == "excluded contact_cap"


@pytest.mark.parametrize("fault", [faults.too_many_requests(), faults.refuse(422, positions=(0,))])
def test_who_was_certainly_not_invited_is_free(bench: Bench, fault: Fault) -> None:
    bench.fill(1, contact_cap_days=30)
    bench.api.script(fault)
    bench.dispatch_anyhow()
    (second,) = bench.fill(1, unit=NEXT_DAY)

    assert bench.dispatch(NEXT_DAY) == Tally(accepted=1)
    assert bench.fates()[second] == "accepted"


def test_without_a_cap_nobody_is_counted(bench: Bench) -> None:
    bench.fill(3, contact_cap_days=0)

    assert bench.dispatch() == Tally(accepted=3)


# -- old ones, on a person's wish --------------------------------------------------


@pytest.mark.parametrize(("wanted", "fate"), [(True, "accepted"), (False, "expired")])
def test_old_attendances_leave_on_a_persons_wish_only(
    bench: Bench, *, wanted: bool, fate: str
) -> None:
    bench.fill(1, max_age_days=15)

    with bench.desk(now=NOW + timedelta(days=20)) as desk:
        dispatch(replace(desk, include_old=wanted), UNIT)

    assert bench.counts() == {fate: 1}
    assert UNIT.business_day == DAY


def test_what_does_not_go_to_track_is_not_posted(bench: Bench) -> None:
    bench.fill(1, import_fields=("area_pesquisa",))

    bench.dispatch()

    body = bench.api.received[0].body
    assert body is not None
    assert body["import_lines"][0].keys() == {
        "area_pesquisa",
        "cd_atendimento",
        "email",
        "name",
        "uuid",
    }
