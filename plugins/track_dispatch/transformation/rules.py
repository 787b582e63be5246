"""The rules that exclude a row's patient, in the order in which they count.

A query's further columns are safeguards: they keep a patient from being asked (death, age). A
safeguard that is neither empty nor of the agreed form is not guessed at: its patient is not asked.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property, partial

from track_dispatch.config import Hospital
from track_dispatch.errors import ConfigError
from track_dispatch.records import (
    CONTRACT,
    EXTRA_PREFIX,
    UNREADABLE_COLUMN,
    Area,
    Channel,
    ColumnCounts,
    ColumnKind,
    ValueKind,
)
from track_dispatch.states import Reason
from track_dispatch.transformation.chunk import Chunk
from track_dispatch.transformation.names import count_damaged, found_in, searches

#: Whether a clean text forbids to ask; None where it is unreadable.
Forbids = Callable[[str], bool | None]

DEATH, AGE = "x_obito", "x_idade"

#: Columns that decide, with the query's own ones, whether a patient may be asked. An unreadable
#: value in any other column counts as an empty one.
_DECIDING = frozenset({"cd_atendimento", "name", "area_pesquisa"})

_DEATHS = {"": False, "N": False, "S": True}

#: Years; with a decimal point or comma, as ERPs write months: 17.92 and 17,9 are 17 years.
_AGE = re.compile(r"(?=[.,]?[0-9])(?P<years>[0-9]{0,3})(?:[.,][0-9]*)?")

#: The highest age in years: more is a typing mistake, or a code for "unknown".
_OLDEST = 130


def decides(columns: str) -> bool:
    """Tell whether one of a row's unreadable columns, separated by commas, may forbid to ask."""
    return any(name in _DECIDING or name.startswith(EXTRA_PREFIX) for name in columns.split(","))


def is_death(text: str) -> bool | None:
    """Tell whether the patient died: S says so; N and an empty text do not."""
    return _DEATHS.get(text.upper())


def _is_under_age(text: str, *, minimum: int) -> bool | None:
    """Tell whether the patient is younger than so many whole years; an empty age is not."""
    if not text:
        return False
    age = _AGE.fullmatch(text)
    if age is None or int(age["years"] or 0) > _OLDEST:
        return None
    return int(age["years"] or 0) < minimum


def _safeguards_of(hospital: Hospital, columns: Mapping[str, Sequence[str]]) -> dict[str, Forbids]:
    """Return the safeguards that the query has and the hospital's policies use, by column."""
    heeded: dict[str, Forbids] = {DEATH: is_death}
    if hospital.min_age_years:
        heeded[AGE] = partial(_is_under_age, minimum=hospital.min_age_years)
    return {column: forbids for column, forbids in heeded.items() if column in columns}


def _read_column(texts: Sequence[str], forbids: Forbids) -> list[bool | None]:
    """Return whether each clean text of a safeguard forbids; each distinct text is read once."""
    known = {text: forbids(text) for text in set(texts)}
    return [known[text] for text in texts]


def _count_values(texts: Sequence[str], column: str, forbids: Forbids) -> ColumnCounts:
    """Count how many of a safeguard's clean texts are filled, and how many of them unreadable."""
    counts: ColumnCounts = Counter()
    for text, times in Counter(texts).items():
        if text:
            counts[column, ValueKind.FILLED] += times
            counts[column, ValueKind.UNREADABLE] += times if forbids(text) is None else 0
    return counts


_TEXTS = tuple(column.name for column in CONTRACT if column.kind is ColumnKind.TEXT)


@dataclass(frozen=True, slots=True)
class DayPolicy:
    """The facts that hold for every row of a hospital's day.

    Attributes:
        hospital: the hospital with its policies.
        before_go_live: whether the day is before the hospital's first.
        too_old: whether the day is older than the hospital asks for.
        surveyed: the areas that have a survey.
    """

    hospital: Hospital
    before_go_live: bool
    too_old: bool
    surveyed: frozenset[Area]


class EvaluatedRows(Chunk):
    """Rows under their day's policy, as the rules read them.

    Args:
        columns: as for `Chunk`.
        policy: what holds for the day.
        barred: the channels that a row's patient opted out of, by the row's position from 0.
    """

    def __init__(
        self,
        columns: Mapping[str, Sequence[str]],
        policy: DayPolicy,
        barred: Mapping[int, Container[Channel]],
    ) -> None:
        super().__init__(columns)
        self.policy, self.hospital = policy, policy.hospital
        self._barred = barred

    @cached_property
    def fields(self) -> dict[str, list[str]]:
        """Each row's import line, by field."""
        hospital = self.hospital
        return self.import_lines(client_id=hospital.client_id, unidade=hospital.unidade)

    @cached_property
    def forbidden(self) -> dict[str, list[bool | None]]:
        """Whether each safeguard forbids each row, by column; None where it is unreadable."""
        return {
            column: _read_column(self.clean(column), forbids)
            for column, forbids in _safeguards_of(self.hospital, self.columns).items()
        }

    @cached_property
    def marked(self) -> set[int]:
        """The few rows, by position, in which any pattern of any reason is found."""
        hospital = self.hospital
        anywhere = (*hospital.test_patterns, *hospital.staff_patterns)
        in_names = (*hospital.newborn_patterns, *hospital.death_patterns, *anywhere)
        return found_in(in_names, self.searched_names) | found_in(anywhere, self.addresses)

    def count_values(self) -> ColumnCounts:
        """Count the values of safeguards, and the unreadable and damaged values of each column."""
        counts: ColumnCounts = Counter()
        safeguards = _safeguards_of(self.hospital, self.columns)
        for column, forbids in safeguards.items():
            counts.update(_count_values(self.clean(column), column, forbids))
        marks = self.clean(UNREADABLE_COLUMN) if UNREADABLE_COLUMN in self else []
        marked = Counter(column for mark in filter(None, marks) for column in mark.split(","))
        for column, values in marked.items():
            counts[column, ValueKind.UNREADABLE] += values
            if column in safeguards:  # it is empty now, and was filled
                counts[column, ValueKind.FILLED] += values
        for column in _TEXTS:
            if damaged := count_damaged(self.columns[column]):
                counts[column, ValueKind.DAMAGED] = damaged
        return counts

    @cached_property
    def reachable(self) -> list[Channel | None]:
        """The hospital's first channel that each patient has a contact for."""
        found: list[Channel | None] = [None] * len(self)
        for channel in reversed(self.hospital.channels):
            contacts = self.fields[channel.contact]
            found = [channel if has else later for has, later in zip(contacts, found, strict=True)]
        return found

    @cached_property
    def channels(self) -> list[Channel | None]:
        """The hospital's first channel with a contact and without an opt-out of each patient."""
        found = list(self.reachable)
        for position, barred in self._barred.items():
            found[position] = next(
                (
                    channel
                    for channel in self.hospital.channels
                    if self.fields[channel.contact][position] and channel not in barred
                ),
                None,
            )
        return found


#: Returns which of some rows, by position, a reason holds for.
Rule = Callable[[EvaluatedRows, Sequence[int]], Sequence[int]]


def _before_go_live(rows: EvaluatedRows, among: Sequence[int]) -> Sequence[int]:
    return among if rows.policy.before_go_live else ()


def _unreadable(rows: EvaluatedRows, among: Sequence[int]) -> Sequence[int]:
    """Find rows with an unreadable value that might forbid to ask."""
    found = [
        position
        for column in rows.forbidden.values()
        if None in column
        for position in among
        if column[position] is None
    ]
    if UNREADABLE_COLUMN in rows:
        marks = rows.clean(UNREADABLE_COLUMN)
        found += [position for position in among if marks[position] and decides(marks[position])]
    return found


def _unknown_area(rows: EvaluatedRows, among: Sequence[int]) -> Sequence[int]:
    areas = rows.areas
    return [position for position in among if areas[position] is None]


def _too_old(rows: EvaluatedRows, among: Sequence[int]) -> Sequence[int]:
    return among if rows.policy.too_old else ()


def _no_survey(rows: EvaluatedRows, among: Sequence[int]) -> Sequence[int]:
    areas, surveyed = rows.areas, rows.policy.surveyed
    return [position for position in among if areas[position] not in surveyed]


def _death(rows: EvaluatedRows, among: Sequence[int]) -> Sequence[int]:
    """Find deaths by the query's column, if it has one, and by names."""
    told = rows.forbidden.get(DEATH)
    dead = [position for position in among if told[position]] if told else []
    return dead + _marked(rows, rows.hospital.death_patterns, among, rows.searched_names)


def _newborn(rows: EvaluatedRows, among: Sequence[int]) -> Sequence[int]:
    return _marked(rows, rows.hospital.newborn_patterns, among, rows.searched_names)


def _under_age(rows: EvaluatedRows, among: Sequence[int]) -> Sequence[int]:
    """Find patients younger than the minimum by `x_idade`, in years; an empty age is no reason.

    Raises:
        ConfigError: the query has no `x_idade`, so that the minimum cannot be applied.
    """
    hospital = rows.hospital
    if not hospital.min_age_years:
        return ()
    if AGE not in rows:
        raise ConfigError(
            f"{hospital.code}: min_age_years is set, but the query returns no {AGE}: add that"
            f" column to {hospital.sql}, or set min_age_years to 0"
        )
    under_age = rows.forbidden[AGE]
    return [position for position in among if under_age[position]]


def _test_record(rows: EvaluatedRows, among: Sequence[int]) -> Sequence[int]:
    return _marked(rows, rows.hospital.test_patterns, among, rows.searched_names, rows.addresses)


def _staff(rows: EvaluatedRows, among: Sequence[int]) -> Sequence[int]:
    return _marked(rows, rows.hospital.staff_patterns, among, rows.searched_names, rows.addresses)


def _no_contact(rows: EvaluatedRows, among: Sequence[int]) -> Sequence[int]:
    reachable = rows.reachable
    return [position for position in among if reachable[position] is None]


def _opt_out(rows: EvaluatedRows, among: Sequence[int]) -> Sequence[int]:
    channels = rows.channels
    return [position for position in among if channels[position] is None]


def _no_identifier(rows: EvaluatedRows, among: Sequence[int]) -> Sequence[int]:
    """Find rows without identifier or attendance id, by which the ledger recognises a line."""
    attendances = rows.fields["cd_atendimento"]
    identifiers = rows.fields[rows.hospital.identifier]
    return [position for position in among if not (attendances[position] and identifiers[position])]


#: Where several reasons hold, the first counts. `before_go_live` comes first in every kind of run,
#: whatever else is wrong; then a defect of the SQL, which must be seen; then the hospital's own
#: reasons before the patient's, so that no contact is read on a day when nobody is asked.
RULES: tuple[tuple[Reason, Rule], ...] = (
    (Reason.BEFORE_GO_LIVE, _before_go_live),
    (Reason.UNREADABLE, _unreadable),
    (Reason.UNKNOWN_AREA, _unknown_area),
    (Reason.TOO_OLD, _too_old),
    (Reason.NO_SURVEY, _no_survey),
    (Reason.DEATH, _death),
    (Reason.NEWBORN, _newborn),
    (Reason.UNDER_AGE, _under_age),
    (Reason.TEST_RECORD, _test_record),
    (Reason.STAFF, _staff),
    (Reason.NO_CONTACT, _no_contact),
    (Reason.OPT_OUT, _opt_out),
    (Reason.NO_IDENTIFIER, _no_identifier),
)


def reasons(rows: EvaluatedRows) -> list[Reason | None]:
    """Return why each row's patient is not asked, or None.

    Raises:
        ConfigError: a rule needs a column that the query does not return.
    """
    found: list[Reason | None] = [None] * len(rows)
    among: Sequence[int] = range(len(rows))
    for reason, rule in RULES:
        if not among:
            break
        if excluded := rule(rows, among):
            for position in excluded:
                found[position] = reason
            among = [position for position in among if found[position] is None]
    return found


def is_too_old(business_day: date, on: date, *, max_age_days: int) -> bool:
    """Tell whether more days than the limit have passed since the business day; 0 = no limit."""
    return max_age_days > 0 and (on - business_day).days > max_age_days


def _marked(
    rows: EvaluatedRows,
    patterns: tuple[str, ...],
    among: Sequence[int],
    *columns: Sequence[str],
) -> list[int]:
    """Return the rows in which some column has one of the patterns."""
    found = {
        place
        for place in rows.marked
        if any(search(column[place]) for search in searches(patterns) for column in columns)
    }
    return [place for place in among if place in found] if found else []
