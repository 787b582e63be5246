"""Rules that no file breaks alone: codes, companies and connections of several hospitals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from track_dispatch.config import Hospital, load_hospitals

if TYPE_CHECKING:
    Write = Callable[..., Path]
    Broken = Callable[[], dict[str, str]]


@pytest.mark.parametrize("name", ["hms_old.yaml", "hms.yml", "HMS.yaml"])
def test_a_second_file_with_a_code_is_broken_and_the_right_one_lives(
    write: Write, include: Path, name: str
) -> None:
    write(name)
    by_dag = {entry.dag_id: entry for entry in load_hospitals(include)}

    assert len(by_dag) == 2
    assert isinstance(by_dag.pop("track_hms"), Hospital)
    assert f"hospitals/{name}: code: " in by_dag.popitem()[1].message  # type: ignore[union-attr]


def test_a_second_file_with_a_code_is_told_of_the_first(write: Write, broken: Broken) -> None:
    write("hms_old.yaml")

    assert broken() == {
        "HMS_OLD": 'hospitals/hms_old.yaml: code: "HMS" belongs into hospitals/hms.yaml;'
        " hospitals/hms.yaml is there: two files with one code"
    }


@pytest.mark.parametrize("code", ["a/b", "", "\0"])
def test_a_code_that_is_no_file_name_is_told(write: Write, broken: Broken, code: str) -> None:
    write(code=code)

    assert "hospitals/hms.yaml: code: " in broken()["HMS"]


def test_a_company_of_two_hospitals_breaks_both(write: Write, broken: Broken) -> None:
    write(companies=[1, 2, 3])
    write("hpc.yaml", code="HPC", companies=[3, 4])

    assert broken() == {
        "HMS": "hospitals/hms.yaml: companies: 3 of the source hms is also listed"
        " in hospitals/hpc.yaml",
        "HPC": "hospitals/hpc.yaml: companies: 3 of the source hms is also listed"
        " in hospitals/hms.yaml",
    }


def test_the_same_number_in_another_source_is_another_company(write: Write, broken: Broken) -> None:
    write(companies=[1])
    write("hpc.yaml", code="HPC", companies=[1], source="hpc", oracle_conn_id="oracle_hpc")

    assert broken() == {}


def test_a_source_reached_by_two_connections_breaks_both(write: Write, broken: Broken) -> None:
    write()
    write("hpc.yaml", code="HPC", oracle_conn_id="oracle_hpc")

    assert broken() == {
        "HMS": "hospitals/hms.yaml: oracle_conn_id: oracle_hms, but the source hms is reached by"
        " oracle_hpc in hospitals/hpc.yaml",
        "HPC": "hospitals/hpc.yaml: oracle_conn_id: oracle_hpc, but the source hms is reached by"
        " oracle_hms in hospitals/hms.yaml",
    }


def test_a_conflict_leaves_the_hospitals_beside_it_alone(write: Write, include: Path) -> None:
    write(companies=[1])
    write("hpc.yaml", code="HPC", companies=[1])
    write("hsf.yaml", code="HSF", source="hsf", oracle_conn_id="oracle_hsf")

    assert [e.code for e in load_hospitals(include) if isinstance(e, Hospital)] == ["HSF"]


def test_each_file_gives_one_entry_and_hidden_files_none(write: Write, include: Path) -> None:
    write("hpc.yaml", code="HPC", source="hpc", oracle_conn_id="oracle_hpc")
    (include / "hospitals" / "notes.txt").write_text("none", encoding="utf-8")
    (include / "hospitals" / "._hms.yaml").write_text("none", encoding="utf-8")
    (include / "hospitals" / "zz.yaml").write_text("none", encoding="utf-8")

    assert [entry.code for entry in load_hospitals(include)] == ["HMS", "HPC", "ZZ"]
