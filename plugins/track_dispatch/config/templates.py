"""Template sets: the messages in Track that carry a survey, by channel."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from track_dispatch.config.policies import FileModel
from track_dispatch.records import Channel

TemplateHash = Annotated[str, Field(pattern=r"^[A-Za-z0-9]{6}$", examples=["a1B2c3"])]
Variable = Annotated[
    str, Field(pattern=r"^(customer|interaction)\.\w+$", examples=["customer.firstname"])
]


class EmailTemplates(FileModel):
    """The three e-mail templates, by Track's 6-character hashes."""

    invite: TemplateHash
    """Track's hash of the invitation."""
    expired: TemplateHash
    """Track's hash of what an answer after the end of validity gets."""
    thanks: TemplateHash
    """Track's hash of what an answer gets."""


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


class WhatsappTemplates(FileModel):
    """The WhatsApp messages and the organization's integration that sends them."""

    template: WhatsappTemplate
    """The invitation."""
    reminder: WhatsappTemplate
    """What goes out after `reminder_days`."""
    integration_uuid: UUID
    """The organization's integration, in Track."""


class TemplateSet(FileModel):
    """The templates of one group of hospitals; a channel without them cannot be used."""

    email: EmailTemplates | None = None
    """The templates of e-mails."""
    whatsapp: WhatsappTemplates | None = None
    """The messages of WhatsApp."""

    def serves(self, channel: Channel) -> bool:
        """Tell whether the set has what a distribution over the channel needs."""
        return {Channel.EMAIL: self.email, Channel.WHATSAPP: self.whatsapp}[channel] is not None

    def attributes(self) -> set[str]:
        """Return the attributes of an attendance that the WhatsApp messages show."""
        if self.whatsapp is None:
            return set()
        shown = (*self.whatsapp.template.variables, *self.whatsapp.reminder.variables)
        return {name for kind, name in (v.split(".") for v in shown) if kind == "interaction"}
