"""The words of the house as frozen values: areas, channels, states, reasons, units, lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date


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
    """How Track reaches the patient; the value is Track's `distribution_channel`."""

    EMAIL = "email"
    WHATSAPP = "whatsapp"

    @property
    def label(self) -> str:
        """The channel as an operator reads it."""
        return {Channel.EMAIL: "e-mail", Channel.WHATSAPP: "WhatsApp"}[self]


class LineState(StrEnum):
    """Where an attendance stands; `ledger/transitions.py` says how it may move."""

    READY = "ready"
    EXCLUDED = "excluded"
    HELD = "held"
    SENDING = "sending"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    IN_DOUBT = "in_doubt"
    ABANDONED = "abandoned"
    EXPIRED = "expired"


class BatchState(StrEnum):
    """Where the lines of one POST stand together."""

    SENDING = "sending"
    SETTLED = "settled"
    IN_DOUBT = "in_doubt"
    SPLIT = "split"
    NOT_DELIVERED = "not_delivered"


class Reason(StrEnum):
    """Why an attendance is not asked."""

    NO_CONTACT = "no_contact"
    NO_SURVEY = "no_survey"
    NO_IDENTIFIER = "no_identifier"
    UNKNOWN_AREA = "unknown_area"
    NEWBORN = "newborn"
    DEATH = "death"
    TEST_RECORD = "test_record"
    STAFF = "staff"
    UNDER_AGE = "under_age"
    BEFORE_GO_LIVE = "before_go_live"
    TOO_OLD = "too_old"
    SAME_PERSON = "same_person"
    OPT_OUT = "opt_out"
    CONTACT_CAP = "contact_cap"
    GONE = "gone"


class Refusal(StrEnum):
    """How Track refused a line: by a 4xx (may be mended) or inside a 2xx (final for machines)."""

    BY_STATUS = "refused_4xx"
    IN_ACCEPTANCE = "refused_2xx"


class Verb(StrEnum):
    """What a person may decide; the value is what `track_decide` and the ledger call it."""

    SETTLE_SENT = "settle_sent"
    SEND_AGAIN = "send_again"
    ABANDON = "abandon"
    RESUME = "resume"
    RELEASE = "release"
    RETRY_REFUSED = "retry_refused"
    RESTORED = "restored"
    ALLOW_DAY = "allow_day"
    ERASE = "erase"


class IdentityKind(StrEnum):
    """What a value that identifies the patient of a line counts for."""

    #: who was invited lately: the CPF, the name with a contact
    PERSON = "person"
    #: the address or number that the invitation goes to
    CONTACT = "contact"
    #: opt-outs and erasure only: every further address and number of the row
    OTHER = "other"


#: The columns of every extraction, in this order and with these names (hospitals.md).
COLUMNS: tuple[str, ...] = (
    "ID_Cliente_Hfocus",
    "cd_atendimento",
    "data_atendimento",
    "data_saida_alta",
    "name",
    "email",
    "phone",
    "cpf",
    "medico",
    "area_pesquisa",
    "unidade",
    "setor",
)

#: Further columns of an extraction start with this and never leave the house.
EXTRA_PREFIX = "x_"

#: One row of an extraction: column name to text, "" where the ERP has null.
ErpRow = dict[str, str]


@dataclass(frozen=True, slots=True)
class Proposal:
    """What transform proposes for one attendance: an import line, or an exclusion with its reason.

    `line` holds the import line's fields as Track takes them, without `uuid` (the survey is read
    at dispatch). It is patient data: never in a repr.
    """

    attendance_id: str = field(repr=False)
    area: Area | None
    channel: Channel | None = None
    reason: Reason | None = None
    line: Mapping[str, str] | None = field(default=None, repr=False)

    @property
    def state(self) -> LineState:
        """The state the line starts in."""
        return LineState.READY if self.reason is None else LineState.EXCLUDED


class HospitalDay(NamedTuple):
    """One business day of one hospital: the code, and the day whose patients it is about."""

    hospital: str
    business_day: date

    def __str__(self) -> str:
        """Name the day as logs and messages do."""
        return f"{self.hospital} {self.business_day}"


@dataclass(frozen=True, slots=True)
class Unit:
    """The lines of one hospital, day, area and channel: one mapped dispatch task."""

    hospital: str
    business_day: date
    area: Area
    channel: Channel

    def __str__(self) -> str:
        """Name the unit as logs and messages do."""
        return f"{self.hospital} {self.business_day} {self.area} · {self.channel.label}"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who moves a line: a try of a task's run, or a person."""

    name: str
    run_id: str | None = None
    try_number: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided, and why.

    `why` is kept and shown: `pipeline/deciding.py` refuses texts that look like patient data.
    `run_id` is the run of `track_decide` that carries it out, if one does.
    """

    what: Verb
    person: str
    why: str
    run_id: str | None = None

    @property
    def actor(self) -> Actor:
        """The person as whoever moves the lines."""
        return Actor(self.person, run_id=self.run_id)
