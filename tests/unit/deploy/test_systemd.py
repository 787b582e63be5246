"""deploy/systemd/, read: no test machine has systemd as its first process."""

from __future__ import annotations

import configparser
import re
import subprocess
from pathlib import Path

import pytest

from demo.world import ROOT
from tests.debian import skip_without
from track_dispatch.config import load_hospital

FOLDER = ROOT / "deploy/systemd"
UNIT = "airflow@.service"
PAGE = (ROOT / "docs/going-live.md").read_text(encoding="utf-8")


@pytest.fixture
def unit() -> configparser.ConfigParser:
    read = configparser.ConfigParser(interpolation=None)
    read.optionxform = str  # type: ignore[assignment,method-assign]
    read.read_string((FOLDER / UNIT).read_text(encoding="utf-8"))
    return read


def test_a_part_that_is_stopped_may_finish_its_post(unit: configparser.ConfigParser) -> None:
    post = load_hospital("HMS").post_deadline_seconds

    assert int(unit["Service"]["TimeoutStopSec"]) >= 2 * post  # and the writing of its answer
    assert unit["Service"]["KillMode"] == "mixed"  # only the scheduler is told to end


def test_it_is_nobody_special_and_leaves_no_memory_behind(
    unit: configparser.ConfigParser,
) -> None:
    assert unit["Service"]["User"] == "airflow"
    assert unit["Service"]["LimitCORE"] == "0"
    assert unit["Service"]["UMask"] == "0077"


def test_the_page_puts_it_where_it_looks_for_its_settings(
    unit: configparser.ConfigParser,
) -> None:
    assert f"airflow.env.example {unit['Service']['EnvironmentFile']}\n" in PAGE
    assert f"deploy/systemd/{UNIT} /etc/systemd/system/" in PAGE


def test_every_secret_of_the_example_says_that_it_is_to_be_replaced() -> None:
    text = (FOLDER / "airflow.env.example").read_text(encoding="utf-8")
    secret = re.findall(r"(?m)^(\w*(?:KEY|SECRET|SQL_ALCHEMY_CONN))=(.*)$", text)

    assert len(secret) == 4
    assert [name for name, value in secret if "demo-only" not in value] == []


def test_systemd_understands_it(tmp_path: Path) -> None:
    skip_without("systemd-analyze")
    text = (FOLDER / UNIT).read_text(encoding="utf-8")
    here = re.sub("(?m)^ExecStart=.*$", "ExecStart=/bin/true %i", text)
    started = tmp_path / UNIT.replace("@", "@scheduler")
    started.write_text(here, encoding="utf-8")

    done = subprocess.run(
        ["systemd-analyze", "verify", str(started)], check=False, capture_output=True, text=True
    )

    assert (done.returncode, done.stderr) == (0, "")
