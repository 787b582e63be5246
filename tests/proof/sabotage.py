"""`python -m tests.proof.sabotage`: each sabotage must turn its test red.

Each is applied to a fresh copy of the tree. Red means that the test failed: code that cannot even
be imported would prove nothing. With arguments only those run whose names hold one of them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.proof.proof_report import note

ROOT = Path(__file__).parents[2]
PACKAGE = "plugins/track_dispatch"


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
    """One guard taken away, and the test that notices, as pytest names it."""

    name: str
    edits: tuple[Edit, ...]
    test: str


LEDGER, DELIVERY = f"{PACKAGE}/ledger", f"{PACKAGE}/delivery"
LEDGER_TESTS, DELIVERY_TESTS = "tests/unit/ledger", "tests/unit/delivery"

SABOTAGES = (
    # -- the promise ---------------------------------------------------------------
    Sabotage(
        "lines move whatever their state",
        (
            Edit(
                f"{LEDGER}/transitions.py",
                ".where(table.c.state.in_(states), *where)",
                ".where(*where)",
            ),
        ),
        f"{LEDGER_TESTS}/test_settling_answers.py::test_to_settle_twice_changes_nothing_more",
    ),
    Sabotage(
        "a transform rewrites what has left",
        (
            Edit(
                f"{LEDGER}/day_apply.py",
                "elif line.state in MOVABLE:\n",
                "elif True:\n",
            ),
            # the table of transitions refuses it, too
            Edit(
                f"{LEDGER}/day_apply.py",
                "if (line.state, placement.state) not in RULES[placement.transition].pairs:",
                "if False:",
            ),
        ),
        f"{LEDGER_TESTS}/test_apply_extraction.py"
        "::test_what_is_on_its_way_or_settled_is_not_touched",
    ),
    Sabotage(
        "a running lease is ignored",
        (
            Edit(
                f"{LEDGER}/in_doubt.py",
                ".where(batches.c.lease_until < moment_in())",
                ".where(batches.c.lease_until.is_not(None))",
            ),
        ),
        f"{LEDGER_TESTS}/test_leases_end.py::test_a_running_lease_keeps_its_lines",
    ),
    Sabotage(
        "the cap is asked before the turn is taken",
        (Edit(f"{LEDGER}/between_posts.py", "self._has_turn = False", "self._has_turn = True"),),
        f"{LEDGER_TESTS}/test_claims_concurrently.py"
        "::test_who_is_being_claimed_elsewhere_counts_as_invited",
    ),
    Sabotage(
        "the cap is asked before the turn is taken, on the careful way",
        (
            Edit(
                f"{LEDGER}/batches.py",
                "        take_turn(connection)\n        yield",
                "        yield",
            ),
        ),
        f"{LEDGER_TESTS}/test_claims_concurrently.py"
        "::test_who_is_being_claimed_elsewhere_counts_as_invited",
    ),
    # -- only a fresh reading goes out -----------------------------------------------
    Sabotage(
        "an envelope is not sealed anew when a line leaves it",
        (
            Edit(
                f"{LEDGER}/transitions.py",
                "if not {*leaves, to}.isdisjoint(_SEALED):",
                "if False:",
            ),
        ),
        f"{LEDGER_TESTS}/test_envelopes.py::test_a_line_that_no_longer_waits_leaves_the_payload",
    ),
    Sabotage(
        "a claim does not compare the envelope's version",
        (
            Edit(f"{LEDGER}/between_posts.py", " and e.version = :version", ""),
            Edit(f"{LEDGER}/claims.py", "version != read.envelope.version or ", ""),
        ),
        f"{LEDGER_TESTS}/test_claims_concurrently.py"
        "::test_what_was_claimed_and_released_meanwhile_is_read_again",
    ),
    Sabotage(
        "an extraction that is too old is sent",
        (
            Edit(f"{LEDGER}/between_posts.py", "\n    and x.started_at >= moment_in(:oldest)", ""),
            Edit(
                f"{LEDGER}/extractions.py",
                "        extractions.c.started_at >= moment_in(-max_age_hours * HOUR),\n",
                "",
            ),
        ),
        f"{DELIVERY_TESTS}/test_hospital_dispatch.py"
        "::test_what_was_read_too_long_ago_is_read_again_before_it_goes",
    ),
    Sabotage(
        "a look-back passes a held day",
        (
            Edit(
                f"{LEDGER}/approvals.py",
                "if (anomaly and not (approved and known)) or (last and not approved):",
                "if anomaly and last is None:",
            ),
        ),
        f"{LEDGER_TESTS}/test_approvals.py::test_a_day_without_a_yes_stays_held_whoever_reads_it",
    ),
    Sabotage(
        "what has left keeps its payload",
        (
            Edit(
                f"{LEDGER}/between_posts.py", "set payload = null, waiting = 0,", "set waiting = 0,"
            ),
            # the database refuses it, too
            Edit(
                f"{LEDGER}/migrations/versions/0001_first_ledger.py",
                '"payload is null or waiting > 0"',
                '"1 = 1"',
            ),
        ),
        f"{LEDGER_TESTS}/test_claims_joint.py::test_the_payload_of_a_claimed_envelope_is_gone",
    ),
    Sabotage(
        "an open ledger works on after a failover",
        (
            Edit(
                f"{LEDGER}/creation.py",
                "            opened.look_at_connections(require_same_server)\n",
                "            pass\n",
            ),
        ),
        f"{LEDGER_TESTS}/test_restored_server.py"
        "::test_an_open_ledger_refuses_the_server_that_takes_over_until_it_is_declared",
    ),
    Sabotage(
        "a slow reading undoes a newer one",
        (
            Edit(
                f"{LEDGER}/apply_extraction.py",
                "if any(row.applied_at and row.started_at > mine.started_at for row in rows):",
                "if False:",
            ),
        ),
        f"{LEDGER_TESTS}/test_apply_order.py"
        "::test_a_slow_reading_is_superseded_by_one_that_began_after_it_and_ended_before",
    ),
    Sabotage(
        "rows that are gone make a smaller day",
        (Edit(f"{LEDGER}/extractions.py", "if found != rows:", "if False:"),),
        f"{LEDGER_TESTS}/test_extractions.py"
        "::test_rows_that_were_erased_are_not_taken_for_a_smaller_day",
    ),
    # -- the way to Track ------------------------------------------------------------
    Sabotage(
        "lines are released when a POST runs out of time",
        (
            Edit(
                f"{DELIVERY}/answer_table.py",
                'passed after the request had begun", OutcomeKind.UNCERTAIN',
                'passed after the request had begun", OutcomeKind.NOT_DELIVERED',
            ),
        ),
        f"{DELIVERY_TESTS}/test_responses.py"
        "::test_a_failure_is_uncertain_only_once_the_request_had_begun",
    ),
    Sabotage(
        "a success without a receipt is an acceptance",
        (
            Edit(
                f"{DELIVERY}/answer_body.py",
                "    if receipt is None:\n        return AnswerCase.NO_RECEIPT\n",
                "",
            ),
        ),
        f"{DELIVERY_TESTS}/test_acceptance.py"
        "::test_what_proves_no_acceptance_leaves_it_to_a_person",
    ),
    Sabotage(
        "a failure inside a success is not read",
        (
            Edit(
                f"{DELIVERY}/answer_body.py",
                "    if says_failure(",
                "    if False and says_failure(",
            ),
        ),
        f"{DELIVERY_TESTS}/test_acceptance.py"
        "::test_what_proves_no_acceptance_leaves_it_to_a_person",
    ),
    Sabotage(
        "lines are released when Track redirects",
        (
            Edit(
                f"{DELIVERY}/answer_table.py",
                'was carried out)",\n        OutcomeKind.UNCERTAIN,',
                'was carried out)",\n        OutcomeKind.MISCONFIGURED,',
            ),
        ),
        f"{DELIVERY_TESTS}/test_responses.py"
        "::test_without_success_the_status_decides_whatever_the_body",
    ),
    Sabotage(
        "a redirect is followed",
        (Edit(f"{DELIVERY}/transport.py", "self._adapter.send(", "self._session.send("),),
        f"{DELIVERY_TESTS}/test_transport_connections.py::test_a_redirect_is_an_answer_and_never_followed",
    ),
    Sabotage(
        "a connection is left open after its exchange",
        (
            Edit(
                f"{DELIVERY}/transport.py",
                "            self._connection.close()\n",
                "            pass\n",
            ),
            Edit(
                f"{DELIVERY}/transport.py",
                "self._twin.shutdown(socket.SHUT_RDWR)\n            self._twin.close()",
                "pass\n            self._twin.close()",
            ),
        ),
        f"{DELIVERY_TESTS}/test_transport_connections.py"
        "::test_the_connection_is_closed_by_us_whatever_came_of_it",
    ),
    Sabotage(
        "no question after a doubt",
        (
            Edit(
                f"{DELIVERY}/dispatch.py",
                "if claim.tally.uncertain:\n            self._proven = False",
                "if claim.tally.uncertain:\n            self._proven = True",
            ),
        ),
        f"{DELIVERY_TESTS}/test_uncertain_posts.py::test_the_rest_goes_on_after_another_question",
    ),
    Sabotage(
        "a second doubt stops nothing",
        (Edit(f"{DELIVERY}/dispatch.py", "MAX_UNCERTAIN_POSTS = 2", "MAX_UNCERTAIN_POSTS = 99"),),
        f"{DELIVERY_TESTS}/test_uncertain_posts.py"
        "::test_a_second_unknown_outcome_ends_the_dispatch_whatever_the_unit",
    ),
    Sabotage(
        "what was read ahead is claimed after a refusal, too",
        (Edit(f"{DELIVERY}/dispatch.py", " and is_plain(outcome)", ""),),
        f"{DELIVERY_TESTS}/test_batch_isolation.py"
        "::test_the_envelopes_behind_a_refused_one_go_out_after_it",
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
    wanted = sys.argv[1:]
    chosen = [one for one in SABOTAGES if not wanted or any(text in one.name for text in wanted)]
    with tree() as copy:
        result = run_tests(copy, sorted({sabotage.test for sabotage in chosen}))
    if result.code != 0:
        out.write(f"{result.output}\nred without any sabotage: nothing is proven\n")
        return 1
    unnoticed = 0
    for number, sabotage in enumerate(chosen, start=1):
        with tree() as copy:
            for edit in sabotage.edits:
                edit.apply(copy)
            result = run_tests(copy, [sabotage.test])
        unnoticed += not result.is_red
        noticed = result.failed[0] if result.is_red else f"NOT NOTICED\n{result.output}"
        out.write(f"{number}. {sabotage.name}: {noticed}\n")
        out.flush()
    note("sabotage", sabotages=len(chosen), noticed=len(chosen) - unnoticed)
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
