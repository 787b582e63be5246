"""Lists of people who asked not to be asked, as spreadsheets save them.

Excel in Portuguese writes semicolons or tabs, Windows-1252 or UTF-16, and perhaps `sep=;` first.
What cannot be used is told by line and column, never by its content.
"""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import StringIO
from itertools import zip_longest
from pathlib import Path

from track_dispatch.errors import ConfigError
from track_dispatch.records import Channel
from track_dispatch.suggestions import did_you_mean
from track_dispatch.transformation.identities import identity_values

#: What a column may be called, in small letters, without accents and signs.
_HEADS = {
    "cpf": "cpf", "documento": "cpf",
    "email": "email", "mail": "email", "correioeletronico": "email",
    "phone": "phone", "telefone": "phone", "celular": "phone", "fone": "phone", "tel": "phone",
    "whatsapp": "phone",
    "channel": "channel", "canal": "channel",
}  # fmt: skip
_CHANNELS = {"email": Channel.EMAIL, "mail": Channel.EMAIL, "whatsapp": Channel.WHATSAPP}
_EVERY_CHANNEL = {"", "todos", "all", "every"}


@dataclass(frozen=True, slots=True)
class OptOutList:
    """What a file holds.

    Attributes:
        entries: for each person her values, and the channel; None = every one.
        faults: line and column of what gives nobody, or no channel.
    """

    entries: list[tuple[tuple[str, ...], Channel | None]] = field(default_factory=list, repr=False)
    faults: list[tuple[int, str]] = field(default_factory=list)


def read_optout_list(file: Path) -> OptOutList:
    """Read a list; a row enters with all that can be read of it.

    Raises:
        ConfigError: the file is no text, or its heading is unknown.
    """
    text = _decoded(file)
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    lines = StringIO(text, newline="")
    skipped = _skip_separator(lines)
    rows = csv.reader(lines, delimiter=_delimiter(text.splitlines()[skipped:]))
    heads = _heads(file, next(rows, []))
    found = OptOutList()
    for row in rows:
        _take(row, heads, rows.line_num + skipped, found)
    return found


def _take(row: list[str], heads: list[str], line: int, found: OptOutList) -> None:
    """Take one row in."""
    values: list[str] = []
    channel, knows_channel = None, True
    for head, cell in zip_longest(heads, (cell.strip() for cell in row), fillvalue=""):
        usable = True
        if head == "channel":
            name = _folded(cell)
            usable = knows_channel = name in _EVERY_CHANNEL or name in _CHANNELS
            channel = _CHANNELS.get(name)
        elif cell:
            # beyond the heading there is no kind
            read = identity_values(cell, (head,)) if head else ()
            usable = bool(read)
            values += read
        if not usable:
            found.faults.append((line, head or "beyond the heading"))
    if values and knows_channel:
        found.entries.append((tuple(values), channel))


def _heads(file: Path, row: list[str]) -> list[str]:
    """Return what each column holds.

    Raises:
        ConfigError: there is no heading, or it has a column that nobody knows.
    """
    names = [_folded(cell) for cell in row]
    if not {_HEADS.get(name) for name in names} & {"cpf", "email", "phone"}:
        raise ConfigError(
            f"{file}: the first line must name the columns: cpf, e-mail, telefone, perhaps canal"
        )
    for number, name in enumerate(names, start=1):
        if name not in _HEADS:
            raise ConfigError(
                f'{file}: column {number}, "{name[:20]}", is unknown'
                f"{did_you_mean(name, _HEADS)}: delete it, or call it cpf, e-mail, telefone, canal"
            )
    return [_HEADS[name] for name in names]


def _decoded(file: Path) -> str:
    content = file.read_bytes()
    encodings = ["utf-16"] if content[:2] in {b"\xff\xfe", b"\xfe\xff"} else ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ConfigError(f"{file}: is no text; save it as CSV in UTF-8")


def _skip_separator(lines: StringIO) -> int:
    """Skip Excel's `sep=;`; return how many lines that were."""
    first = lines.readline()
    if first.strip().lower().startswith("sep="):
        return 1
    lines.seek(0)
    return 0


def _delimiter(lines: list[str]) -> str:
    heading = lines[0] if lines else ""
    return max(";,\t", key=heading.count)


def _folded(text: str) -> str:
    """Return a heading or a channel in small letters, without accents, blanks and signs."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in plain if letter.isalnum())


def faults_by_column(faults: list[tuple[int, str]]) -> Mapping[str, list[int]]:
    """Return the lines of each column that has faults."""
    found: dict[str, list[int]] = {}
    for line, column in faults:
        found.setdefault(column, []).append(line)
    return found
