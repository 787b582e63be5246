"""What a person is recognised by: CPF, e-mail and phone in their normal forms."""

from __future__ import annotations

from collections.abc import Collection

from track_dispatch.transformation.cpf import usable_cpf
from track_dispatch.transformation.email_addresses import usable_emails
from track_dispatch.transformation.phones import usable_mobiles

_KINDS = ("cpf", "email", "phone")


def identity_values(text: str, kinds: Collection[str] = _KINDS) -> tuple[str, ...]:
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
