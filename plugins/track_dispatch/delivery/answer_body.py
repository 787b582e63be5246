"""What the body of an answer says: whether a 2xx proves acceptance, and which lines it names.

Proof is an empty body, or a JSON object that holds a receipt and says nowhere that something went
wrong (`failure_signs.py`). What holds the receipt is read exactly.

Track's `errors` [assumed] comes in either of two forms, in a 2xx as in a 4xx:

- an object with keys `import_lines.<i>` or `import_lines.<i>.<field>`, i from 0;
- a list of objects with `cd_atendimento`, or else `line` (from 0), perhaps with `code`, `field`.

Of the lines an error code and a field's name are kept: never a value, never free text. Pure.

Source: docs/track-api.md#acceptance, docs/track-api.md#errors; to be confirmed with Track before
going live.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple, NoReturn

from pydantic_core import from_json

from track_dispatch.delivery.answer_table import AnswerCase
from track_dispatch.delivery.failure_signs import (
    bare,
    is_sentence,
    is_word_of_failure,
    says_failure,
    signs_of_failure,
)
from track_dispatch.records import COLUMNS

#: The type by which a service says that something went wrong. Source: RFC 9457.
_PROBLEM = "application/problem+json"

#: At most a hundred letters, digits, `_` and `-`, not first; nor zeros alone, which number nothing.
_RECEIPT = re.compile(r"(?!-)(?=.*[^0-])[A-Za-z0-9_-]{1,100}", re.ASCII)
#: Words alone, as "null" or "rate_limited", number nothing either, nor does a date or a status.
_NO_RECEIPT = re.compile(
    r"[A-Za-z]?[a-z_-]*|[A-Z_-]*|NaN|[0-9]{4}-[0-9]{2}-[0-9]{2}|(?i:http|status)?[_-]?[45][0-9]{2}"
    r"|(?i:false|nil|none|null|true|undefined|unknown)[_-]?[0-9]*"
)
_BEGINNING = re.compile(r"[A-Za-z_-]*")
#: A member's name that may be told: no digits, so no phone, CPF or attendance id.
_TELLABLE = re.compile(r"[A-Za-z_]{1,40}", re.ASCII)
#: A number at the end of a body that was cut may have gone on.
_OPEN_NUMBER = b"0123456789+-.eE"


class Success(NamedTuple):
    """What the body of a 2xx says.

    Attributes:
        case: which one it is in the table of outcomes.
        receipt: Track's id of the distribution, also where it proves nothing.
        faults: the lines that it names, by position; none where it proves nothing.
    """

    case: AnswerCase
    receipt: str | None
    faults: Mapping[int, LineError]


def judge_success(
    body: bytes,
    *,
    content_type: str | None,
    complete: bool,
    attendance_ids: Sequence[str],
    values: Collection[str],
    acceptance: Sequence[str],
    own_ids: Collection[str] = (),
    leads_elsewhere: bool = False,
) -> Success:
    """Tell what a success proves.

    Args:
        body: as far as it came.
        content_type: as it is declared.
        complete: whether that is all of it.
        attendance_ids: the batch's attendance ids, in the order of its lines.
        values: every text of the batch's lines; an echo of one is no receipt.
        acceptance: the members of which one must hold a receipt, as dotted paths.
        own_ids: what else the request said, as `TrackResponse` holds it; no receipt either.
        leads_elsewhere: whether its head names a place that is no id of Track's.
    """
    document, is_json = _read(body)
    receipt = _receipt(document, acceptance, attendance_ids, values, own_ids)
    faults: Mapping[int, LineError] = {}
    if not complete:
        case = AnswerCase.CUT_SHORT
    elif not body.strip():
        case = AnswerCase.ELSEWHERE if leads_elsewhere else AnswerCase.EMPTY
    elif not is_json or not _is_json_type(content_type):
        case = AnswerCase.NO_JSON
    elif not isinstance(document, dict):
        case = AnswerCase.NO_OBJECT
    else:
        naming = named_lines(document, attendance_ids, values=chain(attendance_ids, values))
        faults = naming.faults
        case = _case_of_object(document, naming, lines=len(attendance_ids), receipt=receipt)
    return Success(case, receipt, faults if case is AnswerCase.IN_PART else {})


def _case_of_object(
    document: Mapping[str, object], naming: LineErrors, *, lines: int, receipt: str | None
) -> AnswerCase:
    if naming.unmatched:
        return AnswerCase.UNMATCHED
    if len(naming.faults) == lines:
        return AnswerCase.NAMES_ALL
    rest = {
        name: inner
        for name, inner in document.items()
        if name != "errors" and not (naming.faults and is_sentence(name))  # it tells of these
    }
    if says_failure(rest, lines=lines - len(naming.faults), strict=True):
        return AnswerCase.SAYS_FAILURE
    if receipt is None:
        return AnswerCase.NO_RECEIPT
    return AnswerCase.IN_PART if naming.faults else AnswerCase.PROVEN


def read_json(body: bytes) -> object:
    """Parse a body strictly.

    Raises:
        ValueError: it is not JSON, or can be read in more than one way; the error quotes nothing.
    """
    try:
        return json.loads(body, object_pairs_hook=_once_each, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise ValueError from None


def _once_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Make an object of its members, unless one comes twice: nobody knows which of them counts."""
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError
    return members


def _no_constant(_: str) -> NoReturn:
    """Refuse NaN and the infinities: they are not JSON."""
    raise ValueError


def _read(body: bytes) -> tuple[object, bool]:
    """Parse a body, and tell whether it is JSON; of another one, what came before it went wrong."""
    with suppress(ValueError):
        return read_json(body), True
    with suppress(ValueError):
        return from_json(body.rstrip(_OPEN_NUMBER), allow_partial=True), False
    return None, False


def _is_json_type(content_type: str | None) -> bool:
    """Tell whether the declared type is JSON; where there is none, the body decides alone."""
    if content_type is None:
        return True
    kind = content_type.partition(";")[0].strip().lower()
    if kind == _PROBLEM:
        return False
    return kind in {"application/json", "text/json"} or kind.endswith("+json")


def _receipt(
    document: object,
    acceptance: Sequence[str],
    attendance_ids: Sequence[str],
    values: Collection[str],
    own_ids: Collection[str],
) -> str | None:
    """Find Track's id of the distribution in the members that may hold it."""
    for path in acceptance:
        found = document
        for name in path.split("."):
            found = found.get(name) if isinstance(found, dict) else None
        if not isinstance(found, (int, str)):
            continue
        receipt = str(found)
        if not (is_id(receipt) or (isinstance(found, int) and 400 <= found < 600)):
            continue
        is_echo = receipt in attendance_ids or receipt in values or fold_id(receipt) in own_ids
        if not is_echo:
            return receipt
    return None


def fold_id(text: str) -> str:
    """Return an id as it may come back in another spelling: small letters, no hyphens."""
    return text.replace("-", "").casefold()


def is_id(text: str) -> bool:
    """Tell whether a text may be an id that Track gave: no word, no date, no status, no error."""
    if not _RECEIPT.fullmatch(text) or _NO_RECEIPT.fullmatch(text):
        return False
    beginning = _BEGINNING.match(text)
    return beginning is None or not is_word_of_failure(beginning[0].strip("_-"))


def member_names(body: bytes, values: Collection[str]) -> list[str]:
    """Return the names of the members at the top of an answer, as far as they may be told.

    Args:
        body: of the answer, as far as it came.
        values: every text of the batch's lines.
    """
    document, _ = _read(body)
    names = document if isinstance(document, dict) else ()
    return [name for name in names if _TELLABLE.fullmatch(name) and name not in values]


def doubtful_names(body: bytes, values: Collection[str], *, lines: int) -> list[str]:
    """Return the names of the members that are signs of failure, as far as they may be told.

    Args:
        body: of the answer, as far as it came.
        values: every text of the batch's lines.
        lines: of the batch.
    """
    document, _ = _read(body)
    names = dict.fromkeys(signs_of_failure(document, lines=lines, strict=True))
    return [name for name in names if _TELLABLE.fullmatch(name) and name not in values]


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
    return {word for value in values for word in _WORD.findall(bare(value))}
