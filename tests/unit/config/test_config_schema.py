"""The JSON schema that editors use: fresh, and neither laxer nor stricter than the loader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from docs.make_docs import SCHEMA, schema_text
from track_dispatch.config import json_schema
from track_dispatch.config.policies import policy_names

INCLUDE = Path(__file__).parents[3] / "include"
SHIPPED = sorted((INCLUDE / "hospitals").glob("*.yaml"))


def _hospital(**changes: Any) -> dict[str, Any]:
    """Return HMS as an editor reads it: plain text, no dates."""
    fields = yaml.load((INCLUDE / "hospitals" / "hms.yaml").read_text("utf-8"), yaml.BaseLoader)
    return {**fields, **changes}


def _errors(content: dict[str, Any]) -> list[str]:
    return [error.message for error in Draft7Validator(json_schema()).iter_errors(content)]


def test_the_committed_schema_is_fresh() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == schema_text(), "run: make docs"


def test_the_schema_is_one() -> None:
    Draft7Validator.check_schema(json_schema())


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_files_pass_the_schema(path: Path) -> None:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))

    assert _errors(json.loads(json.dumps(content, default=str))) == []


@pytest.mark.parametrize("name", sorted(policy_names()))
def test_policies_may_be_left_to_the_defaults(name: str) -> None:
    assert name not in json_schema()["required"]


@pytest.mark.parametrize(
    "changes",
    [
        {"volume_gate": False},
        {"volume_gate": "off"},
        {"volume_gate": {"low": 0.5}},
        {"import_fields": "all"},
        {"import_fields": ["cd_atendimento", "setor"]},
        {"send_window": "08:00-24:00"},
        {"send_days": ["mon"]},
        {"rehearsal_lines": 3},
        {"ledger_retention_days": 730},
        {"unidade": None},
    ],
    ids=str,
)
def test_what_design_allows_passes_the_schema(changes: dict[str, Any]) -> None:
    assert _errors(_hospital(**changes)) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"bacth_size": 5},
        {"template_set": {}},
        {"channels": []},
        {"channels": ["fax"]},
        {"surveys": {"internaco": "x"}},
        {"schedule": "0 9 * * 1-5"},
        {"send_window": "25:00-26:00"},
        {"volume_gate": {"lo": 1}},
    ],
    ids=str,
)
def test_what_the_loader_refuses_is_underlined_in_the_editor(changes: dict[str, Any]) -> None:
    assert len(_errors(_hospital(**changes))) == 1
