"""The benchmark compares like with like: script and whole path ask the same people."""

from __future__ import annotations

from bench_figures import bench_figures

ROWS = 300


def test_the_plain_script_and_the_whole_path_send_as_many_lines() -> None:
    sent = {figure["work"]: figure["rows"] for figure in bench_figures(ROWS, rounds=1)}

    assert sent.keys() == {"script", "whole"}
    assert sent["script"] == sent["whole"] > 0.9 * ROWS
