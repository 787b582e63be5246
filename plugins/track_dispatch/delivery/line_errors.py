"""Which lines of a batch an answer of Track names, and why: never a value, never free text.

Track's `errors` [assumed] comes in either of two forms, in a 2xx as in a 4xx:

- an object with keys `import_lines.<i>` or `import_lines.<i>.<field>`, i from 0;
- a list of objects with `cd_atendimento`, or else `line` (from 0), perhaps with `code`, `field`.

Source: docs/track-api.md#errors; to be confirmed with Track before going live.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from track_dispatch.records import COLUMNS

#: The fields of an import line: the only names that may be kept as a fault's field.
LINE_FIELDS = frozenset({*COLUMNS, "uuid"})

_LINE_KEY = re.compile(r"import_lines\.(?P<position>[0-9]{1,6})(?:\.(?P<field>.+))?", re.ASCII)
_POSITION = re.compile(r"[0-9]{1,6}", re.ASCII)
#: Digits only as a short number: no phone, no CPF and no attendance id looks like a code.
_CODE = re.compile(r"(?=.{1,60}\Z)[A-Za-z][A-Za-z_.-]*[0-9]{0,4}", re.ASCII)
_WORD = re.compile(r"[^\W\d_]{3,}")


@dataclass(frozen=True, slots=True)
class LineError:
    """Why Track refuses one line, as far as it can be kept: an error code, a field's name."""

    code: str | None
    field: str | None


@dataclass(frozen=True, slots=True)
class LineErrors:
    """The lines that an answer names, by position in the batch.

    `unmatched` tells that it also holds an entry which belongs to no line of the batch.
    """

    faults: Mapping[int, LineError]
    unmatched: bool


def named_lines(
    document: object, attendance_ids: Sequence[str], *, values: Iterable[str] = ()
) -> LineErrors:
    """Read which lines the answer's `errors` names.

    Args:
        document: the answer's body as parsed JSON; anything but an object names nothing.
        attendance_ids: the batch's attendance ids, in the order of its lines.
        values: every text of the batch; a code that holds a word of one is not kept.
    """
    errors = document.get("errors") if isinstance(document, dict) else None
    if not errors:
        return LineErrors(faults={}, unmatched=False)
    faults: dict[int, LineError] = {}
    unmatched = False
    secrets: set[str] | None = None
    for position, code, field in _entries(errors, attendance_ids):
        if position is None:
            unmatched = True
            continue
        if code is not None and secrets is None:
            secrets = _words(values)
        fault = LineError(code=_safe_code(code, secrets or set()), field=_known_field(field))
        faults.setdefault(position, fault)
    return LineErrors(faults=faults, unmatched=unmatched)


def _entries(
    errors: object, attendance_ids: Sequence[str]
) -> Iterator[tuple[int | None, object, object]]:
    """Yield position (None: no line of the batch), code and field of every entry."""
    if isinstance(errors, dict):
        for key in errors:
            match = _LINE_KEY.fullmatch(key)
            position = int(match["position"]) if match else None
            yield _within(position, attendance_ids), None, match and match["field"]
    elif isinstance(errors, list):
        positions = {
            attendance_id: i for i, attendance_id in reversed(list(enumerate(attendance_ids)))
        }
        for entry in errors:
            if isinstance(entry, dict):
                position = _entry_position(entry, positions)
                found = _within(position, attendance_ids)
                yield found, entry.get("code"), entry.get("field")
            else:
                yield None, None, None
    else:
        yield None, None, None


def _entry_position(entry: Mapping[str, object], positions: Mapping[str, int]) -> int | None:
    """Find an entry's line by its attendance id, or else by its position."""
    attendance_id = entry.get("cd_atendimento")
    if attendance_id is not None:
        if isinstance(attendance_id, bool) or not isinstance(attendance_id, (int, str)):
            return None
        return positions.get(str(attendance_id).strip())
    line = entry.get("line")
    if isinstance(line, str) and _POSITION.fullmatch(line):
        return int(line)
    return line if isinstance(line, int) and not isinstance(line, bool) else None


def _within(position: int | None, attendance_ids: Sequence[str]) -> int | None:
    return position if position is not None and 0 <= position < len(attendance_ids) else None


def _known_field(field: object) -> str | None:
    """Keep the last part of a dotted field name if it is a field of ours."""
    last = field.rpartition(".")[2] if isinstance(field, str) else None
    return last if last in LINE_FIELDS else None


def _safe_code(code: object, secrets: set[str]) -> str | None:
    """Keep a code that looks like one and holds no word of the batch's values."""
    if isinstance(code, int) and not isinstance(code, bool) and 0 <= code <= 9999:
        return str(code)
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        return None
    plain = code.casefold()
    return None if any(word in plain for word in secrets) else code


def _words(values: Iterable[str]) -> set[str]:
    """Collect the words of three letters or more, folded and without accents."""
    folded = (unicodedata.normalize("NFKD", value.casefold()) for value in values)
    bare = ("".join(c for c in text if not unicodedata.combining(c)) for text in folded)
    return {word for text in bare for word in _WORD.findall(text)}
