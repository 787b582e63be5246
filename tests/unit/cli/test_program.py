"""What everybody expects of a program: its version, and help by either name, of every verb."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from track_dispatch import __version__
from track_dispatch.cli.program import app

if TYPE_CHECKING:
    import typer


def verbs(group: typer.Typer, *before: str) -> Iterator[tuple[str, ...]]:
    """Yield the words of every verb."""
    for command in group.registered_commands:
        yield (*before, str(command.name or getattr(command.callback, "__name__", "")))
    for one in group.registered_groups:
        if one.typer_instance is not None:
            yield from verbs(one.typer_instance, *before, str(one.name))


def test_it_tells_its_version() -> None:
    done = CliRunner().invoke(app, ["--version"])

    assert (done.stdout, done.exit_code) == (f"track_dispatch {__version__}\n", 0)


@pytest.mark.parametrize("words", [(), *verbs(app)], ids=" ".join)
def test_every_verb_helps_by_either_name(words: tuple[str, ...]) -> None:
    short, long = (CliRunner().invoke(app, [*words, option]) for option in ("-h", "--help"))

    assert short.exit_code == 0
    assert short.stdout == long.stdout
