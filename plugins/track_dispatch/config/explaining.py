"""Pydantic's errors in our words: file, field, value, what is allowed, the nearest name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from track_dispatch.spelling import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

#: Fields whose values are people's contacts: messages leave them out.
_PRIVATE = frozenset({"rehearsal_contacts"})


def explain(error: ValidationError, schema: Mapping[str, Any], *, label: str) -> list[str]:
    """Return one line for each error: file, dotted field, value, what is allowed.

    Args:
        error: What pydantic found.
        schema: The JSON schema of the file, for the names it knows.
        label: What messages call the file.
    """
    # The template set is put in by the loader: its absence is told under `templates`.
    details = [detail for detail in error.errors() if detail["loc"] != ("template_set",)]
    return [f"{label}: {_explain_one(detail, schema)}" for detail in details]


def _explain_one(detail: ErrorDetails, schema: Mapping[str, Any]) -> str:
    loc = detail["loc"]
    field = ".".join(str(part) for part in loc)
    kind = detail["type"]
    if kind == "missing":
        return f"{field}: is missing"
    if kind == "extra_forbidden":
        known = _names_at(schema, loc[:-1])
        allowed = ", ".join(sorted(known))
        return f"{field}: is no field here{did_you_mean(str(loc[-1]), known)}; allowed: {allowed}"
    value = "" if _PRIVATE.intersection(map(str, loc)) else f"{_written(detail['input'])} "
    return f"{field}: {value}{_rule(detail, schema)}"


def _rule(detail: ErrorDetails, schema: Mapping[str, Any]) -> str:
    """Say what is allowed."""
    context = detail.get("ctx", {})
    given = detail["input"]
    if detail["type"] == "value_error":
        return str(context["error"])
    if detail["type"] in {"enum", "literal_error"}:
        names = [
            name.strip("'") for name in str(context["expected"]).replace(" or ", ", ").split(", ")
        ]
        return f"must be one of {', '.join(names)}{did_you_mean(str(given), names)}"
    if detail["type"] == "string_type" and isinstance(given, int | float):
        return "must be text: put it in quotes"
    if detail["type"] == "string_pattern_mismatch":
        return f"must look like {context['pattern']}"
    text = detail["msg"].replace("Input should", "must", 1)
    return text[:1].lower() + text[1:]


def _written(value: object) -> str:
    """Return the value as YAML writes it, shortened."""
    names = {None: "null", True: "true", False: "false"}
    if value is None or isinstance(value, bool):
        return names[value]
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _names_at(schema: Mapping[str, Any], loc: Iterable[int | str]) -> list[str]:
    """Return the names of the fields that the schema knows at a place."""
    node: Mapping[str, Any] = _resolved(schema, schema)
    for part in loc:
        inner = node.get("properties", {}).get(part) or node.get("additionalProperties") or {}
        node = _resolved(inner, schema) if isinstance(inner, dict) else {}
    return list(node.get("properties", {}))


def _resolved(node: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow a reference, and in a choice take the alternative that has fields."""
    if "$ref" in node:
        name = str(node["$ref"]).rsplit("/", 1)[-1]
        found: Mapping[str, Any] = schema["$defs"][name]
        return found
    choices = [_resolved(choice, schema) for choice in node.get("anyOf", [])]
    return next((choice for choice in choices if "properties" in choice), node)
