"""The ledger's keys: what they open, what they recognise, and that nobody sees them."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from track_dispatch.errors import ConfigError
from track_dispatch.ledger.keys import KeyRing, new_keys, parse_keys


def rotated(old: KeyRing) -> KeyRing:
    """Put new keys before the old ones."""
    new = new_keys()
    return KeyRing(
        ledger_id=old.ledger_id,
        payload_secrets=(*new.payload_secrets, *old.payload_secrets),
        identity_secrets=(*new.identity_secrets, *old.identity_secrets),
    )


def shape(keys: KeyRing) -> dict[str, Any]:
    """Return keys as the connection's extra and the key file have them."""
    found: dict[str, Any] = json.loads(keys.model_dump_json())
    return found


def secrets(keys: KeyRing) -> list[str]:
    return [*keys.payload_secrets, *(key.secret for key in keys.identity_secrets)]


def test_what_was_encrypted_comes_back() -> None:
    keys = new_keys()

    assert keys.decrypt(keys.encrypt("ç🙂".encode())) == "ç🙂".encode()


def test_the_same_content_is_encrypted_differently_each_time() -> None:
    keys = new_keys()

    assert keys.encrypt(b"x") != keys.encrypt(b"x")


def test_what_repeats_itself_takes_little_room() -> None:
    assert len(new_keys().encrypt(b'{"name":"x","phone":"y"}' * 1000)) < 1000


def test_an_old_key_behind_the_new_one_still_opens() -> None:
    old = new_keys()

    assert rotated(old).decrypt(old.encrypt(b"x")) == b"x"


def test_the_newest_key_encrypts() -> None:
    keys = rotated(new_keys())
    newest = keys.model_copy(update={"payload_secrets": keys.payload_secrets[:1]})

    assert newest.decrypt(keys.encrypt(b"x")) == b"x"


def test_what_no_key_opens_is_a_config_error_that_says_which_keys() -> None:
    with pytest.raises(ConfigError, match="payload_secrets"):
        new_keys().decrypt(new_keys().encrypt(b"x"))


def test_keys_go_through_their_shape_and_back() -> None:
    keys = new_keys()

    assert parse_keys(shape(keys), "somewhere") == keys


def test_keys_are_found_among_the_options_of_a_connection() -> None:
    keys = new_keys()

    assert parse_keys({**shape(keys), "sslmode": "require"}, "somewhere") == keys


def test_new_keys_share_nothing_not_even_an_id() -> None:
    first, second = new_keys(), new_keys()

    assert first.ledger_id != second.ledger_id
    assert first.identity_secrets[0].id != second.identity_secrets[0].id
    assert set(secrets(first)).isdisjoint(secrets(second))


@pytest.mark.parametrize("name", sorted(shape(new_keys())))
def test_airflow_masks_what_holds_a_secret(name: str) -> None:
    from airflow.sdk._shared.secrets_masker import should_hide_value_for_key  # noqa: PLC0415

    assert should_hide_value_for_key(name) == (name != "ledger_id")


@pytest.mark.parametrize("show", [repr, str, "{}".format], ids=["repr", "str", "format"])
def test_keys_are_never_shown(show: Callable[[Any], str]) -> None:
    keys = new_keys()
    keys.encrypt(b"what it makes on the way is not shown either")
    shown = show(keys) + show(keys.identity_secrets[0])

    assert [secret for secret in secrets(keys) if secret in shown] == []


def test_a_fingerprint_tells_two_secrets_apart_and_shows_neither() -> None:
    one, two = new_keys().identity_secrets[0], new_keys().identity_secrets[0]

    assert one.fingerprint != two.fingerprint
    assert one.secret not in one.fingerprint


Spoil = Callable[[dict[str, Any]], Any]

#: The words that the message has, and what was done to the keys.
SPOILT: dict[str, tuple[str, Spoil]] = {
    "no ledger id": ("ledger_id", lambda extra: extra.pop("ledger_id")),
    "no payload keys": ("payload_secrets", lambda extra: extra.pop("payload_secrets")),
    "empty payload keys": ("payload_secrets", lambda extra: extra.update(payload_secrets=[])),
    "a short payload key": (
        "payload_secrets",
        lambda extra: extra.update(payload_secrets=["c2VjcmV0LXRvby1zaG9ydA=="]),
    ),
    "a payload key of letters": (
        "payload_secrets",
        lambda extra: extra.update(payload_secrets=["secret não é base64"]),
    ),
    "no identity keys": ("identity_secrets", lambda extra: extra.pop("identity_secrets")),
    "a short identity key": (
        "identity_secrets.0.secret",
        lambda extra: extra["identity_secrets"][0].update(secret="secret-too-short"),
    ),
    "an odd id": (
        "identity_secrets.0.id",
        lambda extra: extra["identity_secrets"][0].update(id="secret spaces"),
    ),
    "two keys of one id": (
        "ids",
        lambda extra: extra.update(identity_secrets=extra["identity_secrets"] * 2),
    ),
}


@pytest.mark.parametrize(("word", "spoil"), SPOILT.values(), ids=SPOILT)
def test_unusable_keys_are_a_config_error_that_names_place_and_field_and_shows_none(
    word: str, spoil: Spoil
) -> None:
    keys = new_keys()
    extra = shape(keys)
    spoil(extra)
    with pytest.raises(ConfigError) as error:
        parse_keys(extra, "connection track_ledger")

    shown = "".join(traceback.format_exception(error.value))
    assert str(error.value).startswith("connection track_ledger: ")
    assert word in str(error.value)
    hidden = [*secrets(keys), "secret-too", "secret spaces", "c2VjcmV0"]
    assert [secret for secret in hidden if secret in shown] == []


def test_spoilt_keys_are_never_answered_with_new_ones() -> None:
    """New keys would open nothing and recognise nobody: advice that destroys."""
    extra = shape(new_keys())
    extra.pop("payload_secrets")
    with pytest.raises(ConfigError) as error:
        parse_keys(extra, "connection track_ledger")

    assert "new-keys" not in str(error.value)


def test_where_there_is_no_key_new_ones_are_proposed() -> None:
    with pytest.raises(ConfigError, match="new-keys"):
        parse_keys({"sslmode": "require"}, "connection track_ledger")


def test_hashes_differ_by_value_by_purpose_and_by_key() -> None:
    keys = new_keys()
    hashes = {
        keys.identity_hashes("cpf:52998224725"),
        keys.identity_hashes("phone:52998224725"),
        keys.attendance_hashes("cpf:52998224725"),
        new_keys().identity_hashes("cpf:52998224725"),
    }

    assert len({found[0].full for found in hashes}) == 4


def test_a_value_is_hashed_under_every_key_the_newest_first() -> None:
    old = new_keys()
    both = rotated(old)
    found = both.identity_hashes("email:a@example.test")

    assert [one.key for one in found] == [key.id for key in both.identity_secrets]
    assert found[1] == old.identity_hashes("email:a@example.test")[0]


def test_a_hash_begins_its_full_hash() -> None:
    found = new_keys().identity_hashes("cpf:1")[0]

    assert int.from_bytes(found.full[:8], "big", signed=True) == found.hash


def test_a_digest_differs_where_a_byte_or_the_key_does() -> None:
    keys = new_keys()

    assert len({keys.digest(b"a"), keys.digest(b"b"), new_keys().digest(b"a")}) == 3


def test_a_line_is_recognised_by_its_digest_under_an_old_key() -> None:
    old = new_keys()

    assert old.digest(b"line") in rotated(old).digests(b"line")


def test_new_keys_come_before_those_that_are_there() -> None:
    old = new_keys()
    token = old.encrypt(b"x")

    ring = old.with_new_keys()

    assert (ring.payload_secrets[1:], ring.identity_secrets[1:]) == (
        old.payload_secrets,
        old.identity_secrets,
    )
    assert ring.decrypt(token) == b"x"
    assert ring.identity_hashes("cpf:1")[1] == old.identity_hashes("cpf:1")[0]


def test_a_ring_that_was_used_and_loses_a_key_has_lost_it() -> None:
    ring = new_keys().with_new_keys()
    token = ring.holding(payload_secrets=ring.payload_secrets[1:]).encrypt(b"x")
    assert (ring.decrypt(token), len(ring.identity_hashes("cpf:1"))) == (b"x", 2)

    less = ring.holding(
        payload_secrets=ring.payload_secrets[:1], identity_secrets=ring.identity_secrets[:1]
    )

    assert len(less.identity_hashes("cpf:1")) == 1
    with pytest.raises(ConfigError, match="payload_secrets"):
        less.decrypt(token)
