"""Identities of patients: CPF, e-mail and phone in normal forms, and which of them mean one person.

Two records are one person when the CPF is equal, or when phone or e-mail and the normalised name
are equal: also then when the CPFs differ. Cautious: it is better to ask one of two people who
share a phone and a name than to ask one person twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import mul
from typing import NamedTuple

from track_dispatch.records import Channel
from track_dispatch.transformation.contacts import (
    GMAIL,
    possible_emails,
    possible_mobiles,
    usable_emails,
    usable_mobiles,
)
from track_dispatch.transformation.names import clean

_LENGTH = 11

#: Fewer digits are not completed: a hundredth of all numbers passes the check digits by chance,
#: and hardly any CPF starts with more than three zeros.
_SHORTEST = 8

#: A whole number that was saved as one with decimals.
_DECIMAL_ZERO = re.compile(r"([0-9]+)\.00?")

#: Digits that were rounded to a mantissa and an exponent.
_EXPONENT = re.compile(r"[0-9][eE][+-]?[0-9]")

#: The form of fewer than eleven digits that are completed: in any other, a digit may be lost.
_WITHOUT_ZEROS = re.compile(r"[0-9]+(?:-[0-9]{2})?")

_NOT_DIGITS = re.compile(r"[^0-9]+")

#: Nine digits out of these are typed to fill the field; their check digits are right as well.
_IN_A_ROW = "0123456789 9876543210"

#: The weights of the nine digits before the first check digit.
_WEIGHTS = tuple(range(10, 1, -1))

#: Digits' bytes as numbers.
_VALUES = bytes.maketrans(b"0123456789", bytes(range(10)))


def usable_cpf(text: str) -> str:
    """Return the CPF's eleven digits, or "" if the text holds no valid one.

    A numeric column in the ERP loses leading zeros: they are restored. Eleven equal digits and
    nine in a row are fillers, although their check digits are right.

    Source: Receita Federal's check digits as python-stdnum computes them.
    """
    digits = text if text.isascii() and text.isdecimal() else _digits(clean(text))
    if not _SHORTEST <= len(digits) <= _LENGTH:
        return ""
    digits = digits.zfill(_LENGTH)
    if digits == digits[0] * _LENGTH or digits[:9] in _IN_A_ROW:
        return ""
    return digits if has_right_check_digits(digits) else ""


def _digits(text: str) -> str:
    """Return the digits of a text that is not plain digits, or "" where some may be lost."""
    if whole := _DECIMAL_ZERO.fullmatch(text):
        return whole[1]
    if _EXPONENT.search(text):
        return ""
    digits = _NOT_DIGITS.sub("", text)
    return digits if len(digits) == _LENGTH or _WITHOUT_ZEROS.fullmatch(text) else ""


def has_right_check_digits(digits: str) -> bool:
    """Tell whether the last two of eleven digits are the checks of those before them.

    As python-stdnum computes it, five times as fast without its cleaning; a test compares the two.
    """
    values = digits.encode().translate(_VALUES)
    weighed: int = sum(map(mul, values, _WEIGHTS))
    if weighed * 10 % 11 % 10 != values[9]:
        return False
    # each of the nine weighs one more for the second check, and the first check weighs two
    weighed += sum(values[:9]) + 2 * values[9]
    return weighed * 10 % 11 % 10 == values[10]


def mailbox(address: str) -> str:
    """Return one spelling for all addresses of a mailbox; for comparisons, never to send to.

    The tag behind a plus sign is dropped, though a few servers give it a mailbox of its own: it is
    better not to ask one of two people than to ask one who opted out.

    Source: RFC 5233, "user+detail".

    Args:
        address: as `usable_emails` returns it.
    """
    local, _, domain = address.partition("@")
    if "+" in local:
        local = local.partition("+")[0] or local
    if domain in GMAIL:  # source: its help, "Dots don't matter in Gmail addresses"
        local, domain = local.replace(".", ""), "gmail.com"
    return f"{local}@{domain}"


def _mailboxes(text: str) -> Iterable[str]:
    return dict.fromkeys(map(mailbox, usable_emails(text)))


#: By kind of identity, the function that reads a text's values.
_READ: Mapping[str, Callable[[str], Iterable[str]]] = {
    "cpf": lambda text: (usable_cpf(text),),
    "email": _mailboxes,
    "phone": usable_mobiles,
}


def identity_values(text: str, kinds: Collection[str] = tuple(_READ)) -> tuple[str, ...]:
    """Return all identities that a typed text may mean: "cpf:...", "email:...", "phone:...".

    A line's own identities are hashed from the same values. Eleven digits may be a CPF and
    a phone; several addresses of one cell are several values. Patient data.
    """
    return tuple(f"{kind}:{value}" for kind in kinds for value in _READ[kind](text) if value)


def possible_identities(
    email: str, emails: Sequence[str], phone: str, phones: Sequence[str]
) -> tuple[str, ...]:
    """Return further identities that a row's cells may mean: only to look opt-outs up.

    Args:
        email: the ERP's text.
        emails: what is usable of it.
        phone: the ERP's text.
        phones: what is usable of it.
    """
    addresses, numbers = possible_emails(email, emails), possible_mobiles(phone, phones)
    if not addresses and not numbers:
        return ()
    mailboxes = dict.fromkeys(map(mailbox, addresses)).keys() - set(map(mailbox, emails))
    return (*map(_ADDRESS, sorted(mailboxes)), *map(_NUMBER, numbers))


def count_rows(columns: Mapping[str, Sequence[str]], *, values: Collection[str]) -> int:
    """Count the rows of an extraction that have one of these values, as an opt-out is looked up.

    Args:
        columns: the ERP's texts, each column's of one length.
        values: "cpf:...", "email:...", "phone:...".
    """
    wanted = frozenset(values)
    rows = zip(*(columns[kind] for kind in _READ), strict=True)
    return sum(not wanted.isdisjoint(_row_values(*row)) for row in rows)


def _row_values(cpf: str, email: str, phone: str) -> tuple[str, ...]:
    """Return all identities that a row of the ERP may have."""
    emails, phones = usable_emails(email), usable_mobiles(phone)
    return (
        *identity_values(cpf, ("cpf",)),
        *map(_ADDRESS, map(mailbox, emails)),
        *map(_NUMBER, phones),
        *possible_identities(email, emails, phone, phones),
    )


class Identities(NamedTuple):
    """The identities of a line's patient, each value once; patient data.

    Equal values mean the same, and each says what it is: `cpf:52998224725`, `email:ana@x.test`,
    `phone:5527998761234`, and `name:` with a contact, the character U+001F and the plain name.

    Attributes:
        persons: who is the same person; `records.IdentityKind` tells what each kind counts for.
        contacts: the chosen contact.
        others: every further address and number of the row, and what its contacts may be besides.
    """

    persons: tuple[str, ...] = ()
    contacts: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Tell of no patient."""
        return f"Identities({', '.join(f'{len(values)}' for values in self)})"


NO_IDENTITIES = Identities()


_ADDRESS, _NUMBER = "email:".__add__, "phone:".__add__


def identities_of(
    channel: Channel | None,
    cpf: str,
    name: str,
    emails: tuple[str, ...],
    phones: tuple[str, ...],
    *,
    possible: tuple[str, ...] = (),
) -> Identities:
    """Return the identities of a line's patient.

    A person is the name with each contact of the row, chosen or not, so that another channel or
    another order of numbers next time gives the same person.
    """
    mailboxes = tuple(dict.fromkeys(map(mailbox, emails))) if emails else emails
    persons = [f"cpf:{cpf}"] if cpf else []
    if name:
        persons += [f"name:{contact}\x1f{name}" for contact in (*mailboxes, *phones)]
    addresses, numbers = tuple(map(_ADDRESS, mailboxes)), tuple(map(_NUMBER, phones))
    by_mail = channel is not None and channel.contact == "email"
    chosen, others = (addresses, numbers) if by_mail else (numbers, addresses)
    return Identities(tuple(persons), chosen[:1], chosen[1:] + others + possible)


@dataclass(frozen=True, slots=True)
class PersonCandidate:
    """An attendance that could be asked; of a person's candidates the least `rank` is."""

    id: str = field(repr=False)
    rank: tuple[int, ...]
    keys: frozenset[int]


def surplus(candidates: Iterable[PersonCandidate]) -> set[str]:
    """Return the attendances whose person is asked about another one.

    Candidates that share one of their `keys` are one person, and so are those that share one with
    the same third.
    """
    groups: list[list[PersonCandidate]] = []
    where: dict[int, int] = {}
    joined: dict[int, int] = {}

    def root(group: int) -> int:
        while group in joined:
            group = joined[group]
        return group

    for candidate in candidates:
        known = {root(where[key]) for key in candidate.keys if key in where}
        group = min(known, default=len(groups))
        if not known:
            groups.append([])
        groups[group].append(candidate)
        for other in known - {group}:
            joined[other] = group
            groups[group] += groups[other]
            groups[other] = []
        where.update(dict.fromkeys(candidate.keys, group))
    return {
        candidate.id
        for group in groups
        for candidate in sorted(group, key=lambda found: (found.rank, len(found.id), found.id))[1:]
    }
