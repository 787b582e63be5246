"""Files that are no YAML, and a broken defaults.yaml."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    Write = Callable[..., Path]
    Broken = Callable[[], dict[str, str]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("code: [HMS\n", "hospitals/hms.yaml: line 2: "),
        ("code: HMS\nname: a\nname: b\n", 'hospitals/hms.yaml: line 3: the key "name" is there tw'),
        ("surveys:\n  exames: a\n  exames: b\n", "line 3: the key"),
        ("? [a]\n: b\n", "line 1: a key must be plain text"),
        ("day: 2024-13-01\n", 'line 1: "2024-13-01" is not a day'),
        ("min_age_years: !!int ten\n", "a value is not of the type before it"),
        ("whatsapp: !!bool talvez\n", "a value is not of the type before it"),
        ("code: !!python/name:os.system\n", "line 1: could not determine a constructor"),
        ("code: HMS\n---\ncode: HMS\n", "line 2: but found another document"),
        ("code: *nothing\n", "line 1: found undefined alias"),
        ("code: \x07\n", "hospitals/hms.yaml: is not YAML"),
        ("", 'must hold fields like "code: HMS"'),
        ("- HMS\n", 'must hold fields like "code: HMS"'),
    ],
)
def test_a_file_that_is_no_yaml_is_told_with_its_line(
    include: Path, broken: Broken, text: str, expected: str
) -> None:
    (include / "hospitals" / "hms.yaml").write_text(text, encoding="utf-8")

    assert expected in broken()["HMS"]


def test_a_file_that_is_not_utf8_is_told(include: Path, broken: Broken) -> None:
    (include / "hospitals" / "hms.yaml").write_bytes("name: São".encode("latin-1"))

    assert broken() == {"HMS": "hospitals/hms.yaml: is not UTF-8: save it as UTF-8"}


def test_a_file_that_cannot_be_read_is_told(include: Path, broken: Broken) -> None:
    (include / "hospitals" / "hpc.yaml").mkdir()

    assert broken() == {"HPC": "hospitals/hpc.yaml: cannot be read: Is a directory"}


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("batch_size", None, "defaults.yaml: batch_size: is missing"),
        (
            "bacth_size",
            5,
            'defaults.yaml: bacth_size: is not a known field (did you mean "batch_size"?)',
        ),
        ("code", "HMS", "defaults.yaml: code: is not a known field"),
        ("acceptance", [], "defaults.yaml: acceptance: "),
        ("acceptance", "uuid", "defaults.yaml: acceptance: "),
        ("acceptance", ["data..uuid"], 'defaults.yaml: acceptance.0: "data..uuid"'),
        (
            "identifier",
            "CPF",
            'defaults.yaml: identifier: "CPF" must be one of cpf, email, phone, cd_atendimento',
        ),
        (
            "templates",
            {"x": {"email": {"invite": "short", "expired": 123456, "thanks": "abc123"}}},
            (
                'defaults.yaml: templates.x.email.invite: "short" must be like "a1B2c3":'
                " Track's hash of the invitation.\n"
                "defaults.yaml: templates.x.email.expired: 123456 must be text: put it in quotes"
            ),
        ),
        (
            "templates",
            {"x": {"emial": {}}},
            'defaults.yaml: templates.x.emial: is not a known field (did you mean "email"?)',
        ),
    ],
)
def test_broken_defaults_break_every_hospital_and_are_named(
    *, write: Write, include: Path, broken: Broken, field: str, value: object, expected: str
) -> None:
    write("hpc.yaml", code="HPC", source="hpc", oracle_conn_id="oracle_hpc")
    path = include / "defaults.yaml"
    content = {**yaml.safe_load(path.read_text(encoding="utf-8")), field: value}
    left = {key: value for key, value in content.items() if value is not None or key == "send_days"}
    path.write_text(yaml.safe_dump(left), encoding="utf-8")
    messages = broken()

    assert list(messages) == ["HMS", "HPC"]
    assert all(expected in message for message in messages.values())


def test_missing_defaults_are_told(include: Path, broken: Broken) -> None:
    (include / "defaults.yaml").unlink()

    assert broken() == {"HMS": "defaults.yaml: cannot be read: No such file or directory"}
