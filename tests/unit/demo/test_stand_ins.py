"""The stand-ins as docker-compose.yaml starts them, in a process of their own."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import oracledb
import psutil
import pytest
import requests

from demo import stand_ins
from demo.world import PASSWORD, ROOT, SERVICE, USER


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving(*arguments: str, module: str = "demo.stand_ins") -> Iterator[subprocess.Popen[str]]:
    """Start a service and wait for its first line."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT}"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    with process:
        try:
            assert re.search("listen(s|ing) on", process.stdout.readline())
            yield process
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()


def test_an_erp_answers_the_driver_on_the_port_it_was_given() -> None:
    port = free_port()
    with (
        serving("erps", f"hms:{port}"),
        oracledb.connect(
            user=USER, password=PASSWORD, host="127.0.0.1", port=port, service_name=SERVICE
        ) as connection,
    ):
        with connection.cursor() as cursor:
            cursor.execute("select count(*) from dbamv.atendime")
            (count,) = cursor.fetchone()
        assert count > 0


def test_track_shows_its_page_on_the_port_it_was_given() -> None:
    port = free_port()
    with serving("track", str(port)):
        assert requests.get(f"http://127.0.0.1:{port}/", timeout=10).status_code == 200


def listening_on(process: subprocess.Popen[str]) -> set[str]:
    """Return the addresses on which a process listens."""
    found = psutil.Process(process.pid).net_connections("tcp")
    return {one.laddr.ip for one in found if one.status == psutil.CONN_LISTEN}


@pytest.mark.parametrize(
    ("options", "address"), [((), "127.0.0.1"), (("--host", "0.0.0.0"), "0.0.0.0")]
)
@pytest.mark.parametrize("kind", ["erps", "track"])
def test_a_stand_in_is_there_for_this_machine_alone_unless_it_is_told_otherwise(
    kind: str, options: tuple[str, ...], address: str
) -> None:
    place = f"hms:{free_port()}" if kind == "erps" else str(free_port())
    with serving(*options, kind, place) as process:
        assert listening_on(process) == {address}


@pytest.mark.parametrize("module", ["stand_ins.oracle", "stand_ins.track_api"])
def test_one_that_is_started_by_itself_is_there_for_this_machine_alone(
    module: str, tmp_path: Path
) -> None:
    surveys = tmp_path / "surveys.json"
    surveys.write_text("[]", encoding="utf-8")
    needed = (
        ("--user", "X", "--password", "p") if "oracle" in module else ("--surveys-file", surveys)
    )
    with serving(*map(str, needed), "--port", "0", module=module) as process:
        assert listening_on(process) == {"127.0.0.1"}


def test_a_mistyped_source_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        stand_ins.main(["erps", "hmz:15211"])
    assert "no source hmz" in capsys.readouterr().err
