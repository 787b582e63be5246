"""The tables of closed sets: each member with what its class says of it."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import Enum
from itertools import pairwise

from docs.make_tables import code, table
from track_dispatch import records, states
from track_dispatch.delivery.claim import Claim
from track_dispatch.delivery.responses import (
    Outcome,
    OutcomeKind,
    TrackResponse,
    TransportFailure,
    classify_response,
)
from track_dispatch.doctor.check import CheckStatus
from track_dispatch.ledger import batches, claims, keys, settling
from track_dispatch.ledger.approvals import ApprovalAnswer
from track_dispatch.pipeline.run import Mode
from track_dispatch.transformation.rules import RULES

CLOSED_SETS: dict[str, type[Enum]] = {
    closed.__name__: closed
    for closed in (
        ApprovalAnswer, CheckStatus, Mode, OutcomeKind, claims.Hindrance,
        records.Channel, records.ColumnKind, records.IdentityKind,
        states.BatchState, states.LineState, states.Reason, states.Refusal, states.Verb,
    )
}  # fmt: skip
#: Words of the glossary that are a class.
TERMS: tuple[type, ...] = (
    records.Unit, records.HospitalDay, records.Column, records.Actor, batches.Batch, Claim,
    settling.Settlement, Outcome, keys.KeyRing, records.Area, *CLOSED_SETS.values(),
)  # fmt: skip
_NOW = datetime(2026, 1, 1, tzinfo=UTC)
#: So many statuses judged alike are a class of them, not a list.
_A_CLASS = 20
#: What Track may say with a success, as the body of an answer about a batch of one line.
_SUCCESSES = {
    "2xx, empty": TrackResponse(200),
    "2xx, JSON, also cut short": TrackResponse(200, "application/json", b"{", complete=False),
    "2xx whose `errors` name a line": TrackResponse(
        200, "application/json", b'{"errors": [{"line": 0}]}'
    ),
    "2xx whose `errors` match no line": TrackResponse(
        200, "application/json", b'{"errors": [{"line": 9}]}'
    ),
    "2xx, a page or another type": TrackResponse(200, "text/html", b"<html>"),
}


def member_docs(closed: type[Enum]) -> dict[str, str]:
    """Return what stands below each member of an enum.

    Raises:
        LookupError: nothing stands below a member, and it carries no text of its own.
    """
    [definition] = ast.parse(textwrap.dedent(inspect.getsource(closed))).body
    found: dict[str, str] = {}
    for before, after in pairwise(getattr(definition, "body", [])):
        if (
            isinstance(before, ast.Assign)
            and isinstance(before.targets[0], ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
        ):
            found[before.targets[0].id] = " ".join(str(after.value.value).split())
    for member in closed:
        found.setdefault(member.name, getattr(member, "label", ""))
        if not found[member.name]:
            raise LookupError(f"{closed.__name__}.{member.name}: nothing says what it means")
    return found


def closed_set(name: str, *, portuguese: bool = False) -> str:
    """Return the table of an enum: value, perhaps its label, meaning."""
    closed = CLOSED_SETS[name]
    if portuguese:
        rows = [
            (code(one.value), one.label, one.explanation or one.label)
            for one in closed
            if isinstance(one, states.Labelled)
        ]
        return table(("código", "nas telas", "significa"), rows)
    meanings = member_docs(closed)
    labelled = [getattr(one, "label", "") for one in closed]
    if not any(labelled) or list(meanings.values()) == labelled:
        return table(
            ("value", "meaning"), [(code(one.value), meanings[one.name]) for one in closed]
        )
    return table(
        ("value", "as an operator reads it", "meaning"),
        [
            (code(one.value), label, meanings[one.name])
            for one, label in zip(closed, labelled, strict=True)
        ],
    )


def reasons() -> str:
    """Return the table of reasons in the order in which they count, and where each is given."""
    meanings, at_reading = member_docs(states.Reason), {reason for reason, _ in RULES}
    rows = [
        (code(one), meanings[one.name], "its row" if one in at_reading else "other lines, or time")
        for one in states.Reason
    ]
    return table(("reason", "rule", "decided by"), rows)


def terms() -> str:
    """Return the words that are a class: where it is, and what its docstring begins with."""
    rows = sorted((one.__name__, code(_module(one)), _purpose(one)) for one in TERMS)
    return table(("class", "in", "is"), rows)


def _module(term: type) -> str:
    return term.__module__.removeprefix("track_dispatch.").replace(".", "/") + ".py"


def _purpose(term: type) -> str:
    return re.split(r"\n\n", inspect.getdoc(term) or "")[0]


def answers() -> str:
    """Return what each answer of Track means, as the code judges it."""
    alike: dict[tuple[str, str], list[str]] = defaultdict(list)
    for answer, outcome in _judged():
        alike[outcome.verdict, outcome.detail].append(answer)
    special = {found[0][0] for found in alike.values() if len(found) <= _A_CLASS}
    rows = sorted(
        (_together(found, special), code(verdict), detail)
        for (verdict, detail), found in alike.items()
    )
    return table(("answer", "outcome", "in the log"), rows)


def _judged() -> Iterator[tuple[str, Outcome]]:
    for failure in TransportFailure:
        yield "none", classify_response(failure, ["1"], now=_NOW)
    for text, answer in _SUCCESSES.items():
        yield text, classify_response(answer, ["1"], now=_NOW)
    for status in range(300, 600):
        yield str(status), classify_response(TrackResponse(status), ["1"], now=_NOW)


def _together(found: list[str], special: set[str]) -> str:
    """Name a class of statuses that are judged alike as a whole."""
    if len(found) <= _A_CLASS:
        return ", ".join(dict.fromkeys(found))
    digit = found[0][0]
    return f"{digit}xx, any other" if digit in special else f"{digit}xx"
