"""E-mail addresses out of the ERP's column: the first that somebody may read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from email_validator import (
    SPECIAL_USE_DOMAIN_NAMES,
    EmailNotValidError,
    validate_email,
)

from track_dispatch.transformation.clean_text import clean

if TYPE_CHECKING:
    from tldextract import TLDExtract

#: A word, and what stands between it and the one before.
_GAP_AND_WORD = re.compile(r"([\s;,/|\\]*)([^\s;,/|\\]+)")

_BLANK = re.compile(r"\s")

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

#: Before the @ of an address stands nobody's name: it was taken for a page's.
_PAGE = "www."

#: Signs that stand for a letter that was lost or is hidden; no mailbox has them in its name.
_LOST = re.compile(r"[?*]")

#: The demo's and the tests' patients: exists nowhere, so nobody is reached.
_TEST = "test"

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

#: The same within other words: "pacientesememail@", "emailnaoinformado@".
_NOT_GIVEN = re.compile("sememail|nao(?:informad|possui|teme?mail)")

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
    internationalised address), of a domain that may exist, and no placeholder such as "naotem@..."
    or "x@x.com". Whether the mailbox exists is not asked. Reserved domains are refused, but
    `.test`, which reaches nobody and which demo and tests use.
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
    """Tell whether an address in small letters was only typed to fill the field, or is a slip."""
    local, _, domain = address.partition("@")
    who = _without_joints(local)
    where, nowhere = _host(domain)
    if nowhere or local.startswith(_PAGE) or _NOBODY.fullmatch(who) or _NOT_GIVEN.search(who):
        return True
    return who == where and (len(who) <= 3 or who in _REPEATED)


@lru_cache(maxsize=_REMEMBERED_DOMAINS)
def _host(domain: str) -> tuple[str, bool]:
    """Return a domain's first label without joints, and whether it is nowhere."""
    where = _without_joints(domain.partition(".")[0])
    return where, bool(_NOWHERE.fullmatch(where)) or not _may_exist(domain)


def _may_exist(domain: str) -> bool:
    """Tell whether a domain ends as some do, and is more than such an ending.

    Of longer endings some are governments with mailboxes of their own (sp.gov.br).
    """
    suffix = _suffix(domain)
    return bool(suffix) and (suffix != domain or domain.count(".") > 1)


def _suffix(domain: str) -> str:
    """Return under what names are given away at the domain's end (com.br), or "" if nothing is.

    Private suffixes (blogspot.com) count as names: only the registries' decide what can exist.
    """
    return _top_level_domains().extract_str(domain).suffix


@cache
def _top_level_domains() -> TLDExtract:
    """Read the list that comes with the package; nothing is ever fetched, and no file written."""
    # only who reads a day's rows needs it: it costs a tenth of a second
    from tldextract import TLDExtract  # noqa: PLC0415

    return TLDExtract(suffix_list_urls=(), cache_dir=None, extra_suffixes=(_TEST,))


def _without_joints(name: str) -> str:
    return name.replace(".", "").replace("_", "").replace("-", "")


def _candidates(text: str) -> Iterator[str]:
    """Yield what may be a whole address; one that a blank or a slip may have cut is none.

    "joao silva@example.com" may be joao.silva's address, and silva's would be a stranger's. So it
    is with "joao,silva@example.com": comma, semicolon and slash are the point's neighbours.
    """
    found = _GAP_AND_WORD.findall(text)
    for before, (gap, word), after in zip(
        [("", ""), *found], found, [*found[1:], ("", "")], strict=False
    ):
        if "@" in word and _starts_anew(before[1], gap, word) and not _goes_on(word, *after):
            yield word.removeprefix("mailto:").strip(_WRAPPING)


def _starts_anew(before: str, gap: str, word: str) -> bool:
    """Tell whether an address is not the end of one that began in the word before."""
    if not before or "@" in before or before.endswith(":") or word[0] in "<([":
        return True
    return bool(gap.strip()) and bool(_BLANK.search(gap))


def _goes_on(word: str, gap: str, after: str) -> bool:
    """Tell whether an address may go on in the next word: "maria@uol.com, br"."""
    if not after:
        return False
    if after[0] in ".@" or (word[-1] == "." and not gap.strip()):
        return True
    longer = f"{word.rpartition('.')[2]}.{after.strip(_WRAPPING)}"
    return _suffix(longer) == longer


def _checked(candidate: str) -> str:
    if CLEARLY_VALID.fullmatch(candidate):
        return candidate
    if not candidate.isascii() or _LOST.search(candidate):
        return ""
    try:
        valid = validate_email(
            candidate, allow_smtputf8=False, check_deliverability=False, test_environment=True
        )
    except EmailNotValidError:
        return ""
    return valid.ascii_email or ""
