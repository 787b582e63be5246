"""What an analyst reads last in a log: our own short lines, and no traceback after them."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from stand_ins.track_api import faults
from tests.e2e.hms_patients import plant
from track_dispatch.records import Area

if TYPE_CHECKING:
    import pytest

    from tests.airflow_world import AirflowWorld

DAY = date(2026, 3, 10)
MORNING = datetime(2026, 3, 11, 12, 15, tzinfo=UTC)


def last_words(caplog: pytest.LogCaptureFixture, dag_file: str) -> list[tuple[int, str]]:
    """Return level and text of what a DAG file's tasks say, from the first word of colour on."""
    said = [
        (one.levelno, one.getMessage()) for one in caplog.records if one.name.endswith(dag_file)
    ]
    colours = ("VERMELHO: ", "VERDE: ", "ATENÇÃO: ")
    first = next(number for number, (_, text) in enumerate(said) if text.startswith(colours))
    return said[first:]


def test_a_red_report_ends_with_a_line_for_each_problem(
    world: AirflowWorld, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Airflow follows any other exception with its traceback, which would be read instead."""
    plant(world.erp(), DAY, 3)
    plant(world.erp(), DAY, area=Area.EXAMES)
    world.track.script(faults.answer(500))
    world.track.reject(lambda _: True)
    run = world.run_day("HMS", DAY, before="report")
    capsys.readouterr()

    run = world.go_on(run)

    airflows = capsys.readouterr().out
    assert run.state == "failed"
    assert last_words(caplog, "hospital_surveys") == [
        (logging.ERROR, "VERMELHO: 1 linha em dúvida: confira no Track e decida com track_decide"),
        (
            logging.ERROR,
            "VERMELHO: 3 linhas prontas não foram enviadas: limpe dispatch (Enviar ao Track)",
        ),
        (
            logging.ERROR,
            (
                "VERMELHO: PRONTO SOCORRO GERAL · e-mail: o envio falhou em definitivo, 3 linhas"
                " não saíram: veja o log de dispatch"
            ),
        ),
    ]
    assert "Task exited" in airflows
    assert "Traceback" not in airflows


def test_a_red_morning_ends_with_its_colour(
    world: AirflowWorld, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    plant(world.erp(), DAY, 3)
    world.track.script(faults.answer(500))
    world.run_day("HMS", DAY)
    capsys.readouterr()

    run = world.run("track_morning", run_after=MORNING)

    airflows = capsys.readouterr().out
    words = last_words(caplog, "operations")
    assert run.state == "failed"
    assert words[-1] == (logging.ERROR, "VERMELHO: há o que fazer (1): veja o começo deste log")
    assert "Task exited" in airflows
    assert "Traceback" not in airflows
