"""From the include folder to hospitals: one entry for each file, a broken file only its own."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

from pydantic import ValidationError

from track_dispatch.config.defaults import Defaults, read_defaults
from track_dispatch.config.explaining import explain
from track_dispatch.config.hospital import RESERVED_CODES, Hospital, Surroundings
from track_dispatch.config.policies import shared_policy_names
from track_dispatch.config.schema import json_schema
from track_dispatch.config.yaml_file import read_yaml
from track_dispatch.errors import ConfigError
from track_dispatch.suggestions import did_you_mean


@dataclass(frozen=True, slots=True)
class BrokenHospital:
    """A hospital's file that cannot be used, and what to mend in it; its DAG raises the message."""

    code: str
    dag_id: str
    message: str


def include_dir() -> Path:
    """Return the folder of configuration and SQL: $TRACK_INCLUDE_DIR, else the project's."""
    override = os.environ.get("TRACK_INCLUDE_DIR")
    return Path(override) if override else Path(__file__).parents[3] / "include"


def load_hospitals(include: Path | None = None) -> list[Hospital | BrokenHospital]:
    """Return every hospital file of the include folder, sorted by code.

    Args:
        include: The folder; by default `include_dir()`.

    Raises:
        ConfigError: There is no folder of hospitals at all.
    """
    include = include or include_dir()
    folder = include / "hospitals"
    if not folder.is_dir():
        raise ConfigError(f"{folder} is no folder: set TRACK_INCLUDE_DIR to the include folder")
    files = sorted(
        path
        for path in folder.iterdir()
        if path.suffix in {".yaml", ".yml"} and path.name[0] != "."
    )
    try:
        defaults = read_defaults(include / "defaults.yaml")
    except ConfigError as error:
        entries: list[Hospital | BrokenHospital] = [_broken(path, str(error)) for path in files]
    else:
        entries = _without_conflicts((path, _load_file(path, include, defaults)) for path in files)
    return sorted(entries, key=lambda entry: entry.code)


def load_hospital(code: str, include: Path | None = None) -> Hospital:
    """Return one hospital by its code, in capitals or not.

    Raises:
        ConfigError: There is no such hospital, or its file is broken.
    """
    entries = {entry.code: entry for entry in load_hospitals(include)}
    entry = entries.get(code.upper())
    if entry is None:
        hint = did_you_mean(code, entries)
        raise ConfigError(f'no hospital "{code}"{hint}; there are {", ".join(entries)}')
    if isinstance(entry, BrokenHospital):
        raise ConfigError(entry.message)
    return entry


def _load_file(path: Path, include: Path, defaults: Defaults) -> Hospital | BrokenHospital:
    label = _label(path)
    try:
        content = read_yaml(path, label=label)
    except ConfigError as error:
        return _broken(path, str(error))
    problems = _name_problems(path, content.get("code"))
    name = content.get("templates")
    resolved = defaults.template_sets.get(name) if isinstance(name, str) else None
    values = {**defaults.policies, **content, **({"template_set": resolved} if resolved else {})}
    try:
        hospital = Hospital.model_validate(
            values, context=Surroundings(include, defaults.template_sets)
        )
    except ValidationError as error:
        problems += explain(error, json_schema(), label=label)
    problems += [
        f"{label}: {shared}: is one setting for all hospitals; it belongs into defaults.yaml"
        for shared in sorted(shared_policy_names() & content.keys())
    ]
    if "template_set" in content:
        problems.append(f'{label}: template_set: is no field (did you mean "templates"?)')
    return _broken(path, "\n".join(problems)) if problems else hospital


def _name_problems(path: Path, code: object) -> list[str]:
    """Check that the file is named after its code, which also keeps codes apart."""
    if not isinstance(code, str):
        return []
    right = f"{code.lower()}.yaml"
    if path.name == right:
        return []
    taken = (path.parent / right).exists()
    advice = f"; hospitals/{right} is there: two files with one code" if taken else ""
    return [f'{_label(path)}: code: "{code}" belongs into hospitals/{right}{advice}']


def _without_conflicts(
    loaded: Iterable[tuple[Path, Hospital | BrokenHospital]],
) -> list[Hospital | BrokenHospital]:
    """Break the hospitals that contradict each other: nobody can know which of them is right."""
    entries = dict(loaded)
    whole = [(path, entry) for path, entry in entries.items() if isinstance(entry, Hospital)]
    problems: dict[Path, list[str]] = defaultdict(list)
    for (path, one), (other_path, other) in permutations(whole, 2):
        problems[path] += [
            f"{_label(path)}: {text} in {_label(other_path)}" for text in _conflicts(one, other)
        ]
    return [
        _broken(path, "\n".join(problems[path])) if problems[path] else entry
        for path, entry in entries.items()
    ]


def _conflicts(one: Hospital, other: Hospital) -> list[str]:
    if one.source != other.source:
        return []
    shared = sorted(set(one.companies) & set(other.companies))
    texts = [
        f"companies: {company} of the source {one.source} is also listed" for company in shared
    ]
    if one.oracle_conn_id != other.oracle_conn_id:
        texts.append(
            f"oracle_conn_id: {one.oracle_conn_id}, but the source {one.source} is reached by"
            f" {other.oracle_conn_id}"
        )
    return texts


def _label(path: Path) -> str:
    return f"hospitals/{path.name}"


def _broken(path: Path, message: str) -> BrokenHospital:
    """Name the red DAG after the file: alone it is certain, and two files never share it."""
    proper = (
        path.suffix == ".yaml" and path.stem.islower() and path.stem.upper() not in RESERVED_CODES
    )
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", path.stem if proper else path.name)
    return BrokenHospital(code=name.upper(), dag_id=f"track_{name}", message=message)
