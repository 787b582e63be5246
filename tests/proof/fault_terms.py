"""The words of the fault matrix: what may go wrong, what is seen then, what is left behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Self

from stand_ins.track_api import ErrorsForm

if TYPE_CHECKING:
    from stand_ins.track_api import Fault
    from track_dispatch.errors import TrackDispatchError


class Wire(StrEnum):
    """What happened on the wire: every case of the table of outcomes, one by one.

    But for one: a process killed while posting is the crash test's.
    """

    NAME = "name resolution failed"
    REFUSED_CONNECTION = "connection refused"
    CONNECT_TIMEOUT = "connect timeout"
    TLS = "TLS failure"
    TOO_MANY_SECONDS = "429, Retry-After in seconds"
    TOO_MANY_DATE = "429, Retry-After as a date"
    TOO_MANY = "429 without Retry-After"
    CAPTCHA = "405"
    UNAUTHORIZED = "401"
    FORBIDDEN = "403"
    MOVED = "307 or 308"
    REDIRECT = "another 3xx"
    NOT_FOUND = "404"
    UNSUPPORTED = "415"
    OTHER_4XX = "other 4xx"
    TOO_LARGE_BATCH = "413, a batch"
    TOO_LARGE_LINE = "413, a single line"
    REFUSED_NAMED = "400 or 422 naming lines"
    REFUSED_UNNAMED = "400 or 422 naming none"
    REFUSED_ALL = "400 or 422, nothing of a batch gets through"
    REFUSED_ALONE = "400 or 422, a batch claimed with one line"
    REFUSED_UNIT = "400 or 422, that line was the whole unit"
    SUCCESS = "2xx with JSON"
    CUT_SHORT = "2xx with JSON, cut short"
    SAYS_FAILURE = "2xx with JSON that says failure"
    NO_RECEIPT = "2xx with JSON without a receipt"
    NO_OBJECT = "2xx with JSON that is no object"
    IN_PARTS = "207"
    EMPTY = "2xx with an empty body"
    ERRORS_MATCHED = "2xx with errors that name lines"
    ERRORS_ALL = "2xx with errors that name every line"
    ERRORS_UNMATCHED = "2xx with errors that match no line"
    REQUEST_TIMEOUT = "408"
    CONFLICT = "409"
    HTML = "2xx with HTML"
    OTHER_TYPE = "2xx with another type"
    SERVER_ERROR = "5xx"
    READ_TIMEOUT = "read timeout"
    WRITE_TIMEOUT = "write timeout"
    RESET = "reset after the request began"


class Day(StrEnum):
    """A business day of the hospital, by how many patients it has and of how many units."""

    ONE = "one"
    NINE = "nine"
    HUNDRED = "a hundred"
    LONG = "more than two chunks"
    TWO_UNITS = "six by e-mail, then three by telephone"


class Detour(StrEnum):
    """Where the connection of the second POST ends instead of at Track."""

    NO_NAME = "the name is not found"
    NOBODY_LISTENS = "nobody listens"
    FULL_QUEUE = "nobody takes the connection"
    STRANGER = "the certificate is nobody's we trust"
    NEVER_READS = "nobody reads what is sent"


# -- faults of Track and of the way there --------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OnPost:
    """The stand-in misbehaves at the second POST, or at the `number`-th.

    Attributes:
        fault: of that POST.
        number: which POST, from 1.
        then: faults of the POSTs that follow it; None: of one that goes well.
        question: fault of the question that follows an uncertain outcome.
    """

    fault: Fault
    number: int = 2
    then: tuple[Fault | None, ...] = ()
    question: Fault | None = None


@dataclass(frozen=True, slots=True)
class OnQuestion:
    """The stand-in misbehaves at the question that comes before the first POST."""

    fault: Fault


@dataclass(frozen=True, slots=True)
class Down:
    """Track takes no connection at all."""


@dataclass(frozen=True, slots=True)
class Astray:
    """The connection of a POST goes astray: of the second, or of the `number`-th."""

    detour: Detour
    number: int = 2


@dataclass(frozen=True, slots=True)
class BadLines:
    """Track refuses lines for their content, by their positions in the day; () means all."""

    positions: tuple[int, ...]
    status: int = 422
    named: bool = True
    form: ErrorsForm = ErrorsForm.BY_KEY


@dataclass(frozen=True, slots=True)
class TrackConnection:
    """The Airflow connection to Track says something wrong."""

    changes: Mapping[str, str]


TrackFault = OnPost | OnQuestion | Down | Astray | BadLines | TrackConnection | None


# -- faults of the ERP ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OnErp:
    """The ERP's stand-in misbehaves: fields of its `Faults`."""

    faults: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ErpConnection:
    """The Airflow connection to the ERP says something wrong."""

    changes: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ListenerDown:
    """Nobody listens where the ERP was."""


@dataclass(frozen=True, slots=True)
class DroppedOnConnect:
    """The network takes the connection to the ERP and tears it down."""


@dataclass(frozen=True, slots=True)
class RenamedColumn:
    """A release of the ERP renamed a column that the query reads."""

    table: str
    column: str


@dataclass(frozen=True, slots=True)
class OtherQuery:
    """Somebody changed the hospital's SQL."""

    sql: str


ErpFault = OnErp | ErpConnection | ListenerDown | DroppedOnConnect | RenamedColumn | OtherQuery


# -- what is seen, what is left --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sees:
    """What the task that failed shows, and what Airflow does: `retry`, `retry in 90 s`, `fail`."""

    error: type[TrackDispatchError]
    text: str
    airflow: str


@dataclass(frozen=True, slots=True, kw_only=True)
class After:
    """How things stand when the run is over.

    Attributes:
        posts: the sizes of the POSTs that Track got meanwhile; 0: torn down before it was read.
        delivered: how many lines Track has accepted by now, whatever it said.
        lines: the ledger's lines by state, refused ones by their kind.
        batches: its batches by state.
        red: what the report calls red, word for word; nothing: green.
        sees: the error of the task that failed; None: every task did its work.
    """

    posts: tuple[int, ...]
    delivered: int
    lines: Mapping[str, int]
    batches: Mapping[str, int] = field(default_factory=dict)
    red: tuple[str, ...] = ()
    sees: Sees | None = None

    def seen(self, error: type[TrackDispatchError], text: str, airflow: str) -> Self:
        """Add what the failed task shows."""
        return replace(self, sees=Sees(error, text, airflow))

    def but(self, **changes: object) -> Self:
        """Change what differs."""
        return replace(self, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackRow:
    """One fault of Track: what comes of it, and what of the rerun when the fault is over.

    The rerun is `clear` of `dispatch` with what follows, or of `extract` with what follows: both
    come to the same.
    """

    name: str
    wire: Wire
    fault: TrackFault
    first: After
    rerun: After
    day: Day = Day.NINE
    batch_size: int = 3
    slow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ErpRow:
    """One fault of an ERP: what `extract` shows; nothing of the day is ever applied in part."""

    name: str
    fault: ErpFault
    sees: Sees
    day: Day = Day.NINE
    call_timeout_seconds: float = 30.0
    slow: bool = False
