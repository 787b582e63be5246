"""The reference of settings, from the models and from include/defaults.yaml."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from docs.make_tables import code, table
from track_dispatch.config.hospital import Hospital
from track_dispatch.config.policies import Policies, TemplateSet, policy_names, shared_policy_names

Schema = Mapping[str, Any]
_DEFAULTS = Path(__file__).parents[1] / "include" / "defaults.yaml"
#: A default that is longer, in characters, is looked up in its file.
_WIDEST = 80
_TYPES = {
    "integer": "whole number", "number": "number", "string": "text", "array": "list",
    "object": "fields", "null": "null", "boolean": "true or false",
}  # fmt: skip


def policies() -> str:
    """Return the settings of defaults.yaml, with their defaults."""
    schema = Policies.model_json_schema()
    defaults = yaml.safe_load(_DEFAULTS.read_text(encoding="utf-8"))
    rows = [
        (code(name), default, allowed, _scope(name), meaning)
        for name, default, allowed, meaning in _fields(schema, schema, defaults)
    ]
    return table(("setting", "default", "allowed", "one hospital's file", "meaning"), rows)


def hospital_settings() -> str:
    """Return what only a hospital's file says."""
    schema = Hospital.model_json_schema()
    rows = [
        (code(name), default, allowed, meaning)
        for name, default, allowed, meaning in _fields(schema, schema, {})
        if name.partition(".")[0] not in policy_names() | {"template_set"}
    ]
    return table(("field", "default", "allowed", "meaning"), rows)


def templates() -> str:
    """Return the fields of a template set."""
    schema = TemplateSet.model_json_schema()
    rows = [
        (code(name), allowed, meaning) for name, _, allowed, meaning in _fields(schema, schema, {})
    ]
    return table(("field", "allowed", "meaning"), rows)


def _scope(name: str) -> str:
    return "no" if name.partition(".")[0] in shared_policy_names() else "may differ"


def _fields(
    node: Schema, root: Schema, values: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, str, str, str]]:
    """Yield name, default, what is allowed and meaning of each field, inner ones after theirs."""
    required = node.get("required", ())
    for name, field in node.get("properties", {}).items():
        resolved = _resolved(field, root)
        default = values.get(name, resolved.get("default"))
        meaning = field.get("description", resolved.get("description", ""))
        inner = [one for one in _choices(resolved, root) if "properties" in one]
        if isinstance(default, dict):
            shown = "its fields, below"
        elif name in values or "default" in resolved:
            shown = _written(default)
        else:
            shown = "required" if name in required else "none"
        yield f"{prefix}{name}", shown, _allowed(resolved, root), meaning
        for one in inner:
            given = default if isinstance(default, dict) else {}
            yield from _fields(one, root, given, f"{prefix}{name}.")


def _allowed(node: Schema, root: Schema) -> str:
    """Say in words what a field may hold."""
    return " or ".join(dict.fromkeys(_kind(one, root) for one in _choices(node, root)))


def _kind(node: Schema, root: Schema) -> str:
    if "const" in node:
        return code(str(node["const"]))
    if "enum" in node:
        return code(*(str(one) for one in node["enum"] if one is not False))
    if "properties" in node:
        return "fields"
    if node.get("type") == "array":
        inner = _allowed(_resolved(node.get("items", {}), root), root)
        return f"list of {inner}" if inner else "list"
    if node.get("format"):
        return str(node["format"])
    words = _TYPES.get(str(node.get("type")), "")
    limits = [
        f"{sign} {node[key]}"
        for key, sign in (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"))
        if key in node
    ]
    like = [f"like {code(str(node['examples'][0]))}"] if "examples" in node else []
    return " ".join([words, ", ".join(limits + like)]).strip()


def _choices(node: Schema, root: Schema) -> list[Schema]:
    return [_resolved(one, root) for one in node.get("anyOf", [node])]


def _resolved(node: Schema, root: Schema) -> Schema:
    if "$ref" not in node:
        return node
    return {**root["$defs"][str(node["$ref"]).rpartition("/")[2]], **node}


def _written(value: Any) -> str:
    if isinstance(value, str) and " " in value:
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return code(text) if len(text) <= _WIDEST else f"a list of {len(value)}, in that file"
