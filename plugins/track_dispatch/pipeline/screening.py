"""What people type and we keep: screened where it enters, by one pattern.

The pattern is the JSON schema of a form's field, so that Airflow never stores what is refused, and
the shell's options are matched against the same one.
"""

from __future__ import annotations

import re

from track_dispatch.errors import ConfigError

#: Room for a sentence, not for a list of patients.
SHORTEST_WHY, LONGEST_WHY = 3, 300

#: What may stand between the digits of one number.
_GAP = r"[\s./()_*\u2010-\u2015\u200b-\u200f-]{0,5}"
#: An e-mail address' sign, however it is written; digits enough for a phone, a CPF or a health
#: card, however they are set apart; a local phone. Two years are no phone.
_PERSONAL = (
    rf"[@\uff20]|%40|[Aa][Rr][Rr][Oo][Bb][Aa]|\d(?:{_GAP}\d){{8}}|(?!20\d\d-20)\d{{4}}-\d{{4}}"
)
#: What has as many digits and is nobody's: a batch's id, and a date.
_BATCH = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_DAY, _MONTH, _YEAR = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])", r"(?:19|20)\d\d"
_DATE = rf"(?:{_DAY}[./-]{_MONTH}[./-]{_YEAR}|{_YEAR}-{_MONTH}-{_DAY})(?!\d)"
#: A text without patients: each step is the only one possible there, so that no text takes long.
IMPERSONAL = rf"^(?:{_BATCH}|{_DATE}|(?!{_PERSONAL}|{_BATCH}|{_DATE})[\s\S])*$"

#: A batch's id as it is pasted, or nothing.
BATCH_PATTERN = rf"^\s*(?:{_BATCH})?\s*$"
#: A hospital's code as it is typed, or nothing.
CODE_PATTERN = r"^\s*(?:[A-Za-z][A-Za-z0-9]{1,15})?\s*$"


def refuse_personal(text: str, what: str) -> str:
    """Return a text that is kept and shown, unless it looks like patient data.

    Raises:
        ConfigError: it does, or is too long; the message does not repeat it.
    """
    plain = " ".join(text.split())
    if len(plain) > LONGEST_WHY:
        raise ConfigError(f"the {what} has more than {LONGEST_WHY} characters")
    if not re.search(IMPERSONAL, plain):
        raise ConfigError(
            f"the {what} looks as if it held an e-mail address, a phone or a CPF: it is kept and"
            " shown, so leave patients out of it"
        )
    return plain
