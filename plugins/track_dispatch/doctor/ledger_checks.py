"""Check the ledger: its server, version and keys, and whether a commit survives a crash.

Also what the ledger recorded: the software that the workers run, and Track's first answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import combinations

from sqlalchemy import Connection
from sqlalchemy.engine import make_url

from track_dispatch.config import software_here
from track_dispatch.delivery.answer_table import ASSUMPTIONS
from track_dispatch.doctor.check import INSTALLATION, Check, DoubtError, check, obtain, required
from track_dispatch.errors import ConfigError
from track_dispatch.hooks.ledger import place
from track_dispatch.ledger import creation
from track_dispatch.ledger.creation import Way, try_claim, way_to_server
from track_dispatch.ledger.database import Ledger, connect, require_same_ledger
from track_dispatch.ledger.history import FirstAnswer, SoftwareUse, first_answers, recent_software
from track_dispatch.ledger.keys import new_keys, older_keys, require_keys, unopened
from track_dispatch.ledger.sql import now_in
from track_dispatch.records import Software
from track_dispatch.states import Count

#: Transactions that the doctor tries: a pooler may run each one on another server connection.
TRANSACTIONS = 4
#: Seconds that this machine's clock may differ from that of the ledger's database.
CLOCK_TOLERANCE = 30
#: Hours within which each worker has most likely read or posted something.
HOURS = 26


def check_ledger() -> Iterator[Check]:
    """Check the installation's ledger; one that cannot be opened is tried only once."""
    reached, answers = obtain(INSTALLATION, "ledger", _reach)
    yield answers
    looks = {
        "ledger server": _recognise_server,
        "ledger keys": _use_keys,
        "ledger commits": _weigh_commits,
        "ledger rights": _try_rights,
        "ledger TLS": _look_at_tls,
        "ledger pooler": _try_pooler,
    }
    for name, look in looks.items():
        yield check(INSTALLATION, name, look if reached else _not_reached)


def check_clock(now: Callable[[], datetime]) -> Check:
    """Compare this machine's clock with that of the ledger's database."""
    return check(INSTALLATION, "clock", lambda: _compare_clocks(now))


def _compare_clocks(now: Callable[[], datetime]) -> str:
    with reading() as connection:
        before = now()
        theirs = now_in(connection)
        after = now()
    ahead = (before + (after - before) / 2 - theirs).total_seconds()
    if abs(ahead) > CLOCK_TOLERANCE:
        raise ConfigError(
            f"this machine's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'}"
            " that of the ledger's database: let NTP set both; which day is over, and who may be"
            " asked at this hour, would be wrong by as much"
        )
    return f"this machine and the ledger's database differ by {abs(ahead):.0f} s"


def _not_reached() -> str:
    return required(None, "the ledger could not be opened")


def _reach() -> tuple[bool, str]:
    with reading() as connection:
        creation.require_current(connection)
    address = make_url(place().url).render_as_string(hide_password=True)
    return True, f"{address} answers and is migrated"


def _recognise_server() -> str:
    with reading() as connection:
        creation.require_same_server(connection)
    return "it is the server that the ledger was last used on"


def _use_keys() -> str:
    keys = place().keys()
    with reading() as connection:
        require_same_ledger(connection, keys)
        require_keys(connection, keys)
        closed = unopened(connection, keys)
        older = older_keys(connection, keys)
    if closed:
        raise ConfigError(
            f"no payload key opens {closed} of the payloads that wait: put the key they were"
            " written with back at the end of payload_secrets"
        )
    gone = [f"identity key {key.id}" for key in older.identity if key.may_go]
    gone += ["the older payload keys"] if older.payload and not older.payloads else []
    if gone:
        raise DoubtError(
            f"{', '.join(gone)}: needed by nothing any more: leave them out with `python -m"
            " track_dispatch ledger rotate-keys --drop-unneeded`"
        )
    return "they are this ledger's, and open everything that waits"


def _weigh_commits() -> str:
    with reading() as connection:
        return creation.durability(connection)


def _try_rights() -> str:
    with reading() as connection:
        creation.require_rights(connection)
    return "our role reads and writes every table"


def _look_at_tls() -> str:
    with reading() as connection:
        way = way_to_server(connection)
    if way is None:
        return "a file on this machine: nothing travels"
    return judge_tls(way, place().options.get("sslmode", "prefer"))


def judge_tls(way: Way, mode: str) -> str:
    """Describe how the connection to the server is protected, under libpq's `sslmode`.

    Raises:
        DoubtError: somebody on the way could read it, or pose as the server.
    """
    if way.is_local:
        return f"{way.host}: nothing leaves this machine"
    mend = 'set "sslmode": "verify-full" and "sslrootcert" in the extra of track_ledger'
    if not way.is_encrypted:
        raise DoubtError(
            f"the way to {way.host} is not encrypted, and hashes and payloads travel on it: {mend}"
        )
    if not mode.startswith("verify"):
        raise DoubtError(
            f"the way to {way.host} is encrypted, but sslmode {mode} trusts whoever answers: {mend}"
        )
    return f"the way to {way.host} is encrypted, and its certificate checked ({mode})"


def _try_pooler() -> str:
    """Run a claim's statements in several transactions, to find a pooler in the wrong mode."""
    with _opened() as ledger:
        if not ledger.on_postgresql:
            return "a file has none"
        backends = set()
        with ledger.reading() as connection:
            way = way_to_server(connection)
        for _ in range(TRANSACTIONS):
            with ledger.writing() as connection:
                backends.add(try_claim(connection))
    if way is None or not way.has_pooler:
        return "none: the server itself answers"
    return (
        f"a pooler answers, and {TRANSACTIONS} transactions like a claim's passed it over"
        f" {len(backends)} connections to the server"
    )


@contextmanager
def _opened() -> Iterator[Ledger]:
    """Open the ledger's database without its keys."""
    here = place()
    with Ledger(connect(here.url, options=here.options), new_keys()) as ledger:
        creation.require_existing(ledger.engine)
        yield ledger


@contextmanager
def reading() -> Iterator[Connection]:
    """Open the ledger's tables for reading."""
    with _opened() as ledger, ledger.reading() as connection:
        yield connection


# -- what it saw --------------------------------------------------------------------------------


def check_software() -> Check:
    """Check that all workers run the same code and the same include folder."""
    return check(INSTALLATION, "software", _compare_software)


def _compare_software() -> str:
    with reading() as connection:
        uses = recent_software(connection, hours=HOURS)
    return judge_software(uses, here=software_here())


def judge_software(uses: Sequence[SoftwareUse], *, here: Software) -> str:
    """Name the software that all workers run; pure.

    After a deployment only the new software is seen. If one was used between two uses of another,
    two workers differ.

    Args:
        uses: of the last hours, the earliest first.
        here: what is installed where the doctor is asked.

    Raises:
        ConfigError: workers differ.
        DoubtError: they agree, but not with what is installed here.
    """
    for earlier, later in combinations(uses, 2):
        if later.first <= earlier.last:
            raise ConfigError(
                f"workers differ in {_difference(earlier.software, later.software)}: in turn they"
                f" ran {earlier.software} (until {earlier.last:%Y-%m-%d %H:%M} UTC) and"
                f" {later.software} (since {later.first:%Y-%m-%d %H:%M} UTC); deploy the same to"
                " all, and restart them"
            )
    if not uses:
        return f"{here} here; no task has read or posted in the last {HOURS} hours"
    latest = uses[-1]
    if latest.software != here:
        raise DoubtError(
            f"here is {here}, but the last task ran {latest.software}"
            f" ({latest.last:%Y-%m-%d %H:%M} UTC): another"
            f" {_difference(latest.software, here)}; unless it was deployed since, compare the"
            " machines"
        )
    return f"{here}, as in the last task"


def _difference(one: Software, other: Software) -> str:
    names = {"package_version": "package", "include_digest": "include folder"}
    return " and ".join(
        name for field, name in names.items() if getattr(one, field) != getattr(other, field)
    )


def read_first_answers() -> list[FirstAnswer]:
    """Return the installation's first successes.

    Raises:
        ConfigError: there is no ledger.
    """
    with reading() as connection:
        return first_answers(connection)


def first_day_lines(answers: Sequence[FirstAnswer]) -> Iterator[str]:
    """Yield the lines of a text that shows Track's first successes beside what we assumed."""
    number = len(answers)
    yield f"Track's first {number} successes:" if number else "Track has accepted nothing yet."
    yield from (f"  {_answer_line(answer)}" for answer in answers)
    yield ""
    yield "Assumed of Track, and to be confirmed with it:"
    for assumption in ASSUMPTIONS:
        yield f"  {assumption.assumed} ({assumption.place})"
        yield f"      if not: {assumption.if_wrong}"


def _answer_line(answer: FirstAnswer) -> str:
    kind = "rehearsal" if answer.is_rehearsal else "batch"
    receipt = "a receipt" if answer.has_receipt else "no receipt"
    lines = f"{Count(answer.posted):line|lines} posted"
    if not answer.is_rehearsal:
        lines += f", {answer.accepted} accepted, {answer.refused} refused"
    return (
        f"{answer.at:%Y-%m-%d %H:%M} UTC  {kind}  HTTP {answer.status}, {receipt}, {answer.state}:"
        f" {lines}"
    )
