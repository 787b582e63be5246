"""The benchmark compares like with like: script and whole path ask the same people."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from demo.world import ROOT

ROWS = 300


def test_the_plain_script_and_the_whole_path_send_as_many_lines() -> None:
    output = subprocess.run(
        [
            *(sys.executable, "-m", "tests.bench", str(ROWS), "--json"),
            *("--databases", "SQLite", "--rounds", "1", "--phases"),
        ],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT}"},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    sent = {row["work"]: row["rows"] for row in json.loads(output.splitlines()[-1])}

    assert sent.keys() == {"script", "whole"}
    assert sent["script"] == sent["whole"] > 0.9 * ROWS
