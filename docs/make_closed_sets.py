"""The tables of closed sets: each member with what its class says of it."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from enum import Enum
from itertools import pairwise
from pathlib import Path

import track_dispatch
from docs.make_tables import code, table
from track_dispatch import records, states
from track_dispatch.delivery.answer_table import (
    ASSUMPTIONS,
    AnswerCase,
    OutcomeKind,
    TransportFailure,
)
from track_dispatch.delivery.claim import Claim
from track_dispatch.delivery.responses import Outcome
from track_dispatch.doctor.check import CheckStatus
from track_dispatch.ledger import batches, claims, keys, settling
from track_dispatch.ledger.approvals import ApprovalAnswer
from track_dispatch.pipeline import Mode
from track_dispatch.pipeline.problems import ProblemKind
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


class SomeLines:
    """Stands for any number, with the words of more than one."""

    def __format__(self, spec: str) -> str:
        """Write it as `states.Count` writes a number."""
        return f"N {spec.rpartition('|')[2]}".strip()


def problems() -> str:
    """Return what a red report or morning may say, and what it means."""
    filled = {
        "lines": SomeLines(),
        "usual": "M",
        "detail": "…",
        "dag": "track_hms",
        "day": "AAAA-MM-DD",
    }
    rows = [(kind.label.format(**filled), kind.explanation) for kind in ProblemKind]
    return table(("a linha diz", "significa"), rows)


def terms() -> str:
    """Return the words that are a class: where it is, and what its docstring begins with."""
    rows = sorted((one.__name__, code(_module(one)), _purpose(one)) for one in TERMS)
    return table(("class", "in", "is"), rows)


def _module(term: type) -> str:
    file = Path(inspect.getfile(term))
    return file.relative_to(Path(track_dispatch.__file__).parent).as_posix()


def _purpose(term: type) -> str:
    return re.split(r"\n\n", inspect.getdoc(term) or "")[0]


def assumptions() -> str:
    """Return the list of what is assumed of Track."""
    rows = [(one.assumed, code(one.place), one.if_wrong) for one in ASSUMPTIONS]
    return table(("assumption", "in the code", "if it is wrong"), rows)


def answers() -> str:
    """Return the table of outcomes: what each answer of Track means, or its absence."""
    rows = [("none", code(one.kind), one.fact) for one in TransportFailure]
    rows += [(one, code(one.kind), one.fact.format(count="n")) for one in AnswerCase]
    return table(("answer", "outcome", "in the log"), rows)
