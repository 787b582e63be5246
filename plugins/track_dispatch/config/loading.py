"""Load hospitals from the include folder: an entry for each file, also for a broken one.

Also the digests of the software installed here and of a hospital's rules.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

from pydantic import ValidationError

from track_dispatch import __version__
from track_dispatch.config.checks import find_conflicts
from track_dispatch.config.hospital import RESERVED_CODES, Hospital, Surroundings, json_schema
from track_dispatch.config.policies import Policies, TemplateSet, policy_names, shared_policy_names
from track_dispatch.config.yaml_file import explain, read_yaml
from track_dispatch.errors import ConfigError, did_you_mean
from track_dispatch.records import Software


@dataclass(frozen=True, slots=True)
class BrokenHospital:
    """A hospital's file that cannot be used, and what to mend in it; its DAG raises the message."""

    code: str
    dag_id: str
    message: str


class DefaultsFile(Policies):
    """The model of defaults.yaml: every policy, and the template sets by name."""

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


def include_dir() -> Path:
    """Return the folder of configuration and SQL: $TRACK_INCLUDE_DIR, else the project's."""
    override = os.environ.get("TRACK_INCLUDE_DIR")
    return Path(override) if override else Path(__file__).parents[3] / "include"


def load_hospitals(include: Path | None = None) -> list[Hospital | BrokenHospital]:
    """Return every hospital file of the include folder, sorted by code.

    Files that contradict each other are broken.

    Args:
        include: The folder; by default `include_dir()`.

    Raises:
        ConfigError: There is no folder of hospitals at all.
    """
    include = include or include_dir()
    contents = {path: _content(path) for path in hospital_files(include)}
    conflicts = find_conflicts(_readable(contents))
    return _load(contents, include, conflicts)


def working_hospitals(include: Path | None = None) -> list[Hospital]:
    """Return the hospitals whose files can be used, sorted by code.

    Raises:
        ConfigError: There is no folder of hospitals at all.
    """
    return [entry for entry in load_hospitals(include) if isinstance(entry, Hospital)]


def load_hospital(code: str, include: Path | None = None) -> Hospital:
    """Return one hospital by its code, in capitals or not; no other hospital's file is read.

    Raises:
        ConfigError: There is no such hospital, or its file is broken.
    """
    include = include or include_dir()
    files = {_code(path): path for path in hospital_files(include)}
    path = files.get(code.upper())
    if path is None:
        hint = did_you_mean(code, files)
        raise ConfigError(f'no hospital "{code}"{hint}; there are {", ".join(files)}')
    (entry,) = _load({path: _content(path)}, include)
    if isinstance(entry, BrokenHospital):
        raise ConfigError(entry.message)
    return entry


def load_shard(
    number: int, *, of: int, dag_id: str | None = None, include: Path | None = None
) -> list[Hospital | BrokenHospital]:
    """Return the hospitals of one of several shards, or of them the one whose DAG is asked for.

    A hospital's shard depends on its file's name alone: a file that comes or goes moves no other.
    Other hospitals' files are not read, so that conflicts with them are not known.

    Args:
        number: Of the shard, from 1.
        of: How many shards there are.
        dag_id: The one DAG that is wanted; None: all of the shard.
        include: The folder; by default `include_dir()`.

    Raises:
        ConfigError: There is no folder of hospitals at all.
    """
    include = include or include_dir()
    files = [
        path
        for path in hospital_files(include)
        if crc32(path.stem.encode()) % of == number - 1 and dag_id in {None, _dag_id(path)}
    ]
    return _load({path: _content(path) for path in files}, include)


def all_conflicts(include: Path | None = None) -> dict[str, list[str]]:
    """Return the conflicts between hospitals' files, by code.

    Raises:
        ConfigError: There is no folder of hospitals at all.
    """
    contents = {path: _content(path) for path in hospital_files(include or include_dir())}
    found = find_conflicts(_readable(contents))
    return {_code(path): problems for path, problems in found.items()}


def check_conflicts(code: str, include: Path | None = None) -> None:
    """Refuse a hospital that another one's file contradicts.

    Raises:
        ConfigError: There is such a file.
    """
    if problems := all_conflicts(include).get(code):
        raise ConfigError("\n".join(problems))


def hospital_files(include: Path) -> list[Path]:
    """Return the files of hospitals, sorted.

    Raises:
        ConfigError: There is no folder of hospitals at all.
    """
    folder = include / "hospitals"
    if not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder: set TRACK_INCLUDE_DIR to the include folder")
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix in {".yaml", ".yml"} and path.name[0] != "."
    )


def _content(path: Path) -> dict[str, Any] | ConfigError:
    """Return what the file holds, or why it cannot be read."""
    try:
        return read_yaml(path, label=_label(path))
    except ConfigError as error:
        return error


def _readable(contents: dict[Path, dict[str, Any] | ConfigError]) -> dict[Path, dict[str, Any]]:
    return {path: found for path, found in contents.items() if not isinstance(found, ConfigError)}


def _load(
    contents: dict[Path, dict[str, Any] | ConfigError],
    include: Path,
    conflicts: dict[Path, list[str]] | None = None,
) -> list[Hospital | BrokenHospital]:
    """Return the hospital of each file, or why it is broken, sorted by code."""
    entries: list[Hospital | BrokenHospital] = []
    try:
        defaults = read_defaults(include / "defaults.yaml")
    except ConfigError as error:
        entries += [_broken(path, str(error)) for path in contents]
    else:
        for path, content in contents.items():
            problems = (conflicts or {}).get(path, ())
            entries.append(_entry(path, content, include, defaults, problems))
    return sorted(entries, key=lambda entry: entry.code)


def _entry(
    path: Path,
    content: dict[str, Any] | ConfigError,
    include: Path,
    defaults: Defaults,
    conflicts: Iterable[str],
) -> Hospital | BrokenHospital:
    if isinstance(content, ConfigError):
        return _broken(path, str(content))
    label = _label(path)
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
        problems.append(f'{label}: template_set: is not a known field (did you mean "templates"?)')
    problems += conflicts
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


def _label(path: Path) -> str:
    return f"hospitals/{path.name}"


def _name(path: Path) -> str:
    """Return a hospital's code by its file's name, which is unique even if the file is broken."""
    proper = (
        path.suffix == ".yaml" and path.stem.islower() and path.stem.upper() not in RESERVED_CODES
    )
    return re.sub(r"[^A-Za-z0-9_.-]", "_", path.stem if proper else path.name)


def _code(path: Path) -> str:
    return _name(path).upper()


def _dag_id(path: Path) -> str:
    return f"track_{_name(path)}"


def _broken(path: Path, message: str) -> BrokenHospital:
    return BrokenHospital(code=_code(path), dag_id=_dag_id(path), message=message)


# -- digests of what a run works with ----------------------------------------------


def software_here(include: Path | None = None) -> Software:
    """Return the software that runs in this process.

    Args:
        include: the folder of configuration; by default `include_dir()`.
    """
    return Software(PACKAGE_VERSION, include_digest(include or include_dir()))


def include_digest(include: Path) -> str:
    """Return a digest of a folder's files: names and contents, hidden ones left out."""
    found = (path for path in include.rglob("[!.]*") if path.is_file())
    return _digest(found, include)


def package_version(package: Path) -> str:
    """Return the version with a digest of the code: two commits may have the same number."""
    return f"{__version__}+{_digest(package.rglob('*.py'), package)}"


def _digest(files: Iterable[Path], root: Path) -> str:
    digest = hashlib.sha256()
    for name, path in sorted((path.relative_to(root).as_posix(), path) for path in files):
        content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:12]


#: Computed at import: files that change later are not the code that runs here.
PACKAGE_VERSION = package_version(Path(__file__).parents[1])


#: Settings that decide about no line when a day is read, but when a run begins, at the claim or at
#: the POST. All others belong to the digest, so that a change holds for waiting lines at once.
_READ_LATER = (
    "acceptance", "batch_size", "code", "contact_cap_days", "extraction_max_age_hours",
    "import_fields",
    "lease_margin_seconds", "ledger_retention_days", "look_back_days", "max_age_days", "name",
    "oracle_conn_id", "oracle_logon_deadline_seconds", "post_deadline_seconds", "queue",
    "rehearsal_contacts", "rehearsal_lines", "reminder_days", "requests_per_5_minutes",
    "schedule", "send_days", "send_window", "surveys", "template_set", "templates",
    "validity_days", "volume_gate",
)  # fmt: skip


def rules_digest(hospital: Hospital, include: Path | None = None) -> str:
    """Return a digest of the rules in force: settings, queries, version of this package.

    Lines that were judged under another one are not sent: their day is read again.

    Args:
        hospital: whose lines are judged.
        include: the folder of configuration; by default `include_dir()`.
    """
    settings = hospital.model_dump(mode="json", exclude={*_READ_LATER})
    settings["areas"] = sorted(hospital.surveys)
    digest = hashlib.sha256(json.dumps([__version__, settings], sort_keys=True).encode())
    folder = (include or include_dir()) / "sql"
    for query in sorted({*folder.glob("*.sql"), *(folder / hospital.erp).glob("_*.sql")}):
        digest.update(query.read_bytes())
    digest.update((folder / hospital.sql).read_bytes())
    return digest.hexdigest()[:32]
