"""Turn ERP rows into import lines, or into exclusions with a reason. Pure functions.

Here, the evaluation of a day's rows, chunk by chunk: who is asked over which channel, or why not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterator, Mapping, Sequence
from datetime import date
from operator import itemgetter
from typing import NamedTuple

from track_dispatch.config import Hospital
from track_dispatch.records import COLUMNS, UNREADABLE_COLUMN, Area, Channel, ColumnCounts, ErpRow
from track_dispatch.states import Reason
from track_dispatch.transformation.chunk import encode_lines
from track_dispatch.transformation.identities import NO_IDENTITIES, Identities, identities_of
from track_dispatch.transformation.names import clean
from track_dispatch.transformation.rules import (
    DEATH,
    DayPolicy,
    EvaluatedRows,
    decides,
    is_death,
    is_too_old,
    reasons,
)

_RANKS = {area.value: area.priority for area in Area}
_contents = itemgetter(*COLUMNS)


class Candidate(NamedTuple):
    """A row evaluated by the rules: a line to send, or an exclusion with one reason.

    Attributes:
        attendance_id: patient data.
        area: None where the row's label is none of the six.
        channel: how the patient will be reached; None when excluded.
        reason: why the patient is not asked, or None.
        line: the import line as compact JSON in UTF-8, its fields in the order of `COLUMNS`,
            without the survey's `uuid`; patient data; None when excluded.
        identities: what the patient is recognised by; empty when excluded.
    """

    attendance_id: str
    area: Area | None
    channel: Channel | None
    reason: Reason | None
    line: bytes | None
    identities: Identities

    def __repr__(self) -> str:
        """Tell of no patient."""
        return f"Candidate(area={self.area!r}, channel={self.channel!r}, reason={self.reason!r})"


class Evaluator:
    """The rules of a hospital for one business day.

    Rows are not kept; the process caches a bounded number of words of names and domains of
    addresses.

    Args:
        hospital: the hospital with its policies.
        business_day: the day whose patients are extracted.
        evaluated_on: today in the hospital's time zone; age is counted up to it.
        include_old: whether a person wants attendances older than `max_age_days`, too.
    """

    def __init__(
        self,
        hospital: Hospital,
        business_day: date,
        *,
        evaluated_on: date,
        include_old: bool = False,
    ) -> None:
        old = is_too_old(business_day, evaluated_on, max_age_days=hospital.max_age_days)
        self._policy = DayPolicy(
            hospital,
            before_go_live=not hospital.is_live(business_day),
            too_old=old and not include_old,
            surveyed=frozenset(area for area in Area if hospital.survey(area) is not None),
        )

    def evaluate(
        self,
        columns: Mapping[str, Sequence[str]],
        *,
        barred: Mapping[int, Container[Channel]] | None = None,
    ) -> list[Candidate]:
        """Return a candidate for each row, in the rows' order.

        Opt-outs are looked up by the candidates' identities: a caller evaluates without them first,
        then evaluates the few rows of barred patients again with `evaluate_barred`.

        Args:
            columns: the texts of each column, `COLUMNS` and the query's `x_` columns.
            barred: the channels that patients opted out of, by the row's position from 0. The next
                channel is taken, or none: `opt_out`.

        Raises:
            ConfigError: a rule needs a column that the query does not return.
        """
        return list(_candidates(EvaluatedRows(columns, self._policy, barred or {})))

    def count_values(self, columns: Mapping[str, Sequence[str]]) -> ColumnCounts:
        """Count unreadable values and damaged texts, which the report must show.

        Args:
            columns: as for `evaluate`.
        """
        return EvaluatedRows(columns, self._policy, {}).count_values()

    def evaluate_barred(
        self,
        columns: Mapping[str, Sequence[str]],
        barred: Mapping[int, Container[Channel]],
    ) -> dict[int, Candidate]:
        """Return new candidates for the rows of patients who opted out, by position.

        Args:
            columns: the whole chunk, as for `evaluate`.
            barred: as for `evaluate`.
        """
        chosen = {
            name: [column[position] for position in barred] for name, column in columns.items()
        }
        candidates = self.evaluate(chosen, barred=dict(enumerate(barred.values())))
        return dict(zip(barred, candidates, strict=True))


def _candidates(rows: EvaluatedRows) -> Iterator[Candidate]:
    attendances, areas, found = rows.clean("cd_atendimento"), rows.areas, reasons(rows)
    if all(found):  # there is no line to make
        for attendance, area, reason in zip(attendances, areas, found, strict=True):
            yield Candidate(attendance, area, None, reason, None, NO_IDENTITIES)
        return
    patients = zip(rows.cpfs, rows.names[1], rows.emails, rows.phones, strict=True)
    lines = encode_lines(rows.fields)
    for attendance, area, reason, channel, line, patient, possible in zip(
        attendances,
        areas,
        found,
        rows.channels,
        lines,
        patients,
        rows.possible_identities,
        strict=True,
    ):
        if reason is None:
            identities = identities_of(channel, *patient, possible=possible)
            yield Candidate(attendance, area, channel, None, line, identities)
        else:
            yield Candidate(attendance, area, None, reason, None, NO_IDENTITIES)


def rank(row: ErpRow) -> tuple[bool, int, int]:
    """Return the rank of a row among those of one attendance (twins, two blocks): the least wins.

    A row of a death, or with an unreadable column that decides, comes before all others. The last
    number is a digest of the columns, so that the order in which the ERP returns rows of one area
    does not matter.
    """
    content = "\x1f".join(_contents(row))
    digest = hashlib.blake2b(content.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    area = _RANKS.get(clean(row["area_pesquisa"]), len(Area))  # an unknown label comes last
    marks = row.get(UNREADABLE_COLUMN, "")
    may_be_asked = is_death(clean(row.get(DEATH, ""))) is False and not decides(marks)
    return may_be_asked, area, int.from_bytes(digest, "big")
