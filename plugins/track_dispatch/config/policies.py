"""Models of defaults.yaml: policies, which a hospital's file may override, and template sets.

A template set names the messages in Track that carry a survey, by channel.
"""

import re
from abc import ABC, abstractmethod
from enum import StrEnum
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Annotated, Any, Literal, get_args
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from track_dispatch.records import COLUMNS, Channel


class Identifier(StrEnum):
    """The field by which Track tells customers apart, as configured for the organization."""

    CPF = "cpf"
    EMAIL = "email"
    PHONE = "phone"
    ATTENDANCE = "cd_atendimento"


#: Whole numbers. Each field has a maximum, too: a typing mistake beyond it would overflow a date,
#: or keep a run busy for ever.
Whole = Annotated[int, Field(strict=True)]


class FileModel(BaseModel):
    """A part of a configuration file: unknown fields are errors, values never change."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )


class VolumeGate(FileModel):
    """When a day's number of lines is so unusual that a person must approve it."""

    low: Annotated[float, Field(ge=0, le=1)] = 0.3
    """Fewer lines than this share of the usual number are odd."""
    high: Annotated[float, Field(ge=1, le=1000)] = 3
    """More lines than this many times the usual number are odd."""
    min_lines: Annotated[Whole, Field(ge=0, le=100_000)] = 30
    """Only days that are at least so many lines away from the usual number ask."""
    weeks: Annotated[Whole, Field(ge=1, le=52)] = 8
    """How many weeks back the usual number is counted from."""
    min_history_days: Annotated[Whole, Field(ge=1, le=52)] = 4
    """With fewer days to compare with, nobody is asked."""
    timeout_hours: Annotated[float, Field(ge=0.1, le=168)] = 8
    """Hours until an unanswered question counts as a no."""


def _off_as_none(value: object) -> object:
    """Read `off`, which YAML 1.1 calls false, as None; refuse an empty value."""
    if value is False or value == "off":
        return None
    if value is None or value is True:
        message = "must be off, or low, high, min_lines and the rest"
        raise ValueError(message)
    return value


def _all_as_none(value: object) -> object:
    """Read `all` as None; refuse an empty value."""
    if value == "all":
        return None
    if value is None:
        message = "must be all, or a list of fields"
        raise ValueError(message)
    return value


Days = Annotated[Whole, Field(ge=0, le=366)]
#: A column that an import line may carry: a closed set, so that an error names the nearest one.
ImportField = Literal[COLUMNS]  # type: ignore[valid-type]
#: A member of a JSON answer, at the top or, dotted, further down.
MemberPath = Annotated[
    str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$", examples=["data.uuid"])
]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
#: Marks a policy in the schema under which the moment of a run decides whether a patient is asked.
#: demo/policies.yaml switches all of them off, to give the same results at any hour.
CLOCK_BOUND = Field(json_schema_extra={"clock_bound": True})

#: Days that the ledger keeps a patient's hashes after the last rule that looks for them.
RETENTION_MARGIN_DAYS = 15

#: Python's parser's names of a repetition and a choice.
_REPEATS = (_constants.MAX_REPEAT, _constants.MIN_REPEAT)
_BRANCH = _constants.BRANCH
#: Repetitions in which a choice costs no noticeable time.
_FEW_TIMES = 9

_CLOCK = r"([01]\d|2[0-3]):[0-5]\d"
_WINDOW = rf"^{_CLOCK}-({_CLOCK}|24:00)$"


def _compiled(pattern: str) -> str:
    """Refuse a pattern that does not compile, matches every name or may search for ever."""
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        message = f"is not a regular expression: {error}"
        raise ValueError(message) from None
    if compiled.search(""):
        message = "holds in an empty text, so it would exclude everybody"
        raise ValueError(message)
    if _repeats_a_choice(_parser.parse(pattern)):
        message = (
            "repeats a choice or a repetition, as in (a+)+ or (a|ab)*: some searches would"
            " never end; repeat single letters, or a few times only, as in {0,3}"
        )
        raise ValueError(message)
    return pattern


def _repeats_a_choice(node: object, *, repeated: bool = False) -> bool:
    """Tell whether a parsed expression may try the same text in exponentially many ways.

    Python's search has no time limit. What repeats often must therefore leave no choice of how much
    each round takes.
    """
    if isinstance(node, tuple) and node[0] in _REPEATS:
        least, most, body = node[1]
        return (repeated and least != most) or _repeats_a_choice(
            body, repeated=repeated or most > _FEW_TIMES
        )
    if isinstance(node, tuple) and node[0] is _BRANCH and repeated:
        return True
    parts = node if isinstance(node, tuple | list | _parser.SubPattern) else ()
    return any(_repeats_a_choice(part, repeated=repeated) for part in parts)


Pattern = Annotated[str, Field(min_length=1), AfterValidator(_compiled)]


def parse_hours(text: str) -> tuple[int, int]:
    """Read "HH:MM-HH:MM" as minutes from midnight; "24:00" may end it.

    Raises:
        ValueError: it does not end after it begins.
    """
    opens, closes = (int(clock[:2]) * 60 + int(clock[3:]) for clock in text.split("-"))
    if opens >= closes:
        message = "must end after it begins; a window over midnight is not meant"
        raise ValueError(message)
    return opens, closes


def _in_hours(text: str) -> str:
    parse_hours(text)
    return text


class RehearsalContact(FileModel):
    """A contact of our own staff that receives rehearsals: e-mail, mobile or both."""

    email: Annotated[str, Field(repr=False)] = ""
    """An address, as Track takes it."""
    phone: Annotated[str, Field(repr=False)] = ""
    """A mobile, digits only, country code first."""


class SharedPolicies(FileModel):
    """Settings that all hospitals share."""

    contact_cap_days: Annotated[Days, CLOCK_BOUND]
    """Days in which one person is asked at most once, over all hospitals; 0 = off."""
    identifier: Identifier
    """The field that Track tells customers apart by; a line without it is excluded."""
    extraction_max_age_hours: Annotated[Whole, Field(ge=1, le=168)]
    """Hours after which what was read from an ERP is no longer sent, but read again."""
    requests_per_5_minutes: Annotated[Whole, Field(ge=20, le=100_000)]
    """Requests to Track in any 5 minutes, at most, over all hospitals."""
    acceptance: Annotated[tuple[MemberPath, ...], Field(min_length=1, examples=[["uuid", "id"]])]
    """The members of Track's answer of which one must hold a receipt; `data.uuid` is one of
    `data`. A success without any is in doubt, unless it has no body at all."""
    oracle_logon_deadline_seconds: Annotated[Whole, Field(ge=1, le=600)]
    """Seconds that a whole log-on to an ERP may take."""


class Policies(SharedPolicies):
    """Settings that may differ between hospitals."""

    batch_size: Annotated[Whole, Field(ge=1, le=1000)]
    """Lines in one POST, at most."""
    validity_days: Annotated[Whole, Field(ge=1, le=366)]
    """Days from dispatch until the survey can no longer be answered."""
    reminder_days: Annotated[Whole, Field(ge=1, le=366)]
    """Days from dispatch until the reminder; before the validity ends."""
    send_window: Annotated[
        str,
        Field(pattern=_WINDOW, examples=["08:00-20:00"]),
        AfterValidator(_in_hours),
        CLOCK_BOUND,
    ]
    """Hours of the hospital's day in which surveys go out, HH:MM-HH:MM; 24:00 may end it."""
    max_age_days: Annotated[Days, CLOCK_BOUND]
    """Days from the business day after which nobody is asked any more; 0 = no limit."""
    look_back_days: Annotated[Whole, Field(ge=0, le=31)]
    """Days before its own that a run reads again: late entries and failed days mend themselves."""
    volume_gate: Annotated[
        VolumeGate | None,
        BeforeValidator(_off_as_none, json_schema_input_type=VolumeGate | Literal["off", False]),
    ]
    """When a person must approve the day's volume first; off = never."""
    import_fields: Annotated[
        tuple[ImportField, ...] | None,
        BeforeValidator(_all_as_none, json_schema_input_type=Literal["all"] | list[ImportField]),
    ]
    """The columns of an attendance that Track gets; all = every one. The identifier, the name and
    the contact of the channel always go."""
    send_days: Annotated[Annotated[tuple[Weekday, ...], Field(min_length=1)] | None, CLOCK_BOUND]
    """Weekdays on which surveys go out; null = every day."""
    newborn_patterns: tuple[Pattern, ...]
    """Regular expressions; a name that holds one is a newborn's. Case and accents are ignored; each
    is searched in the name without signs, and as it is typed."""
    death_patterns: tuple[Pattern, ...]
    """The same for a stillbirth, and for whoever the name itself calls dead."""
    test_patterns: tuple[Pattern, ...]
    """The same for a test record, searched in e-mails, too: `^` and `$` are the ends of a name and
    of an address."""
    staff_patterns: tuple[Pattern, ...]
    """The same for the hospital's own staff, who are not asked."""
    min_age_years: Annotated[Whole, Field(ge=0, le=120)]
    """Younger patients are not asked, where the query gives `x_idade`; 0 = off."""
    rehearsal_lines: Annotated[Whole, Field(ge=1, le=100)]
    """Lines of a rehearsal for each area, at most."""
    rehearsal_contacts: Annotated[tuple[RehearsalContact, ...], Field(repr=False)]
    """Contacts of our own staff that receive a rehearsal."""
    ledger_retention_days: Annotated[Whole, Field(ge=0, le=36_500), CLOCK_BOUND]
    """Days after which settled lines leave the ledger; 0 = kept for ever."""
    post_deadline_seconds: Annotated[Whole, Field(ge=1, le=600)]
    """Seconds for one whole POST: connecting, uploading, reading the answer."""
    lease_margin_seconds: Annotated[Whole, Field(ge=1, le=3600)]
    """Seconds a claim outlives its POST, to write the outcome down."""

    @field_validator("reminder_days")
    @classmethod
    def _within_validity(cls, days: int, info: ValidationInfo) -> int:
        validity = info.data.get("validity_days")
        if validity is not None and days >= validity:
            raise ValueError(f"must be less than validity_days, {validity}")
        return days

    @field_validator("send_days")
    @classmethod
    def _within_look_back(
        cls, days: tuple[Weekday, ...] | None, info: ValidationInfo
    ) -> tuple[Weekday, ...] | None:
        """Refuse more closed days in a row than a run looks back: their lines would be lost."""
        look_back = info.data.get("look_back_days")
        if days and look_back is not None and (closed := _longest_closed(days)) > look_back:
            raise ValueError(
                f"leaves {closed} days closed in a row: needs look_back_days of {closed} at least"
            )
        return days

    @field_validator("ledger_retention_days")
    @classmethod
    def _outlives_every_rule(cls, days: int, info: ValidationInfo) -> int:
        """Refuse to delete a day that is still read, or a patient who could still be asked."""
        names = ("max_age_days", "contact_cap_days", "look_back_days")
        age, cap, look_back = (info.data.get(name) or 0 for name in names)
        least = max(age + cap, look_back) + RETENTION_MARGIN_DAYS
        if days and days < least:
            raise ValueError(
                "must be 0, or the larger of max_age_days + contact_cap_days and look_back_days,"
                f" + {RETENTION_MARGIN_DAYS} = {least} at least: else somebody could be asked twice"
            )
        return days


def _longest_closed(open_days: tuple[Weekday, ...]) -> int:
    """Return the most days in a row, of any week, on which nothing leaves."""
    fortnight = "".join("o" if day in open_days else "c" for day in get_args(Weekday)) * 2
    return max(map(len, fortnight.split("o")))


def policy_names() -> frozenset[str]:
    """Return the names of all policies, the keys that only defaults.yaml must have."""
    return frozenset(Policies.model_fields)


def shared_policy_names() -> frozenset[str]:
    """Return the names of the policies that no hospital's file may state."""
    return frozenset(SharedPolicies.model_fields)


# -- template sets -----------------------------------------------------------------

TemplateHash = Annotated[str, Field(pattern=r"^[A-Za-z0-9]{6}$", examples=["a1B2c3"])]
Variable = Annotated[
    str, Field(pattern=r"^(customer|interaction)\.\w+$", examples=["customer.firstname"])
]


class ChannelTemplates(FileModel, ABC):
    """The templates of one channel, and what they add to a POST."""

    @abstractmethod
    def posted(self, *, reminder: bool) -> dict[str, Any]:
        """Return the fields of the POST that name the templates."""

    @abstractmethod
    def ids(self) -> tuple[str, ...]:
        """Return the templates' ids, by which the demo's are recognised."""

    def attributes(self) -> frozenset[str]:
        """Return the attributes of an attendance that the messages show."""
        return frozenset()


class EmailTemplates(ChannelTemplates):
    """The three e-mail templates, by Track's 6-character hashes."""

    invite: TemplateHash
    """Track's hash of the invitation."""
    expired: TemplateHash
    """Track's hash of what an answer after the end of validity gets."""
    thanks: TemplateHash
    """Track's hash of what an answer gets."""

    def posted(self, *, reminder: bool) -> dict[str, Any]:  # noqa: ARG002 - it has none of its own
        """Return the three hashes."""
        return {
            "template_invite_hash": self.invite,
            "template_expired_hash": self.expired,
            "template_thanks_hash": self.thanks,
        }

    def ids(self) -> tuple[str, ...]:
        """Return the three hashes."""
        return self.invite, self.expired, self.thanks


class WhatsappTemplate(FileModel):
    """One approved WhatsApp message."""

    name: Annotated[str, Field(min_length=1)]
    """As it was approved."""
    language: Annotated[str, Field(pattern=r"^[a-z]{2}(_[A-Z]{2})?$", examples=["pt_BR"])]
    """The message's language, as it was approved."""
    variables: tuple[Variable, ...]
    """What fills the message's gaps, in order, from the import line."""
    id_provider: Annotated[str, Field(min_length=1)]
    """The message's id at the WhatsApp provider (HX...)."""


class WhatsappTemplates(ChannelTemplates):
    """The WhatsApp messages and the organization's integration that sends them."""

    template: WhatsappTemplate
    """The invitation."""
    reminder: WhatsappTemplate
    """What goes out after `reminder_days`."""
    integration_uuid: UUID
    """The organization's integration, in Track."""

    def posted(self, *, reminder: bool) -> dict[str, Any]:
        """Return the message, the reminder where there is one, and the integration."""
        found: dict[str, Any] = {
            "whatsapp_template": self.template.model_dump(mode="json"),
            "whatsapp_integration_uuid": str(self.integration_uuid),
        }
        if reminder:
            found["whatsapp_reminder_template"] = self.reminder.model_dump(mode="json")
        return found

    def ids(self) -> tuple[str, ...]:
        """Return the messages' ids at the provider."""
        return self.template.id_provider, self.reminder.id_provider

    def attributes(self) -> frozenset[str]:
        """Return the attributes of an attendance that the messages show."""
        shown = (*self.template.variables, *self.reminder.variables)
        return frozenset(
            name for kind, name in (v.split(".") for v in shown) if kind == "interaction"
        )


class TemplateSet(FileModel):
    """The templates of one group of hospitals, by channel; a channel without them is not usable."""

    email: EmailTemplates | None = None
    """The templates of e-mails."""
    whatsapp: WhatsappTemplates | None = None
    """The messages of WhatsApp."""

    def of(self, channel: Channel) -> ChannelTemplates | None:
        """Return the templates of a channel, the field of its name."""
        found: ChannelTemplates | None = getattr(self, channel.value)
        return found

    def serves(self, channel: Channel) -> bool:
        """Tell whether the set has templates of the channel."""
        return self.of(channel) is not None

    def ids(self) -> frozenset[str]:
        """Return the ids of all templates."""
        return frozenset(
            chosen for found in map(self.of, Channel) if found for chosen in found.ids()
        )
