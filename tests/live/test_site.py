"""The pages as a site in a real browser: they are found, and nothing is asked of elsewhere."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.world import ROOT
from tests.live.made_ui import PATIENCE, chromium

if TYPE_CHECKING:
    from playwright.sync_api import Page


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """Build the site, serve its folder, and tell where."""
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT}", "NO_MKDOCS_2_WARNING": "1"},
        check=True,
    )
    handler = functools.partial(Quiet, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def page() -> Iterator[Page]:
    with chromium() as browser:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        yield page


def test_a_word_is_found_and_nothing_is_asked_of_elsewhere(site: str, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for name in ("state-machine.html", "how-to/add-a-reason.html", "index.html"):
        page.goto(f"{site}/{name}", wait_until="networkidle")
    page.click(".md-search__input", force=True)  # its label lies above it
    page.keyboard.type("envelope")

    page.wait_for_selector(".md-search-result__item")

    assert len(asked) > 10
    assert [url for url in asked if not url.startswith((site, "data:", "blob:"))] == []
