"""What several machines share: Redis and PgBouncer of Debian, a PostgreSQL that crashes."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy.engine import make_url

from demo.airflow_api import free_port
from demo.components import Components
from tests.debian import installed
from tests.postgres import program
from tests.workers.machines import PYTHON

#: How long a service may take to listen, in seconds.
PATIENCE = 30.0
#: Celery's own look for messages that nobody has acknowledged in time, as if the time were over.
DELIVER_AGAIN = """
import sys
from kombu import Connection

with Connection(sys.stdin.read(), transport_options={"visibility_timeout": 0}) as connection:
    connection.default_channel.qos.restore_visible()
"""


class Broker:
    """A Redis with a password that keeps what it was told; a context manager.

    Args:
        folder: of its own, for its files.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.port = free_port()
        self._password = secrets.token_hex(8)
        settings = folder / "redis.conf"
        settings.write_text(
            f"bind 127.0.0.1\nport {self.port}\nrequirepass {self._password}\ndir {folder}\n"
            'appendonly yes\nsave ""\n',
            encoding="utf-8",
        )
        self._processes = Components(
            {"redis": [installed("redis-server"), str(settings)]}, logs=folder
        )

    @property
    def url(self) -> str:
        """Where Celery finds it."""
        return f"redis://:{self._password}@127.0.0.1:{self.port}/0"

    def __enter__(self) -> Broker:
        self._processes.start("redis")
        wait_until_listening(self.port)
        return self

    def __exit__(self, *_: object) -> None:
        self._processes.stop()

    def kill(self) -> None:
        """Kill it at once."""
        self._processes.kill("redis")

    def deliver_again(self) -> None:
        """Hand out once more what workers have not acknowledged: the tasks that they run."""
        subprocess.run(
            [PYTHON, "-c", DELIVER_AGAIN], input=self.url, text=True, check=True, timeout=60
        )

    def start(self) -> None:
        """Start it again, with what it had kept."""
        self._processes.start("redis")
        wait_until_listening(self.port)


class Pooler:
    """A PgBouncer in transaction mode before one database of a PostgreSQL; a context manager.

    Args:
        folder: of its own.
        url: the database.
    """

    def __init__(self, folder: Path, url: str) -> None:
        folder.mkdir()
        self.port = free_port()
        database = make_url(url)
        self.name = str(database.database)
        settings = folder / "pgbouncer.ini"
        settings.write_text(
            "[databases]\n"
            f"{self.name} = host={database.query['host']} dbname={self.name}"
            f" user={database.username}\n"
            "[pgbouncer]\nlisten_addr = 127.0.0.1\n"
            f"listen_port = {self.port}\nauth_type = any\npool_mode = transaction\n"
            "unix_socket_dir =\ndefault_pool_size = 3\nmax_client_conn = 200\n",
            encoding="utf-8",
        )
        folder.chmod(0o755)
        user = ["--user", "pgserver"] if os.geteuid() == 0 else []
        command = [installed("pgbouncer"), *user, str(settings)]
        self._processes = Components({"pgbouncer": command}, logs=folder)

    def __enter__(self) -> Pooler:
        self._processes.start("pgbouncer")
        wait_until_listening(self.port)
        return self

    def __exit__(self, *_: object) -> None:
        self._processes.stop()


def restart_postgres(url: str) -> None:
    """Let a PostgreSQL of `tests.postgres` crash and come back, as it was started."""
    data = str(make_url(url).query["host"])
    subprocess.run(
        [program("pg_ctl"), "-D", data, "-m", "immediate", "-w", "-l", f"{data}/log", "restart"],
        check=True,
        capture_output=True,
        timeout=60,
        cwd="/",
        user="pgserver" if os.geteuid() == 0 else None,
    )


def wait_until_listening(port: int) -> None:
    """Wait until somebody takes connections on a port of the loopback."""
    wait_for(lambda: _takes_connections(port), f"somebody to listen on {port}")


def wait_for(happened: Callable[[], bool], what: str) -> None:
    """Look until something has happened."""
    limit = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < limit, f"waited for {what}"
        time.sleep(0.05)


def _takes_connections(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
