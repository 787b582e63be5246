"""The shared part of the configuration, defaults.yaml: policies and template sets."""

from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from track_dispatch.config.explaining import explain
from track_dispatch.config.policies import Policies, policy_names
from track_dispatch.config.templates import TemplateSet
from track_dispatch.config.yaml_file import read_yaml
from track_dispatch.errors import ConfigError


class DefaultsFile(Policies):
    """What defaults.yaml holds: every policy, and the template sets by name."""

    templates: dict[str, TemplateSet]


class Defaults(NamedTuple):
    """The policies as written, for a hospital's file to override, and the template sets."""

    policies: dict[str, Any]
    template_sets: dict[str, TemplateSet]


def read_defaults(path: Path) -> Defaults:
    """Return what the file holds.

    Raises:
        ConfigError: The file is broken; all its errors, one a line.
    """
    content = read_yaml(path, label=path.name)
    try:
        file = DefaultsFile.model_validate(content)
    except ValidationError as error:
        schema = DefaultsFile.model_json_schema()
        raise ConfigError("\n".join(explain(error, schema, label=path.name))) from None
    return Defaults({name: content[name] for name in policy_names()}, file.templates)
