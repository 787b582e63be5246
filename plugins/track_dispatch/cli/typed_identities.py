"""Read patients' identities from typed texts and from spreadsheets' files.

The functions are those that the transform reads the ERP's columns with. A text that looks like a
CPF, an address or a number and gives none is a fault, which is reported by line and column, never
by its content.

Lists come as spreadsheets save them. Excel in Portuguese writes semicolons or tabs, Windows-1252
or UTF-16, and perhaps `sep=;` first.
"""

from __future__ import annotations

import csv
import re
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from io import StringIO
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from track_dispatch.cli.options import announced
from track_dispatch.errors import ConfigError, did_you_mean
from track_dispatch.records import Channel, without_accents
from track_dispatch.transformation.identities import identity_values

#: Kinds of identities.
KINDS = ("cpf", "email", "phone")
#: By kind, what is wrong with a text that gives no identity.
_NOT_USABLE = {
    "cpf": "no CPF: eleven digits, the last two of which check the others",
    "email": "no e-mail address that anybody could be reached at",
    "phone": "no mobile number with its area code",
}
LOST_DIGITS = (
    "a number that the spreadsheet shortened (as 2.8E+10): its digits are lost; format the column"
    " as text, fill it again and save again"
)
PARTLY_USED = "only a part of it could be used"

#: 2.79988E+10, 2,8e10: a long number as a spreadsheet shows and saves it.
_SHORTENED = re.compile(r"(?<![\w.@-])[0-9]+(?:[.,][0-9]+)?[eE]\+?[0-9]+(?![\w.@-])")
#: Eleven digits as a CPF has them, between blanks and separators.
_CPF = re.compile(r"(?<![^\s;,/|\\:])[0-9]{3}\.?[0-9]{3}\.?[0-9]{3}[-/.]?[0-9]{2}(?![^\s;,/|\\])")
#: Separators of texts that are read each by itself.
_BETWEEN_TEXTS = re.compile(r"[;\r\n]+")
#: Separators of identities: certain ones, usual ones, and those around addresses.
_BETWEEN_PARTS = re.compile(r"[;\t\r\n]+")
_BETWEEN_NUMBERS = re.compile(r"[,/|\\]+")
_BETWEEN_WORDS = re.compile(r"[\s;,/|\\]+")
_DIGIT = re.compile(r"[0-9]")
#: The most digits that are no phone, but an extension or a house's number.
_FEW_DIGITS = 8


class TypedIdentities(NamedTuple):
    """The identities in a text, "cpf:...", "email:...", "phone:...", and the fault of the rest.

    `fault` is None where all of it could be used; it repeats nothing of the text.
    """

    values: tuple[str, ...]
    fault: str | None = None

    def __repr__(self) -> str:
        """Tell of no patient."""
        return f"TypedIdentities({len(self.values)} values, fault={self.fault!r})"


def read_identities(text: str, kinds: Collection[str] = KINDS) -> TypedIdentities:
    """Read all identities of these kinds out of a text.

    Args:
        text: one or several, with `;`, a comma, a slash, a bar or a line break between them.
        kinds: what it may hold.
    """
    if _SHORTENED.search(text):
        return TypedIdentities((), LOST_DIGITS)
    whole = identity_values(text, kinds)
    by_part = (
        value for part in _BETWEEN_TEXTS.split(text) for value in identity_values(part, kinds)
    )
    values = tuple(dict.fromkeys((*whole, *by_part, *_several_cpfs(text, kinds))))
    if not values:
        return TypedIdentities((), _not_usable(kinds))
    complete = all(
        not {*identity_values(piece, kinds), *_several_cpfs(piece, kinds)}.isdisjoint(values)
        for piece in _pieces(text, is_one_cpf=any(value.startswith("cpf:") for value in whole))
    )
    return TypedIdentities(values, None if complete else PARTLY_USED)


def _several_cpfs(text: str, kinds: Collection[str]) -> list[str]:
    """Return the parts of a text with several CPFs; other identities are separated when read."""
    if "cpf" not in kinds:
        return []
    return [value for found in _CPF.findall(text) for value in identity_values(found, ("cpf",))]


def _pieces(text: str, *, is_one_cpf: bool) -> Iterator[str]:
    """Yield the parts of a text that should have given an identity: addresses, numbers, lone words.

    They serve to find faults only: the rest of an address that a blank has cut may be a stranger's.

    Args:
        text: as it was typed.
        is_one_cpf: whether all of its digits together are one CPF.
    """
    yield from (word for word in _BETWEEN_WORDS.split(text) if "@" in word)
    if not is_one_cpf:
        yield from _CPF.findall(text)
    for part in filter(str.strip, _BETWEEN_PARTS.split(text)):
        pieces = [piece for piece in _BETWEEN_NUMBERS.split(part) if "@" not in piece]
        numbers = [piece for piece in pieces if len(_DIGIT.findall(piece)) >= _FEW_DIGITS]
        if not is_one_cpf:
            yield from numbers
        if "@" not in part and not (numbers or (is_one_cpf and _DIGIT.search(part))):
            yield part


def _not_usable(kinds: Collection[str]) -> str:
    [*others] = kinds
    return _NOT_USABLE[others[0]] if len(others) == 1 else "no CPF, e-mail address or mobile number"


#: Headings by kind, in small letters, without accents and signs.
_HEADS = {
    "cpf": "cpf", "cpfs": "cpf",
    "email": "email", "emails": "email", "mail": "email", "correioeletronico": "email",
    "enderecodeemail": "email",
    "phone": "phone", "phones": "phone", "telephone": "phone", "mobile": "phone",
    "telefone": "phone", "telefones": "phone", "celular": "phone", "celulares": "phone",
    "fone": "phone", "fones": "phone", "tel": "phone", "cel": "phone", "whatsapp": "phone",
    "channel": "channel", "canal": "channel",
}  # fmt: skip
#: Words of a heading that do not tell the column's kind.
_FILLERS = frozenset({
    "a", "o", "da", "de", "do", "dos", "n", "no", "nr", "num", "numero", "number", "of",
    "paciente", "cliente", "patient", "pessoal", "residencial", "principal", "secundario",
    "contato",
})  # fmt: skip
_CHANNELS = {
    "email": Channel.EMAIL, "mail": Channel.EMAIL,
    "whatsapp": Channel.WHATSAPP, "whats": Channel.WHATSAPP, "zap": Channel.WHATSAPP,
}  # fmt: skip
_EVERY_CHANNEL = {"", "todos", "ambos", "all", "every", "both"}
_NO_CHANNEL = f"no channel: {', '.join(channel.label for channel in Channel)}, or empty for all"
#: The known headings, for messages.
_UNDERSTOOD = "cpf, e-mail, telefone (celular, fone, whatsapp), canal"

#: The first bytes of spreadsheets' files that are no text.
_OTHER_FILES = {
    b"PK\x03\x04": "a workbook (.xlsx, .ods)",
    b"\xd0\xcf\x11\xe0": "a workbook (.xls)",
    b"%PDF": "a PDF",
}
#: A delimiter that no list contains, for a file with one column: each line is a cell.
_NO_DELIMITER = "\x1f"
#: Patient data where a heading should be.
_DATA = re.compile(r"@|(?:[0-9].*){5}")


class ListColumn(NamedTuple):
    """A column of a list: its heading, "" without one, and its kind."""

    heading: str
    kind: str


class UnusedCell(NamedTuple):
    """A cell that could not be used: line, heading of its column ("": the whole line), and why."""

    line: int
    heading: str
    why: str


@dataclass(frozen=True, slots=True)
class OptOutList:
    """The content of a file with opt-outs.

    Attributes:
        columns: as they were understood.
        entries: for each person her values, and the channel; None = every one.
        faults: what gives nobody, or no channel; the other cells of its line are in `entries`.
    """

    columns: tuple[ListColumn, ...]
    entries: list[tuple[tuple[str, ...], Channel | None]] = field(default_factory=list, repr=False)
    faults: list[UnusedCell] = field(default_factory=list)

    @property
    def values_by_kind(self) -> Counter[str]:
        """Count the different values by kind."""
        return Counter(
            value.partition(":")[0]
            for value in {identity for found, _ in self.entries for identity in found}
        )


def read_optout_list(file: Path) -> OptOutList:
    """Read a list; each line gives all identities that can be read in it.

    Raises:
        ConfigError: the file cannot be read, is no text, has a quotation mark that nothing closes,
            no line, or a heading that is not understood.
    """
    text = _decoded(file)
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    columns: tuple[ListColumn, ...] = ()
    found: OptOutList | None = None
    for number, row in announced(_rows(file, text), "reading"):
        if found is None:
            columns = _columns(file, row or [])
            found = OptOutList(columns)
        elif row is None:
            found.faults.append(UnusedCell(number, "", "quotation marks that are not doubled"))
        else:
            _take(row, number, found)
    if found is None:
        raise ConfigError(f"{file}: is empty; its first line must name the columns: {_UNDERSTOOD}")
    if not found.entries and not found.faults:
        raise ConfigError(f"{file}: has nobody below its heading")
    return found


def faults_by_cell(faults: Iterable[UnusedCell]) -> list[tuple[str, str, list[int]]]:
    """Group faults by heading and fault, with their lines."""
    lines: dict[tuple[str, str], list[int]] = {}
    for line, heading, why in faults:
        lines.setdefault((heading, why), []).append(line)
    return [(heading, why, found) for (heading, why), found in lines.items()]


def _rows(file: Path, text: str) -> Iterator[tuple[int, list[str] | None]]:
    """Yield each row that is not empty with the line it begins at; None for one that is no CSV.

    Raises:
        ConfigError: a quotation mark opens a cell and is never closed: what follows is lost in it.
    """
    lines = StringIO(text, newline="")
    delimiter, skipped = _delimiter(lines)
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    while True:
        line = reader.line_num + skipped + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "end of data" in str(error):
                raise ConfigError(
                    f"{file}: the quotation mark in line {line} is never closed: nothing of the"
                    " list was entered"
                ) from None
            yield line, None
            continue
        if any(cell.strip() for cell in row):
            yield line, row


def _delimiter(lines: StringIO) -> tuple[str, int]:
    """Return what stands between cells, and how many lines were skipped: Excel's `sep=;`."""
    first = lines.readline()
    told = first.strip('\r\n" ')
    if told[:4].casefold() == "sep=":
        return told[4:5] or "\t", 1
    while first and not first.strip():
        first = lines.readline()
    lines.seek(0)
    delimiter = max(";,\t|", key=first.count)
    return (delimiter if delimiter in first else _NO_DELIMITER), 0


def _take(row: Sequence[str], line: int, found: OptOutList) -> None:
    """Take one row in."""
    values: list[str] = []
    channel, knows_channel, faults = None, True, len(found.faults)
    for column, cell in zip_longest(found.columns, map(str.strip, row)):
        if not cell:
            continue
        heading, kind = column or ListColumn("", "")
        fault: str | None = None
        if kind == "channel":
            name = _folded(cell)
            channel = _CHANNELS.get(name)
            knows_channel = channel is not None or name in _EVERY_CHANNEL
            fault = None if knows_channel else _NO_CHANNEL
        elif kind:
            read, fault = read_identities(cell, (kind,))
            values += read
        else:
            fault = "a cell without a heading"
        if fault:
            found.faults.append(UnusedCell(line, heading, fault))
    if values and knows_channel:
        found.entries.append((tuple(values), channel))
    elif len(found.faults) == faults:
        found.faults.append(UnusedCell(line, "", "nobody: neither CPF nor e-mail nor phone"))


def _columns(file: Path, row: Sequence[str]) -> tuple[ListColumn, ...]:
    """Return what each column holds.

    Raises:
        ConfigError: there is no heading, it has columns that are not understood, or two of the
            channel.
    """
    columns = tuple(ListColumn(cell.strip(), _kind_of(cell)) for cell in row)
    if not any(column.kind in KINDS for column in columns):
        raise ConfigError(
            f"{file}: the first line must name the columns, cpf, e-mail or telefone among them:"
            f" {_UNDERSTOOD}"
        )
    if sum(column.kind == "channel" for column in columns) > 1:
        raise ConfigError(
            f"{file}: two columns name a channel, and a line has one: delete one of them"
        )
    unknown = [
        _shown(number, column.heading)
        for number, column in enumerate(columns, start=1)
        if column.heading and not column.kind
    ]
    if unknown:
        raise ConfigError(
            f"{file}: unknown columns: {'; '.join(unknown)}. Delete them, or call them by what"
            f" they hold: {_UNDERSTOOD}"
        )
    return columns


def _kind_of(heading: str) -> str:
    """Return a heading's kind of identity, "channel", or "" for an unknown heading."""
    words = re.findall(r"[a-z]+", without_accents(heading.casefold()))
    if together := _HEADS.get("".join(words)):
        return together
    telling = [word for word in words if word not in _FILLERS]
    joined = _HEADS.get("".join(telling))
    kinds = {joined} if joined else {_HEADS.get(word, "") for word in telling}
    return kinds.pop() if len(kinds) == 1 else ""


def _shown(number: int, heading: str) -> str:
    if _DATA.search(heading):
        return f"{number} (looks like data, not like a heading)"
    return f'{number} "{heading[:40]}"{did_you_mean(_folded(heading), _HEADS)}'


def _decoded(file: Path) -> str:
    """Return the file's text.

    Raises:
        ConfigError: it cannot be read, or is no text.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from None
    for begins, what in _OTHER_FILES.items():
        if content.startswith(begins):
            raise ConfigError(
                f"{file}: is {what}, not a CSV: save it as CSV (in Excel: Salvar como, CSV UTF-8)"
                " and give that file"
            )
    utf_16 = content[:2] in {b"\xff\xfe", b"\xfe\xff"}
    for encoding in ("utf-16",) if utf_16 else ("utf-8", "cp1252"):
        try:
            text = content.removeprefix(BOM_UTF8).decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise ConfigError(f"{file}: is not text; save it as CSV in UTF-8")


def _folded(text: str) -> str:
    """Return a heading or a channel in small letters, without accents, blanks and signs."""
    return "".join(letter for letter in without_accents(text.casefold()) if letter.isalnum())
