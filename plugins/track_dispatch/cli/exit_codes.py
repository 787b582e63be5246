"""How the program ends, as a script that called it sees it."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """An exit code with what it says; docs/cli.md lists them."""

    meaning: str

    DONE = 0, "The verb did its work, and found nothing that somebody must mend."
    FAILED = (
        1,
        """It could not, and says why on standard error. Or it found what somebody must mend:
        `doctor`, `day`, `config check`, `sql --check`, `optout import`. Or nobody is on the list:
        `optout check`.""",
    )
    USAGE = 2, "Wrong usage; nothing was done."
    BUG = (
        70,
        """A fault of this program, told by its place in one line. `TRACK_TRACEBACK=1` shows the
        traceback, which may hold patients' data.""",
    )
    STOPPED = 130, "Ctrl-C; what was not told as done was not done."

    def __new__(cls, value: int, meaning: str) -> ExitCode:
        """Make a code with its meaning."""
        code = int.__new__(cls, value)
        code._value_ = value
        code.meaning = meaning
        return code
