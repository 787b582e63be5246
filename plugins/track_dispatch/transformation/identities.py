"""What a person is recognised by: CPF, e-mail and phone in their normal forms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from track_dispatch.transformation.cpf import usable_cpf
from track_dispatch.transformation.email_addresses import usable_email
from track_dispatch.transformation.phones import usable_mobile

if TYPE_CHECKING:
    from collections.abc import Mapping

_NORMAL_FORM = {"cpf": usable_cpf, "email": usable_email, "phone": usable_mobile}


def identity(line: Mapping[str, str]) -> dict[str, str]:
    """Return the normal form of every kind of identity that the line has; patient data.

    The line may be an import line, or what a person typed into an opt-out list: both end in the
    same form, so that their keyed hashes meet.
    """
    forms = {kind: form(line.get(kind, "")) for kind, form in _NORMAL_FORM.items()}
    return {kind: value for kind, value in forms.items() if value}


def line_identity(line: Mapping[str, str]) -> dict[str, str]:
    """Return the identity of an import line: its contacts are in their normal form already."""
    return {kind: line[kind] for kind in _NORMAL_FORM if line[kind]}
