"""`python -m tests.proof.sabotage`: the seven sabotages, each of which must turn tests red.

Each is applied to a fresh copy of the tree. Red means that tests failed: code that cannot even be
imported would prove nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.proof.report import note

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parents[2]
PACKAGE = "plugins/track_dispatch"
FIRST_LEDGER = f"{PACKAGE}/ledger/migrations/versions/0001_first_ledger.py"


@dataclass(frozen=True, slots=True)
class Edit:
    """A text that stands once in its file, and what the sabotage puts in its place."""

    path: str
    old: str
    new: str

    def apply(self, tree: str | Path) -> None:
        """Change the file.

        Raises:
            LookupError: the text stands there not once.
        """
        file = Path(tree, self.path)
        text = file.read_text(encoding="utf-8")
        if (count := text.count(self.old)) != 1:
            message = f"{self.path}: {self.old!r} stands there {count} times, not once"
            raise LookupError(message)
        file.write_text(text.replace(self.old, self.new), encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Sabotage:
    """One guard taken away, and the tests most likely to notice."""

    name: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]


SABOTAGES = (
    Sabotage(
        "no outer state='ready' in the claim",
        (
            Edit(
                f"{PACKAGE}/ledger/moves.py",
                ".where(_LEAVES[transition], *where)",
                ".where(lines.c.id > 0 if transition is Transition.CLAIMED"
                " else _LEAVES[transition], *where)",
            ),
        ),
        (
            "tests/unit/ledger/test_transition_table.py",
            "tests/unit/ledger/test_simultaneous_claims.py",
        ),
    ),
    Sabotage(
        "a lease is ignored",
        (Edit(f"{PACKAGE}/ledger/settling.py", "lines.c.lease_until < now,", ""),),
        ("tests/unit/ledger/test_leases.py",),
    ),
    Sabotage(
        "lines are released when a POST runs out of time",
        (
            Edit(
                f"{PACKAGE}/delivery/outcomes.py",
                "TransportFailure.DEADLINE: (Verdict.UNCERTAIN,",
                "TransportFailure.DEADLINE: (Verdict.NOT_DELIVERED,",
            ),
        ),
        ("tests/unit/delivery/test_outcomes.py", "tests/unit/delivery/test_dispatch_outcomes.py"),
    ),
    Sabotage(
        "a redirect is followed",
        (
            Edit(
                f"{PACKAGE}/delivery/transport.py",
                "adapter.send(prepared,",
                "session.send(prepared,",
            ),
        ),
        (
            "tests/unit/delivery/test_transport.py",
            "tests/unit/delivery/test_dispatch_outcomes.py",
            "-k=redirect",
        ),
    ),
    Sabotage(
        "transform overwrites whatever is there",
        (
            Edit(
                f"{PACKAGE}/ledger/inserting.py",
                "insert.on_conflict_do_nothing(",
                'insert.on_conflict_do_update(set_={k: schema.text("excluded." + k) for k in'
                ' ("state", "reason", "payload")}, ',
            ),
        ),
        ("tests/unit/ledger/test_applying.py",),
    ),
    Sabotage(
        "no question after a doubt",
        (Edit(f"{PACKAGE}/delivery/dispatch.py", "proven = False\n", "proven = True\n"),),
        ("tests/unit/delivery/test_dispatch_doubts.py",),
    ),
    Sabotage(
        "a settled line keeps its payload",
        (
            Edit(f"{PACKAGE}/ledger/moves.py", 'changes["payload"] = null()', "pass"),
            # the database refuses it, too: what is left then are the tests
            Edit(f"{PACKAGE}/ledger/schema.py", 'f"payload is null or', 'f"1 = 1 or'),
            Edit(FIRST_LEDGER, '"payload is null or', '"1 = 1 or'),
        ),
        ("tests/unit/ledger/test_ledger_settling.py",),
    ),
)


@dataclass(frozen=True, slots=True)
class Result:
    """How pytest ended: its exit code, the tests that failed, everything that it said."""

    code: int
    failed: tuple[str, ...]
    output: str

    @property
    def is_red(self) -> bool:
        """Whether a test failed, and nothing broke around the tests."""
        return self.code == 1 and bool(self.failed) and "\nERROR " not in self.output


def main() -> int:
    """Run the tests on the tree as it is, then under each sabotage; return the exit code."""
    out = sys.stdout
    with tree() as copy:
        files = {test for sabotage in SABOTAGES for test in sabotage.tests if test.endswith(".py")}
        result = run_tests(copy, sorted(files))
    if result.code != 0:
        out.write(f"{result.output}\nred without any sabotage: nothing is proven\n")
        return 1
    unnoticed = 0
    for number, sabotage in enumerate(SABOTAGES, start=1):
        with tree() as copy:
            for edit in sabotage.edits:
                edit.apply(copy)
            result = run_tests(copy, sabotage.tests)
        unnoticed += not result.is_red
        noticed = result.failed[0] if result.is_red else f"NOT NOTICED\n{result.output}"
        out.write(f"{number}. {sabotage.name}: {noticed}\n")
        out.flush()
    note("sabotage", sabotages=len(SABOTAGES), noticed=len(SABOTAGES) - unnoticed)
    return 1 if unnoticed else 0


def tree() -> tempfile.TemporaryDirectory[str]:
    """Copy what git knows of the tree, as it stands."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    folder = tempfile.TemporaryDirectory(prefix="sabotage-")
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).exists():
            target = Path(folder.name, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
    return folder


def run_tests(folder: str, tests: Iterable[str]) -> Result:
    """Run tests in a tree, up to the first that fails."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(["plugins", "."])}
    # a sabotaged tree must not add to the proof's numbers
    environment.pop("TRACK_PROOF_REPORT", None)
    command = [sys.executable, "-m", "pytest", *tests, "-x", "-q", "-n0", "-rfE"]
    ended = subprocess.run(
        [*command, "-p", "no:cacheprovider"],
        cwd=folder,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    failed = re.findall(r"^FAILED (.*?)(?: - .*)?$", ended.stdout, re.MULTILINE)
    return Result(ended.returncode, tuple(failed), ended.stdout + ended.stderr)


if __name__ == "__main__":
    sys.exit(main())
