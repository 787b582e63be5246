"""What we assume of Track's API, because nothing that it has published says so.

The one list: the pages, `doctor` and `doctor --first-day` show this one. What is confirmed leaves
it.
"""

from __future__ import annotations

from typing import NamedTuple


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
        "delivery/answer_body.py",
        "doubts for nothing; a failure in other words counts as accepted",
    ),
    Assumption(
        "`errors` names lines as `import_lines.<i>.<field>`, or by `cd_atendimento` or `line`",
        "delivery/line_errors.py",
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
        "doctor/track_checks.py",
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
