"""Frozen values of the domain: areas, channels, the columns of an extraction, hospital days."""

from __future__ import annotations

import unicodedata
from collections import Counter
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import NamedTuple, Self


class Area(StrEnum):
    """One of the six survey areas; the value is the label that the surveys segment on."""

    ONCOLOGIA = "ONCOLOGIA"
    MATERNIDADE = "MATERNIDADE"
    EXAMES = "EXAMES"
    INTERNACAO = "INTERNACAO"
    PRONTO_SOCORRO = "PRONTO SOCORRO GERAL"
    AMBULATORIO = "AMBULATORIO"

    @property
    def key(self) -> str:
        """The area's key under `surveys:` in a hospital's file."""
        return self.name.lower()

    @property
    def priority(self) -> int:
        """Which area an attendance comes out under when it matches several: 0 wins."""
        return list(Area).index(self)


class Channel(StrEnum):
    """How Track reaches the patient; the value is Track's `distribution_channel`.

    Attributes:
        label: the channel as an operator reads it.
        contact: the field of the import line that it needs.
    """

    label: str
    contact: str

    def __new__(cls, value: str, label: str = "", contact: str = "") -> Self:
        """Make a member of its value, label and contact; a look-up passes the value alone."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.label, member.contact = label, contact
        return member

    EMAIL = "email", "e-mail", "email"
    """To the address of the import line."""
    WHATSAPP = "whatsapp", "WhatsApp", "phone"
    """To the mobile of the import line."""


class IdentityKind(StrEnum):
    """What a value that identifies the patient of a line counts for.

    A letter stands for it in the ledger: a line has four or five of them, in two indices each.
    """

    PERSON = "p"
    """Of the CPF, and of the name with each address and number of the row: tells who was invited
    within `contact_cap_days`."""
    CONTACT = "c"
    """Of the address or number that the invitation goes to: one contact gets one invitation a day
    (within the cap, where nothing else tells the person)."""
    OTHER = "o"
    """Of every further address and number of the row, and of what a cell with a slip may mean: for
    opt-outs and erasure, nothing else."""

    @property
    def label(self) -> str:
        """The kind as an operator reads it."""
        return self.name.lower()


class ColumnKind(StrEnum):
    """What the ERP may return a column as, and what its texts are."""

    TEXT = "text"
    """Any text; a number means that another column was selected by mistake."""
    DIGITS = "digits"
    """Digits, as text or as a number: some installations keep them so."""
    MOMENT = "moment"
    """A date and time, as text in `MOMENT_FORMAT`; of a line, as `YYYY-MM-DD HH:MM:SS`."""


class Column(NamedTuple):
    """A column that every extraction returns, and with it a field of the import line.

    Attributes:
        name: of the column and of the field.
        kind: what the ERP returns it as.
        rehearsed: whether a rehearsal posts its value as it is; only if that tells of no patient.
    """

    name: str
    kind: ColumnKind = ColumnKind.TEXT
    rehearsed: bool = False


#: The columns of every extraction, in this order and with these names. The facts of a column stand
#: here only. Source: docs/hospitals.md#columns
CONTRACT = (
    Column("ID_Cliente_Hfocus", ColumnKind.DIGITS, rehearsed=True),
    Column("cd_atendimento", ColumnKind.DIGITS),
    Column("data_atendimento", ColumnKind.MOMENT, rehearsed=True),
    Column("data_saida_alta", ColumnKind.MOMENT, rehearsed=True),
    Column("name"),
    Column("email"),
    Column("phone", ColumnKind.DIGITS),
    Column("cpf", ColumnKind.DIGITS),
    Column("medico"),
    Column("area_pesquisa", rehearsed=True),
    Column("unidade", rehearsed=True),
    Column("setor", rehearsed=True),
)
COLUMNS = tuple(column.name for column in CONTRACT)

#: Oracle's format in which a query returns a date. As text, because one date that no calendar has
#: makes the driver fail for the whole day; with the year's sign, so that 4712 BC is recognised.
MOMENT_FORMAT = "SYYYY-MM-DD HH24:MI:SS"

#: The day that programs write for "no date"; it is read as none.
FIRST_DAY = "0001-01-01"

#: The prefix of an extraction's further columns: rules read them, Track never gets them.
EXTRA_PREFIX = "x_"

#: The column that the reading adds to a chunk of rows with unreadable values: for each row the
#: names, with commas, of the columns whose value became empty.
UNREADABLE_COLUMN = "x_unreadable"

#: One row of an extraction: column name to text, "" where the ERP has null.
ErpRow = dict[str, str]


def without_accents(text: str) -> str:
    """Return the text without the marks that combine with letters: accents, tilde, cedilla."""
    if text.isascii():
        return text
    folded = unicodedata.normalize("NFKD", text)
    return "".join(c for c in folded if not unicodedata.combining(c))


class ValueKind(StrEnum):
    """A kind of value that a reading counts in each column, so that the report shows losses."""

    FILLED = "filled"
    UNREADABLE = "unreadable"
    DAMAGED = "damaged"
    """Goes out as it is, though letters of it were lost in the ERP."""


#: How many values of a column are of a kind.
ColumnCounts = Counter[tuple[str, ValueKind]]


#: The years of business days: another one is a typing mistake.
YEARS = range(2000, 2200)


class HospitalDay(NamedTuple):
    """One business day of one hospital: the code, and the day whose patients it is about."""

    hospital: str
    business_day: date

    def __str__(self) -> str:
        """Name the day as logs and messages do."""
        return f"{self.hospital} {self.business_day}"


@dataclass(frozen=True, slots=True)
class Unit:
    """The lines of one hospital, day, area and channel, which share a survey."""

    hospital: str
    business_day: date
    area: Area
    channel: Channel

    def __str__(self) -> str:
        """Name the unit as logs and messages do."""
        return f"{self.hospital} {self.business_day} {self.area} · {self.channel.label}"


class Software(NamedTuple):
    """What a task ran with; where two workers differ in it, they were deployed differently.

    Attributes:
        package_version: this package's version with a digest of its code, `0.1.0+5d41402abc4b`.
        include_digest: of the folder of configuration and SQL.
    """

    package_version: str
    include_digest: str

    def __str__(self) -> str:
        """Name it as reports and the doctor do."""
        return f"{self.package_version} include {self.include_digest}"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who moves a line: a try of a task's run, or a person.

    Attributes:
        software: what a task runs with; None: a person's decision reads and posts nothing.
    """

    name: str
    run_id: str | None = None
    try_number: int | None = None
    software: Software | None = None
