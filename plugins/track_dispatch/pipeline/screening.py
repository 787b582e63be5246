r"""Refuse patient data in texts that people type and the ledger keeps, such as a decision's reason.

One pattern screens them in Airflow's form and in the shell. It refuses the sign of an e-mail
address, and digits enough for a phone, a CPF or a health card, whatever stands between them. Dates,
times, ids of batches and lists of small numbers are allowed.
"""

from __future__ import annotations

import re
import unicodedata

from track_dispatch.errors import ConfigError
from track_dispatch.states import DecisionRefusal

#: Characters of a reason: enough for a sentence, too few for a list of patients.
SHORTEST_WHY, LONGEST_WHY = 3, 300

#: The sign of an e-mail address, however it is written.
_AT = r"[@\uff20\ufe6b]|%40|[Aa][Rr][Rr][Oo][Bb][Aa]|[\[({<]\s*[Aa][Tt]\s*[\])}>]"

#: Small digits and digits in circles are no `\d`.
_DIGIT = (
    r"[\d\u00b2\u00b3\u00b9\u1369-\u1371\u19da\u2070\u2074-\u2079\u2080-\u2089\u2460-\u249b"
    r"\u24ea-\u24ff\u2776-\u2793]"
)
_GAP = r"[\W_]{0,5}"
_DASH = r"[-\u2010-\u2015\u2212\ufe63\uff0d]"

#: A batch's id.
BATCH = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_DAY, _MONTH, _YEAR = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])", r"(?:19|20)\d\d"
_DATE = rf"(?<!\d)(?:{_DAY}[./-]{_MONTH}[./-]{_YEAR}|{_YEAR}-{_MONTH}-{_DAY})(?!\d)"
_TIME = r"(?<![\d:])(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d)?(?![\d:])"
_MOMENT = rf"{BATCH}|{_DATE}|{_TIME}"


def _list_of(digits: str) -> str:
    """Make the pattern of a list of numbers, with a space after each comma."""
    one = rf"\d{{{digits}}}(?![\W_]?\d)"
    return rf"{one}(?:[,;] {one})+"


_CPF = r"\d{3}(?:[,;] \d{3}){2}[,;] \d\d(?!\d)"
#: `12, 13, 14`, or the numbers of requests: of one length, which a phone's parts are not.
_LIST = (
    rf"(?<!\d)(?!{_CPF})(?:{'|'.join(map(_list_of, ('1,3', '4', '5', '6,8')))})"
    rf"(?![,;] (?!{_MOMENT})\d)"
)
_NOBODYS = rf"{_MOMENT}|{_LIST}"

#: Nine digits that no date or time interrupts; a local phone. Two years are no phone.
_NUMBER = rf"{_DIGIT}(?:{_GAP}(?!{_MOMENT}){_DIGIT}){{8}}|(?!20\d\d{_DASH}20)\d{{4}}{_DASH}\d{{4}}"

#: A text without patients. It is the JSON schema of a form's field, so that Airflow never stores
#: what is refused. Each step is the only one possible there, so that no text takes long.
IMPERSONAL = rf"^(?:{_NOBODYS}|(?!{_AT}|{_NUMBER}|{_NOBODYS})[\s\S])*$"


def refuse_personal(text: str, what: str) -> str:
    """Return a text, unless it looks like patient data.

    Raises:
        ConfigError: it does, or is too long; the message does not repeat it.
    """
    plain = " ".join(text.split())
    if len(plain) > LONGEST_WHY:
        raise ConfigError(f"the {what} has more than {LONGEST_WHY} characters")
    if not re.search(IMPERSONAL, unicodedata.normalize("NFKC", plain)):
        raise DecisionRefusal.PERSONAL.error(what=what)
    return plain
