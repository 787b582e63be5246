"""What a distribution must look like: every rule that is known or assumed of Track's API."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from email.message import Message
from typing import Annotated, Any, Literal

from email_validator import EmailNotValidError, validate_email
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stand_ins.track_api.answers import Problem
from stand_ins.track_api.terms import ContractTerms

#: Further ahead than this, a moment was not given in seconds.
FURTHEST_AHEAD = timedelta(days=5 * 365)

#: What a WhatsApp template may take from the customer, by the line's field it comes from.
CUSTOMER_VARIABLES = {
    "firstname": "name",
    "lastname": "name",
    "name": "name",
    "email": "email",
    "phone": "phone",
    "cpf": "cpf",
}

Uuid = Annotated[
    str, Field(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")
]
Hash = Annotated[str, Field(pattern=r"^[A-Za-z0-9]{6}$")]
ChannelName = Literal["email", "whatsapp"]


class ContractError(Exception):
    """A request breaks the contract; `status` is the answer's, `problems` say the rules."""

    def __init__(self, status: int, *problems: Problem) -> None:
        super().__init__(f"{status}: {'; '.join(problem.text for problem in problems)}")
        self.status = status
        self.problems = problems


class Template(BaseModel):
    """A WhatsApp template and what it takes from a line."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    name: str = Field(min_length=1)
    language: Literal["pt_BR"]
    variables: list[Annotated[str, Field(pattern=r"^(customer|interaction)\.\w+$")]]
    id_provider: str = Field(pattern=r"^HX\w+$")


class Distribution(BaseModel):
    """The body of a POST to `distributions`, field by field."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    survey_uuid: Uuid
    distribution_channel: ChannelName
    reminder_channel: ChannelName | None = None
    validity_at: int
    reminder_at: int | None = None
    import_lines: list[dict[str, str]] = Field(min_length=1)
    template_invite_hash: Hash | None = None
    template_expired_hash: Hash | None = None
    template_thanks_hash: Hash | None = None
    whatsapp_template: Template | None = None
    whatsapp_reminder_template: Template | None = None
    whatsapp_integration_uuid: Uuid | None = None

    @property
    def channels(self) -> set[str]:
        """The channels of invitation and reminder."""
        return {self.distribution_channel, self.reminder_channel or self.distribution_channel}


def check_caller(terms: ContractTerms, *, organization: str, authorization: str) -> None:
    """Let only the organization's own token in.

    Raises:
        ContractError: 401 for a missing or wrong token, 403 for another organization.
    """
    if authorization != terms.bearer:
        raise ContractError(401, Problem("Unauthenticated."))
    if organization != terms.organization:
        raise ContractError(403, Problem("The token does not belong to this organization."))


def read_document(content_type: str, raw: bytes) -> dict[str, Any]:
    """Read a JSON object in UTF-8.

    Raises:
        ContractError: 415 for another type or charset, 400 for what cannot be read.
    """
    header = Message()
    header["Content-Type"] = content_type
    charset = header.get_content_charset("utf-8")
    if header.get_content_type() != "application/json" or charset not in {"utf-8", "utf8"}:
        raise ContractError(415, Problem("The body must be application/json in UTF-8."))
    try:
        content = json.loads(
            raw.decode("utf-8"), object_pairs_hook=_object, parse_constant=_no_constant
        )
    except UnicodeDecodeError:
        raise ContractError(400, Problem("The body is not UTF-8.")) from None
    except ValueError:
        raise ContractError(400, Problem("The body is not JSON.")) from None
    if not isinstance(content, dict):
        raise ContractError(400, Problem("The body must be an object."))
    return content


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a key occurs twice")
    return content


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def check_distribution(terms: ContractTerms, content: Mapping[str, Any]) -> Distribution:
    """Check a distribution against every rule and read it.

    Raises:
        ContractError: 413 for too many lines, 422 for anything else.
    """
    lines = content.get("import_lines")
    if isinstance(lines, list) and len(lines) > terms.max_lines:
        raise ContractError(413, Problem(f"At most {terms.max_lines} lines.", "import_lines"))
    nulls = [Problem("must not be null", key) for key, value in content.items() if value is None]
    if nulls:
        raise ContractError(422, *nulls)
    try:
        distribution = Distribution.model_validate(content)
    except ValidationError as error:
        raise ContractError(422, *map(_from_pydantic, error.errors())) from None
    problems = [
        *_survey_problems(terms, distribution),
        *_template_problems(distribution),
        *_moment_problems(distribution, terms.clock()),
    ]
    for position, line in enumerate(distribution.import_lines):
        problems += _line_problems(terms, distribution, position, line)
    if problems:
        raise ContractError(422, *problems)
    return distribution


def _from_pydantic(error: Mapping[str, Any]) -> Problem:
    where = error["loc"]
    if where[0] == "import_lines" and len(where) > 1:
        # Pydantic marks a wrong key by a further "[key]".
        name = next((str(part) for part in where[2:]), None)
        return Problem(error["msg"], name, where[1])
    return Problem(error["msg"], ".".join(map(str, where)))


def _survey_problems(terms: ContractTerms, distribution: Distribution) -> list[Problem]:
    survey = terms.surveys.get(distribution.survey_uuid)
    if survey is None:
        return [Problem("no such survey", "survey_uuid")]
    if survey.status != "active":
        return [Problem("the survey is not active", "survey_uuid")]
    return []


def _template_problems(distribution: Distribution) -> list[Problem]:
    needed = []
    if "email" in distribution.channels:
        needed += ["template_invite_hash", "template_expired_hash", "template_thanks_hash"]
    if "whatsapp" in distribution.channels:
        needed += ["whatsapp_integration_uuid"]
    if distribution.distribution_channel == "whatsapp":
        needed += ["whatsapp_template"]
    if distribution.reminder_channel == "whatsapp":
        needed += ["whatsapp_reminder_template"]
    if distribution.reminder_channel is not None:
        needed += ["reminder_at"]
    return [
        Problem("is needed for this channel", name)
        for name in needed
        if getattr(distribution, name) is None
    ]


def _moment_problems(distribution: Distribution, now: datetime) -> list[Problem]:
    earliest, latest = now.timestamp(), (now + FURTHEST_AHEAD).timestamp()
    moments = {"validity_at": distribution.validity_at, "reminder_at": distribution.reminder_at}
    return [
        Problem("must be a moment of the near future in unix seconds", name)
        for name, moment in moments.items()
        if moment is not None and not earliest < moment < latest
    ]


def _line_problems(
    terms: ContractTerms, distribution: Distribution, position: int, line: Mapping[str, str]
) -> list[Problem]:
    problems = [
        Problem("is not a known field of an import line", key, position)
        for key in sorted(line.keys() - terms.line_fields)
    ]
    for field, (holds, text) in FIELD_RULES.items():
        if line.get(field) and not holds(line[field]):
            problems.append(Problem(text, field, position))
    if line.get("uuid") != distribution.survey_uuid:
        problems.append(Problem("must be the survey's", "uuid", position))
    if not line.get(terms.identifier, "").strip():
        problems.append(Problem("identifies the line: is needed", terms.identifier, position))
    if "email" in distribution.channels and not line.get("email"):
        problems.append(Problem("is needed for this channel", "email", position))
    if "whatsapp" in distribution.channels and not re.fullmatch(
        r"55[1-9][0-9]9[0-9]{8}", line.get("phone", "")
    ):
        problems.append(Problem("must be a mobile, 55DDDNNNNNNNNN", "phone", position))
    return problems + _variable_problems(distribution, position, line)


def _variable_problems(
    distribution: Distribution, position: int, line: Mapping[str, str]
) -> list[Problem]:
    templates = (distribution.whatsapp_template, distribution.whatsapp_reminder_template)
    names = {name for template in templates if template for name in template.variables}
    problems = []
    for name in sorted(names):
        kind, _, key = name.partition(".")
        source = CUSTOMER_VARIABLES.get(key, "") if kind == "customer" else key
        if source not in line:
            problems.append(Problem(f"the template's {name} is not in the line", key, position))
    return problems


def _is_moment(text: str) -> bool:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}", text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_address(text: str) -> bool:
    try:
        # The demo's patients live under .test, which is no address of the real world.
        validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return False
    return True


def _is_phone(text: str) -> bool:
    return re.fullmatch(r"[1-9][0-9]{9,14}", text) is not None


#: What a field of a line must look like when it is not empty.
FIELD_RULES: dict[str, tuple[Callable[[str], bool], str]] = {
    "data_atendimento": (_is_moment, "must be YYYY-MM-DD HH:MM:SS"),
    "data_saida_alta": (_is_moment, "must be YYYY-MM-DD HH:MM:SS"),
    "email": (_is_address, "must be an e-mail address"),
    "phone": (_is_phone, "must be digits only, country code first"),
}
