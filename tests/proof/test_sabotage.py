"""The sabotages stay possible: each text that they replace stands once in its file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.proof.sabotage import ROOT, SABOTAGES, Edit, Sabotage


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda sabotage: sabotage.name)
def test_what_a_sabotage_takes_away_is_there(sabotage: Sabotage, tmp_path: Path) -> None:
    for edit in sabotage.edits:
        copy = tmp_path / edit.path
        copy.parent.mkdir(parents=True, exist_ok=True)
        if not copy.exists():  # two edits may change one file
            copy.write_bytes((ROOT / edit.path).read_bytes())

        edit.apply(tmp_path)

        assert edit.new in copy.read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ["", "old old"])
def test_a_sabotage_whose_text_stands_there_not_once_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "file.py").write_text(text, encoding="utf-8")

    with pytest.raises(LookupError, match="not once"):
        Edit("file.py", "old", "new").apply(tmp_path)


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda sabotage: sabotage.name)
def test_the_test_that_shall_notice_is_there(sabotage: Sabotage) -> None:
    path, _, name = sabotage.test.partition("::")

    assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8")
