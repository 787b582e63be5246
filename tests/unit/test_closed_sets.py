"""Closed sets hold no member that nothing gives: a reason without a rule, a state never entered."""

from __future__ import annotations

import ast
import importlib
from enum import Enum
from pathlib import Path

import pytest

import track_dispatch

PACKAGE = Path(track_dispatch.__file__).parent
DAGS = PACKAGE.parents[1] / "dags"
TREES = {
    path: ast.parse(path.read_text(encoding="utf-8"))
    for folder in (PACKAGE, DAGS)
    for path in folder.rglob("*.py")
}
#: Members are found by what they carry, e.g. a status, or read by value, of a file, a connection,
#: an ERP's row or a run's Param: the code needs no name for each.
READ_BY_VALUE = {"AlertFormat", "AnswerCase", "Area", "Identifier", "Mode"}


def closed_sets() -> list[type[Enum]]:
    """Return every enum of the package that the code picks members of."""
    found: list[type[Enum]] = []
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            bases = {ast.unparse(base) for base in getattr(node, "bases", [])}
            if isinstance(node, ast.ClassDef) and bases & {"StrEnum", "Labelled"}:
                module = path.relative_to(PACKAGE.parent).with_suffix("")
                found.append(getattr(importlib.import_module(".".join(module.parts)), node.name))
    return [closed for closed in found if closed.__name__ not in READ_BY_VALUE]


def named() -> set[tuple[str, str]]:
    """Return each class and member that the code names, as `Reason.DEATH` does."""
    found: set[tuple[str, str]] = set()
    for tree in TREES.values():
        nodes = [*ast.walk(tree)]
        short = {
            target.id: node.value.id
            for node in nodes
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        found |= {
            (short.get(node.value.id, node.value.id), node.attr)
            for node in nodes
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        }
    return found


NAMED = named()


@pytest.mark.parametrize("closed", closed_sets(), ids=lambda closed: closed.__name__)
def test_every_member_is_given_somewhere(closed: type[Enum]) -> None:
    assert [member for member in closed if (closed.__name__, member.name) not in NAMED] == []
