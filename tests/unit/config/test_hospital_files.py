"""The shipped files load, and give what the rest of the house asks of a hospital."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml

from track_dispatch.config import (
    Hospital,
    VolumeGate,
    demo_survey_uuid,
    include_dir,
    load_hospital,
    load_hospitals,
)
from track_dispatch.config.hospital import Surveys
from track_dispatch.errors import ConfigError
from track_dispatch.records import Area, Channel

PROJECT = Path(__file__).parents[3]
SHIPPED_FILES = sorted((PROJECT / "include" / "hospitals").glob("*.yaml"))


@pytest.mark.parametrize("path", SHIPPED_FILES, ids=lambda path: path.stem)
def test_every_shipped_file_is_a_hospital(path: Path) -> None:
    assert isinstance(load_hospital(path.stem), Hospital)


@pytest.mark.parametrize("path", SHIPPED_FILES, ids=lambda path: path.stem)
def test_the_first_line_of_a_file_leads_editors_to_the_schema(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]

    assert first == "# yaml-language-server: $schema=../hospitals.schema.json"


@pytest.mark.parametrize("path", SHIPPED_FILES, ids=lambda path: path.stem)
def test_shipped_surveys_are_recognisable_as_the_demos(path: Path) -> None:
    hospital = load_hospital(path.stem)
    surveys = {area: hospital.survey(area) for area in Area if hospital.survey(area)}

    assert surveys == {area: demo_survey_uuid(hospital.code, area) for area in surveys}


@pytest.mark.parametrize("path", SHIPPED_FILES, ids=lambda path: path.stem)
def test_shipped_files_carry_the_shipped_first_day(path: Path) -> None:
    assert load_hospital(path.stem).first_business_day == date(2024, 1, 1)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("HMS", ("Meridional Serra", "mv", "hms", "oracle_hms", "America/Sao_Paulo", "mv/hms.sql")),
        (
            "OTOA",
            (
                "Hospital Oto Aldeota",
                "mv",
                "oto_ing",
                "oracle_oto_ing",
                "America/Fortaleza",
                "mv/oto.sql",
            ),
        ),
        (
            "HSMC",
            (
                "Hospital Sao Mateus Cuiabá",
                "tasy",
                "hsmc",
                "oracle_hsmc",
                "America/Cuiaba",
                "tasy/hsmc.sql",
            ),
        ),
        (
            "HAC",
            (
                "Hospital São Francisco DF",
                "tasy",
                "hac",
                "oracle_hac",
                "America/Sao_Paulo",
                "tasy/hac.sql",
            ),
        ),
        (
            "HPM",
            (
                "Hospital Palmas Medical",
                "tasy",
                "hpm_hst",
                "oracle_hpm_hst",
                "America/Araguaina",
                "tasy/hpm_hst.sql",
            ),
        ),
        (
            "HST",
            (
                "Hospital Santa Thereza",
                "tasy",
                "hpm_hst",
                "oracle_hpm_hst",
                "America/Araguaina",
                "tasy/hpm_hst.sql",
            ),
        ),
        (
            "ENCORE",
            (None, "tasy", "encore", "oracle_encore", "America/Sao_Paulo", "tasy/encore.sql"),
        ),
    ],
)
def test_the_facts_of_a_hospital(code: str, expected: tuple[str, ...]) -> None:
    h = load_hospital(code)

    assert (h.unidade, h.erp, h.source, h.oracle_conn_id, h.timezone, h.sql) == expected


@pytest.mark.parametrize(
    ("code", "companies"),
    [
        ("OTOA", (1, 2, 3, 6, 7, 12, 13, 16, 26)),
        ("HPM", (1, 71)),
        ("HST", (81,)),
    ],
)
def test_a_shared_database_is_told_apart_by_companies(
    code: str, companies: tuple[int, ...]
) -> None:
    assert load_hospital(code).companies == companies


@pytest.mark.parametrize(
    ("code", "without"),
    [
        ("HMS", set()),
        ("OTOA", {Area.ONCOLOGIA}),
        ("HSMC", {Area.MATERNIDADE, Area.EXAMES}),
        ("HAC", {Area.ONCOLOGIA}),
        ("HPM", {Area.MATERNIDADE, Area.EXAMES}),
        ("HST", {Area.MATERNIDADE, Area.EXAMES}),
        ("ENCORE", {Area.MATERNIDADE, Area.ONCOLOGIA}),
    ],
)
def test_areas_without_a_survey(code: str, without: set[Area]) -> None:
    hospital = load_hospital(code)

    assert {area for area in Area if hospital.survey(area) is None} == without


def test_channels_keep_their_order_of_preference(write: Callable[..., Path], include: Path) -> None:
    write(channels=["whatsapp", "email"])

    assert load_hospital("HMS", include).channels == (Channel.WHATSAPP, Channel.EMAIL)


def test_the_erp_without_email_uses_whatsapp_only() -> None:
    assert load_hospital("HSMC").channels == (Channel.WHATSAPP,)


def test_a_template_set_is_resolved_by_its_name() -> None:
    hospital = load_hospital("HMS")
    written = yaml.safe_load((include_dir() / "defaults.yaml").read_text(encoding="utf-8"))

    assert hospital.template_set.model_dump(mode="json") == written["templates"]["hub_es"]


def test_names_that_follow_from_a_file() -> None:
    h = load_hospital("HSMC")

    assert (h.dag_id, h.pool, h.zone) == ("track_hsmc", "oracle_hsmc", ZoneInfo("America/Cuiaba"))


def test_a_lease_lasts_a_post_and_its_margin() -> None:
    assert load_hospital("HMS").lease_seconds == 60 + 300


def test_a_hospital_overrides_what_defaults_say(write: Callable[..., Path], include: Path) -> None:
    write(batch_size=7)
    hospital = load_hospital("HMS", include)

    assert (hospital.batch_size, hospital.validity_days) == (7, 15)


def test_a_code_may_be_written_in_small_letters() -> None:
    assert load_hospital("hms") == load_hospital("HMS")


def test_an_unknown_code_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r'no hospital "HSCM" \(did you mean "HSMC"\?\)'):
        load_hospital("HSCM")


def test_hospitals_come_sorted_by_code() -> None:
    codes = [entry.code for entry in load_hospitals()]

    assert codes == sorted(codes)


def test_another_include_folder_comes_from_the_environment(
    include: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACK_INCLUDE_DIR", str(include))

    assert [entry.code for entry in load_hospitals()] == ["HMS"]


def test_an_include_folder_without_hospitals_says_how_to_name_another(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="TRACK_INCLUDE_DIR"):
        load_hospitals(tmp_path)


def test_a_hospital_never_changes() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_hospital("HMS").batch_size = 1  # type: ignore[misc]


@pytest.mark.parametrize("written", ["off", "false", '"off"'])
def test_off_switches_the_volume_gate_off_in_either_spelling(include: Path, written: str) -> None:
    path = include / "defaults.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    del content["volume_gate"]
    text = yaml.safe_dump(content) + f"volume_gate: {written}\n"
    path.write_text(text, encoding="utf-8")

    assert load_hospital("HMS", include).volume_gate is None


def test_the_volume_gates_own_defaults_are_the_designed_ones() -> None:
    assert VolumeGate().model_dump() == {
        "low": 0.3,
        "high": 3,
        "min_lines": 30,
        "weeks": 8,
        "min_history_days": 4,
        "timeout_hours": 8,
    }


def test_every_area_has_its_key_under_surveys() -> None:
    assert set(Surveys.__annotations__) == {area.key for area in Area}


def test_reading_the_configuration_needs_no_airflow() -> None:
    code = (
        "import sys; from track_dispatch.config import load_hospitals; load_hospitals();"
        "import track_dispatch.pipeline;"
        "print('airflow' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(PROJECT / "plugins")},
    )

    assert done.stdout.strip() == "False"
