"""What a person is recognised by: CPF, e-mail and phone in their normal forms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from track_dispatch.transformation.cpf import usable_cpf
from track_dispatch.transformation.email_addresses import usable_email, usable_emails
from track_dispatch.transformation.phones import usable_mobile, usable_mobiles

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_NORMAL_FORM = {"cpf": usable_cpf, "email": usable_email, "phone": usable_mobile}


def identity(line: Mapping[str, str]) -> dict[str, str]:
    """Return the normal form of every kind of identity that the line has; patient data.

    The line may be an import line, or what a person typed into an opt-out list: both end in the
    same form, so that their keyed hashes meet.
    """
    forms = {kind: form(line.get(kind, "")) for kind, form in _NORMAL_FORM.items()}
    return {kind: value for kind, value in forms.items() if value}


def identity_values(text: str, kinds: Collection[str] = tuple(_NORMAL_FORM)) -> tuple[str, ...]:
    """Return all that a text, which a person typed, may mean: "cpf:...", "email:...", "phone:...".

    They are the values that a line's own identities are hashed from. Eleven digits may be a CPF and
    a phone; several addresses of one cell are several values. Patient data.
    """
    found = {
        "cpf": (usable_cpf(text),),
        "email": usable_emails(text),
        "phone": usable_mobiles(text),
    }
    return tuple(f"{kind}:{value}" for kind in kinds for value in found[kind] if value)


def line_identity(line: Mapping[str, str]) -> dict[str, str]:
    """Return the identity of an import line: its contacts are in their normal form already."""
    return {kind: line[kind] for kind in _NORMAL_FORM if line[kind]}
