"""Read a YAML file strictly, and explain its errors in our own words."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from track_dispatch.errors import ConfigError, did_you_mean

Schema = Mapping[str, Any]


try:
    # libyaml parses ten times faster, which every parse of the DAG files pays for.
    from yaml import CSafeLoader as _SafeLoader
except ImportError:  # pragma: no cover - a PyYAML built without libyaml
    from yaml import SafeLoader as _SafeLoader  # type: ignore[assignment]


class _StrictLoader(_SafeLoader):
    """A safe loader that refuses a key that stands twice, where YAML would take the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    problem="a key must be plain text", problem_mark=key_node.start_mark
                )
            key = self.construct_object(key_node)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f'the key "{key}" is there twice', problem_mark=key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_day(self, node: yaml.ScalarNode) -> object:
        """Build a date; YAML's own constructor does not say where an impossible date stands."""
        try:
            return self.construct_yaml_timestamp(node)
        except ValueError:
            raise yaml.constructor.ConstructorError(
                problem=f'"{node.value}" is not a day', problem_mark=node.start_mark
            ) from None


_StrictLoader.add_constructor("tag:yaml.org,2002:timestamp", _StrictLoader.construct_day)


def read_yaml(path: Path, *, label: str) -> dict[str, Any]:
    """Return the mapping that the file holds.

    Args:
        path: The file, in UTF-8.
        label: What messages call it.

    Raises:
        ConfigError: It cannot be read, is not YAML, holds a key twice or anything but a mapping.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_StrictLoader)  # noqa: S506
    except OSError as error:
        raise ConfigError(f"{label}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{label}: is not UTF-8: save it as UTF-8") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f" line {mark.line + 1}:" if mark else ""
        raise ConfigError(f"{label}:{line} {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{label}: is not YAML: {error}") from None
    except (KeyError, ValueError) as error:  # of a value with a type before it: !!int ten
        raise ConfigError(f"{label}: a value is not of the type before it: {error}") from None
    if not isinstance(content, dict):
        raise ConfigError(f'{label}: must hold fields like "code: HMS", one a line')
    return content


#: Fields whose values are people's contacts: messages leave them out.
_PRIVATE = frozenset({"rehearsal_contacts"})

_LONGEST_VALUE = 60

#: Keys that make an alternative in a schema say more than its type.
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
