"""A member of a closed set is named where it is defined and where it means something.

The pages below docs/how-to promise how few places an everyday change touches: a second table of
columns, reasons or channels somewhere would break the promise, and one of these tests.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import track_dispatch
from track_dispatch.config import include_dir
from track_dispatch.config.loading import hospital_files
from track_dispatch.delivery.answer_table import AnswerCase
from track_dispatch.records import COLUMNS, Channel
from track_dispatch.states import Reason

PACKAGE = Path(track_dispatch.__file__).parent
MODULES = {
    path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
    for path in PACKAGE.rglob("*.py")
}
#: Columns that say who, where and what for: rules and contacts read them.
READ_COLUMNS = {
    *("ID_Cliente_Hfocus", "cd_atendimento", "name", "email", "phone", "cpf", "medico"),
    *("area_pesquisa", "unidade", "setor"),
}
#: Reasons that more than one row's own contents give, or that more follows from than a count.
FAR_REASONS = {
    *(Reason.BEFORE_GO_LIVE, Reason.UNKNOWN_AREA, Reason.TOO_OLD, Reason.NO_SURVEY),
    *(Reason.UNREADABLE, Reason.OPT_OUT, Reason.SAME_PERSON, Reason.CONTACT_CAP),
    *(Reason.SAME_CONTACT, Reason.GONE, Reason.EXPIRED),
}

#: A question that is redirected is asked at the wrong place; and what no row foresees.
FAR_ANSWERS = {AnswerCase.REDIRECTED, AnswerCase.UNFORESEEN}


def words(tree: ast.AST) -> Iterator[str]:
    """Return the texts of a module, and what it names of a class, as `Reason.DEATH`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}"


def places(*names: str) -> set[str]:
    """Return the modules that name a thing in one of these ways."""
    return {path for path, tree in MODULES.items() if {*names} & {*words(tree)}}


@pytest.mark.parametrize("column", [name for name in COLUMNS if name not in READ_COLUMNS])
def test_a_column_that_only_travels_is_one_line_of_python(column: str) -> None:
    assert places(column) == {"records.py"}


@pytest.mark.parametrize("reason", [one for one in Reason if one not in FAR_REASONS])
def test_a_reason_of_a_row_is_a_member_and_its_rule(reason: Reason) -> None:
    assert places(reason, f"Reason.{reason.name}") == {"states.py", "transformation/rules.py"}


@pytest.mark.parametrize("channel", Channel)
def test_a_channel_is_its_member_its_templates_and_what_lists_call_it(channel: Channel) -> None:
    assert places(f"Channel.{channel.name}") == {"cli/typed_identities.py"}


@pytest.mark.parametrize("case", [case for case in AnswerCase if case not in FAR_ANSWERS])
def test_an_answer_is_its_row_and_a_success_what_its_body_proves(case: AnswerCase) -> None:
    read = set() if case.statuses else {"delivery/answer_body.py"}
    assert places(f"AnswerCase.{case.name}") == read


@pytest.mark.parametrize("code", [path.stem for path in hospital_files(include_dir())])
def test_a_rule_of_a_hospital_is_not_in_the_code(code: str) -> None:
    found = {path.split("/")[0] for path in places(code, code.upper())}
    assert found <= {"cli", "config"}  # which name one as an example
