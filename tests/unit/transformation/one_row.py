"""The rules for one row at a time, as tests like to ask them."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

import orjson

from track_dispatch.states import LineState
from track_dispatch.transformation import Evaluator
from track_dispatch.transformation.chunk import Chunk
from track_dispatch.transformation.contacts import usable_emails, usable_mobiles
from track_dispatch.transformation.identities import mailbox
from track_dispatch.transformation.names import plain_name

if TYPE_CHECKING:
    from track_dispatch.config import Hospital
    from track_dispatch.records import Area, Channel, ErpRow
    from track_dispatch.states import Reason
    from track_dispatch.transformation import Candidate


@dataclass(frozen=True, slots=True)
class Proposal:
    """What the rules make of one row: an import line, or an exclusion with its reason."""

    attendance_id: str = field(repr=False)
    area: Area | None
    channel: Channel | None = None
    reason: Reason | None = None
    line: Mapping[str, str] | None = field(default=None, repr=False)

    @property
    def state(self) -> LineState:
        """The state the line starts in."""
        return LineState.READY if self.reason is None else LineState.EXCLUDED


def evaluate(
    row: ErpRow,
    hospital: Hospital,
    business_day: date,
    *,
    evaluated_on: date,
    include_old: bool = False,
    barred: Container[Channel] = (),
) -> Proposal:
    """Return the line that the attendance becomes, or its exclusion with one reason.

    Args:
        row: The row that stands for the attendance (`rank` decides between several).
        hospital: The hospital with its policies.
        business_day: The day whose patients are extracted.
        evaluated_on: Today in the hospital's time zone; age is counted up to it.
        include_old: Whether a person wants attendances older than `max_age_days`, too.
        barred: The channels that the patient opted out of.

    Raises:
        ConfigError: A rule needs a column that the query does not return.
    """
    evaluator = Evaluator(
        hospital, business_day, evaluated_on=evaluated_on, include_old=include_old
    )
    columns = {column: (text,) for column, text in row.items()}
    [candidate] = evaluator.evaluate(columns, barred={0: barred})
    return proposal_of(candidate)


def proposal_of(candidate: Candidate) -> Proposal:
    """Return a candidate as a proposal."""
    line = orjson.loads(candidate.line) if candidate.line is not None else None
    return Proposal(
        candidate.attendance_id,
        candidate.area,
        channel=candidate.channel,
        reason=candidate.reason,
        line=line,
    )


def import_line(row: ErpRow, *, client_id: str, unidade: str | None) -> dict[str, str]:
    """Return one row's import line; the arguments are those of `Chunk.import_lines`."""
    chunk = Chunk({column: (text,) for column, text in row.items()})
    fields = chunk.import_lines(client_id=client_id, unidade=unidade)
    return {column: text for column, [text] in fields.items()}


def person_keys(line: Mapping[str, str]) -> dict[str, str]:
    """Return what identifies the person of an import line, by kind; patient data.

    Two lines are one person when they share a value of a kind.
    """
    keys = {"person_cpf": line["cpf"]} if line["cpf"] else {}
    name = plain_name(line["name"])
    contacts = {"email": mailbox(line["email"]) if line["email"] else "", "phone": line["phone"]}
    for kind, contact in contacts.items():
        if name and contact:
            keys[f"person_{kind}"] = f"{contact} {name}"
    return keys


def usable_email(text: str) -> str:
    """Return the address that a line takes from the text, or ""."""
    return next(iter(usable_emails(text)), "")


def usable_mobile(text: str) -> str:
    """Return the mobile that a line takes from the text, or ""."""
    return next(iter(usable_mobiles(text)), "")
