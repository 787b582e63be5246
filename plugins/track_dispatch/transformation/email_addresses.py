"""E-mail addresses out of the ERP's column: the first that somebody may read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from email_validator import (
    SPECIAL_USE_DOMAIN_NAMES,
    EmailNotValidError,
    validate_email,
)

from track_dispatch.transformation.clean_text import clean

_SEPARATORS = re.compile(r"[;,/|\\]+")

#: What surrounds an address without being part of it.
_WRAPPING = "<>()[]{}\"'`´.:"

_RESERVED = "|".join(sorted({name.rsplit(".", 1)[-1] for name in SPECIAL_USE_DOMAIN_NAMES}))

#: Addresses that email-validator accepts without a doubt; it costs 25 µs for each, this 1 µs.
#: Whatever does not match is left to the library, so that a gap here costs time, never a patient.
CLEARLY_VALID = re.compile(
    r"(?=.{5,64}\Z)"
    r"[a-z0-9]+(?:[._+-][a-z0-9]+)*"
    rf"@(?:[a-z0-9]+(?:-[a-z0-9]+)*\.)+(?!(?:{_RESERVED})\Z)[a-z]{{2,}}"
)

#: What is typed before the @ when there is no address: "naotem@", "nao.informado@", "sememail2@",
#: "nao@", "email@", or one character over and over ("x@", "aaa@", "000@").
_NOBODY = re.compile(
    r"nao(?:ha)?\d*"
    r"|nao(?:tem|tenho|possui|possuo|inform|fornec|consta|sabe|sei|quer|quis|usa|existe|cadastr"
    r"|lembra|declar)\w*"
    r"|sem(?:e?mail|nada)\w*|sem|ntem|nenhum|nada|vazio|inexistente|desconhecido|invalido"
    r"|email|noe?mail|noreply|naoresponda|null|none"
    r"|(?:(?P<one>.)(?P=one)*)?"
)

#: The same after the @: "maria@naotem.com", "maria@nao.com", "maria@xxx.com".
_NOWHERE = re.compile(
    r"nao|nao(?:tem|tenho|possui|inform|consta|existe)\w*|sem(?:e?mail)\w*|sem|ntem|nenhum|noe?mail"
    r"|x+"
)

#: Fillers that repeat themselves around the @, beside those of up to three letters ("abc@abc.com").
_REPEATED = frozenset({"test", "teste", "email", "paciente", "hospital"})

#: More domains than the patients of a few hospitals have.
_REMEMBERED_DOMAINS = 4096


def usable_emails(text: str) -> tuple[str, ...]:
    """Return every usable address in the text in small letters, each once, in the text's order.

    Usable means: syntactically right, in ASCII (an accent is a slip far more often than an
    internationalised address), and no placeholder such as "naotem@..." or "x@x.com". Whether
    the mailbox exists is not asked. Reserved domains are refused, but `.test`, which reaches
    nobody and which demo and tests use.
    """
    if "@" not in text:
        return ()
    whole = text.strip().lower()
    if CLEARLY_VALID.fullmatch(whole):  # nothing to split, nothing to strip
        return () if is_placeholder(whole) else (whole,)
    checked = map(_checked, _candidates(clean(text).lower()))
    return tuple(
        dict.fromkeys(address for address in checked if address and not is_placeholder(address))
    )


def is_placeholder(address: str) -> bool:
    """Tell whether an address in small letters was only typed to fill the field."""
    local, _, domain = address.partition("@")
    who = _without_joints(local)
    where, nowhere = _host(domain)
    if nowhere or _NOBODY.fullmatch(who):
        return True
    return who == where and (len(who) <= 3 or who in _REPEATED)


@lru_cache(maxsize=_REMEMBERED_DOMAINS)
def _host(domain: str) -> tuple[str, bool]:
    """Return a domain's first label without joints, and whether it is nowhere."""
    where = _without_joints(domain.partition(".")[0])
    return where, bool(_NOWHERE.fullmatch(where))


def _without_joints(name: str) -> str:
    return name.replace(".", "").replace("_", "").replace("-", "")


def _candidates(text: str) -> Iterator[str]:
    """Yield what may be a whole address; one that a blank may have cut is none.

    "joao silva@example.com" may be joao.silva's address, and silva's would be a stranger's.
    """
    for part in _SEPARATORS.split(text):
        words = part.split()
        for before, word, after in zip(["", *words], words, [*words[1:], ""], strict=False):
            if "@" in word and not _is_cut(before, word, after):
                yield word.removeprefix("mailto:").strip(_WRAPPING)


def _is_cut(before: str, word: str, after: str) -> bool:
    starts_anew = not before or "@" in before or before.endswith(":") or word[0] in "<(["
    goes_on = bool(after) and (after[0] in ".@" or word[-1] == ".")
    return goes_on or not starts_anew


def _checked(candidate: str) -> str:
    if CLEARLY_VALID.fullmatch(candidate):
        return candidate
    if not candidate.isascii():
        return ""
    try:
        valid = validate_email(
            candidate, allow_smtputf8=False, check_deliverability=False, test_environment=True
        )
    except EmailNotValidError:
        return ""
    return valid.ascii_email or ""
