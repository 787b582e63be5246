"""Template sets: the messages in Track that carry a survey, a class for each channel."""

from abc import ABC, abstractmethod
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from track_dispatch.config.policies import FileModel
from track_dispatch.records import Channel

TemplateHash = Annotated[str, Field(pattern=r"^[A-Za-z0-9]{6}$", examples=["a1B2c3"])]
Variable = Annotated[
    str, Field(pattern=r"^(customer|interaction)\.\w+$", examples=["customer.firstname"])
]


class ChannelTemplates(FileModel, ABC):
    """What a distribution over one channel needs: all that is true of its templates."""

    @abstractmethod
    def posted(self, *, reminder: bool) -> dict[str, Any]:
        """Return the fields of the POST that name the templates."""

    @abstractmethod
    def ids(self) -> tuple[str, ...]:
        """Return the templates' ids, by which the demo's are known by sight."""

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
    """The templates of one group of hospitals, by channel; one without them cannot be used."""

    email: EmailTemplates | None = None
    """The templates of e-mails."""
    whatsapp: WhatsappTemplates | None = None
    """The messages of WhatsApp."""

    def of(self, channel: Channel) -> ChannelTemplates | None:
        """Return what a distribution over the channel needs; its field is called as it is."""
        found: ChannelTemplates | None = getattr(self, channel.value)
        return found

    def serves(self, channel: Channel) -> bool:
        """Tell whether the set has what a distribution over the channel needs."""
        return self.of(channel) is not None

    def ids(self) -> frozenset[str]:
        """Return the ids of all templates."""
        return frozenset(one for found in map(self.of, Channel) if found for one in found.ids())
