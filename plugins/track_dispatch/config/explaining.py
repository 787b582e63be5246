"""Pydantic's errors in our words: file, field, value, what is allowed, the nearest name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from track_dispatch.suggestions import did_you_mean

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

    Schema = Mapping[str, Any]

#: Fields whose values are people's contacts: messages leave them out.
_PRIVATE = frozenset({"rehearsal_contacts"})

_LONGEST_VALUE = 60

#: What makes an alternative of a choice say more than its type.
_TELLING = frozenset({"properties", "items", "enum"})


def explain(error: ValidationError, schema: Schema, *, label: str) -> list[str]:
    """Return one line for each error: file, dotted field, value, what is allowed.

    Args:
        error: What pydantic found.
        schema: The JSON schema of the file, for the names, examples and descriptions it knows.
        label: What messages call the file.
    """
    # The template set is put in by the loader: its absence is told under `templates`.
    details = [detail for detail in error.errors() if detail["loc"] != ("template_set",)]
    return [f"{label}: {_explain_one(detail, schema)}" for detail in details]


def _explain_one(detail: ErrorDetails, schema: Schema) -> str:
    loc = detail["loc"]
    field = ".".join(str(part) for part in loc)
    if detail["type"] == "missing":
        return f"{field}: is missing"
    if detail["type"] == "extra_forbidden":
        known = list(_node_at(schema, loc[:-1]).get("properties", {}))
        hint = did_you_mean(str(loc[-1]), known)
        return f"{field}: is not a known field{hint}; allowed: {', '.join(sorted(known))}"
    value = "" if _PRIVATE.intersection(map(str, loc)) else f"{_as_written(detail['input'])} "
    return f"{field}: {value}{_rule(detail, schema)}"


def _rule(detail: ErrorDetails, schema: Schema) -> str:
    """Say what is allowed."""
    given, context = detail["input"], detail.get("ctx", {})
    node = _node_at(schema, detail["loc"])
    match detail["type"]:
        case "value_error":
            text = str(context["error"])
        case "enum" | "literal_error":
            names = [str(name) for name in node.get("enum", [])]
            text = f"must be one of {', '.join(names)}{did_you_mean(str(given), names)}"
        case "string_type" if isinstance(given, int | float):
            text = "must be text: put it in quotes"
        case "string_pattern_mismatch":
            meaning = f": {node['description']}" if "description" in node else ""
            text = f'must be like "{node["examples"][0]}"{meaning}'
        case "tuple_type":
            text = "must be a list: [...]"
        case "model_type" | "dict_type":
            text = f"must hold fields: {', '.join(node.get('properties', ['...']))}"
        case _:
            text = detail["msg"].replace("Input should", "must", 1)
            text = text[:1].lower() + text[1:]
    return text


def _as_written(value: object) -> str:
    """Return the value as YAML writes it, shortened."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = f'"{value}"' if isinstance(value, str) else str(value)
    if isinstance(value, dict | list) and len(text) > _LONGEST_VALUE:
        return "..."
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."


def _node_at(schema: Schema, loc: Iterable[int | str]) -> Schema:
    """Return what the schema says of a place, {} where it says nothing."""
    node: Schema = schema
    for part in loc:
        inner = node.get("items") if isinstance(part, int) else node.get("properties", {}).get(part)
        inner = inner or node.get("additionalProperties")
        node = _resolved(inner, schema) if isinstance(inner, dict) else {}
    return node


def _resolved(node: Schema, schema: Schema) -> Schema:
    """Follow a reference, and in a choice take the alternative that says more than its type."""
    if "$ref" in node:
        target: Schema = schema["$defs"][str(node["$ref"]).rsplit("/", 1)[-1]]
        return {**target, **node}
    choices = [_resolved(choice, schema) for choice in node.get("anyOf", [])]
    telling = next((choice for choice in choices if _TELLING & choice.keys()), {})
    return {**telling, **node}
