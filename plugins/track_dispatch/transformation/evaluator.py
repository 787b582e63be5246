"""A day's rows evaluated, a chunk at a time: who may be asked, over which channel, or why not."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from track_dispatch.records import Area, Channel, ColumnCounts
from track_dispatch.transformation.identities import mailbox
from track_dispatch.transformation.import_lines import encode_lines
from track_dispatch.transformation.rules import DayPolicy, EvaluatedRows, is_too_old, reasons

if TYPE_CHECKING:
    from track_dispatch.config import Hospital
    from track_dispatch.states import Reason


class Identities(NamedTuple):
    """What a patient is recognised by, each value once; patient data.

    Equal values mean the same, and each says what it is: `cpf:52998224725`, `email:ana@x.test`,
    `phone:5527998761234`, and `name:` with a contact, the character U+001F and the plain name.

    Attributes:
        persons: who is the same person; `records.IdentityKind` tells what each kind counts for.
        contacts: the chosen contact.
        others: every further address and number of the row.
    """

    persons: tuple[str, ...] = ()
    contacts: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Tell of no patient."""
        return f"Identities({', '.join(f'{len(values)}' for values in self)})"


NO_IDENTITIES = Identities()


class Candidate(NamedTuple):
    """What the rules make of one row: a line to send, or an exclusion with one reason.

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

    It keeps nothing of the rows that it has seen, but for words of names and domains of addresses,
    of which the process remembers a bounded number.

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

        Whoever knows the opt-outs evaluates without them first, looks the identities up, and then
        has the few rows of barred patients evaluated again: `evaluate_barred`.

        Args:
            columns: the texts of each column, `COLUMNS` and the query's `x_` columns.
            barred: the channels that patients opted out of, by the row's position from 0. The next
                channel is taken, or none: `opt_out`.

        Raises:
            ConfigError: a rule needs a column that the query does not return.
        """
        return list(_candidates(EvaluatedRows(columns, self._policy, barred or {})))

    def count_values(self, columns: Mapping[str, Sequence[str]]) -> ColumnCounts:
        """Count what no reading may lose without a word: unreadable values and damaged texts.

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
    for attendance, area, reason, channel, line, patient in zip(
        attendances, areas, found, rows.channels, lines, patients, strict=True
    ):
        if reason is None:
            identities = _identities(channel, *patient)
            yield Candidate(attendance, area, channel, None, line, identities)
        else:
            yield Candidate(attendance, area, None, reason, None, NO_IDENTITIES)


def _identities(
    channel: Channel | None,
    cpf: str,
    name: str,
    emails: tuple[str, ...],
    phones: tuple[str, ...],
) -> Identities:
    """Return what a line's patient is recognised by.

    A person is known by the name with every contact of the row, chosen or not: who is invited over
    another channel next time, or whose numbers stand in another order, is the same person.
    """
    mailboxes = tuple(dict.fromkeys(map(mailbox, emails))) if emails else emails
    persons = [f"cpf:{cpf}"] if cpf else []
    if name:
        persons += [f"name:{contact}\x1f{name}" for contact in (*mailboxes, *phones)]
    addresses, numbers = tuple(map(_ADDRESS, mailboxes)), tuple(map(_NUMBER, phones))
    by_mail = channel is not None and channel.contact == "email"
    chosen, others = (addresses, numbers) if by_mail else (numbers, addresses)
    return Identities(tuple(persons), chosen[:1], chosen[1:] + others)


_ADDRESS, _NUMBER = "email:".__add__, "phone:".__add__
