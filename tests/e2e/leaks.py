"""Finding patients' data where none may be.

What is looked for, of every person (`Secrets`):

- numbers (CPF, phone, attendance id): their digits, within longer numbers too. One of only nine
  digits (a mobile without area code) must stand alone: it could be part of a long number by chance.
- e-mail addresses.
- names: any two neighbouring words of one, and its first with its last. A single word is not
  looked for (Alves is a street, too), nor are the words that mark test records, newborns and the
  dead.

Disguises are undone in what is searched, not added to what is looked for: so they may be combined.
"""

from __future__ import annotations

import binascii
import re
import sqlite3
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    #: Where it was found, and what can be searched there.
    Place = tuple[str, str | bytes]

AIRFLOW, LEDGER = "airflow.db", "track_ledger.db"
_LEDGER_FILE = f"the file {LEDGER}"

#: A longer number could not stand anywhere by chance.
TELLING_DIGITS = 10
#: Words of names, and of addresses that lack their @, that tell nobody from others.
GENERIC = frozenset({
    "paciente", "teste", "ti", "nao", "usar", "homologacao", "cadastro", "duplicado", "xxxx",
    "rn", "recem", "nascido", "rec", "nasc", "bebe", "gemelar", "ii",
    "falecido", "obito", "natimorto", "feto", "morto",
    "de", "da", "do", "dos", "das", "example", "com", "net", "org",
})  # fmt: skip

_ACCENTS = re.compile("[\u0300-\u036f]+")
_NOT_DIGITS = re.compile(r"[^0-9]")
_BETWEEN_DIGITS = re.compile(r"(?<=[0-9])[ .()/-]{1,3}(?=[0-9])")
_LONG_NUMBER = re.compile(rf"[0-9]{{{TELLING_DIGITS},}}")
_SHORT_NUMBER = re.compile(r"(?<![0-9])(?:[0-9]{9}|[0-9]{5}-[0-9]{4})(?![0-9])")
_AT = re.compile(r" ?@ ?")
_IN_ADDRESS = "abcdefghijklmnopqrstuvwxyz0123456789._%+-"
_WORD = re.compile(r"[a-z]{2,}")
#: A word that lost a letter on its way is no word of a name.
_DAMAGED = re.compile(r"\S*\?\S*")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{12,}")
_ONE_ALPHABET = str.maketrans("-_", "+/")
_BYTES = re.compile(r"(?:\\+x[0-9a-fA-F]{2})+|(?:%[0-9a-fA-F]{2})+")
_CHARACTER = re.compile(r"\\+u([0-9a-fA-F]{4})")


_ESCAPE = re.compile(r"%[0-9a-fA-F]{2}|\\[ux]")


@dataclass(frozen=True, slots=True)
class Secrets:
    """What must not be found; made by `secrets_of`."""

    numbers: frozenset[str]
    addresses: frozenset[str]
    names: frozenset[tuple[str, str]]

    def __sub__(self, values: Iterable[str]) -> Secrets:
        """Leave numbers out."""
        return Secrets(self.numbers - set(values), self.addresses, self.names)


def secrets_of(values: Iterable[str]) -> Secrets:
    """Sort patients' values: what holds an @ is an address, what has no letters is a number."""
    numbers, addresses, names = set(), set(), set()
    for value in map(folded, values):
        words = [word for word in _WORD.findall(_DAMAGED.sub(" ", value)) if word not in GENERIC]
        if "@" in value:
            addresses.update("@".join(found) for found in _addresses_in(value))
        elif words:
            names.update({*pairwise(words), (words[0], words[-1])} if words[1:] else ())
        else:
            numbers.add(_NOT_DIGITS.sub("", value))
    return Secrets(frozenset(numbers), frozenset(addresses), frozenset(names))


def folded(text: str) -> str:
    """Return the text in small letters without accents."""
    if text.isascii():
        return text.lower()
    return _ACCENTS.sub("", unicodedata.normalize("NFKD", text)).lower()


def find(secrets: Secrets, content: str | bytes) -> set[str]:
    """Return the secrets that the content holds, in clear or in any disguise."""
    found = set()
    for text in _readings(content):
        found |= _in_clear(secrets, text)
        for decoded in _readings("\n".join(_decoded(set(_BASE64.findall(text))))):
            found |= _in_clear(secrets, decoded)
    return found


def search(home: Path, secrets: Secrets, ids: Collection[str]) -> list[str]:
    """Search all that Airflow and the ledger left; return a line for each secret in each place.

    Attendance ids are the ledger's keys: they may be in the one column for them, and so in its
    files.
    """
    keyless = secrets - ids
    return [
        f"{where}: {what}"
        for where, content in [*cells(home / AIRFLOW), *cells(home / LEDGER), *files(home)]
        if where != f"the column lines.attendance_id of {LEDGER}"
        for what in sorted(find(keyless if where.startswith(_LEDGER_FILE) else secrets, content))
    ]


def files(folder: Path) -> Iterator[Place]:
    """Yield the name and the bytes of every file below a folder."""
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        yield f"the name {name}", name
        if path.is_file():
            yield f"the file {name}", path.read_bytes()


def cells(database: Path) -> Iterator[Place]:
    """Yield what every column of every table of an SQLite database holds."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        tables = connection.execute("select name from sqlite_master where type = 'table'")
        for (table,) in tables.fetchall():
            cursor = connection.execute(f'select * from "{table}"')
            names = [column[0] for column in cursor.description]
            rows = cursor.fetchall()
            for place, name in enumerate(names):
                values = [row[place] for row in rows if row[place] is not None]
                lines = [v if isinstance(v, bytes) else str(v).encode() for v in values]
                yield f"the column {table}.{name} of {database.name}", b"\n".join(lines)


def _readings(content: str | bytes) -> Iterator[str]:
    """Yield the content as text, and with its escapes undone where there are any."""
    if isinstance(content, str):
        texts = [content]
    else:
        texts = [content.decode("utf-8", errors="replace")]
        if "\ufffd" in texts[0]:
            texts.append(content.decode("latin-1"))
    for text in texts:
        yield text
        escaped = "\n".join(line for line in text.split("\n") if _ESCAPE.search(line))
        plain = _CHARACTER.sub(lambda escape: chr(int(escape[1], 16)), escaped)
        yield _BYTES.sub(_unescaped, plain)


def _unescaped(escapes: re.Match[str]) -> str:
    """Read escaped bytes, as URLs and Python write them, as the text they stand for."""
    return unquote_to_bytes(re.sub(r"\\+x", "%", escapes[0])).decode("utf-8", errors="replace")


def _decoded(runs: Iterable[str]) -> Iterator[str]:
    """Yield what base64 of either alphabet says, wherever in a run it may begin."""
    for run in runs:
        plain = run.translate(_ONE_ALPHABET)
        for start in range(4):
            end = start + (len(plain) - start) // 4 * 4
            yield binascii.a2b_base64(plain[start:end]).decode("utf-8", errors="replace")


def _in_clear(secrets: Secrets, text: str) -> set[str]:
    text = folded(text)
    found = {*_numbers(secrets, text), *_addresses(secrets, text)}
    found |= {" ".join(pair) for pair in pairwise(_WORD.findall(text)) if pair in secrets.names}
    return found


def _numbers(secrets: Secrets, text: str) -> Iterator[str]:
    lengths = {len(number) for number in secrets.numbers if len(number) >= TELLING_DIGITS}
    for run in set(_LONG_NUMBER.findall(_BETWEEN_DIGITS.sub("", text))):
        for length in lengths:
            for start in range(len(run) - length + 1):
                if run[start : start + length] in secrets.numbers:
                    yield run[start : start + length]
    for run in set(_SHORT_NUMBER.findall(text)):
        if (digits := _NOT_DIGITS.sub("", run)) in secrets.numbers:
            yield digits


def _addresses(secrets: Secrets, text: str) -> Iterator[str]:
    """Find addresses, also with something stuck to either end."""
    for local, domain in set(_addresses_in(text)):
        for start in range(len(local)):
            for end in range(len(domain), 0, -1):
                if (address := f"{local[start:]}@{domain[:end]}") in secrets.addresses:
                    yield address


def _addresses_in(text: str) -> Iterator[tuple[str, str]]:
    """Yield what stands before and after each @, as far as it may belong to an address."""
    for at in _AT.finditer(text):
        before, after = text[max(0, at.start() - 64) : at.start()], text[at.end() : at.end() + 64]
        local = before[len(before.rstrip(_IN_ADDRESS)) :]
        domain = after[: len(after) - len(after.lstrip(_IN_ADDRESS))]
        if local and domain:
            yield local, domain
