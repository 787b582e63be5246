"""`sql`: the queries for the DBA's tool, and the linter over all of them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from track_dispatch.cli import app
from track_dispatch.config import load_hospital, load_hospitals
from track_dispatch.errors import ConfigError
from track_dispatch.extraction.query import render
from track_dispatch.pipeline import business_day

if TYPE_CHECKING:
    from click.testing import Result


def sql(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["sql", *arguments])


def test_a_query_is_printed_with_its_binds() -> None:
    done = sql("hms", "--day", "2026-11-20")

    assert done.stdout == (
        f"{render(load_hospital('HMS'))}\n;\n"
        "-- :day_start  date  2026-11-20 00:00:00\n"
        "-- :day_end    date  2026-11-21 00:00:00\n"
    )


def test_the_day_is_yesterday_at_the_hospital() -> None:
    def yesterday() -> str:
        return str(business_day(timezone="America/Cuiaba", run_after=datetime.now(UTC)))

    before = yesterday()
    printed = sql("HSMC").stdout

    assert printed.splitlines()[-2].split()[-2] in {before, yesterday()}


def test_the_day_can_be_written_into_the_query() -> None:
    done = sql("ENCORE", "--literals", "--day", "2026-11-20")

    assert "admission.dt_entrada >= date '2026-11-20' - 1" in done.stdout
    assert done.stdout.endswith("\n;\n")


def test_all_queries_are_printed_one_after_the_other() -> None:
    printed = sql("--all", "--day", "2026-11-20").stdout

    assert printed.count("-- :day_start  date  2026-11-20") == len(load_hospitals())


def test_every_hospital_s_query_passes_the_linter() -> None:
    done = sql("--all", "--check")

    assert (done.stdout.splitlines(), done.exit_code) == (
        [f"{entry.code}: ok" for entry in load_hospitals()],
        0,
    )


def test_findings_name_file_line_and_column_among_the_good(
    include: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACK_INCLUDE_DIR", str(include))
    file = include / "sql" / "tasy" / "hsmc.sql"
    spoilt = file.read_text(encoding="utf-8").replace("= 3", "= 3 and a.dt_alta < sysdate")
    file.write_text(spoilt, encoding="utf-8")
    number, column = next(
        (number, line.index("sysdate") + 1)
        for number, line in enumerate(sql("HSMC").stdout.splitlines(), start=1)
        if "sysdate" in line
    )

    done = sql("--all", "--check")

    lines = done.stdout.splitlines()
    assert (lines[0], lines[-1], done.exit_code) == ("HMS: ok", "OTOA: ok", 1)
    assert lines[1].startswith(f"HSMC: sql/tasy/hsmc.sql:{number}:{column}: ")


def test_the_form_of_the_examples_is_looked_at(
    include: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACK_INCLUDE_DIR", str(include))
    file = include / "sql" / "tasy" / "hsmc.examples.yaml"
    spoilt = file.read_text(encoding="utf-8").replace("cd_motivo_alta: 1\n", "cd_motivo: 1\n")
    file.write_text(spoilt, encoding="utf-8")

    done = sql("HSMC", "--check")

    told = 'comum: the query does not read cd_motivo (did you mean "cd_motivo_alta"?)'
    assert done.stdout == f"HSMC: sql/tasy/hsmc.examples.yaml: {told}\n"
    assert done.exit_code == 1


def test_a_template_that_cannot_be_rendered_is_a_finding(
    include: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACK_INCLUDE_DIR", str(include))
    (include / "sql" / "mv" / "oto.sql").write_text("{% set %}", encoding="utf-8")

    done = sql("--all", "--check")

    assert "mv/oto.sql, line 1" in done.stdout.splitlines()[-1]
    assert done.exit_code == 1


def test_a_list_of_tables_that_cannot_be_read_is_a_finding(
    include: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACK_INCLUDE_DIR", str(include))
    (include / "sql" / "tables.yaml").write_text("leito: {key: [cd_leito]}", encoding="utf-8")

    done = sql("HMS", "--check")

    assert done.stdout == "sql/tables.yaml: leito must have `key` and `columns`, and no more\n"
    assert done.exit_code == 1


def test_a_broken_file_is_a_finding(broken_include: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACK_INCLUDE_DIR", str(broken_include))

    done = sql("--all", "--check")

    assert 'did you mean "channels"' in done.stdout
    assert done.exit_code == 1


def test_one_hospital_can_be_checked_alone() -> None:
    assert sql("OTOS", "--check").stdout == "OTOS: ok\n"


def test_an_unknown_hospital_is_named_with_the_nearest() -> None:
    error = sql("HSMD").exception

    assert isinstance(error, ConfigError)
    assert 'did you mean "HSMC"' in str(error)


@pytest.mark.parametrize("arguments", [(), ("HMS", "--all"), ("HMS", "--day", "20.11.2026")])
def test_wrong_usage_of_sql_exits_with_2(arguments: tuple[str, ...]) -> None:
    assert sql(*arguments).exit_code == 2
