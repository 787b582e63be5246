"""The policies: what defaults.yaml states for all hospitals and a hospital's file may override."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator


class Identifier(StrEnum):
    """The field by which Track tells customers apart, as configured for the organization."""

    CPF = "cpf"
    EMAIL = "email"
    PHONE = "phone"
    ATTENDANCE = "cd_atendimento"


class FileModel(BaseModel):
    """A part of a configuration file: unknown fields are errors, values never change."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True
    )


class VolumeGate(FileModel):
    """When a day's number of lines is odd enough to ask a person first."""

    low: Annotated[float, Field(ge=0, le=1)]
    """Fewer lines than this share of the usual number are odd."""
    high: Annotated[float, Field(ge=1)]
    """More lines than this many times the usual number are odd."""
    min_lines: Annotated[int, Field(strict=True, ge=0)]
    """Days with fewer lines than this never ask."""
    weeks: Annotated[int, Field(strict=True, ge=1)]
    """How many weeks back the usual number is counted from."""
    min_history_days: Annotated[int, Field(strict=True, ge=1)]
    """With fewer days to compare with, nobody is asked."""
    timeout_hours: Annotated[float, Field(gt=0)]
    """Hours until an unanswered question counts as a no."""
    backfills: bool
    """Whether backfills ask, too."""


def _off_as_none(value: object) -> object:
    """Read `off`, which YAML 1.1 calls false, as None; an empty value is a slip, not a wish."""
    if value is False or value == "off":
        return None
    if value is None or value is True:
        message = "must be off, or low, high, min_lines and the rest"
        raise ValueError(message)
    return value


def _all_as_none(value: object) -> object:
    """Read `all` as None; an empty value is a slip, not a wish."""
    if value == "all":
        return None
    if value is None:
        message = "must be all, or a list of fields"
        raise ValueError(message)
    return value


Count = Annotated[int, Field(strict=True, ge=0)]
PositiveCount = Annotated[int, Field(strict=True, ge=1)]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

_CLOCK = r"([01]\d|2[0-3]):[0-5]\d"
SEND_WINDOW_PATTERN = rf"^{_CLOCK}-({_CLOCK}|24:00)$"

#: Policies whose rule does not exist yet, each with the only values that are accepted until then:
#: a setting that looks as if it were obeyed would be worse than none.
NOT_BUILT: dict[str, object] = {
    "send_window": "00:00-24:00",
    "contact_cap_days": 0,
    "volume_gate": None,
    "import_fields": None,
    "send_days": None,
    "test_patterns": (),
    "min_age_years": 0,
    "rehearsal_lines": 0,
    "rehearsal_contacts": (),
    "ledger_retention_days": 0,
}

#: How the switched-off value of a policy is written in YAML.
_WRITTEN = {None: "null", (): "[]"}
_WRITTEN_FOR = {"volume_gate": "off", "import_fields": "all"}


class Policies(FileModel):
    """What may differ between hospitals without being a fact about one."""

    batch_size: Annotated[int, Field(strict=True, ge=1, le=1000)]
    """Lines in one POST, at most."""
    validity_days: PositiveCount
    """Days from dispatch until the survey can no longer be answered."""
    reminder_days: PositiveCount
    """Days from dispatch until the reminder; before the validity ends."""
    send_window: Annotated[str, Field(pattern=SEND_WINDOW_PATTERN)]
    """Hours of the hospital's day in which surveys go out, HH:MM-HH:MM; 24:00 may end it."""
    max_age_days: Count
    """Days from the business day after which nobody is asked any more; 0 = no limit."""
    contact_cap_days: Count
    """Days in which one person is asked at most once; 0 = off."""
    volume_gate: Annotated[
        VolumeGate | None,
        BeforeValidator(_off_as_none, json_schema_input_type=VolumeGate | Literal["off", False]),
    ]
    """When a person must approve the day's volume first; off = never."""
    import_fields: Annotated[
        tuple[str, ...] | None,
        BeforeValidator(_all_as_none, json_schema_input_type=Literal["all"] | list[str]),
    ]
    """The attributes of an attendance that Track gets; all = every column of the contract."""
    identifier: Identifier
    """The field that Track tells customers apart by; a line without it is excluded."""
    send_days: tuple[Weekday, ...] | None
    """Weekdays on which surveys go out; null = every day."""
    test_patterns: tuple[str, ...]
    """Patterns of names of test patients in the ERP."""
    min_age_years: Count
    """Younger patients are not asked; 0 = off."""
    rehearsal_lines: Count
    """Lines of a rehearsal; 0 = off."""
    rehearsal_contacts: tuple[str, ...]
    """Contacts of our own staff that receive a rehearsal."""
    ledger_retention_days: Count
    """Days after which settled lines leave the ledger; 0 = kept for ever."""
    post_deadline_seconds: PositiveCount
    """Seconds for one whole POST: connecting, uploading, reading the answer."""
    lease_margin_seconds: PositiveCount
    """Seconds a claim outlives its POST, to write the outcome down."""

    @field_validator(*NOT_BUILT)
    @classmethod
    def _is_built(cls, value: object, info: object) -> object:
        name = getattr(info, "field_name", "")
        off = NOT_BUILT[name]
        if value != off:
            written = _WRITTEN_FOR.get(name) or _WRITTEN.get(off, off)  # type: ignore[call-overload]
            message = f"is not built yet; until then the only value is {written}"
            raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _reminder_within_validity(self) -> Self:
        if self.reminder_days >= self.validity_days:
            message = (
                f"reminder_days ({self.reminder_days}) must be less than"
                f" validity_days ({self.validity_days})"
            )
            raise ValueError(message)
        return self


def policy_names() -> frozenset[str]:
    """Return the names of all policies, the keys that only defaults.yaml must have."""
    return frozenset(Policies.model_fields)
