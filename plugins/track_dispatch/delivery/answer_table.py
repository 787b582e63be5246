"""The table of Track's answers, what each means for a batch, and our assumptions about its API.

Data only; the page is written from it. An answer is certain only if it proves that the batch was,
or was not, processed: any other is uncertain, and a person decides.

Source: docs/track-api.md#answers
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import NamedTuple, Self

from track_dispatch.states import Labelled

__all__ = ["AnswerCase", "OutcomeKind", "TransportFailure", "case_of_status"]


class OutcomeKind(Labelled):
    """What became of a batch, and so what may be done with its lines."""

    ACCEPTED = "accepted", "aceito"
    """Delivered: the lines are accepted; those that `errors` names are refused for good."""
    NOT_DELIVERED = "not_delivered", "não recebido"
    """Certainly not processed: the lines are ready again, and the task is tried again, after a 429
    not before its `Retry-After` (seconds or a date; at most an hour)."""
    STOPPED = "stopped", "não recebido, e o envio parou"
    """Certainly not processed: the lines are ready again, and no hospital sends until a person
    says `resume`."""
    MISCONFIGURED = "misconfigured", "não recebido, por uma configuração errada"
    """Certainly not processed, by a wrong setting: the lines are ready again, the unit fails with
    ConfigError."""
    TOO_LARGE = "too_large", "grande demais"
    """Certainly not processed: the batch is halved; a single line is refused."""
    REFUSED = "refused", "recusado"
    """Certainly not processed, by its content: it is split until the offending lines stand
    alone."""
    UNCERTAIN = "uncertain", "em dúvida"
    """Perhaps processed: the lines are in doubt. No machine sends them again, a person decides."""


_AGAIN = "nothing was sent; it is safe to try again"
_WAY_OUT = (
    "; if only a proxy leads out of the hospital's network, set `proxies` in the extra of Track's"
    " connection (HTTPS_PROXY counts only with its `trust_env`)"
)


class TransportFailure(StrEnum):
    """Why there is no answer. After the last two, the request may have arrived, as it had begun.

    Attributes:
        kind: what became of the batch.
        fact: what happened, and what to do about it.
    """

    kind: OutcomeKind
    fact: str

    def __new__(cls, value: str, kind: OutcomeKind, advice: str = "") -> Self:
        """Make a member that knows its outcome."""
        member = str.__new__(cls, value)
        member._value_, member.kind = value, kind
        member.fact = f"{value}: {advice}" if advice else value
        return member

    NAME = ("the host's name could not be resolved", OutcomeKind.NOT_DELIVERED, _AGAIN + _WAY_OUT)
    UNREACHABLE = (
        "the connection was refused or broke before the request",
        OutcomeKind.NOT_DELIVERED,
        _AGAIN + _WAY_OUT,
    )
    CONNECT_TIMEOUT = (
        "the connection could not be opened in time",
        OutcomeKind.NOT_DELIVERED,
        _AGAIN + _WAY_OUT,
    )
    TLS = (
        "no trusted TLS connection could be made",
        OutcomeKind.NOT_DELIVERED,
        _AGAIN + "; if the hospital has a certificate authority of its own, name its file as"
        " `verify` in the extra of Track's connection (REQUESTS_CA_BUNDLE counts only with its"
        " `trust_env`, and never against `verify`)",
    )
    PROXY = (
        "the proxy could not be reached or did not connect us",
        OutcomeKind.NOT_DELIVERED,
        _AGAIN + "; the proxy is that of `proxies` in the extra of Track's connection or, with its"
        " `trust_env`, that of the environment",
    )
    LATE = ("the deadline passed before the request could begin", OutcomeKind.NOT_DELIVERED, _AGAIN)
    SETTINGS = (
        "the connection's host, verify, cert or proxies cannot be used",
        OutcomeKind.MISCONFIGURED,
        "nothing was sent; correct the Airflow connection",
    )
    BROKEN = ("the connection broke after the request had begun", OutcomeKind.UNCERTAIN)
    DEADLINE = ("the deadline passed after the request had begun", OutcomeKind.UNCERTAIN)


class AnswerCase(StrEnum):
    """An answer, as far as it matters; its value says which one, for the page.

    The first one with a status decides. Those without any are the successes, which their bodies
    tell apart: `answer_body.py`.

    Attributes:
        kind: what became of the batch.
        fact: what happened, and what to do about it.
        statuses: that mean it.
    """

    kind: OutcomeKind
    fact: str
    statuses: Collection[int]

    def __new__(
        cls, value: str, kind: OutcomeKind, fact: str, statuses: Collection[int] = ()
    ) -> Self:
        """Make a member that knows its outcome."""
        member = str.__new__(cls, value)
        member._value_, member.kind, member.fact = value, kind, fact
        member.statuses = statuses
        return member

    # -- successes, by their bodies ----------------------------------------------

    EMPTY = (
        "2xx, empty: no body, and the answer says so",
        OutcomeKind.ACCEPTED,
        "Track accepted the batch, without a word",
    )
    ELSEWHERE = (
        "2xx, empty, whose `Location` is no id of what was made, or with a `Refresh`",
        OutcomeKind.UNCERTAIN,
        "a success without a word that leads elsewhere, perhaps to a log-in",
    )
    PROVEN = (
        "2xx, a JSON object with a receipt and no sign of failure",
        OutcomeKind.ACCEPTED,
        "Track accepted the batch",
    )
    IN_PART = (
        "2xx, the same, and `errors` names some of the lines",
        OutcomeKind.ACCEPTED,
        "Track accepted the batch, refusing {count} of its lines",
    )
    NAMES_ALL = (
        "2xx whose `errors` names every line",
        OutcomeKind.UNCERTAIN,
        "Track reports success, and an error for every line of the batch",
    )
    UNMATCHED = (
        "2xx whose `errors` matches no line of the batch, also beside others that do",
        OutcomeKind.UNCERTAIN,
        "Track reports errors that match no line of the batch",
    )
    SAYS_FAILURE = (
        "2xx whose JSON says failure, or what cannot be read as success, at whatever depth",
        OutcomeKind.UNCERTAIN,
        "a success whose body says something else, or what cannot be read",
    )
    NO_RECEIPT = (
        "2xx, a JSON object without a receipt",
        OutcomeKind.UNCERTAIN,
        "a success without a receipt in any member that the setting `acceptance` names",
    )
    NO_OBJECT = (
        "2xx, JSON that is not an object: a list, a text, a number, true, false, null",
        OutcomeKind.UNCERTAIN,
        "a success whose JSON is not an object",
    )
    NO_JSON = (
        "2xx, a page, bare text, another type, or JSON that is broken or names a member twice",
        OutcomeKind.UNCERTAIN,
        "a success that is not proper JSON, perhaps not from Track itself",
    )
    CUT_SHORT = (
        "2xx, cut short, or longer than we read, or without a word of where it ends",
        OutcomeKind.UNCERTAIN,
        "a success that did not arrive as a whole",
    )

    # -- all others, by their status ---------------------------------------------

    PARTS = (
        "206, 207, 208",
        OutcomeKind.UNCERTAIN,
        "a success in parts, of which some may be failures",
        (206, 207, 208),
    )
    MOVED = (
        "307, 308 (never followed)",
        OutcomeKind.MISCONFIGURED,
        "Track is to be asked at another address, which is never followed: check the host",
        (307, 308),
    )
    REDIRECTED = (
        "300-304 and any other 3xx (a 303 answers a POST that was carried out)",
        OutcomeKind.UNCERTAIN,
        "a redirection, by which a POST that was carried out may be answered, too",
        range(300, 400),
    )
    CONTENT = (
        "400, 422",
        OutcomeKind.REFUSED,
        "Track refuses the content of the batch",
        (400, 422),
    )
    TOKEN = (
        "401",
        OutcomeKind.STOPPED,
        "Track does not know the token: check the connection's password",
        (401,),
    )
    RIGHTS = ("403", OutcomeKind.STOPPED, "the token lacks the right: check it in Track", (403,))
    ADDRESS = (
        "404",
        OutcomeKind.MISCONFIGURED,
        "no such address: check the connection's host and login",
        (404,),
    )
    CAPTCHA = (
        "405",
        OutcomeKind.STOPPED,
        "Track wants a person (CAPTCHA): look at the account, send nothing",
        (405,),
    )
    GAVE_UP = ("408", OutcomeKind.UNCERTAIN, "Track gave up waiting", (408,))
    CONFLICT = ("409", OutcomeKind.UNCERTAIN, "Track reports a conflict", (409,))
    TOO_LARGE = (
        "413",
        OutcomeKind.TOO_LARGE,
        "the batch is too large for Track: send fewer lines at once",
        (413,),
    )
    MEDIA = (
        "415",
        OutcomeKind.MISCONFIGURED,
        "Track does not take JSON at this address: check the host",
        (415,),
    )
    SLOW_DOWN = (
        "429",
        OutcomeKind.NOT_DELIVERED,
        "Track asks us to slow down: wait, then try again",
        (429,),
    )
    OTHER_REFUSAL = (
        "any other 4xx",
        OutcomeKind.MISCONFIGURED,
        "Track refuses the request as such: check the connection",
        range(400, 500),
    )
    SERVER = ("5xx", OutcomeKind.UNCERTAIN, "Track failed", range(500, 600))
    UNFORESEEN = (
        "1xx in place of an answer, and what HTTP does not foresee",
        OutcomeKind.UNCERTAIN,
        "an answer that HTTP does not foresee",
        (),
    )


_BY_STATUS: Mapping[int, AnswerCase] = {
    status: case for case in reversed(AnswerCase) for status in case.statuses
}


def case_of_status(status: int) -> AnswerCase | None:
    """Return what a status alone says; None for a success, which its body decides."""
    if case := _BY_STATUS.get(status):
        return case
    return None if 200 <= status < 300 else AnswerCase.UNFORESEEN


class Assumption(NamedTuple):
    """One thing to confirm with Track before going live.

    Attributes:
        assumed: what we take for true.
        place: the setting or the module that holds it.
        if_wrong: what happens where it is not, and what to do.
    """

    assumed: str
    place: str
    if_wrong: str


ASSUMPTIONS: tuple[Assumption, ...] = (
    Assumption(
        "a 2xx with a receipt and no sign of failure, or without any body, accepts the batch as a"
        " whole, but for the lines in `errors`",
        "delivery/answer_body.py",
        "lines count as asked that were not: `accepted reopen`",
    ),
    Assumption(
        "the receipt of a distribution is its `uuid` or `id`",
        "acceptance",
        "every batch is in doubt, two a dispatch at most; a rehearsal shows it before",
    ),
    Assumption(
        "the words that tell of success or failure, such as `success`, `status` and `error`",
        "delivery/failure_signs.py",
        "doubts for nothing; a failure in other words counts as accepted",
    ),
    Assumption(
        "`errors` names lines as `import_lines.<i>.<field>`, or by `cd_atendimento` or `line`",
        "delivery/answer_body.py",
        "doubts for nothing, or refusals that name no line",
    ),
    Assumption(
        "a 4xx other than 408 and 409, a 307 and a 308 refuse the batch as a whole: nothing was"
        " sent",
        "delivery/answer_table.py",
        "somebody is asked twice: make the case uncertain before you go on",
    ),
    Assumption(
        "429 comes with `Retry-After`; 405 is the CAPTCHA",
        "delivery/answer_table.py",
        "retries come too early; a stop for nothing",
    ),
    Assumption(
        "the list of surveys is an object with `data` and perhaps `total_pages`, or a bare list",
        "delivery/client.py",
        "the probe fails, nothing is sent",
    ),
    Assumption(
        "`status` of a survey that may be used",
        "doctor/hospital_checks.py",
        "a warning for nothing",
    ),
    Assumption(
        "at most 100 lines a batch",
        "batch_size",
        "a 413 halves it",
    ),
    Assumption(
        "1,000 requests in five minutes, of which we take 800",
        "requests_per_5_minutes",
        "405 stops",
    ),
    Assumption(
        "the identifier of the organization is `cd_atendimento`",
        "identifier",
        "Track merges or refuses customers",
    ),
    Assumption(
        "`Idempotency-Key` is ignored",
        "delivery/client.py",
        "nothing: our ledger is what prevents doubles",
    ),
    Assumption(
        "the reminder of an accepted line cannot be taken back",
        "nowhere",
        "it could be, for whoever opts out or dies",
    ),
)
