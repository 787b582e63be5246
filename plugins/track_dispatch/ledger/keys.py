"""The ledger's keys: payloads are encrypted, people and contents recognised by keyed hashes.

One shape for the connection's extra and for the key file:
`{"ledger_id": ..., "payload_keys": [Fernet, newest first], "identity_keys": [{"id", "key"}, ...]}`.
"""

from __future__ import annotations

import hmac
import json
import uuid
from functools import cache, cached_property
from typing import TYPE_CHECKING, Annotated, Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from track_dispatch.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping


class IdentityKey(BaseModel):
    """A key for hashes; its id stands before every hash made with it."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    id: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,16}$")]
    key: Annotated[str, Field(min_length=32, repr=False)]


class KeyRing(BaseModel):
    """The keys of one ledger, newest first; never shown."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    ledger_id: str
    payload_keys: Annotated[tuple[str, ...], Field(min_length=1, repr=False)]
    identity_keys: Annotated[tuple[IdentityKey, ...], Field(min_length=1, repr=False)]

    def encrypt(self, value: Any) -> bytes:
        """Encrypt a JSON value with the newest payload key."""
        return self._fernet.encrypt(json.dumps(value, ensure_ascii=False).encode())

    def seal(self, line: Mapping[str, str]) -> tuple[bytes, str]:
        """Return an import line's payload, which `decrypt` opens, and its digest."""
        text = _canonical(line)
        return self._fernet.encrypt(text.encode()), self._hash(self.identity_keys[0], "line", text)

    def decrypt(self, token: bytes) -> Any:
        """Give a value back that any of the payload keys encrypted.

        Raises:
            ConfigError: no key opens it.
        """
        try:
            return json.loads(self._fernet.decrypt(token).decode())
        except InvalidToken:
            message = (
                "the ledger holds data that none of its payload_keys opens:"
                " put the key it was written with back at the end of payload_keys"
            )
            raise ConfigError(message) from None

    def digest(self, line: Mapping[str, str]) -> str:
        """Return a keyed digest of an import line: equal when nothing was corrected in the ERP."""
        return self.digests(line)[0]

    def digests(self, line: Mapping[str, str]) -> tuple[str, ...]:
        """Return the digests of an import line by every key, the newest first, for comparing."""
        text = _canonical(line)
        return tuple(self._hash(key, "line", text) for key in self.identity_keys)

    def identity(self, kind: str, value: str) -> str | None:
        """Return the hash of a normalised CPF, e-mail or phone; None where there is none."""
        return self._hash(self.identity_keys[0], kind, value) if value else None

    def identities(self, kind: str, value: str) -> tuple[str, ...]:
        """Return a value's hashes by every key, the newest first: look-ups try them all."""
        return tuple(self._hash(key, kind, value) for key in self.identity_keys)

    @cached_property
    def _fernet(self) -> MultiFernet:
        return MultiFernet([Fernet(key) for key in self.payload_keys])

    @staticmethod
    def _hash(key: IdentityKey, kind: str, value: str) -> str:
        mac = _begun(key.key).copy()
        mac.update(f"{kind}:{value}".encode())
        return f"{key.id}:{mac.hexdigest()}"


@cache
def _begun(key: str) -> hmac.HMAC:
    """Begin a hash: to copy it is cheaper than to begin anew each time."""
    return hmac.new(key.encode(), digestmod="sha256")


#: One text for one content, whatever the order of its fields.
_canonical = json.JSONEncoder(sort_keys=True).encode


def parse_keys(extra: Mapping[str, Any], where: str) -> KeyRing:
    """Read a key ring; `where` names the connection or the file in the message.

    Raises:
        ConfigError: a field is missing or no key; the message names it, never a key.
    """
    try:
        ring = KeyRing.model_validate(dict(extra))
        for key in ring.payload_keys:
            Fernet(key)
    except ValidationError as error:
        fields = sorted({".".join(str(part) for part in fault["loc"]) for fault in error.errors()})
        message = (
            f"{where}: the ledger's keys are unusable ({', '.join(fields)});"
            " `python -m track_dispatch ledger new-keys` prints a good set"
        )
        raise ConfigError(message) from None
    except ValueError:
        message = f"{where}: payload_keys holds something that is no Fernet key"
        raise ConfigError(message) from None
    return ring


def new_keys() -> KeyRing:
    """Make the keys of a new ledger."""
    return KeyRing(
        ledger_id=str(uuid.uuid4()),
        payload_keys=(Fernet.generate_key().decode(),),
        identity_keys=(IdentityKey(id="k1", key=Fernet.generate_key().decode()),),
    )
