"""Whether all workers run the same code and the same include folder, by what the ledger saw."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from track_dispatch.config import software_here
from track_dispatch.doctor.check import INSTALLATION, DoubtError, check
from track_dispatch.doctor.ledger_checks import reading
from track_dispatch.errors import ConfigError
from track_dispatch.ledger.software import recent_software

if TYPE_CHECKING:
    from track_dispatch.doctor.check import Check
    from track_dispatch.ledger.software import SoftwareUse
    from track_dispatch.records import Software

#: So far back each worker has most likely read or posted something.
HOURS = 26


def check_software() -> Check:
    """Look at what the latest readings and batches came from."""
    return check(INSTALLATION, "software", _compare)


def _compare() -> str:
    with reading() as connection:
        uses = recent_software(connection, hours=HOURS)
    return judge_software(uses, here=software_here())


def judge_software(uses: Sequence[SoftwareUse], *, here: Software) -> str:
    """Say what all workers run; pure.

    After a deployment only the new software is seen. Where one is seen between two sights of
    another, two workers differ.

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
