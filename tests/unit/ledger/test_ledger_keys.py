"""The ledger's keys: what they open, what they recognise, and that nobody sees them."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from ledger_steps import (
    ACTOR,
    everything,
    invited,
    read_day,
    states_of,
    take,
)

from track_dispatch.errors import ConfigError
from track_dispatch.ledger.database import Ledger
from track_dispatch.ledger.keys import KeyRing, new_keys, parse_keys
from track_dispatch.ledger.settling import Settlement, settle

NUMBER = 900_000_001


def rotated(old: KeyRing) -> KeyRing:
    """Put new keys before the old ones, and give the new hash key an id of its own."""
    new = new_keys()
    first = new.identity_keys[0].model_copy(update={"id": "k2"})
    return KeyRing(
        ledger_id=old.ledger_id,
        payload_keys=(*new.payload_keys, *old.payload_keys),
        identity_keys=(first, *old.identity_keys),
    )


def shape(keys: KeyRing) -> dict[str, Any]:
    """Return keys as the connection's extra and the key file have them."""
    found: dict[str, Any] = json.loads(keys.model_dump_json())
    return found


def secrets(keys: KeyRing) -> list[str]:
    return [*keys.payload_keys, *(key.key for key in keys.identity_keys)]


@pytest.mark.parametrize("value", [{"name": "JOSÉ D'ÁVILA"}, [{"a": ""}] * 3, [], "ç🙂"])
def test_what_was_encrypted_comes_back(value: Any) -> None:
    keys = new_keys()

    assert keys.decrypt(keys.encrypt(value)) == value


def test_the_same_value_is_encrypted_differently_each_time() -> None:
    keys = new_keys()

    assert keys.encrypt("x") != keys.encrypt("x")


def test_an_old_key_behind_the_new_one_still_opens() -> None:
    old = new_keys()

    assert rotated(old).decrypt(old.encrypt("x")) == "x"


def test_the_newest_key_encrypts() -> None:
    keys = rotated(new_keys())
    newest = keys.model_copy(update={"payload_keys": keys.payload_keys[:1]})

    assert newest.decrypt(keys.encrypt("x")) == "x"


def test_what_no_key_opens_is_a_config_error_that_says_which_keys() -> None:
    with pytest.raises(ConfigError, match="payload_keys"):
        new_keys().decrypt(new_keys().encrypt("x"))


def test_keys_go_through_their_shape_and_back() -> None:
    keys = new_keys()

    assert parse_keys(shape(keys), "somewhere") == keys


def test_new_keys_are_a_new_ledger_with_new_keys() -> None:
    first, second = new_keys(), new_keys()

    assert first.ledger_id != second.ledger_id
    assert set(secrets(first)).isdisjoint(secrets(second))


@pytest.mark.parametrize("show", [repr, str, "{}".format], ids=["repr", "str", "format"])
def test_keys_are_never_shown(show: Callable[[Any], str]) -> None:
    keys = new_keys()
    keys.encrypt("what it makes on the way is not shown either")
    shown = show(keys) + show(keys.identity_keys[0])

    assert [secret for secret in secrets(keys) if secret in shown] == []


Spoil = Callable[[dict[str, Any]], Any]

#: The field that the message names, and what was done to it.
SPOILT: dict[str, tuple[str, Spoil]] = {
    "no ledger id": ("ledger_id", lambda extra: extra.pop("ledger_id")),
    "no payload keys": ("payload_keys", lambda extra: extra.pop("payload_keys")),
    "empty payload keys": ("payload_keys", lambda extra: extra.update(payload_keys=[])),
    "a short payload key": (
        "payload_keys",
        lambda extra: extra.update(payload_keys=["c2VjcmV0LXRvby1zaG9ydA=="]),
    ),
    "a payload key of letters": (
        "payload_keys",
        lambda extra: extra.update(payload_keys=["secret não é base64"]),
    ),
    "no identity keys": ("identity_keys", lambda extra: extra.pop("identity_keys")),
    "empty identity keys": ("identity_keys", lambda extra: extra.update(identity_keys=[])),
    "a short identity key": (
        "identity_keys.0.key",
        lambda extra: extra["identity_keys"][0].update(key="secret-too-short"),
    ),
    "an identity key without id": (
        "identity_keys.0.id",
        lambda extra: extra["identity_keys"][0].pop("id"),
    ),
    "an odd id": (
        "identity_keys.0.id",
        lambda extra: extra["identity_keys"][0].update(id="secret spaces"),
    ),
    "a field too many": ("comment", lambda extra: extra.update(comment="secret note")),
}


@pytest.mark.parametrize(("field", "spoil"), SPOILT.values(), ids=SPOILT)
def test_unusable_keys_are_a_config_error_that_names_place_and_field(
    field: str, spoil: Spoil
) -> None:
    extra = shape(new_keys())
    spoil(extra)
    with pytest.raises(ConfigError) as error:
        parse_keys(extra, "connection track_ledger")

    assert str(error.value).startswith("connection track_ledger: ")
    assert field in str(error.value)


@pytest.mark.parametrize(("field", "spoil"), SPOILT.values(), ids=SPOILT)
def test_unusable_keys_are_not_shown_in_the_error(field: str, spoil: Spoil) -> None:
    keys = new_keys()
    extra = shape(keys)
    spoil(extra)
    with pytest.raises(ConfigError) as error:
        parse_keys(extra, "connection track_ledger")

    shown = "".join(traceback.format_exception(error.value))
    said = [*secrets(keys), "secret", "c2VjcmV0"]
    assert [secret for secret in said if secret in shown] == []


def test_a_digest_is_the_same_for_the_same_line_whatever_its_order() -> None:
    keys = new_keys()

    assert keys.digest({"a": "1", "b": "2"}) == keys.digest({"b": "2", "a": "1"})


def test_a_digest_differs_where_a_value_or_the_key_does() -> None:
    keys = new_keys()
    digests = {
        keys.digest({"a": "1", "b": "2"}),
        keys.digest({"a": "1", "b": "3"}),
        keys.digest({"a": "12", "b": ""}),
        new_keys().digest({"a": "1", "b": "2"}),
    }

    assert len(digests) == 4


def test_a_hash_begins_with_the_id_of_its_key() -> None:
    keys = rotated(new_keys())

    assert (keys.digest({})[:3], (keys.identity("cpf", "1") or "")[:3]) == ("k2:", "k2:")


def test_a_hash_tells_nothing_of_the_value() -> None:
    assert "52998224725" not in (new_keys().identity("cpf", "52998224725") or "")


def test_a_person_has_another_hash_for_each_kind_and_each_key() -> None:
    keys = new_keys()
    hashes = {
        keys.identity("cpf", "52998224725"),
        keys.identity("phone", "52998224725"),
        new_keys().identity("cpf", "52998224725"),
    }

    assert len(hashes) == 3


def test_where_there_is_no_value_there_is_no_hash() -> None:
    assert new_keys().identity("email", "") is None


def test_lines_written_before_a_rotation_are_sent_after_it(ledger: Ledger) -> None:
    proposed = invited(NUMBER)
    read_day(ledger, proposed)
    after = Ledger(ledger.engine, rotated(ledger.keys))

    assert take(after).lines[0].fields == proposed[0].line


def test_lines_written_after_a_rotation_do_not_open_with_the_old_keys(ledger: Ledger) -> None:
    read_day(Ledger(ledger.engine, rotated(ledger.keys)), invited(NUMBER))
    before = everything(ledger)
    with pytest.raises(ConfigError):
        take(ledger)

    assert everything(ledger) == before


@pytest.mark.parametrize(
    ("email", "state"), [("p900000001@example.test", "refused"), ("mended@example.test", "ready")]
)
def test_a_rotation_alone_reopens_no_refusal(ledger: Ledger, email: str, state: str) -> None:
    read_day(ledger, invited(NUMBER))
    batch = take(ledger)
    settle(ledger, batch, Settlement(refused={batch.lines[0].id: "x"}), actor=ACTOR)
    read_day(Ledger(ledger.engine, rotated(ledger.keys)), invited(NUMBER, email=email))

    assert states_of(ledger) == [state]
