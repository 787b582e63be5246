"""What is typed behind `make demo` is understood, or refused in one line before anything starts."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from demo import run
from demo.choices import day_of, days_of, hospitals_in
from demo.world import ROOT
from track_dispatch.config import load_hospital

#: It is Friday at HMS, and Saturday in UTC.
MOMENT = datetime(2026, 11, 28, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "codes"),
    [
        ("HMS", ["HMS"]),
        ("hms,otoa", ["HMS", "OTOA"]),
        ("HMS, OTOA", ["HMS", "OTOA"]),
        ("HMS OTOA", ["HMS", "OTOA"]),
        (" HMS ;OTOA, ", ["HMS", "OTOA"]),
        ("OTOA,HMS,OTOA", ["OTOA", "HMS"]),
    ],
)
def test_hospitals_are_typed_as_anybody_types_them(typed: str, codes: list[str]) -> None:
    assert [hospital.code for hospital in hospitals_in(typed)] == codes


@pytest.mark.parametrize("typed", ["all", "ALL", "hms, all"])
def test_all_are_all(typed: str) -> None:
    codes = [hospital.code for hospital in hospitals_in(typed)]

    assert len(codes) > 10
    assert codes == sorted(codes)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("--hospitals", "HSM"), 'no hospital "HSM" (did you mean "HSMC"?); there are '),
        (("--hospitals", "HMS, OTOX"), 'no hospital "OTOX" (did you mean "OTO'),
        (("--hospitals", ","), 'no hospital ""; there are '),
        (("--day", "garbage"), '"garbage" is not a day as DAY=2026-11-20'),
        (("--day", "28/11/2026"), "is not a day as DAY=2026-11-20: write DAY=2026-11-28"),
        (("--day", "28-11-2026"), "is not a day as DAY=2026-11-20: write DAY=2026-11-28"),
        (("--day", "2026/11/28"), "is not a day as DAY=2026-11-20: write DAY=2026-11-28"),
        (("--day", "2026-02-30"), '"2026-02-30" is not a day as DAY=2026-11-20'),
        (("--day", "30/02/2026"), '"30/02/2026" is not a day as DAY=2026-11-20'),
        (("--day", "2999-01-01"), "2999-01-01 is not over yet at HMS: choose "),
        (("--day", "0001-01-01"), "0001-01-01 is before 2000-01-01"),
        (("OTOA",), "unrecognized arguments: OTOA"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line_and_nothing_starts(
    typed: tuple[str, ...],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(run, "HOME", tmp_path / "demo")

    with pytest.raises(SystemExit) as ended:
        run.main([*typed])

    told = capsys.readouterr()
    message = told.err or f"{ended.value.code}\n"
    assert said in message
    assert (told.out, message.count("\n"), ended.value.code != 0) == ("", 1, True)
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize(("typed", "is_over"), [("2026-11-26", True), ("2026-11-27", False)])
def test_a_day_is_over_when_it_is_over_at_the_hospital(typed: str, *, is_over: bool) -> None:
    hospitals = [load_hospital("HMS")]

    if is_over:
        assert days_of(hospitals, day_of(typed), moment=MOMENT) == {"HMS": day_of(typed)}
    else:
        with pytest.raises(SystemExit):
            days_of(hospitals, day_of(typed), moment=MOMENT)


def test_without_a_day_it_is_the_last_one_that_is_over() -> None:
    assert days_of([load_hospital("HMS")], None, moment=MOMENT) == {"HMS": day_of("2026-11-26")}


@pytest.mark.parametrize("target", ["demo", "ui"])
def test_make_hands_over_what_was_typed_as_it_is(target: str) -> None:
    make = shutil.which("make")
    assert make

    done = subprocess.run(
        [make, "-n", "-o", "setup", target, "HOSPITALS=HMS, OTOA", "DAY=28/11/2026 ", "PORT=80"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert "--hospitals 'HMS, OTOA'" in done.stdout
    assert ("--day '28/11/2026 '" in done.stdout) == (target == "demo")
    assert ("--port '80'" in done.stdout) == (target == "ui")


def test_make_alone_tells_the_targets() -> None:
    make = shutil.which("make")
    assert make

    alone, asked = (
        subprocess.run([make, *target], cwd=ROOT, capture_output=True, text=True, check=True)
        for target in ((), ("help",))
    )

    assert alone.stdout == asked.stdout
    assert {"make demo", "make test"} <= {line[:9] for line in alone.stdout.splitlines()}
