"""`make ui` in a folder of its own, and a browser that looks at it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import requests
from playwright.sync_api import sync_playwright

from demo.airflow_api import free_port
from demo.world import ROOT
from tests.debian import installed, skip_without

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

#: Nothing of it looks outside by itself.
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]
#: Runs `make ui` below the folder that is the first argument.
AT_HOME = """
import sys
from pathlib import Path
from demo import live
live.HOME = Path(sys.argv[1])
sys.exit(live.main(sys.argv[2:]))
"""
#: How long a page may take on a busy machine, in milliseconds.
PATIENCE = 60_000


@dataclass(frozen=True)
class MadeUi:
    """A running `make ui`.

    Attributes:
        url: where Airflow is, as a person types it.
        password: of all its users.
        home: its folder.
    """

    url: str
    password: str
    home: Path

    def verb(self, words: str) -> str:
        """Return what the command line prints in this world."""
        said = subprocess.run(
            ["bash", "-c", f"source '{self.home}/env' && python -m track_dispatch {words}"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        return said.stdout

    def token(self, user: str) -> str:
        """Log in as one of the users, who are named as their roles."""
        login = {"username": user, "password": self.password}
        answer = requests.post(f"{self.url}/auth/token", json=login, timeout=60)
        answer.raise_for_status()
        return str(answer.json()["access_token"])

    def person(self, browser: Browser, user: str, *, width: int, height: int) -> BrowserContext:
        """Open a window for somebody who has logged in and reads Portuguese."""
        context = browser.new_context(
            locale="pt-BR",
            timezone_id="America/Sao_Paulo",
            viewport={"width": width, "height": height},
        )
        context.set_default_timeout(PATIENCE)
        context.add_cookies([{"name": "_token", "value": self.token(user), "url": self.url}])
        return context


@contextmanager
def made_ui(home: Path) -> Iterator[MadeUi]:
    """Start `make ui` and wait until it says where to look; stop it as Ctrl-C does."""
    inherited = {name: value for name, value in os.environ.items() if "AIRFLOW" not in name}
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-c", AT_HOME, str(home), "--port", str(port)],
        env=inherited | {"PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT}"},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            said = []
            for line in process.stdout:
                said.append(line)
                if "Ctrl-C" in line:
                    break
            text = "".join(said)
            found = re.search(r"password (\S+)", text)
            assert found, text
            yield MadeUi(f"http://localhost:{port}", found[1], home)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate()


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Debian's chromium: Playwright's own would have to be fetched."""
    skip_without("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=installed("chromium"), args=QUIET)
        yield browser
        browser.close()
