"""What a person is recognised by: CPF, e-mail and phone in their normal forms."""

from __future__ import annotations

from collections.abc import Collection

from track_dispatch.transformation.contacts import usable_emails
from track_dispatch.transformation.cpf import usable_cpf
from track_dispatch.transformation.phones import usable_mobiles

_KINDS = ("cpf", "email", "phone")

#: One provider under two names, which passes over the dots before the @.
#: Source: Gmail's help, "Dots don't matter in Gmail addresses".
_GMAIL = frozenset({"gmail.com", "googlemail.com"})


def mailbox(address: str) -> str:
    """Return one spelling for all addresses of a mailbox; only to compare by, never to write to.

    A tag behind a plus sign counts nowhere, though a few servers may give it a mailbox of its own:
    it is better not to ask one of two people than to ask one who opted out.

    Source: RFC 5233, "user+detail".

    Args:
        address: as `usable_emails` returns it.
    """
    local, _, domain = address.partition("@")
    if "+" in local:
        local = local.partition("+")[0] or local
    if domain in _GMAIL:
        local, domain = local.replace(".", ""), "gmail.com"
    return f"{local}@{domain}"


def identity_values(text: str, kinds: Collection[str] = _KINDS) -> tuple[str, ...]:
    """Return all that a text, which a person typed, may mean: "cpf:...", "email:...", "phone:...".

    They are the values that a line's own identities are hashed from. Eleven digits may be a CPF and
    a phone; several addresses of one cell are several values. Patient data.
    """
    found = {
        "cpf": (usable_cpf(text),),
        "email": dict.fromkeys(map(mailbox, usable_emails(text))),
        "phone": usable_mobiles(text),
    }
    return tuple(f"{kind}:{value}" for kind in kinds for value in found[kind] if value)
