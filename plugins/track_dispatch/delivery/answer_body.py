"""Whether a 2xx proves that Track accepted a batch. Pure.

Proof is an empty body, or a JSON object that holds a receipt and says nowhere that something went
wrong. What holds the receipt is read exactly, what speaks of failure in any spelling: an answer
that is taken for an acceptance, and is none, loses its patients silently.

Source: docs/track-api.md#acceptance; to be confirmed with Track before going live.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import NamedTuple, NoReturn

from pydantic_core import from_json

from track_dispatch.delivery.answer_table import AnswerCase
from track_dispatch.delivery.line_errors import LineError, LineErrors, named_lines

#: Members that say whether it went well: whatever is not a yes is a sign of failure.
_SAY_YES = frozenset(
    {
        "issuccess", "ok", "outcome", "result", "resultado", "situacao", "state", "success",
        "successful", "succeeded", "sucesso",
    }
)  # fmt: skip
#: The same, as a part of a member's name.
_STATUS = "status"
#: Members that say what was done, or when, or how often: only a plain no is a sign of failure.
_DONE = frozenset(
    {
        "created", "criado", "enviado", "isvalid", "processed", "processado", "queued", "received",
        "recebido", "sent", "valid", "valido",
    }
)  # fmt: skip
#: Members that say how many lines were taken: none is a sign of failure.
_TAKEN = re.compile("^(?:accepted|aceit|imported|importad)")
#: Members that tell of a failure unless they are empty: the part of the name that tells them.
_FAILURE = re.compile(
    "erro|fail|falha|exception|^fault|reject|rejei|denied|invalid|refused|recusad|negad"
    "|ignored|ignorad|skipped|dropped|discarded|descartad|blocked|bloquead|cancell?ed|cancelad|unauthori"
    "|exceeded|excedid|problem"
)
#: Members that hold a status of HTTP where their number is one of a failure.
_CODE = re.compile("code$|^codigo")
#: What counts as a yes, beside true, 1, and the statuses of HTTP's successes.
_YES = frozenset(
    {
        "accepted", "aceito", "active", "ativo", "completed", "concluido", "created", "criado",
        "done", "enviado", "ok", "pending", "pendente", "processando", "processing", "queued",
        "received", "recebido", "scheduled", "sent", "sim", "succeeded", "success", "successful",
        "sucesso", "true", "yes",
    }
)  # fmt: skip

#: The type by which a service says that something went wrong. Source: RFC 9457.
_PROBLEM = "application/problem+json"

#: At most a hundred letters, digits, `_` and `-`, and not zeros alone: these number nothing.
_RECEIPT = re.compile(r"(?=.*[^0-])[A-Za-z0-9_-]{1,100}", re.ASCII)
_NO_RECEIPT = frozenset({"false", "nan", "nil", "none", "null", "true", "undefined"})
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
) -> Success:
    """Tell what a success proves.

    Args:
        body: as far as it came.
        content_type: as it is declared.
        complete: whether that is all of it.
        attendance_ids: the batch's attendance ids, in the order of its lines.
        values: every text of the batch's lines; an echo of one is no receipt.
        acceptance: the members of which one must hold a receipt, as dotted paths.
    """
    try:
        document, is_json = read_json(body), True
    except ValueError:
        document, is_json = _readable_part(body), False
    receipt = _receipt(document, acceptance, attendance_ids, values)
    faults: Mapping[int, LineError] = {}
    if not complete:
        case = AnswerCase.CUT_SHORT
    elif not body.strip():
        case = AnswerCase.EMPTY
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
    if says_failure({name: inner for name, inner in document.items() if name != "errors"}):
        return AnswerCase.SAYS_FAILURE
    if receipt is None:
        return AnswerCase.NO_RECEIPT
    return AnswerCase.IN_PART if naming.faults else AnswerCase.PROVEN


def says_failure(document: object) -> bool:
    """Tell whether a member at any depth says that something went wrong, in whatever spelling."""
    left = [document]
    while left:
        value = left.pop()
        if isinstance(value, list):
            left += value
        elif isinstance(value, dict):
            if any(_is_sign_of_failure(name, inner) for name, inner in value.items()):
                return True
            left += value.values()
    return False


def _is_sign_of_failure(name: str, value: object) -> bool:
    plain = re.sub(r"[^a-z]", "", name.casefold())
    if _FAILURE.search(plain):
        return value not in (None, False, 0, "", [], {})
    if plain in _DONE:
        return value is False or value == "false"
    if _TAKEN.search(plain):
        return value in (False, "false", "0", [])  # 0 is False
    if _CODE.search(plain) and re.fullmatch("[45][0-9]{2}", str(value)):
        return True
    if plain in _SAY_YES or _STATUS in plain:
        return not (isinstance(value, dict) or _is_yes(value))
    return False


def _is_yes(value: object) -> bool:
    if isinstance(value, int):
        return value == 1 or 200 <= value < 300
    if not isinstance(value, str):
        return False
    text = value.strip().casefold()
    return text in _YES or re.fullmatch(r"1|2[0-9]{2}", text, re.ASCII) is not None


def read_json(body: bytes) -> object:
    """Parse a body strictly.

    Raises:
        ValueError: it is no JSON, or can be read in more than one way; nothing of it is told.
    """
    try:
        return json.loads(body, object_pairs_hook=_once_each, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise ValueError from None


def _once_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Make an object of its members; of one that comes twice, nobody knows which counts."""
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError
    return members


def _no_constant(_: str) -> NoReturn:
    """Refuse NaN and the infinities, which JSON has not got."""
    raise ValueError


def _readable_part(body: bytes) -> object:
    """Read what came as a whole of a body that was cut or goes wrong further on."""
    try:
        return from_json(body.rstrip(_OPEN_NUMBER), allow_partial=True)
    except ValueError:
        return None


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
) -> str | None:
    """Find Track's id of the distribution in the members that may hold it."""
    for path in acceptance:
        found = document
        for name in path.split("."):
            found = found.get(name) if isinstance(found, dict) else None
        if not isinstance(found, (int, str)):
            continue
        receipt = str(found)
        is_word = receipt.casefold() in _NO_RECEIPT
        is_echo = receipt in attendance_ids or receipt in values
        if _RECEIPT.fullmatch(receipt) and not is_word and not is_echo:
            return receipt
    return None


def member_names(body: bytes, values: Collection[str]) -> list[str]:
    """Return the names of the members at the top of an answer, as far as they may be told.

    Args:
        body: of the answer, as far as it came.
        values: every text of the batch's lines.
    """
    try:
        document = read_json(body)
    except ValueError:
        document = _readable_part(body)
    names = document if isinstance(document, dict) else ()
    return [name for name in names if _TELLABLE.fullmatch(name) and name not in values]
