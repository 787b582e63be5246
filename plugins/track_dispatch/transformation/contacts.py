"""Read e-mail addresses and mobile numbers from the ERP's columns.

No contact is better than a stranger's: a text that can be read in two ways gives no contact.
Numbers come out as Track takes them: 5527999990000.

Source: ANATEL, numbering plan (gov.br/anatel, "Plano de numeração brasileiro", "Nono dígito"):
area code of two digits, landlines of eight digits from 2 to 5, mobiles of nine digits from 9.
Resolution 553/2010 put the 9 before every mobile number of eight digits (done everywhere in
November 2016); the radio service (SME, "trunking") kept eight. Area codes and ranges are those of
libphonenumber's metadata: all that begins with 7 and has eight digits is complete there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from phonenumbers import PhoneNumber, PhoneNumberType, number_type

from track_dispatch.records import without_accents
from track_dispatch.transformation.names import clean

if TYPE_CHECKING:
    from tldextract import TLDExtract


#: A word, and what stands between it and the one before.
_GAP_AND_WORD = re.compile(r"([\s;,/|\\]*)([^\s;,/|\\]+)")

_BLANK = re.compile(r"\s")

#: Words that staff write beside a contact that is no longer the patient's, or that must not be
#: used; without accents.
_DISOWNED = re.compile(
    r"\b(?:errad|engano|inexist|invalid|inativ|desativ|cancelad|bloquead|antig|desatualiz|troco"
    r"|mudou|nao (?:e\b|existe|pertence|lig|envi|mand|quer|cont|perturb|conhec|usa|mais))"
)

#: The least characters of a number with one of those words.
_SHORTEST_DISOWNED = 16

#: Characters around an address that are not part of it.
_WRAPPING = "<>()[]{}\"'`´.:"

_RESERVED = "|".join(sorted({name.rsplit(".", 1)[-1] for name in SPECIAL_USE_DOMAIN_NAMES}))

#: Addresses that email-validator surely accepts: it takes 25 µs for each, this pattern 1 µs.
#: Whatever does not match goes to the library, so that a gap here costs time, never a patient.
CLEARLY_VALID = re.compile(
    r"(?=.{5,64}\Z)"
    r"[a-z0-9]+(?:[._+-][a-z0-9]+)*"
    rf"@(?:[a-z0-9]+(?:-[a-z0-9]+)*\.)+(?!(?:{_RESERVED})\Z)[a-z]{{2,}}"
)

#: The beginning of an address that was typed like a web page's.
_PAGE = "www."

#: Signs that stand for a letter that was lost or is hidden; no mailbox has them in its name.
_LOST = re.compile(r"[?*]")

#: The top-level domain of the demo's and the tests' patients, which is reserved and reaches nobody.
_TEST = "test"

#: Fillers before the @ where there is no address: "naotem@", "nao.informado@", "sememail2@",
#: "nao@", "email@", or one character over and over ("x@", "aaa@", "000@").
_NOBODY = re.compile(
    r"nao(?:ha)?\d*"
    r"|nao(?:tem|tenho|possui|possuo|inform|fornec|consta|sabe|sei|quer|quis|usa|existe|cadastr"
    r"|lembra|declar)\w*"
    r"|sem(?:e?mail|nada)\w*|sem|ntem|nenhum|nada|vazio|inexistente|desconhecido|invalido"
    r"|n(?:inform(?:ad[ao]|ou)|possui|fornec(?:eu|id[ao])|consta|declar(?:ad[ao]|ou))|"
    r"atualizar\w*|recus(?:ou|ad[ao])|semdados|ausente|idos[ao]|email|noe?mail|noreply|naoresponda|null|none"
    r"|(?:(?P<one>.)(?P=one)*)?"
)

#: The same fillers within other words: "pacientesememail@", "emailnaoinformado@".
_NOT_GIVEN = re.compile("sememail|nao(?:informad|possui|teme?mail)")

#: The same fillers after the @: "maria@naotem.com", "maria@nao.com", "maria@xxx.com".
_NOWHERE = re.compile(
    r"nao|nao(?:tem|tenho|possui|inform|consta|existe)\w*|sem(?:e?mail)\w*|sem|ntem|nenhum|noe?mail"
    r"|x+"
)

#: Gmail's two domains.
GMAIL = frozenset({"gmail.com", "googlemail.com"})
#: Characters that no Gmail address has before its tag: they were typed by mistake.
#: Source: Gmail's help, "Create a username": letters, digits and points.
_NOT_GMAILS = re.compile(r"^[^+]*[^a-z0-9.+]")

#: Fillers that repeat themselves around the @, beside those of up to three letters ("abc@abc.com").
_REPEATED = frozenset({"test", "teste", "email", "paciente", "hospital"})

#: The size of a cache: more domains than the patients of a few hospitals have.
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
    """Tell whether an address in small letters is a filler or a typing mistake."""
    local, _, domain = address.partition("@")
    who = _without_joints(local)
    where, nowhere = _host(domain)
    if domain in GMAIL and _NOT_GMAILS.search(local):
        return True
    if nowhere or local.startswith(_PAGE) or _NOBODY.fullmatch(who) or _NOT_GIVEN.search(who):
        return True
    return who == where and (len(who) <= 3 or who in _REPEATED)


def is_disowned(text: str) -> bool:
    """Tell whether the words beside a contact of the ERP say that it must not be used.

    Nothing is sent to such a contact; opt-outs are looked up by it all the same.
    """
    if len(text) < _SHORTEST_DISOWNED or not (" " in text or "(" in text):
        return False
    words = " ".join(word for word in text.lower().split() if "@" not in word)
    return bool(_DISOWNED.search(without_accents(words)))


@lru_cache(maxsize=_REMEMBERED_DOMAINS)
def _host(domain: str) -> tuple[str, bool]:
    """Return a domain's first label without hyphens, and whether the domain is a filler."""
    where = _without_joints(domain.partition(".")[0])
    return where, bool(_NOWHERE.fullmatch(where)) or not _may_exist(domain)


def _may_exist(domain: str) -> bool:
    """Tell whether a domain has a public suffix and a name before it.

    Of longer endings some are governments with mailboxes of their own (sp.gov.br).
    """
    suffix = _suffix(domain)
    return bool(suffix) and (suffix != domain or domain.count(".") > 1)


def _suffix(domain: str) -> str:
    """Return the public suffix of a domain (com.br), or "" without one.

    Private suffixes (blogspot.com) are not counted: registries alone decide what can exist.
    """
    return _top_level_domains().extract_str(domain).suffix


@cache
def _top_level_domains() -> TLDExtract:
    """Load the list that comes with the package; nothing is fetched and no file written."""
    # imported late: it takes a tenth of a second, and only reading a day's rows needs it
    from tldextract import TLDExtract  # noqa: PLC0415

    return TLDExtract(suffix_list_urls=(), cache_dir=None, extra_suffixes=(_TEST,))


def _without_joints(name: str) -> str:
    return name.replace(".", "").replace("_", "").replace("-", "")


def _candidates(text: str) -> Iterator[str]:
    """Yield words that may be whole addresses; one that a blank may have cut is left out.

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
    """Tell whether an address begins in this word, not in the word before."""
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


_BRAZIL = 55

#: Characters that end a number, neither digits, blanks nor its punctuation: "/", ";", "ou",
#: "ramal".
_BETWEEN_NUMBERS = re.compile(r"[^0-9\s().+\-\u2010-\u2015]+")

#: A blank before something that starts a number of its own.
_NEXT_NUMBER = re.compile(r"\s+(?=[(+]|[0-9]{10})")

#: A character beside a digit that may stand for one: a letter alone ("O", "l", the "E" of an
#: exponent) or a sign not used between numbers ("?", "*", "_", U+FFFD). Cut off there, the rest
#: could be a stranger's number.
_LETTER = r"[^\W\d_]"
_SIGN = r"(?:[^\W0-9]|[^\w\s().+\-\u2010-\u2015/;:,|\\<>\[\]{}\"'])"
_FOR_A_DIGIT = re.compile(
    rf"[0-9-]{_LETTER}(?!{_LETTER})|(?<!{_LETTER}){_LETTER}(?=[0-9])"
    rf"|[0-9](?!{_LETTER}){_SIGN}|(?!{_LETTER}){_SIGN}(?=[0-9])"
)

#: A whole number that was saved as one with decimals: no digit is lost, and none is added.
_DECIMAL_ZERO = re.compile(r"([0-9]{10,})[.,]00?")

#: Any other decimal number. A point that divides a number into groups stands behind the country or
#: area code or before the last four digits; a comma that divides two numbers, between whole ones.
_DECIMAL = re.compile(
    r"(?!0?(?:[1-9][0-9]){1,2}\.[0-9]{8,11}$|[0-9]+\.[0-9]{4}$)[0-9]+\.[0-9]+"
    r"|(?![0-9]{10,},[0-9]{10})[0-9]+,[0-9]+"
)

_NOT_DIGITS = re.compile(r"[^0-9]+")

#: A plus sign before any country but Brazil.
_FOREIGN = re.compile(r"\+[^0-9]*0*(?!55)[1-9]")

#: How a number with area code is written, with what gets in front of it: zeros, a country code
#: (even twice), 0 and the carrier (015), the area code twice. The lookaheads refuse 55 and eight
#: or nine digits: a country code without area code, or area code 55, nobody can tell; and 0199 with
#: seven digits, which are area code 19 and eight digits, or 01 and nine.
_WRITTEN = re.compile(
    r"(?!0*55[0-9]{8,9}$)(?![0-9]*0[1-9]9[0-9]{8}$)"
    r"0*(?:55)?(?:0*55)?(?:0+[1-9][0-9])?0*(?:([1-9][0-9])(?=\1))?"
    r"(?P<area>[1-9][0-9])(?P<number>[0-9]{8,9})"
)

#: Into which groups signs may divide a number of eight and of nine digits, told by its end. Eight
#: digits stand four and four behind a whole area code: anything else may be nine of which one is
#: missing. Nine do not begin with a group of four nor end in a single digit: that may be eight and
#: one too many.
_GROUPED = {
    8: re.compile(r"[0-9]{2}[^0-9]*[0-9]{4}[^0-9]*[0-9]{4}[^0-9]*\Z"),
    9: re.compile(r"[0-9](?![0-9]{3}[^0-9])(?:[^0-9]*[0-9]){7}[0-9][^0-9]*\Z"),
}

#: A mobile of nine digits with its area code and nothing around it but the country code: it can be
#: read in one way only.
_PLAIN = re.compile(r"(?:55|(?!55))(?P<area>[1-9][0-9])(?P<number>9[0-9]{8})")

#: The size of a cache: all ranges of an area code and two digits.
_REMEMBERED_RANGES = 9_000

#: 999999999, 988888888, 990000000, 912345678, 987654321: typed to fill the field.
_FILLER = re.compile(
    r"[0-9]{2}([0-9])\1{6}"
    r"|[0-9](?:01234567|12345678|23456789|98765432|87654321|76543210)"
)


def usable_mobiles(text: str) -> tuple[str, ...]:
    """Return every usable Brazilian mobile in the text as 13 digits, 55 first, each once, in order.

    Landlines, radio numbers, numbers without area code and fillers are not usable. Foreign
    numbers are not either: the ERP's country code is typed by hand, and one slip ("5" for "55")
    makes a Brazilian number a valid Mexican one.
    """
    if plain := _PLAIN.fullmatch(text.strip()):
        mobile = _mobile(plain["area"], plain["number"])
        return (mobile,) if mobile else ()
    text = clean(text)
    is_decimal = _DECIMAL.fullmatch(text) and not _DECIMAL_ZERO.fullmatch(text)
    if not text or is_decimal or _FOR_A_DIGIT.search(text):
        return ()
    return tuple(dict.fromkeys(filter(None, _read(text))))


def _read(text: str) -> Iterator[str]:
    """Yield the mobile for each number in the text, or "" for a number that is no mobile."""
    for chunk in _BETWEEN_NUMBERS.split(text):
        for piece in _pieces(chunk):
            if written := _written(piece):
                yield _mobile(written["area"], written["number"])


def _pieces(chunk: str) -> list[str]:
    """Return the numbers in a chunk, which blanks may separate.

    They count only if each part is a whole number: a rest makes its neighbour doubtful.
    """
    if _written(chunk):
        return [chunk]
    pieces = _NEXT_NUMBER.split(chunk)
    return pieces if all(_written(piece) for piece in pieces) else []


def _written(piece: str) -> re.Match[str] | None:
    if whole := _DECIMAL_ZERO.fullmatch(piece.strip()):
        piece = whole[1]
    if _DECIMAL.fullmatch(piece.strip()) or ("+" in piece and _FOREIGN.search(piece)):
        return None
    written = _WRITTEN.fullmatch(_NOT_DIGITS.sub("", piece))
    return written if written and _GROUPED[len(written["number"])].search(piece) else None


def _mobile(area: str, number: str) -> str:
    if len(number) == 8 and _lacks_ninth_digit(f"{area}{number[:2]}"):
        number = f"9{number}"
    if len(number) != 9 or _FILLER.fullmatch(number):
        return ""
    is_mobile = _type(f"{area}{number[:2]}", 7) == PhoneNumberType.MOBILE
    return f"{_BRAZIL}{area}{number}" if is_mobile else ""


def _lacks_ninth_digit(start: str) -> bool:
    """Tell whether numbers of ten digits that start with these four were mobiles once.

    Landlines and radio numbers are complete with eight digits behind the area code; no number began
    with 0 or 1.
    """
    return start[2] not in "01" and _type(start, 6) == PhoneNumberType.UNKNOWN


@lru_cache(maxsize=2 * _REMEMBERED_RANGES)
def _type(start: str, zeros: int) -> int:
    """Return the type of numbers by their first digits, area code first, and their length.

    The library decides by these alone: a test compares the two.
    """
    national = PhoneNumber(country_code=_BRAZIL, national_number=int(f"{start}{'0' * zeros}"))
    return int(number_type(national))


#: Separators between addresses in a cell, and characters typed beside an @ by mistake.
_BETWEEN_ADDRESSES = re.compile(r"[;:,/|\\()\[\]{}<>?*]+")
_AROUND_AT = re.compile(r"\.*@[.@]*")

#: How an @ is spelled out.
_SPELLED_AT = re.compile(
    r"\s*(?:[(\[{](?:a|at|arroba)[)\]}]|(?:\b|_)arroba(?:\b|_))\s*", re.IGNORECASE
)
#: An ending that is "com" or "com.br" with a letter missed, doubled or beside it on the keyboard.
_SLIPPED_COM = re.compile(r"\.(?:con|comm|cpm|cim|vom|xom|cmo|c0m|om)(?=$|\.br?r?$)")
_SLIPPED_BR = re.compile(r"\.com\.?b(?:r{1,2})?$")

#: Letters that are typed for a digit that they touch.
_ZERO = re.compile(r"(?<=[0-9-])[Oo]|[Oo](?=[0-9])")
_ONE = re.compile(r"(?<=[0-9-])[Il]|[Il](?=[0-9])")
_DIGIT_RUN = re.compile(r"[0-9]+")

#: Digits of a mobile with its area code, and with the country's: a text of no more holds only one.
_NATIONAL, _ONE_NUMBER = 11, 13


def possible_emails(text: str, usable: Sequence[str]) -> tuple[str, ...]:
    """Return further addresses that a cell may mean: only to look opt-outs up.

    They may be a stranger's: nothing is sent to them, and they make nobody the same person. But an
    opt-out counts also if the ERP has its address with a typing mistake: a blank or a comma in it,
    an accent, a point or an @ too many.

    Args:
        text: the ERP's.
        usable: what `usable_emails` reads in it.
    """
    if text.count("@") <= len(usable) and (usable or not _SPELLED_AT.search(text)):
        return ()
    typed = clean(text).lower()
    text = _slips_mended(_SPELLED_AT.sub("@", typed))
    # a placeholder is no typing mistake
    if text == typed and CLEARLY_VALID.fullmatch(text) and not text.startswith(_PAGE):
        return ()
    parts = _BETWEEN_ADDRESSES.split(without_accents(text))
    readings = [
        *(word for part in parts for word in part.split()),
        *("".join(part.split()) for part in parts),
        *(".".join(part.split()) for part in parts),
        ".".join("".join(part.split()) for part in parts),
    ]
    tidied = (
        _slips_mended(_AROUND_AT.sub("@", reading.rstrip("@.-").removeprefix(_PAGE)))
        for reading in readings
    )
    found = dict.fromkeys(address for tidy in tidied for address in usable_emails(tidy))
    return tuple(address for address in found if address not in usable)


def _slips_mended(address: str) -> str:
    """Return an address with single points, and its ending as it was probably meant."""
    address = _SLIPPED_COM.sub(".com", address.replace("..", "."))
    return _SLIPPED_BR.sub(".com.br", address)


def possible_mobiles(text: str, usable: Sequence[str]) -> tuple[str, ...]:
    """Return further mobiles that a cell may mean: only to look opt-outs up.

    As for addresses: letters for digits, digits in other groups, a digit too many, numbers beside
    an unreadable text. A number without an area code takes the area codes of those beside it; alone
    it is left out.

    Args:
        text: the ERP's.
        usable: what `usable_mobiles` reads in it.
    """
    is_read = usable or (not _BETWEEN_NUMBERS.search(text) and _written(text))  # a landline
    if is_read and len(_NOT_DIGITS.sub("", text)) <= _ONE_NUMBER:
        return ()
    text = _ONE.sub("1", _ZERO.sub("0", clean(text)))
    chunks = _BETWEEN_NUMBERS.split(text)
    readings = [_NOT_DIGITS.sub("", piece) for piece in (text, *chunks)] + _DIGIT_RUN.findall(text)
    readings += [
        _NOT_DIGITS.sub("", piece) for chunk in chunks for piece in _NEXT_NUMBER.split(chunk)
    ]
    readings += [end for reading in readings for end in (reading[:_NATIONAL], reading[-_NATIONAL:])]
    written = [found for reading in readings if (found := _WRITTEN.fullmatch(reading))]
    areas = {found["area"] for found in written}
    pairs = [(found["area"], found["number"]) for found in written]
    pairs += [(area, reading) for area in areas for reading in readings if len(reading) in {8, 9}]
    mobiles = dict.fromkeys(_mobile(*pair) for pair in pairs)
    return tuple(mobile for mobile in mobiles if mobile and mobile not in usable)
