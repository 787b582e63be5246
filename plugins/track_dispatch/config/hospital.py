"""A hospital's file as a model, with the policies and templates it uses, and its send window."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from math import ceil
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    with_config,
)
from typing_extensions import TypedDict

from track_dispatch.config.policies import (
    Policies,
    TemplateSet,
    parse_hours,
    policy_names,
    shared_policy_names,
)
from track_dispatch.errors import did_you_mean
from track_dispatch.records import Area, Channel

#: As `send_days` names them; Monday is 0, as Python counts.
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = timedelta(days=1)
#: The time from the beginning of a run to its dispatch, at most.
WORK = timedelta(hours=1)
_FORTNIGHT = 14


@dataclass(frozen=True, slots=True)
class SendWindow:
    """Half-open hours of a day, in minutes from midnight; `closes` may be 1440, the day's end."""

    opens: int
    closes: int
    weekdays: frozenset[int]  # never empty
    zone: ZoneInfo

    def opening(self, moment: datetime) -> datetime:
        """Return the first moment, from `moment` on, at which invitations may leave; aware.

        It is `moment` itself where the window is open.
        """
        local = moment.astimezone(self.zone)
        day = local.date()
        while day.weekday() not in self.weekdays or local >= self._at(day, self.closes):
            day += _DAY
        return max(moment, self._at(day, self.opens))

    def _at(self, day: date, minutes: int) -> datetime:
        """Return a moment of a day by the wall clock."""
        days, rest = divmod(minutes, 24 * 60)
        return datetime.combine(day + days * _DAY, time(rest // 60, rest % 60), self.zone)


class LongestWait(NamedTuple):
    """The longest waits that a hospital's settings allow.

    Attributes:
        within_run: from the beginning of a run to the opening that it waits for.
        days: from a business day to the day on which its patients are asked.
    """

    within_run: timedelta
    days: int


@lru_cache(maxsize=256)
def longest_wait(
    opens: int, closes: int, weekdays: frozenset[int], begins: int
) -> LongestWait | None:
    """Return the longest waits for a window that a daily run allows; clock changes are ignored.

    A run waits for an opening before the next run, and leaves any other to that run. Its dispatch
    comes at once or up to `WORK` later, and the window may close between.

    Args:
        opens: minutes from midnight.
        closes: minutes from midnight.
        weekdays: on which invitations leave; Monday is 0.
        begins: when the run begins, minutes from midnight.

    Returns:
        None where a slow run would miss every opening.
    """
    window = SendWindow(opens, closes, weekdays, ZoneInfo("UTC"))
    monday = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=begins)
    within_run, days = timedelta(0), 0
    for first in (monday + number * _DAY for number in range(7)):
        for run in (first + number * _DAY for number in range(_FORTNIGHT)):
            openings = _openings(window, run)
            caught = [opening for opening in openings if opening <= run + _DAY]
            within_run = max([within_run, *(opening - run for opening in caught)])
            days = max([days, *((opening.date() - first.date()).days + 1 for opening in caught)])
            if caught == openings:
                break
        else:
            return None
    return LongestWait(within_run, days)


def _openings(window: SendWindow, run: datetime) -> list[datetime]:
    """Return the openings for a dispatch that comes at once, as the window closes, or latest."""
    closing = run.replace(hour=0, minute=0) + timedelta(minutes=window.closes)
    moments = [run, *([closing] if run < closing < run + WORK else []), run + WORK]
    return [window.opening(moment) for moment in moments]


def weekday_numbers(days: Sequence[str] | None) -> frozenset[int]:
    """Return weekdays as numbers, Monday 0; every day for None."""
    return frozenset(map(WEEKDAYS.index, days or WEEKDAYS))


#: Codes whose DAG id would be that of an operations DAG.
RESERVED_CODES = frozenset({"MORNING", "DECIDE", "HOUSEKEEPING", "DOCTOR"})


_ONCE_A_DAY = r"^[0-5]?\d ([01]?\d|2[0-3]) \* \* \*$"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The include folder and the template sets that a hospital's file refers to."""

    include: Path
    template_sets: Mapping[str, TemplateSet]


@with_config(ConfigDict(extra="forbid", use_attribute_docstrings=True))
class Surveys(TypedDict, total=False):
    """The survey of each area; an area without one is reported, never posted."""

    pronto_socorro: UUID
    """Of PRONTO SOCORRO GERAL."""
    internacao: UUID
    """Of INTERNACAO."""
    maternidade: UUID
    """Of MATERNIDADE."""
    ambulatorio: UUID
    """Of AMBULATORIO."""
    exames: UUID
    """Of EXAMES."""
    oncologia: UUID
    """Of ONCOLOGIA."""


def _day(value: object) -> object:
    """Refuse anything but a day: pydantic would read a number as seconds since 1970."""
    if not isinstance(value, date | str | None):
        message = "must be a day, YYYY-MM-DD, or null"
        raise ValueError(message)  # noqa: TRY004 - pydantic collects ValueErrors only
    return value


def _unique(values: tuple[object, ...]) -> None:
    """Refuse a value that is listed twice.

    Raises:
        ValueError: A value is listed twice.
    """
    twice = sorted({str(value) for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"lists {', '.join(twice)} twice")


def begins_at(schedule: str) -> time:
    """Return the time of day of a schedule, "minute hour * * *"."""
    minute, hour = (int(part) for part in schedule.split()[:2])
    return time(hour, minute)


class Hospital(Policies):
    """One hospital: its names, its ERP, its surveys, and the policies in force."""

    code: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9]{1,15}$", examples=["HMS"])]
    """Short name in capitals; the file is named after it in lower case."""
    name: Annotated[str, Field(min_length=1)]
    """The hospital's name for people."""
    unidade: Annotated[str, Field(min_length=1)] | None
    """What the surveys segment on, exactly; null only if the SQL takes it from the ERP."""
    client_id: Annotated[str, Field(pattern=r"^\d+$", examples=["40085"])] = "40085"
    """The client's id at the survey vendor, in quotes."""
    erp: Literal["mv", "tasy"]
    """The family of the ERP."""
    source: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$", examples=["oto_ing"])]
    """Fixed short name of the ERP's database, part of every line's identity: never rename it."""
    oracle_conn_id: Annotated[
        str, Field(pattern=r"^oracle_[a-z0-9_]+$", examples=["oracle_oto_ing"])
    ]
    """The Airflow connection to the ERP, oracle_<alias>."""
    timezone: str
    """The hospital's IANA time zone, which decides when its day begins."""
    schedule: Annotated[str, Field(pattern=_ONCE_A_DAY, examples=["0 9 * * *"])]
    """Cron "minute hour * * *" in that zone; patients of a day left out would never be asked."""
    first_business_day: Annotated[date | None, BeforeValidator(_day)]
    """Nobody who attended before this day is ever asked; null: the hospital is not live yet."""
    sql: Annotated[str, Field(pattern=r"^(mv|tasy)/[a-z][a-z0-9_]*\.sql$", examples=["mv/hms.sql"])]
    """The extraction query, below include/sql."""
    queue: Annotated[
        str | None, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$", examples=["site-es"])
    ] = None
    """The queue of the Celery workers that run its tasks, where only one site reaches its ERP."""
    companies: tuple[Annotated[int, Field(strict=True, ge=1)], ...] = ()
    """The companies of a shared database that are this hospital; none = all."""
    templates: str
    """The name of a template set in defaults.yaml."""
    template_set: TemplateSet
    """The set that `templates` names; put in by the loader, never written in a file."""
    channels: Annotated[tuple[Channel, ...], Field(json_schema_extra={"minItems": 1})]
    """How patients are reached, in order of preference."""
    surveys: Surveys
    """Track's survey of each area; who comes to an area without one is counted, never asked."""

    @property
    def dag_id(self) -> str:
        """The id of the hospital's DAG."""
        return f"track_{self.code.lower()}"

    @property
    def pool(self) -> str:
        """The Airflow pool that lets one extraction at a time into the source."""
        return f"oracle_{self.source}"

    @property
    def zone(self) -> ZoneInfo:
        """The hospital's time zone."""
        return ZoneInfo(self.timezone)

    @property
    def begins_at(self) -> time:
        """When the run of each day begins, by the hospital's clock."""
        return begins_at(self.schedule)

    @property
    def lease_seconds(self) -> int:
        """Seconds that a claim lasts: a whole POST and the margin after it."""
        return self.post_deadline_seconds + self.lease_margin_seconds

    @property
    def window(self) -> SendWindow:
        """When invitations may leave."""
        return SendWindow(
            *parse_hours(self.send_window), weekday_numbers(self.send_days), self.zone
        )

    def is_live(self, day: date) -> bool:
        """Tell whether the patients of a day may be asked: the hospital had begun by then."""
        return self.first_business_day is not None and day >= self.first_business_day

    def survey(self, area: Area) -> UUID | None:
        """Return the area's survey, or None if it has none."""
        by_key: Mapping[str, UUID] = {**self.surveys}  # type: ignore[dict-item]
        return by_key.get(area.key)

    @field_validator("schedule")
    @classmethod
    def _leaves_in_time(cls, schedule: str, info: ValidationInfo) -> str:
        """Refuse a wait for the window that is longer than readings or patients may age."""
        policies = info.data
        if not {"send_window", "send_days"} <= policies.keys():
            return schedule
        begins = begins_at(schedule)
        weekdays = weekday_numbers(policies["send_days"])
        hours = parse_hours(policies["send_window"])
        wait = longest_wait(*hours, weekdays, begins.hour * 60 + begins.minute)
        if wait is None:
            raise ValueError(
                "begins so shortly before send_window closes that a slow run could miss it on"
                " every send day: begin an hour before it closes, or after it"
            )
        if 0 < policies.get("max_age_days", 0) < wait.days:
            raise ValueError(
                "with send_window and send_days lets patients wait until the"
                f" {wait.days}th day: needs max_age_days of {wait.days} at least, or 0"
            )
        least = ceil(wait.within_run / timedelta(hours=1)) + 1
        if policies.get("extraction_max_age_hours", least) < least:
            raise ValueError(
                "with send_window and send_days lets what was read wait for hours: needs"
                f" extraction_max_age_hours of {least} at least (in defaults.yaml)"
            )
        return schedule

    @field_validator("code")
    @classmethod
    def _is_free(cls, code: str) -> str:
        if code in RESERVED_CODES:
            raise ValueError(f"is taken: the DAG track_{code.lower()} is not a hospital")
        return code

    @field_validator("timezone")
    @classmethod
    def _is_known_zone(cls, timezone: str) -> str:
        try:
            ZoneInfo(timezone)
        except (KeyError, ValueError, OSError):
            hint = did_you_mean(timezone, available_timezones())
            raise ValueError(f"is not an IANA time zone{hint}") from None
        return timezone

    @field_validator("sql")
    @classmethod
    def _query_exists(cls, sql: str, info: ValidationInfo) -> str:
        if isinstance(info.context, Surroundings):
            folder = info.context.include / "sql"
            if not (folder / sql).is_file():
                known = (path.relative_to(folder).as_posix() for path in folder.rglob("*.sql"))
                raise ValueError(f"is not a file below {folder}{did_you_mean(sql, known)}")
        return sql

    @field_validator("templates")
    @classmethod
    def _is_known_set(cls, templates: str, info: ValidationInfo) -> str:
        if isinstance(info.context, Surroundings) and templates not in info.context.template_sets:
            known = sorted(info.context.template_sets)
            hint = did_you_mean(templates, known)
            raise ValueError(f"is not a set of defaults.yaml, which has {', '.join(known)}{hint}")
        return templates

    @field_validator("channels")
    @classmethod
    def _have_templates(
        cls, channels: tuple[Channel, ...], info: ValidationInfo
    ) -> tuple[Channel, ...]:
        if not channels:
            raise ValueError(f"must list one of {', '.join(Channel)} at least")
        _unique(channels)
        templates: TemplateSet | None = info.data.get("template_set")
        if templates is None:  # the set itself is broken, and is told of
            return channels
        fields = info.data.get("import_fields")
        for channel in channels:
            needed = templates.of(channel)
            if needed is None:
                name = info.data.get("templates")
                raise ValueError(f'need templates, but the set "{name}" has none for {channel}')
            held_back = sorted(needed.attributes() - {*fields}) if fields is not None else []
            if held_back:
                raise ValueError(
                    f"need {held_back[0]} for the {channel.label} message, but import_fields holds"
                    " it back"
                )
        return channels

    @field_validator("companies")
    @classmethod
    def _are_different(cls, companies: tuple[int, ...]) -> tuple[int, ...]:
        _unique(companies)
        return companies

    @field_validator("surveys")
    @classmethod
    def _one_for_each_area(cls, surveys: Surveys) -> Surveys:
        _unique(tuple(surveys.values()))
        return surveys


@cache
def json_schema() -> dict[str, Any]:
    """Return the schema of what a hospital's file may hold.

    It differs from the model in three ways: policies may be left to defaults.yaml, those that are
    shared must be, and the template set is named, not written out.
    """
    schema = Hospital.model_json_schema()
    for elsewhere in shared_policy_names() | {"template_set"}:
        del schema["properties"][elsewhere]
    optional = policy_names() | {"template_set"}
    schema["required"] = sorted(set(schema["required"]) - optional)
    for unused in (
        "Identifier",
        "TemplateSet",
        "EmailTemplates",
        "WhatsappTemplates",
        "WhatsappTemplate",
    ):
        del schema["$defs"][unused]
    return {"$schema": "http://json-schema.org/draft-07/schema#", **schema}
