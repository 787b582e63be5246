"""Reading one YAML file strictly: one mapping, no key twice, errors with file and line."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from track_dispatch.errors import ConfigError

try:
    # libyaml parses ten times faster, which every parse of the DAG files pays for.
    from yaml import CSafeLoader as _SafeLoader
except ImportError:  # pragma: no cover - a PyYAML built without libyaml
    from yaml import SafeLoader as _SafeLoader  # type: ignore[assignment]


class _StrictLoader(_SafeLoader):
    """YAML's safe types, without its silent "the last of two equal keys wins"."""

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
        """Build a date; YAML's own constructor says nothing of where an impossible one stands."""
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
    if not isinstance(content, dict):
        raise ConfigError(f'{label}: must hold fields like "code: HMS", one a line')
    return content
