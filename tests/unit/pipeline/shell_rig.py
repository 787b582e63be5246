"""The command line of this half on an installation of its own, with its ledger beside Airflow's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from track_dispatch.cli import app
from track_dispatch.errors import TrackDispatchError

if TYPE_CHECKING:
    from click.testing import Result


def run(*arguments: str, said: str = "") -> Result:
    """Run a verb; `said` is what comes on standard input."""
    return CliRunner().invoke(app, arguments, input=f"{said}\n")


def message_of(*arguments: str, said: str = "") -> str:
    """Return the message that a verb ends with; the program prints it and exits 1."""
    with pytest.raises(TrackDispatchError) as caught:
        CliRunner().invoke(app, arguments, input=f"{said}\n", catch_exceptions=False)
    return str(caught.value)
