"""What everybody expects of a program: its version, help, completion, JSON, no traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from demo.world import ROOT
from track_dispatch import __version__
from track_dispatch.cli import app, main
from track_dispatch.cli.options import ExitCode
from track_dispatch.hooks import ledger as place

if TYPE_CHECKING:
    import typer
    from cli_shell import Shell

DECIDED = ("--by", "ana", "--why", "teste")
#: How each verb is called on an installation that has nothing: no ledger, no connection.
CALLS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("setup",): (),
    ("doctor",): ("HMS",),
    ("metrics",): (),
    ("surveys",): (),
    ("sql",): ("HMS",),
    ("dry-run",): ("HMS",),
    ("day",): (),
    ("explain",): ("HMS", "1"),
    ("resume",): DECIDED,
    ("release",): ("HMS", "2026-03-02", *DECIDED),
    ("person",): (),
    ("ledger", "init"): (),
    ("ledger", "migrate"): (),
    ("ledger", "new-keys"): (),
    ("ledger", "keys"): (),
    ("ledger", "rotate-keys"): (),
    ("ledger", "restored"): ("--as-of", "2026-03-02T03:00-03:00", *DECIDED),
    ("doubt", "list"): (),
    ("doubt", "settle"): ("B", "--sent", *DECIDED),
    ("accepted", "reopen"): ("B", "--yes", *DECIDED),
    ("refused", "list"): (),
    ("refused", "retry"): ("HMS", "2026-03-02", *DECIDED),
    ("optout", "add"): ("--source", "balcão", *DECIDED),
    ("optout", "remove"): DECIDED,
    ("optout", "check"): (),
    ("optout", "list"): (),
    ("optout", "import"): (str(ROOT / "README.md"),),
    ("config", "check"): (),
}
#: Those that do something there all the same.
WORK_ANYWHERE = {
    ("setup",), ("sql",), ("ledger", "init"), ("ledger", "new-keys"), ("config", "check"),
}  # fmt: skip
#: Those that print no list: they do something, or print what another program takes.
NO_LIST = {
    ("setup",), ("metrics",), ("resume",), ("release",), ("ledger", "init"), ("ledger", "migrate"),
    ("ledger", "new-keys"), ("ledger", "rotate-keys"), ("ledger", "restored"), ("doubt", "settle"),
    ("accepted", "reopen"), ("refused", "retry"), ("optout", "add"), ("optout", "remove"),
    ("optout", "import"),
}  # fmt: skip


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


@pytest.mark.parametrize("typed", ["9999-12-31", "0001-01-01", "1999-12-31", "2200-01-01"])
@pytest.mark.parametrize(
    "words",
    [
        ("sql", "HMS", "--literals", "--day"),
        ("dry-run", "HMS", "--day"),
        ("day",),
        ("release", "HMS", "--by", "Ana", "--why", "x"),
        ("refused", "list", "--since"),
    ],
    ids=" ".join,
)
def test_a_day_that_is_a_slip_is_wrong_usage(words: tuple[str, ...], typed: str) -> None:
    done = CliRunner().invoke(app, [*words, typed])

    assert done.exit_code == ExitCode.USAGE
    assert "is not of the years 2000 to 2199" in " ".join(done.output.split())


@pytest.mark.parametrize("words", [(), *verbs(app)], ids=" ".join)
def test_every_verb_helps_by_either_name(words: tuple[str, ...]) -> None:
    short, long = (CliRunner().invoke(app, [*words, option]) for option in ("-h", "--help"))

    assert short.exit_code == 0
    assert short.stdout == long.stdout


def test_the_calls_are_all_there_are() -> None:
    assert set(CALLS) == set(verbs(app))


@pytest.mark.parametrize("words", sorted(CALLS.keys() - NO_LIST), ids=" ".join)
def test_every_verb_that_lists_gives_json(words: tuple[str, ...]) -> None:
    assert "--json" in CliRunner().invoke(app, [*words, "--help"]).stdout


@pytest.mark.parametrize("words", sorted(CALLS), ids=" ".join)
def test_where_nothing_is_installed_each_verb_says_so_without_a_traceback(
    words: tuple[str, ...],
    airflow_db: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(place, "AIRFLOW_HOME", str(tmp_path))
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
    monkeypatch.setattr(sys, "argv", ["track-dispatch", *words, *CALLS[words]])
    with (tmp_path / "typed").open("w+") as typed:
        typed.write("ana@example.test")
        typed.seek(0)
        monkeypatch.setattr(sys, "stdin", typed)

        with pytest.raises(SystemExit) as ended:
            main()

    said = capsys.readouterr()
    wanted = ExitCode.DONE if words in WORK_ANYWHERE else ExitCode.FAILED
    assert (ended.value.code, "Traceback" in said.err + said.out) == (wanted, False)
    if wanted and words != ("doctor",):
        assert said.err.splitlines()[-1].startswith("error: ")


@pytest.mark.parametrize("traced", ["", "1"])
def test_a_fault_of_the_program_is_one_line_without_what_it_met(
    traced: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("MARIA DE TESTE")

    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
    monkeypatch.setenv("TRACK_TRACEBACK", traced)
    monkeypatch.setattr("track_dispatch.cli.installation.load_hospitals", fail)
    monkeypatch.setattr(sys, "argv", ["track-dispatch", "config", "check"])

    with pytest.raises(ValueError if traced else SystemExit) as ended:
        main()

    said = capsys.readouterr()
    if not traced:
        assert isinstance(ended.value, SystemExit)
        assert ended.value.code == ExitCode.BUG
        assert said.err.startswith("error: ValueError at installation.py:")
        assert "MARIA" not in said.err
        assert said.err.count("\n") == 1


def test_ctrl_c_is_one_line(empty_shell: Shell, tmp_path: Path) -> None:
    listed = tmp_path / "list.csv"
    os.mkfifo(listed)
    verb = empty_shell.start("optout", "import", str(listed), "--dry-run")
    with listed.open("w"):  # opened when the verb opens it, too: now it waits for what is in it
        verb.send_signal(signal.SIGINT)
    # a signal just before it waits is met when the wait ends: at the end of what is in the list
    said, errors = verb.communicate(timeout=60)

    assert (said, errors, verb.returncode) == ("", "stopped\n", ExitCode.STOPPED)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("track-dispatch led", {"ledger"}),
        ("track-dispatch ledger ro", {"rotate-keys"}),
        ("track-dispatch explain OTOA", {"OTOA"}),
        ("track-dispatch sql OTOA", {"OTOA"}),
        ("track-dispatch doctor HMS OTOA", {"OTOA"}),
    ],
)
def test_a_shell_completes_verbs_and_hospitals(typed: str, offered: set[str]) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "track-dispatch")],
        env=os.environ
        | {
            "PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT}",
            "_TRACK_DISPATCH_COMPLETE": "complete_bash",
            "COMP_WORDS": typed,
            "COMP_CWORD": str(typed.count(" ")),
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert (set(done.stdout.split()), done.stderr) == (offered, "")


def json_of(*words: str) -> Any:
    done = CliRunner().invoke(app, [*words, "--json"], catch_exceptions=False)
    return json.loads(done.stdout)


def test_files_and_findings_as_json(broken_include: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACK_INCLUDE_DIR", str(broken_include))

    files, findings = json_of("config", "check"), json_of("sql", "--all", "--check")

    assert [one["code"] for one in files if one["error"]] == ["HSMC"]
    assert {"code": "HMS", "error": None} in files
    assert {"code": "HMS", "findings": []} in findings
    assert [one["code"] for one in findings if one["findings"]] == ["HSMC"]


def test_json_of_a_query_itself_is_wrong_usage() -> None:
    assert CliRunner().invoke(app, ["sql", "HMS", "--json"]).exit_code == ExitCode.USAGE


def test_what_takes_long_says_what_it_does_apart_from_the_result(
    airflow_db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "AIRFLOW_HOME", str(tmp_path))

    done = CliRunner().invoke(app, ["dry-run", "HMS", "--day", "2026-03-02", "--json"])

    assert (done.stdout, done.stderr) == ("", "reading HMS 2026-03-02 from its ERP\n")
