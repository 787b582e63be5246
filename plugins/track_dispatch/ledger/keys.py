"""The ledger's keys: payloads are encrypted; people and contents are recognised by keyed hashes.

One shape for the connection's extra and for the key file, under names that Airflow masks:
`{"ledger_id": ..., "payload_secrets": [Fernet, newest first], "identity_secrets": [{"id",
"secret"}, ...]}`.
"""

from __future__ import annotations

import hashlib
import uuid
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from struct import Struct
from typing import Annotated, Any, NamedTuple, Self

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from sqlalchemy import Connection, func, select

from track_dispatch.errors import ConfigError
from track_dispatch.ledger import schema
from track_dispatch.ledger.schema import IS_OF_UNIT, LIES_IN
from track_dispatch.ledger.sql import among, insert_into, moment_in
from track_dispatch.states import Count

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
        """Return a fingerprint that tells two secrets under one id apart, and nothing more."""
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
        """Return the same ledger's ring with other keys, the newest first; by default with ours.

        It is made anew: a copy would go on hashing with the keys of this one.
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
        """Decrypt a token of any of the payload keys.

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
        """Return a begun hash for each key: to copy it is cheaper than to begin again."""
        return tuple((key.id, _keyed(key.secret, purpose).copy) for key in self.identity_secrets)


def _keyed(secret: str, purpose: bytes) -> hashlib.blake2b:
    """Begin a hash keyed with a secret, for one purpose."""
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


# -- what still needs a key --------------------------------------------------------


_optouts, _identities = schema.optouts, schema.identities


@dataclass(frozen=True, slots=True)
class OlderKey:
    """An identity key behind the newest one.

    Attributes:
        id: the key's.
        alone: by table, what has a hash under it and under no key that stays.
        sources: of those on the list of opt-outs, how many each source told us.
        last_days: by hospital, the last day of what the lines among them tell: of the visit, or of
            the POST.
    """

    id: str
    alone: Mapping[str, int]
    sources: Mapping[str, int]
    last_days: Mapping[str, date]

    @property
    def may_go(self) -> bool:
        """Whether nothing needs it any more."""
        return not any(self.alone.values())


@dataclass(frozen=True, slots=True)
class OlderKeys:
    """The older keys that the ledger still needs.

    Attributes:
        identity: the older identity keys, the oldest first.
        payload: how many older payload keys there are.
        payloads: what waits encrypted and the newest payload key does not open.
    """

    identity: tuple[OlderKey, ...]
    payload: int
    payloads: int


def older_keys(connection: Connection, keys: KeyRing) -> OlderKeys:
    """Find what still needs an older key."""
    staying = [key.id for key in keys.identity_secrets]
    found = []
    for key in reversed(staying[1:]):
        one = _older_key(connection, key, tuple(id_ for id_ in staying if id_ != key))
        if one.may_go:
            staying.remove(key)
        found.append(one)
    newest = keys.holding(payload_secrets=keys.payload_secrets[:1])
    older = len(keys.payload_secrets) - 1
    return OlderKeys(tuple(found), older, unopened(connection, newest) if older else 0)


def without_unneeded(keys: KeyRing, older: OlderKeys) -> KeyRing:
    """Return the ring without unneeded keys."""
    gone = {key.id for key in older.identity if key.may_go}
    payload = keys.payload_secrets if older.payloads else keys.payload_secrets[:1]
    staying = tuple(key for key in keys.identity_secrets if key.id not in gone)
    return keys.holding(payload_secrets=payload, identity_secrets=staying)


def carry_optouts(connection: Connection, keys: KeyRing, values: Collection[str]) -> int:
    """Enter values that are on the list under the newest key, too; return how many rows are new.

    Called with what a reading has brought of patients who opted out.
    """
    hashes = {value: keys.identity_hashes(value) for value in values}
    newest = {digest.full: found[0] for found in hashes.values() for digest in found}
    by_64_bits = {digest.hash for found in hashes.values() for digest in found}
    rows = connection.execute(
        select(_optouts).where(among(_optouts.c.hash, "hashes")), {"hashes": sorted(by_64_bits)}
    )
    listed = [row for row in rows if row.full_hash in newest]
    has_it = {(row.entry, row.channel) for row in listed if row.key == keys.identity_secrets[0].id}
    new = []
    for row in listed:
        if (row.entry, row.channel) not in has_it:
            one = newest[row.full_hash]
            new.append(row._asdict() | {"full_hash": one.full, "hash": one.hash, "key": one.key})
    if new:
        connection.execute(insert_into(connection, _optouts).on_conflict_do_nothing(), new)
    return len(new)


def _older_key(connection: Connection, key: str, others: tuple[str, ...]) -> OlderKey:
    alone = needed_alone(connection, key, others)
    covered = select(_optouts.c.entry).where(_optouts.c.key.in_(others))
    sources = connection.execute(
        select(_optouts.c.source, func.count(_optouts.c.entry.distinct()))
        .where(_optouts.c.key == key, _optouts.c.entry.not_in(covered))
        .group_by(_optouts.c.source)
        .order_by(_optouts.c.source)
    ).all()
    last_days = _last_days(connection, key, others) if alone[_identities.name] else {}
    return OlderKey(key, alone, dict(sources), last_days)


def _last_days(connection: Connection, key: str, others: tuple[str, ...]) -> dict[str, date]:
    """Return by hospital the last day of lines whose identities have this key alone."""
    units, batches = schema.units, schema.batches
    covered = select(_identities.c.line).where(_identities.c.key.in_(others))
    alone = select(_identities.c.line).where(
        _identities.c.key == key, _identities.c.line.not_in(covered)
    )
    of_units = (
        select(units.c.id)
        .join(schema.envelopes, IS_OF_UNIT)
        .join(schema.lines, LIES_IN)
        .where(schema.lines.c.id.in_(alone))
    )
    rows = connection.execute(
        select(units.c.hospital, func.max(units.c.business_day), func.max(batches.c.created_at))
        .outerjoin(batches, batches.c.unit == units.c.id)
        .where(units.c.id.in_(of_units))
        .group_by(units.c.hospital)
    )
    return {hospital: max(day, posted.date()) if posted else day for hospital, day, posted in rows}


def unregistered(connection: Connection, keys: KeyRing) -> bool:
    """Tell whether the ring has a key that the ledger does not know yet."""
    known = set(connection.scalars(select(schema.identity_keys.c.id)))
    return any(key.id not in known for key in keys.identity_secrets)


def register_keys(connection: Connection, keys: KeyRing) -> None:
    """Record the identity keys that hashes are made with; a known key stays as it is."""
    for key in keys.identity_secrets:
        connection.execute(
            insert_into(connection, schema.identity_keys)
            .values(id=key.id, fingerprint=key.fingerprint, first_used_at=moment_in())
            .on_conflict_do_nothing()
        )


def require_keys(connection: Connection, keys: KeyRing) -> None:
    """Refuse a ring that would lose opt-outs or patients who were asked.

    Raises:
        ConfigError: a secret changed under its id, or a key is gone that an opt-out, an invited
            person or a forgotten attendance still has alone.
    """
    ours = {key.id: key.fingerprint for key in keys.identity_secrets}
    table = schema.identity_keys
    known = {row.id: row.fingerprint for row in connection.execute(select(table))}
    for changed in sorted(id_ for id_ in ours.keys() & known.keys() if ours[id_] != known[id_]):
        raise ConfigError(
            f"the identity key {changed} has another secret than before: put the old one back; a"
            " new key needs a new id (`ledger new-keys`)"
        )
    for missing in sorted(known.keys() - ours.keys()):
        needed = needed_alone(connection, missing, tuple(ours))
        if counts := [
            f"{Count(count):row|rows} of {name}" for name, count in needed.items() if count
        ]:
            raise ConfigError(
                f"the identity key {missing} is gone, and {' and '.join(counts)} would have none:"
                " put it back at the end of identity_secrets, else opt-outs and recent invitations"
                " are forgotten"
            )


def needed_alone(connection: Connection, key: str, others: tuple[str, ...]) -> dict[str, int]:
    """Count, by table, what has a hash under this key and under none of the others."""
    counted = (
        (schema.optouts, schema.optouts.c.entry),
        (schema.identities, schema.identities.c.line),
        (schema.forgotten, schema.forgotten.c.line),
    )
    counts = {}
    for counted_in, one in counted:
        covered = select(one).where(counted_in.c.key.in_(others))
        is_alone = (counted_in.c.key == key, one.not_in(covered))
        alone = select(func.count(one.distinct())).where(*is_alone)
        counts[counted_in.name] = connection.scalar(alone) or 0
    return counts


def unopened(connection: Connection, keys: KeyRing) -> int:
    """Count the envelopes and staged chunks that none of our keys opens."""
    envelopes, staged = schema.envelopes, schema.staged
    waiting = [
        select(envelopes.c.payload).where(envelopes.c.payload.is_not(None)),
        select(staged.c.payload),
    ]
    found = connection.execution_options(yield_per=100)
    return sum(not _opens(keys, token) for query in waiting for token in found.scalars(query))


def _opens(keys: KeyRing, token: bytes) -> bool:
    try:
        keys.decrypt(token)
    except ConfigError:
        return False
    return True
