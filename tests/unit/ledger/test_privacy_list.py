"""Who asked not to be asked is recognised by any value, whatever key it was entered with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.ledger.steps import Steps
from track_dispatch.errors import ConfigError
from track_dispatch.ledger import privacy, schema
from track_dispatch.ledger.database import Ledger, connect
from track_dispatch.ledger.decisions import Decision
from track_dispatch.ledger.keys import (
    IdentityKey,
    KeyRing,
    needed_alone,
    register_keys,
    require_keys,
)
from track_dispatch.ledger.privacy import (
    OptOut,
    add_optouts,
    count_optouts,
    optouts_of,
    remove_optouts,
)
from track_dispatch.records import Channel
from track_dispatch.states import Verb

OPT_OUT = Decision(Verb.OPT_OUT, "ana", "pedido da pessoa")
OPT_IN = Decision(Verb.OPT_IN, "ana", "mudou de ideia")
CPF, EMAIL, PHONE = "cpf:52998224725", "email:ana@example.test", "phone:5527999990000"


def on_list(ledger: Ledger, *values: str) -> list[OptOut]:
    with ledger.reading() as connection:
        return optouts_of(connection, ledger.keys, values)


def barred(ledger: Ledger, *values: str) -> set[str]:
    """Return the channels that are barred, "" for all."""
    return {one.channel or "" for one in on_list(ledger, *values)}


def ring(ledger: Ledger, *secrets: IdentityKey) -> KeyRing:
    return KeyRing(
        ledger_id=ledger.keys.ledger_id,
        payload_secrets=ledger.keys.payload_secrets,
        identity_secrets=secrets,
    )


@pytest.fixture
def rotated(ledger: Ledger) -> Iterator[Ledger]:
    """Return the same ledger as seen with a new identity key in front of the old one."""
    new = IdentityKey(id="k2", secret="another-key-of-thirty-two-letters-or-more")
    keys = ring(ledger, new, *ledger.keys.identity_secrets)
    with ledger.writing() as connection:
        register_keys(connection, ledger.keys)
    with Ledger(connect(ledger.engine.url.render_as_string(hide_password=False)), keys) as seen:
        yield seen


@pytest.mark.parametrize("value", [CPF, EMAIL, PHONE])
def test_any_value_is_enough(ledger: Ledger, value: str) -> None:
    others = [one for one in (CPF, EMAIL, PHONE) if one != value]

    assert add_optouts(ledger, [([value], None)], source="balcão", decision=OPT_OUT) == 1

    assert barred(ledger, CPF, EMAIL, PHONE) == {""}
    assert barred(ledger, *others) == set()


def test_a_phone_is_no_cpf(ledger: Ledger) -> None:
    add_optouts(ledger, [(["cpf:52998224725"], None)], source="balcão", decision=OPT_OUT)

    assert barred(ledger, "phone:52998224725") == set()


def test_it_may_hold_for_one_channel(ledger: Ledger) -> None:
    add_optouts(
        ledger,
        [([EMAIL], Channel.EMAIL), ([PHONE], Channel.WHATSAPP)],
        source="balcão",
        decision=OPT_OUT,
    )

    assert barred(ledger, EMAIL) == {"email"}
    assert barred(ledger, EMAIL, PHONE) == {"email", "whatsapp"}


def test_people_are_counted_once(steps: Steps) -> None:
    ana, rui = ([CPF, EMAIL], None), (["cpf:11144477735"], None)

    assert add_optouts(steps.ledger, [ana, rui, ana], source="balcão", decision=OPT_OUT) == 2
    before = steps.rows(schema.optouts, "full_hash")

    assert add_optouts(steps.ledger, [ana], source="outra", decision=OPT_OUT) == 0
    assert steps.rows(schema.optouts, "full_hash") == before


def test_a_long_list_is_one_decision(steps: Steps, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is entered in several transactions; the first one has the record."""
    monkeypatch.setattr(privacy, "PEOPLE_AT_ONCE", 2)
    people = [([f"email:p{number}@example.test"], None) for number in range(5)]

    assert add_optouts(steps.ledger, people, source="lista", decision=OPT_OUT) == 5

    [written] = steps.rows(schema.decisions)
    assert (written["verb"], written["decided_by"], written["why"]) == (
        "opt_out", "ana", "pedido da pessoa",
    )  # fmt: skip
    assert {row["decision"] for row in steps.rows(schema.optouts, "hash")} == {written["id"]}


def test_a_removal_is_on_record(steps: Steps) -> None:
    remove_optouts(steps.ledger, [CPF], channel=None, decision=OPT_IN)

    assert [row["verb"] for row in steps.rows(schema.decisions)] == ["opt_in"]


def test_it_is_taken_off_again(ledger: Ledger) -> None:
    add_optouts(ledger, [([CPF, PHONE], None)], source="balcão", decision=OPT_OUT)

    assert remove_optouts(ledger, [CPF], channel=None, decision=OPT_IN) == 1
    assert remove_optouts(ledger, [EMAIL], channel=Channel.EMAIL, decision=OPT_IN) == 0
    assert barred(ledger, CPF) == set()
    assert barred(ledger, PHONE) == {""}


def test_one_channel_is_freed_and_the_others_stay_barred(ledger: Ledger) -> None:
    """Before, somebody on the list for all channels "was not on the list" for one."""
    add_optouts(ledger, [([EMAIL], None)], source="ouvidoria", decision=OPT_OUT)

    assert remove_optouts(ledger, [EMAIL], channel=Channel.EMAIL, decision=OPT_IN) == 1

    (left,) = on_list(ledger, EMAIL)
    assert (left.channel, left.source) == (Channel.WHATSAPP, "ouvidoria")
    assert (left.entered_by, left.why) == ("ana", "pedido da pessoa")


def test_another_channels_entry_is_no_entry_of_this_one(ledger: Ledger) -> None:
    add_optouts(ledger, [([EMAIL], Channel.WHATSAPP)], source="balcão", decision=OPT_OUT)

    assert remove_optouts(ledger, [EMAIL], channel=Channel.EMAIL, decision=OPT_IN) == 0
    assert barred(ledger, EMAIL) == {"whatsapp"}


def test_it_tells_where_it_came_from_once_for_all_keys(ledger: Ledger, rotated: Ledger) -> None:
    add_optouts(rotated, [([CPF], Channel.EMAIL)], source="ouvidoria", decision=OPT_OUT)

    (found,) = on_list(rotated, CPF)

    assert (found.kind, found.channel, found.source) == ("cpf", "email", "ouvidoria")


def test_the_list_is_counted_by_who_told_us(ledger: Ledger, rotated: Ledger) -> None:
    add_optouts(
        rotated,
        [([CPF, EMAIL], None), (["cpf:11144477735"], None)],
        source="lista",
        decision=OPT_OUT,
    )
    add_optouts(rotated, [([PHONE], Channel.WHATSAPP)], source="balcão", decision=OPT_OUT)

    with ledger.reading() as connection:
        found = count_optouts(connection)

    assert [(one.source, one.kind, one.channel, one.values) for one in found] == [
        ("balcão", "phone", Channel.WHATSAPP, 1),
        ("lista", "cpf", None, 2),
        ("lista", "email", None, 1),
    ]


def test_no_value_is_kept(steps: Steps) -> None:
    add_optouts(steps.ledger, [([CPF, EMAIL, PHONE], None)], source="balcão", decision=OPT_OUT)

    kept = str(steps.rows(schema.optouts, "full_hash"))
    assert not any(value.partition(":")[2] in kept for value in (CPF, EMAIL, PHONE))


# -- keys --------------------------------------------------------------------------


def test_a_new_key_forgets_nobody(ledger: Ledger, rotated: Ledger) -> None:
    add_optouts(ledger, [([CPF], None)], source="balcão", decision=OPT_OUT)

    assert barred(rotated, CPF) == {""}


def test_what_was_entered_with_a_new_key_meets_the_old_one(ledger: Ledger, rotated: Ledger) -> None:
    """A worker that has not got the new key yet must not ask."""
    add_optouts(rotated, [([CPF], None)], source="balcão", decision=OPT_OUT)

    assert barred(ledger, CPF) == {""}


def test_an_old_key_stays_until_no_opt_out_needs_it(ledger: Ledger, rotated: Ledger) -> None:
    """Before, an opt-out died with its key, and `doctor` said that all was well."""
    add_optouts(ledger, [([CPF], None)], source="balcão", decision=OPT_OUT)
    old = ledger.keys.identity_secrets[0].id
    new_only = ring(ledger, rotated.keys.identity_secrets[0])
    with ledger.reading() as connection, pytest.raises(ConfigError, match=f"{old} is gone"):
        require_keys(connection, new_only)
    # entered again, it stands under both keys: as one entry
    assert add_optouts(rotated, [([CPF], None)], source="balcão", decision=OPT_OUT) == 0
    with ledger.reading() as connection:
        assert needed_alone(connection, old, ("k2",))["optouts"] == 0
        require_keys(connection, new_only)
    assert len(on_list(rotated, CPF)) == 1
