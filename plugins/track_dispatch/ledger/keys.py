"""The ledger's keys: payloads are encrypted; people and contents are recognised by keyed hashes.

One shape for the connection's extra and for the key file, under names that Airflow masks:
`{"ledger_id": ..., "payload_secrets": [Fernet, newest first], "identity_secrets": [{"id",
"secret"}, ...]}`.
"""

from __future__ import annotations

import hashlib
import uuid
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from struct import Struct
from typing import Annotated, Any, NamedTuple, Self

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from track_dispatch.errors import ConfigError

_FIRST_64_BITS = Struct(">q").unpack_from
#: Bytes of a full hash; the first eight of them match, the rest rules out a collision.
_HASH_BYTES = 16
#: zlib's level: the others take longer and gain little.
_FASTEST = 1


class IdentityHash(NamedTuple):
    """One value's hash under one key: `hash` is the signed first 64 bits of `full`."""

    key: str
    hash: int
    full: bytes


class IdentityKey(BaseModel):
    """A key for hashes; its id stands beside every hash made with it."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    id: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,16}$")]
    secret: Annotated[str, Field(min_length=32, repr=False)]

    @property
    def fingerprint(self) -> str:
        """Return what tells this secret from another one under the same id, and no more."""
        return _keyed(self.secret, b"fingerprint").hexdigest()


class KeyRing(BaseModel):
    """The keys of one ledger, newest first; never shown."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    ledger_id: str
    payload_secrets: Annotated[tuple[str, ...], Field(min_length=1, repr=False)]
    identity_secrets: Annotated[tuple[IdentityKey, ...], Field(min_length=1, repr=False)]

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Self:
        ids = [key.id for key in self.identity_secrets]
        if len(set(ids)) < len(ids):
            message = "identity_secrets has two keys of one id"
            raise ValueError(message)
        return self

    def with_new_keys(self) -> KeyRing:
        """Return the ring with a new key of each kind in front: those behind it open and find."""
        new = new_keys()
        return self.holding(
            payload_secrets=(*new.payload_secrets, *self.payload_secrets),
            identity_secrets=(*new.identity_secrets, *self.identity_secrets),
        )

    def holding(
        self,
        *,
        payload_secrets: tuple[str, ...] | None = None,
        identity_secrets: tuple[IdentityKey, ...] | None = None,
    ) -> KeyRing:
        """Return the same ledger's ring with other keys; never a copy, which keeps what was begun.

        Args:
            payload_secrets: newest first; ours if they are not given.
            identity_secrets: likewise.
        """
        return KeyRing(
            ledger_id=self.ledger_id,
            payload_secrets=payload_secrets or self.payload_secrets,
            identity_secrets=identity_secrets or self.identity_secrets,
        )

    def encrypt(self, content: bytes) -> bytes:
        """Compress and encrypt with the newest payload key.

        Compressed five times over, as rows and import lines are: what the database then writes,
        and overwrites when it is erased, costs more than either step.
        """
        return self._fernet.encrypt(zlib.compress(content, _FASTEST))

    def decrypt(self, token: bytes) -> bytes:
        """Give back what any of the payload keys encrypted.

        Raises:
            ConfigError: no key opens it.
        """
        try:
            return zlib.decompress(self._fernet.decrypt(token))
        except InvalidToken:
            message = (
                "the ledger holds data that none of its payload_secrets opens:"
                " put the key it was written with back at the end of payload_secrets"
            )
            raise ConfigError(message) from None

    def identity_hashes(self, value: str) -> tuple[IdentityHash, ...]:
        """Hash one identity ("email:...", "cpf:...") under every key, the newest first."""
        return self._hashes(self._of_identity, value)

    def hash_identities(self, values: Sequence[str]) -> tuple[int, ...]:
        """Hash identities: all under the newest key first, then all under the next one."""
        found = []
        for _, begin in self._of_identity:
            for value in values:
                mac = begin()
                mac.update(value.encode("utf-8", "surrogatepass"))
                found.append(_FIRST_64_BITS(mac.digest())[0])
        return tuple(found)

    def attendance_hashes(self, attendance_id: str) -> tuple[IdentityHash, ...]:
        """Hash an attendance id under every key, for those that retention has forgotten."""
        return self._hashes(self._of_attendance, attendance_id)

    def digest(self, line: bytes) -> bytes:
        """Return a keyed digest of an import line: equal when nothing was corrected in the ERP."""
        return _updated(self._of_line[0][1](), line).digest()

    def digests(self, line: bytes) -> tuple[bytes, ...]:
        """Return an import line's digests by every key, the newest first, for comparing."""
        return tuple(_updated(begin(), line).digest() for _, begin in self._of_line)

    def account_digests(self, account: bytes) -> tuple[bytes, ...]:
        """Return the digests of an ERP's account by every key, the newest first."""
        begun = self._begun(b"account")
        return tuple(_updated(begin(), account).digest() for _, begin in begun)

    @staticmethod
    def _hashes(
        begun: Iterable[tuple[str, Callable[[], hashlib.blake2b]]], value: str
    ) -> tuple[IdentityHash, ...]:
        content = value.encode("utf-8", "surrogatepass")
        found = []
        for key, begin in begun:
            full = _updated(begin(), content).digest()
            found.append(IdentityHash(key, _FIRST_64_BITS(full)[0], full))
        return tuple(found)

    @cached_property
    def _fernet(self) -> MultiFernet:
        return MultiFernet([Fernet(key) for key in self.payload_secrets])

    @cached_property
    def _of_identity(self) -> tuple[tuple[str, Callable[[], hashlib.blake2b]], ...]:
        return self._begun(b"identity")

    @cached_property
    def _of_attendance(self) -> tuple[tuple[str, Callable[[], hashlib.blake2b]], ...]:
        return self._begun(b"attendance")

    @cached_property
    def _of_line(self) -> tuple[tuple[str, Callable[[], hashlib.blake2b]], ...]:
        return self._begun(b"line")

    def _begun(self, purpose: bytes) -> tuple[tuple[str, Callable[[], hashlib.blake2b]], ...]:
        """Begin a hash by each key: to copy it is cheaper than to begin anew each time."""
        return tuple((key.id, _keyed(key.secret, purpose).copy) for key in self.identity_secrets)


def _keyed(secret: str, purpose: bytes) -> hashlib.blake2b:
    """Begin a hash that only this secret makes, and only for this purpose."""
    key = hashlib.blake2b(secret.encode(), digest_size=64).digest()
    return hashlib.blake2b(key=key, digest_size=_HASH_BYTES, person=purpose)


def _updated(mac: hashlib.blake2b, content: bytes) -> hashlib.blake2b:
    mac.update(content)
    return mac


def parse_keys(extra: Mapping[str, Any], where: str) -> KeyRing:
    """Read a key ring; `where` names the connection or the file in the message.

    Raises:
        ConfigError: a field is missing or no key; the message names it, never a key.
    """
    known = {name: extra[name] for name in KeyRing.model_fields if name in extra}
    if not known:
        message = (
            f"{where} holds no keys of a ledger: put them back from their backup; where no ledger"
            " was ever made, `python -m track_dispatch ledger new-keys` prints its first ones"
        )
        raise ConfigError(message)
    try:
        ring = KeyRing.model_validate(known)
        for key in ring.payload_secrets:
            Fernet(key)
    except ValidationError as error:
        fields = sorted({".".join(str(part) for part in fault["loc"]) for fault in error.errors()})
        message = (
            f"{where}: the ledger's keys are unusable ({', '.join(filter(None, fields)) or 'ids'}):"
            " put them right from their backup; new keys would forget everybody"
        )
        raise ConfigError(message) from None
    except ValueError:
        message = f"{where}: payload_secrets holds something that is not a Fernet key"
        raise ConfigError(message) from None
    return ring


def new_keys() -> KeyRing:
    """Make the keys of a new ledger; an id is new each time, so that no two secrets share one."""
    return KeyRing(
        ledger_id=str(uuid.uuid4()),
        payload_secrets=(Fernet.generate_key().decode(),),
        identity_secrets=(
            IdentityKey(id=uuid.uuid4().hex[:8], secret=Fernet.generate_key().decode()),
        ),
    )
