"""One broken file takes away its own DAG and no other, and says so in the UI."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from airflow.serialization.serialized_objects import DagSerialization

from demo.run import dag_bag
from demo.world import practice_include
from track_dispatch.errors import ConfigError

if TYPE_CHECKING:
    from airflow.sdk import DAG


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, DAG]:
    """Parse the DAGs with a slip of the pen in HMS's file."""
    include = practice_include(tmp_path / "include")
    monkeypatch.setenv("TRACK_INCLUDE_DIR", str(include))
    file = include / "hospitals" / "hms.yaml"
    text = file.read_text(encoding="utf-8")
    assert text.count("timezone:") == 1
    file.write_text(text.replace("timezone:", "timezome:"), encoding="utf-8")
    bag = dag_bag()
    assert bag.import_errors == {}
    return dict(bag.dags)


def test_a_broken_file_keeps_its_dag_under_the_same_name(
    broken: Mapping[str, DAG], dags: Mapping[str, DAG]
) -> None:
    assert set(broken) == set(dags)
    assert broken["track_hms"].tags == {"pesquisa", "config-error"}
    assert broken["track_hms"].dag_display_name == "HMS · configuração com erro"


def test_the_other_hospitals_are_as_they_were(
    broken: Mapping[str, DAG], dags: Mapping[str, DAG]
) -> None:
    others = set(dags) - {"track_hms"}

    assert {dag_id: broken[dag_id].task_ids for dag_id in others} == {
        dag_id: dags[dag_id].task_ids for dag_id in others
    }


def test_its_one_task_fails_with_what_is_wrong_in_the_file(broken: Mapping[str, DAG]) -> None:
    (task,) = broken["track_hms"].tasks

    with pytest.raises(ConfigError, match=r"hospitals/hms\.yaml: timezome"):
        task.execute({})


def test_its_page_shows_the_message_too(broken: Mapping[str, DAG]) -> None:
    assert 'did you mean "timezone"?' in str(broken["track_hms"].doc_md)


def test_airflow_can_store_it(broken: Mapping[str, DAG]) -> None:
    assert DagSerialization.to_dict(broken["track_hms"])["dag"]["dag_id"] == "track_hms"


def test_files_in_conflict_are_named_where_the_operations_are_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    include = practice_include(tmp_path / "include")
    monkeypatch.setenv("TRACK_INCLUDE_DIR", str(include))
    before = dag_bag().dags["track_morning"].doc_md
    file = include / "hospitals" / "hst.yaml"
    text = file.read_text(encoding="utf-8")
    assert text.count("companies: [81]") == 1
    file.write_text(text.replace("companies: [81]", "companies: [71, 81]"), encoding="utf-8")

    bag = dag_bag()

    told = "hospitals/hst.yaml: companies: 71 of the source hpm_hst is also listed"
    assert bag.import_errors == {}
    assert told not in str(before)
    assert told in str(bag.dags["track_morning"].doc_md)


def test_without_an_include_folder_a_person_can_still_decide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACK_INCLUDE_DIR", str(tmp_path / "nowhere"))

    bag = dag_bag()

    assert set(bag.dags) == {
        "track_morning",
        "track_decide",
        "track_doctor",
        "track_housekeeping",
    }
    assert "set TRACK_INCLUDE_DIR" in str(bag.dags["track_morning"].doc_md)
