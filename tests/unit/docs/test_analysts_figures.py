"""The figures on the analyst's page are those of the shipped settings, the board and the DAGs."""

from __future__ import annotations

import re

import pytest
import yaml

from docs.make_docs import ROOT
from track_dispatch.board.facts import DAYS, TREND_DAYS

PAGE = (ROOT / "docs/operacao.md").read_text(encoding="utf-8")
DAGS = (ROOT / "dags/operations.py").read_text(encoding="utf-8")


def test_when_a_day_is_held_and_how_long_the_question_waits() -> None:
    gate = yaml.safe_load((ROOT / "include/defaults.yaml").read_text("utf-8"))["volume_gate"]
    low, high = (f"{gate[factor]:g}".replace(".", ",") for factor in ("low", "high"))

    assert f"menos de {low} ou mais de {high} vezes a mediana" in PAGE
    assert f"a pelo menos {gate['min_lines']} linhas dela" in PAGE
    assert f"sem resposta em {gate['timeout_hours']} horas" in PAGE


def test_how_many_days_the_board_shows() -> None:
    assert f"**Os últimos {DAYS} dias**" in PAGE
    assert f"*Tendências* mostra {TREND_DAYS} dias" in PAGE


@pytest.mark.parametrize("dag_id", ["track_morning", "track_housekeeping"])
def test_at_what_hour_a_dag_of_operation_runs(dag_id: str) -> None:
    cron = re.search(rf'dag_id="{dag_id}".*?Timetable\("(\d+) (\d+) \* \* \*"', DAGS, re.DOTALL)
    assert cron is not None
    minute, hour = cron.groups()

    at = f"às {hour}h" + (minute if minute != "0" else "")
    assert re.search(rf"\(`{dag_id}`\)[^.]*\b{at}\b", PAGE)
