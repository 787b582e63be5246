"""Who may be asked is judged where it is sent: opt-outs, and who was invited lately."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from stand_ins.track_api import Fault, faults
from tests.unit.delivery.delivery_rig import DAY, OPT_OUT, UNIT, by_name, once_each
from track_dispatch.delivery.context import Tally
from track_dispatch.ledger import schema
from track_dispatch.ledger.privacy import add_optouts
from track_dispatch.ledger.sql import moment_in
from track_dispatch.records import Area, Channel

if TYPE_CHECKING:
    from tests.unit.delivery.delivery_rig import Rig

PREVIOUS = replace(UNIT, business_day=DAY - timedelta(days=1))


def opt_out(rig: Rig, ids: Iterable[str], channel: Channel | None = None) -> None:
    out = [([f"email:fulana{id_}@exemplo.test"], channel) for id_ in ids]
    add_optouts(rig.ledger, out, source="balcão", decision=OPT_OUT)


# -- opt-outs ----------------------------------------------------------------------


def test_who_opts_out_after_transform_is_not_asked(rig: Rig) -> None:
    ids = rig.fill(3)
    opt_out(rig, ids[1:2])

    assert rig.dispatch() == Tally(accepted=2)
    assert rig.fates()[ids[1]] == "excluded opt_out"
    assert rig.api.accepted_ids() == once_each([ids[0], ids[2]])
    assert rig.kept_payloads() == 0


def test_an_opt_out_of_another_channel_changes_nothing(rig: Rig) -> None:
    opt_out(rig, rig.fill(1), Channel.WHATSAPP)

    assert rig.dispatch() == Tally(accepted=1)


def test_envelopes_of_which_all_opted_out_do_not_hide_the_ones_behind(rig: Rig) -> None:
    ids = rig.fill(5, batch_size=2)
    opt_out(rig, ids[:4])

    assert rig.dispatch() == Tally(accepted=1)
    assert rig.counts() == {"accepted": 1, "excluded opt_out": 4}
    assert rig.posts == [ids[4:]]


def test_where_all_opted_out_nothing_is_posted(rig: Rig) -> None:
    opt_out(rig, rig.fill(1))

    assert rig.dispatch() == Tally()
    assert (rig.posts, rig.batches()) == ([], [])


# -- the contact cap ---------------------------------------------------------------


def test_of_two_lines_of_one_person_in_one_claim_one_goes(rig: Rig) -> None:
    ids = rig.fill(3, person="alice")

    assert rig.dispatch() == Tally(accepted=1)
    assert rig.api.accepted_ids() == once_each(ids[:1])
    assert rig.counts() == {"accepted": 1, "excluded same_person": 2}


def test_one_person_is_invited_once_over_units_and_batches(rig: Rig) -> None:
    first = rig.fill(1, unit=PREVIOUS, person="alice")
    rig.fill(2, person="alice", batch_size=1)

    assert rig.dispatch() == Tally(accepted=1)
    assert rig.api.accepted_ids() == once_each(first)
    assert rig.counts() == {"accepted": 1, "excluded contact_cap": 2}


@pytest.mark.parametrize(("days", "fate"), [(29, "excluded contact_cap"), (31, "accepted")])
def test_the_cap_holds_over_days_and_ends(rig: Rig, days: float, fate: str) -> None:
    rig.fill(1, unit=PREVIOUS, person="alice", contact_cap_days=30)
    rig.dispatch()
    with rig.ledger.writing() as connection:
        connection.execute(update(schema.batches).values(created_at=moment_in(-days * 86_400)))
    (second,) = rig.fill(1, person="alice")

    rig.dispatch()

    assert rig.fates()[second] == fate


def test_a_doubt_counts_as_an_invitation(rig: Rig) -> None:
    rig.fill(1, unit=PREVIOUS, person="alice")
    rig.api.script(faults.drop(accepted=False))
    (second,) = rig.fill(1, person="alice")

    rig.dispatch_anyhow()

    assert rig.fates()[second] == "excluded contact_cap"


def test_who_was_accepted_counts_as_invited_though_the_claim_was_lost(rig: Rig) -> None:
    """While she is on her way, the database becomes as it was before, by a backup or a failover."""
    first = rig.fill(1, person="maria")
    rig.fill(1, person="maria", unit=replace(UNIT, area=Area.AMBULATORIO))

    def lose_the_claim() -> None:
        rig.execute("update envelopes set reopened = 1 where payload is null")
        rig.execute("update lines set state = 'reopened', batch = null where state = 'sending'")
        rig.execute("delete from batches")

    rig.during_post(1, lose_the_claim)
    rig.dispatch()

    assert rig.posts == [first]
    assert rig.counts() == {"accepted": 1, "excluded contact_cap": 1}


@pytest.mark.parametrize(
    "fault", [faults.too_many_requests(), faults.refuse(422, positions=(0,))], ids=by_name
)
def test_who_was_certainly_not_invited_is_free(rig: Rig, fault: Fault) -> None:
    (first,) = rig.fill(1, unit=PREVIOUS, person="alice")
    rig.api.script(fault)
    rig.dispatch_anyhow()
    rig.execute("update lines set state = 'excluded', reason = 'gone' where state = 'ready'")
    (second,) = rig.fill(1, person="alice")

    rig.dispatch_anyhow()

    assert rig.fates()[second] == "accepted"
    assert rig.fates()[first] != "accepted"


def test_without_a_cap_a_person_may_be_asked_for_each_visit(rig: Rig) -> None:
    rig.fill(3, person="alice", contact_cap_days=0)

    assert rig.dispatch() == Tally(accepted=3)
