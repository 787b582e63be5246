"""The JSON schema of a hospital's file, for editors and for naming what is allowed."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from track_dispatch.config.hospital import Hospital
from track_dispatch.config.policies import policy_names, shared_policy_names


@cache
def json_schema() -> dict[str, Any]:
    """Return the schema of what a hospital's file may hold.

    It differs from the model in three ways: policies may be left to defaults.yaml, those that are
    shared must be, and the template set is named, not written out.
    """
    schema = Hospital.model_json_schema()
    for elsewhere in shared_policy_names() | {"template_set"}:
        del schema["properties"][elsewhere]
    optional = policy_names() | {"template_set"}
    schema["required"] = sorted(set(schema["required"]) - optional)
    for unused in (
        "Identifier",
        "TemplateSet",
        "EmailTemplates",
        "WhatsappTemplates",
        "WhatsappTemplate",
    ):
        del schema["$defs"][unused]
    return {"$schema": "http://json-schema.org/draft-07/schema#", **schema}


def write_schema(include: Path) -> Path:
    """Write the schema to the include folder and return its path."""
    path = include / "hospitals.schema.json"
    text = json.dumps(json_schema(), indent=2, ensure_ascii=False, sort_keys=True)
    path.write_text(f"{text}\n", encoding="utf-8")
    return path
