"""The reference of the command line, from the program itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from docs.make_tables import code, table
from track_dispatch.cli import app
from track_dispatch.cli.options import ExitCode


def commands() -> str:
    """Return a section for each verb: how it is called, what it does, its options."""
    return "\n".join(_section(path, verb) for path, verb in verbs().items())


def exit_codes() -> str:
    """Return a row for each exit code."""
    return table(("exit code", "meaning"), ((str(one.value), one.meaning) for one in ExitCode))


def verbs() -> dict[str, Any]:
    """Return the program's verbs, by what is typed."""
    return dict(_verbs(typer.main.get_command(app)))


def _verbs(group: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    for name, verb in group.commands.items():
        full = f"{path} {name}".strip()
        if hasattr(verb, "commands"):
            yield from _verbs(verb, full)
        else:
            yield full, verb


def _section(path: str, verb: Any) -> str:
    arguments = [one for one in verb.params if one.param_type_name == "argument"]
    called = " ".join([path, *(_argument(one) for one in arguments)])
    rows = [
        (_option(one), (one.help or "") + (" Required." if one.required else ""))
        for one in verb.params
        if one not in arguments
    ]
    texts = [
        f"### {path}\n\n",
        f"`python -m track_dispatch {called}`\n\n{verb.help.strip()}\n",
        *([f"\n{table(('option', 'meaning'), rows)}"] if rows else []),
    ]
    return "".join(texts)


def _argument(argument: Any) -> str:
    name = (argument.metavar or argument.name.upper()).strip("[].")
    shown = f"{name} ..." if argument.nargs == -1 else name
    return shown if argument.required else f"[{shown}]"


def _option(option: Any) -> str:
    names = "|".join([*option.opts, *option.secondary_opts])
    value = "" if option.is_flag else f" {option.metavar or option.name.upper()}"
    return code(f"{names}{value}")
