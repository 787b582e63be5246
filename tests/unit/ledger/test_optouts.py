"""Who asked not to be asked is recognised by any identity, whatever key it was entered with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ledger_steps import everything, rows_of

from track_dispatch.ledger import schema
from track_dispatch.ledger.database import Ledger
from track_dispatch.ledger.keys import IdentityKey
from track_dispatch.ledger.optouts import (
    add_optout,
    barred_channels,
    optouts_of,
    remove_optout,
)
from track_dispatch.records import Channel

if TYPE_CHECKING:
    from collections.abc import Mapping

ANA = {"cpf": "52998224725", "email": "ana@example.test", "phone": "5527999990000"}
BOTH = frozenset(Channel)


def barred(ledger: Ledger, identity: Mapping[str, str]) -> frozenset[Channel]:
    with ledger.reading() as connection:
        return barred_channels(ledger, connection, {1: identity}).get(1, frozenset())


def with_new_key(ledger: Ledger) -> Ledger:
    """Return the same ledger after its identity key was changed, the old one kept."""
    new = IdentityKey(id="k2", key="another-key-of-thirty-two-letters-or-more")
    keys = ledger.keys.model_copy(update={"identity_keys": (new, *ledger.keys.identity_keys)})
    return Ledger(ledger.engine, keys)


@pytest.mark.parametrize("kind", ["cpf", "email", "phone"])
def test_any_identity_is_enough(ledger: Ledger, kind: str) -> None:
    assert add_optout(ledger, {kind: ANA[kind]}, channel=None, source="balcão") == 1

    assert barred(ledger, ANA) == BOTH
    assert barred(ledger, {name: ANA[name] for name in ANA if name != kind}) == frozenset()


def test_a_phone_is_no_cpf(ledger: Ledger) -> None:
    add_optout(ledger, {"cpf": "52998224725"}, channel=None, source="balcão")

    assert barred(ledger, {"phone": "52998224725"}) == frozenset()


def test_it_may_hold_for_one_channel(ledger: Ledger) -> None:
    add_optout(ledger, {"email": ANA["email"]}, channel=Channel.EMAIL, source="balcão")

    assert barred(ledger, ANA) == {Channel.EMAIL}

    add_optout(ledger, {"phone": ANA["phone"]}, channel=Channel.WHATSAPP, source="balcão")
    assert barred(ledger, ANA) == BOTH


def test_what_is_on_the_list_is_added_once(ledger: Ledger) -> None:
    add_optout(ledger, ANA, channel=None, source="balcão")
    before = everything(ledger)

    assert add_optout(ledger, ANA, channel=None, source="outra") == 0
    assert everything(ledger) == before


def test_it_is_taken_off_again(ledger: Ledger) -> None:
    add_optout(ledger, ANA, channel=None, source="balcão")

    assert remove_optout(ledger, {"cpf": ANA["cpf"]}, channel=None) == 1
    assert remove_optout(ledger, {"email": ANA["email"]}, channel=Channel.EMAIL) == 0
    assert barred(ledger, {"cpf": ANA["cpf"]}) == frozenset()
    assert barred(ledger, {"phone": ANA["phone"]}) == BOTH


def test_a_new_key_forgets_nobody(ledger: Ledger) -> None:
    add_optout(ledger, {"cpf": ANA["cpf"]}, channel=None, source="balcão")

    assert barred(with_new_key(ledger), ANA) == BOTH


def test_what_was_entered_with_a_new_key_meets_the_old_one(ledger: Ledger) -> None:
    """A worker that has not got the new key yet must not ask."""
    add_optout(with_new_key(ledger), {"cpf": ANA["cpf"]}, channel=None, source="balcão")

    assert barred(ledger, ANA) == BOTH


def test_it_tells_where_it_came_from(ledger: Ledger) -> None:
    add_optout(ledger, {"cpf": ANA["cpf"]}, channel=Channel.EMAIL, source="ouvidoria")

    with ledger.reading() as connection:
        (found,) = optouts_of(ledger, connection, ANA)

    assert (found.kind, found.channel, found.source) == ("cpf", "email", "ouvidoria")


def test_no_value_is_kept(ledger: Ledger) -> None:
    add_optout(ledger, ANA, channel=None, source="balcão")

    kept = str(rows_of(ledger, schema.optouts, "person_hash"))
    assert not any(value in kept for value in ANA.values())


def test_people_are_told_apart(ledger: Ledger) -> None:
    add_optout(ledger, {"cpf": ANA["cpf"]}, channel=None, source="balcão")
    others = {1: {"cpf": "11144477735"}, 2: ANA, 3: {"cpf": ANA["cpf"]}}

    with ledger.reading() as connection:
        assert barred_channels(ledger, connection, others) == {2: BOTH, 3: BOTH}
        assert barred_channels(ledger, connection, {}) == {}
