"""Rules that no file breaks alone: codes, companies and connections of several hospitals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from track_dispatch.config import (
    BrokenHospital,
    Hospital,
    all_conflicts,
    check_conflicts,
    load_hospital,
    load_hospitals,
    load_shard,
)
from track_dispatch.errors import ConfigError

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
    write(companies=[1])
    write("hpc.yaml", code="HPC", companies=[2], oracle_conn_id="oracle_hpc")

    assert broken() == {
        "HMS": "hospitals/hms.yaml: oracle_conn_id: oracle_hms, but the source hms is reached by"
        " oracle_hpc in hospitals/hpc.yaml",
        "HPC": "hospitals/hpc.yaml: oracle_conn_id: oracle_hpc, but the source hms is reached by"
        " oracle_hms in hospitals/hms.yaml",
    }


SURVEY = "5a0c0f0e-0000-4000-8000-000000000001"
HSF = {"source": "hsf", "oracle_conn_id": "oracle_hsf"}


@pytest.mark.parametrize(
    ("mine", "others", "told"),
    [
        (
            {"surveys": {"exames": SURVEY}},
            HSF | {"surveys": {"internacao": SURVEY.replace("-", "").upper()}},
            f"surveys.exames: {SURVEY} is also a survey in hospitals/hpc.yaml",
        ),
        (
            {"companies": None},
            {"companies": None},
            "companies: lists none, but the source hms is also used in hospitals/hpc.yaml",
        ),
        (
            {"companies": []},
            {"companies": [1]},
            "companies: lists none, but the source hms is also used in hospitals/hpc.yaml",
        ),
        (
            {"companies": [1]},
            {"companies": None},
            "companies: the whole source hms is also taken in hospitals/hpc.yaml",
        ),
        (
            {"companies": [1]},
            {"companies": [2], "source": "hsf"},
            "source: hms, but oracle_hms reaches the source hsf in hospitals/hpc.yaml",
        ),
        (
            {"companies": [1]},
            {"companies": [1], "timezome": "a slip of the pen in the other file"},
            "companies: 1 of the source hms is also listed in hospitals/hpc.yaml",
        ),
    ],
    ids=[
        "one survey, written twice",
        "one source, nobody's company",
        "all companies beside one",
        "one company beside all",
        "one connection, two sources",
        "a file that is broken anyway",
    ],
)
def test_what_two_hospitals_claim_stops_both(
    write: Write,
    broken: Broken,
    include: Path,
    mine: dict[str, Any],
    others: dict[str, Any],
    told: str,
) -> None:
    write(**mine)
    write("hpc.yaml", code="HPC", **others)

    assert broken()["HMS"] == f"hospitals/hms.yaml: {told}"
    assert "HPC" in broken()
    with pytest.raises(ConfigError, match=r"hospitals/hms\.yaml: "):
        check_conflicts("HMS", include)


def test_nobody_is_in_conflict_with_a_file_that_no_hospital_uses(
    write: Write, include: Path
) -> None:
    write("hms_old.yaml")
    write("hpc.yaml", code="HPC", source=["no", "text"], companies="1", surveys=[])
    (include / "hospitals" / "zz.yaml").write_text("code: [", encoding="utf-8")

    assert all_conflicts(include) == {}


def test_what_many_hospitals_claim_names_some_of_them(write: Write, include: Path) -> None:
    """Else five hundred copies of one file made a quarter of a million lines."""
    for number in range(6):
        write(f"h{number}.yaml", code=f"H{number}", surveys={"exames": SURVEY}, companies=[number])

    told = all_conflicts(include)["H0"][0]

    assert told == (
        f"hospitals/h0.yaml: surveys.exames: {SURVEY} is also a survey in hospitals/h1.yaml,"
        " hospitals/h2.yaml, hospitals/h3.yaml, ..."
    )


def test_one_hospital_is_loaded_by_its_own_file_alone(write: Write, include: Path) -> None:
    write(companies=[1])
    write("hpc.yaml", code="HPC", companies=[1])

    assert isinstance(load_hospitals(include)[0], BrokenHospital)
    assert load_hospital("hms", include).code == "HMS"


def test_the_shards_deal_out_every_file_once(write: Write, include: Path) -> None:
    codes = {"HMS", *(f"H{number}" for number in range(20))}
    for code in codes - {"HMS"}:
        write(f"{code.lower()}.yaml", code=code)
    write("h0.yaml", code="H0", timezome="a slip of the pen")

    shards = [load_shard(number, of=4, include=include) for number in range(1, 5)]

    assert sorted(entry.code for shard in shards for entry in shard) == sorted(codes)
    assert min(map(len, shards)) > 0


def test_a_new_file_moves_no_hospital_to_another_shard(write: Write, include: Path) -> None:
    alone = [entry.code for entry in load_shard(1, of=2, include=include)]
    write("aaa.yaml", code="AAA")
    write("hpc.yaml", code="HPC")
    beside = [entry.code for entry in load_shard(1, of=2, include=include)]

    assert ("HMS" in alone) == ("HMS" in beside)


@pytest.mark.parametrize(
    ("dag_id", "codes"),
    [("track_hms", ["HMS"]), ("track_h0.yml", ["H0.YML"]), ("track_hpc", []), (None, None)],
)
def test_of_a_shard_the_one_dag_that_is_asked_for_is_loaded(
    write: Write, include: Path, dag_id: str | None, codes: list[str] | None
) -> None:
    write("h0.yml", code="H0")

    found = [entry.code for entry in load_shard(1, of=1, dag_id=dag_id, include=include)]

    assert found == (["H0.YML", "HMS"] if codes is None else codes)


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
