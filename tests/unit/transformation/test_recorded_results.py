"""What the rules made of many rows when it was recorded, they make of them still."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from stand_ins.erp_data import SOURCES
from tests.unit.transformation.recording import (
    BLOCKS,
    RECORDED,
    block_case,
    demo_cases,
    input_digest,
    result_digests,
    row_by_row,
)

if TYPE_CHECKING:
    from tests.unit.transformation.recording import RecordedRows

_VOID = (
    "{}: rows or settings are others than those that were recorded, so the results cannot be"
    " compared. Put the change of the rows or settings into a commit of its own, and record anew"
    " in it: python -m tests.unit.transformation.recording"
)


def _compare(case: RecordedRows) -> None:
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))[case.name]

    assert input_digest(case) == recorded.pop("input"), _VOID.format(case.name)
    assert result_digests(case) == recorded, case.name


@pytest.mark.parametrize("block", BLOCKS)
def test_dirty_rows_give_the_recorded_results(block: int) -> None:
    _compare(block_case(block))


@pytest.mark.parametrize("block", BLOCKS[::12])
def test_rows_evaluated_one_by_one_give_what_chunks_give(block: int) -> None:
    case = block_case(block)

    assert result_digests(case, row_by_row) == result_digests(case)


@pytest.mark.parametrize("source", SOURCES)
def test_the_demos_hospitals_give_the_recorded_results(source: str) -> None:
    for case in demo_cases(source):
        _compare(case)
