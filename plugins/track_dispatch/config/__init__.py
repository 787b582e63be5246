"""Configuration: one YAML file for each hospital over shared defaults, checked before use."""

from __future__ import annotations

from track_dispatch.config.checks import (
    check_go_live,
    check_lease_margin,
    demo_survey_uuid,
    is_demo_template_set,
    is_practice_host,
)
from track_dispatch.config.hospital import Hospital, json_schema
from track_dispatch.config.loading import (
    BrokenHospital,
    all_conflicts,
    check_conflicts,
    include_dir,
    load_hospital,
    load_hospitals,
    load_shard,
    rules_digest,
    software_here,
    working_hospitals,
)
from track_dispatch.config.policies import Identifier, TemplateSet, VolumeGate

__all__ = [
    "BrokenHospital",
    "Hospital",
    "Identifier",
    "TemplateSet",
    "VolumeGate",
    "all_conflicts",
    "check_conflicts",
    "check_go_live",
    "check_lease_margin",
    "demo_survey_uuid",
    "include_dir",
    "is_demo_template_set",
    "is_practice_host",
    "json_schema",
    "load_hospital",
    "load_hospitals",
    "load_shard",
    "rules_digest",
    "software_here",
    "working_hospitals",
]
