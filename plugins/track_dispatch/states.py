"""The closed sets a line moves through, each value with what an analyst reads for it.

`docs/glossary.md` explains the words; `ledger/transitions.py` says how a line may move.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Labelled(StrEnum):
    """An enum whose values carry a Portuguese label."""

    label: str

    def __new__(cls, value: str, label: str = "") -> Self:
        """Make a member of its stored value and its label; a look-up gives the value alone."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.label = label
        return member


class LineState(Labelled):
    """Where an attendance stands."""

    READY = "ready", "prontas"
    HELD = "held", "retidas"
    REOPENED = "reopened", "a reler"
    EXCLUDED = "excluded", "excluídas"
    SENDING = "sending", "em envio"
    ACCEPTED = "accepted", "aceitas"
    REFUSED = "refused", "recusadas"
    IN_DOUBT = "in_doubt", "em dúvida"
    ABANDONED = "abandoned", "abandonadas"


#: States of a line whose payload may lie in its envelope.
WAITING = (LineState.READY, LineState.HELD)
#: States of a line whose patient was asked, or may have been.
INVITED = (LineState.SENDING, LineState.IN_DOUBT, LineState.ACCEPTED, LineState.ABANDONED)
#: States of a line that something still has to happen to.
OPEN = (
    LineState.READY,
    LineState.HELD,
    LineState.REOPENED,
    LineState.SENDING,
    LineState.IN_DOUBT,
)


class Reason(Labelled):
    """Why an attendance is not asked."""

    NO_CONTACT = "no_contact", "sem contato utilizável"
    NO_SURVEY = "no_survey", "área sem pesquisa"
    NO_IDENTIFIER = "no_identifier", "sem identificador"
    UNKNOWN_AREA = "unknown_area", "área desconhecida"
    NEWBORN = "newborn", "recém-nascido"
    DEATH = "death", "óbito"
    TEST_RECORD = "test_record", "cadastro de teste"
    STAFF = "staff", "funcionário"
    UNDER_AGE = "under_age", "abaixo da idade mínima"
    BEFORE_GO_LIVE = "before_go_live", "anterior à entrada em operação"
    TOO_OLD = "too_old", "antigo demais"
    SAME_PERSON = "same_person", "mesma pessoa no dia"
    SAME_CONTACT = "same_contact", "mesmo contato no dia"
    OPT_OUT = "opt_out", "pediu para não ser contatado"
    CONTACT_CAP = "contact_cap", "contatado há pouco"
    GONE = "gone", "não está mais no ERP"
    EXPIRED = "expired", "prazo para perguntar encerrado"


#: Reasons of a line that stood back for another one of the same patient or contact.
STOOD_BACK = (Reason.SAME_PERSON, Reason.SAME_CONTACT, Reason.CONTACT_CAP)


class Refusal(StrEnum):
    """How Track refused a line: by a 4xx (may be mended) or inside a 2xx (final for machines)."""

    BY_STATUS = "refused_4xx"
    IN_ACCEPTANCE = "refused_2xx"


class BatchState(StrEnum):
    """Where the lines of one POST stand together."""

    SENDING = "sending"
    SETTLED = "settled"
    IN_DOUBT = "in_doubt"
    SPLIT = "split"
    NOT_DELIVERED = "not_delivered"


class Verb(Labelled):
    """What a person may decide; the value is what `track_decide` and the ledger call it."""

    SETTLE_SENT = "settle_sent", "O Track tem o lote: marcar como aceito"
    SETTLE_UNSENT = "settle_unsent", "O Track não tem o lote: reler e enviar na próxima execução"
    ABANDON = "abandon", "Ninguém sabe: desistir do lote"
    RETRY_REFUSED = "retry_refused", "Recusas corrigidas: reler na próxima execução"
    REOPEN_ACCEPTED = "reopen_accepted", "O Track nunca processou o lote aceito: reler"
    RELEASE = "release", "Liberar as linhas retidas do dia"
    RESUME = "resume", "Retomar o envio de todos os hospitais"
    ERASE = "erase", "Apagar o que se guarda de uma pessoa"
    OPT_OUT = "opt_out", "Incluir na lista de quem não quer ser contatado"
    OPT_IN = "opt_in", "Retirar da lista de quem não quer ser contatado"
    RESTORED = "restored", "Uma cópia de segurança foi restaurada"


#: Verbs that only a shell takes: they name patients, or a moment.
SHELL_ONLY = (Verb.ERASE, Verb.OPT_OUT, Verb.OPT_IN, Verb.RESTORED)
