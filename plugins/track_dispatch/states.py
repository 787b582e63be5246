"""The closed sets a line moves through, each value with what an analyst reads for it.

`docs/glossary.md` explains the words; `ledger/transitions.py` says how a line may move.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Self
from zoneinfo import ZoneInfo

from track_dispatch.errors import DecisionRefusedError

#: Brazil's legal time: what concerns all hospitals at once is told by it.
BRASILIA = ZoneInfo("America/Sao_Paulo")


class Count(int):
    """A number whose format names what is counted: `{:linha|linhas}` is "1 linha" or "2 linhas"."""

    def __format__(self, spec: str) -> str:
        """Write the number, with the words that go with it."""
        one, bar, more = spec.partition("|")
        return f"{int(self)} {one if self == 1 else more}" if bar else super().__format__(spec)


class Labelled(StrEnum):
    """An enum whose values carry what an analyst reads for them, in Portuguese.

    Attributes:
        label: a few words, for reports and logs.
        explanation: a line, for the analyst's page; "" where the label says it all.
    """

    label: str
    explanation: str

    def __new__(cls, value: str, label: str = "", explanation: str = "") -> Self:
        """Make a member of its stored value and its texts; a look-up passes the value alone."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.label = label
        member.explanation = explanation
        return member


class LineState(Labelled):
    """The state of an attendance's line."""

    READY = "ready", "prontas", "saem na próxima vez que `dispatch` rodar"
    """Judged, encrypted in its envelope: the next dispatch takes it."""
    HELD = "held", "retidas", "esperam a aprovação de uma pessoa"
    """Likewise, but a person must approve the day's volume first."""
    REOPENED = (
        "reopened",
        "a reler",
        (
            "a próxima leitura do dia decide: contatos corrigidos, óbitos e quem pediu para não ser"
            " contatado valem de novo"
        ),
    )
    """Has no payload: the next reading of its day decides."""
    EXCLUDED = "excluded", "excluídas", "não podem ser convidadas, com o motivo abaixo"
    """Is not asked, with a reason."""
    SENDING = "sending", "em envio", "estão com uma tarefa agora"
    """Claimed; its batch is on the way, under a lease."""
    ACCEPTED = "accepted", "aceitas", "o Track recebeu; os dados pessoais já não estão aqui"
    """Track took it."""
    REFUSED = (
        "refused",
        "recusadas",
        (
            "o Track recusou (`refused_4xx`: voltam se o cadastro for corrigido no ERP e o dia for"
            " lido de novo; `refused_2xx`: só voltam por decisão de uma pessoa)"
        ),
    )
    """Track refused it: `refused_4xx` may be mended, `refused_2xx` is final for machines."""
    IN_DOUBT = (
        "in_doubt",
        "em dúvida",
        "ninguém sabe se o Track recebeu; só uma pessoa decide",
    )
    """Perhaps Track took it: a person decides."""
    ABANDONED = (
        "abandoned",
        "abandonadas",
        "estavam em dúvida, e uma pessoa desistiu: não são perguntadas",
    )
    """A person gave up on a doubt: not asked, and counted as if it had been."""

    def counted(self, lines: int) -> str:
        """Write a number of lines with the state's label, which is a plural."""
        return f"{Count(lines):{self.label.removesuffix('s')}|{self.label}}"


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
    """Why an attendance is not asked; where several hold, the first of this order counts."""

    BEFORE_GO_LIVE = (
        "before_go_live",
        "anterior à entrada em operação",
        "atendido antes da entrada em operação",
    )
    """Attended before `first_business_day`; nothing overrides it."""
    UNREADABLE = (
        "unreadable",
        "dado ilegível",
        "o ERP traz em forma ilegível um dado que decide se a pessoa pode ser convidada",
    )
    """What may forbid to ask cannot be read: the number of the attendance, the name, the area, or a
    column `x_...`; or `x_obito` or, with a minimum, `x_idade` holds something else than agreed."""
    UNKNOWN_AREA = (
        "unknown_area",
        "área desconhecida",
        "área fora das seis (deixa a execução vermelha)",
    )
    """The query gave an area outside the six."""
    TOO_OLD = "too_old", "antigo demais", "antigo demais já quando foi lido"
    """The visit is longer ago than `max_age_days`; a person may ask for one day (`include_old`)."""
    NO_SURVEY = "no_survey", "área sem pesquisa", "a área não tem pesquisa neste hospital"
    """The area has no survey under `surveys` of the hospital."""
    DEATH = "death", "óbito", "óbito, pela regra do hospital ou pelo nome (`NATIMORTO ...`)"
    """The hospital's own rule: in its query, or a column `x_obito` = `S`; or the name holds one of
    `death_patterns`."""
    NEWBORN = "newborn", "recém-nascido", "recém-nascido ainda sem nome (`RN DE ...`)"
    """The name holds one of `newborn_patterns`."""
    UNDER_AGE = "under_age", "abaixo da idade mínima", "abaixo da idade mínima (`min_age_years`)"
    """Younger than `min_age_years` (0 = off); a minimum without `x_idade` in the query is
    refused."""
    TEST_RECORD = (
        "test_record",
        "cadastro de teste",
        "cadastro de teste (`test_patterns`: nome ou e-mail)",
    )
    """Name or e-mail holds one of `test_patterns`."""
    STAFF = "staff", "funcionário", "funcionário (`staff_patterns`: nome ou e-mail)"
    """Name or e-mail holds one of `staff_patterns`."""
    NO_CONTACT = "no_contact", "sem contato utilizável", "sem e-mail nem celular utilizável"
    """Neither address nor mobile is usable for one of `channels`."""
    OPT_OUT = "opt_out", "pediu para não ser contatado"
    """On the list of opt-outs, by any CPF, address or number of the row, for every channel that
    the person has."""
    NO_IDENTIFIER = "no_identifier", "sem identificador", "falta o identificador que o Track exige"
    """The field that Track needs (`identifier`) is empty."""
    SAME_PERSON = (
        "same_person",
        "mesma pessoa no dia",
        (
            "a mesma pessoa teve outro atendimento no dia, que já é perguntado; volta se"
            " aquele não for perguntado"
        ),
    )
    """Another attendance of the person on this day is asked."""
    CONTACT_CAP = (
        "contact_cap",
        "contatado há pouco",
        "foi convidado há menos de `contact_cap_days` dias, por qualquer hospital",
    )
    """Invited within `contact_cap_days`, by any of the hospitals."""
    SAME_CONTACT = (
        "same_contact",
        "mesmo contato no dia",
        "o mesmo e-mail ou celular já recebeu um convite no dia; volta da mesma forma",
    )
    """The address or number got an invitation today, whoever's name is on it."""
    GONE = "gone", "não está mais no ERP"
    """The ERP has the attendance no more."""
    EXPIRED = (
        "expired",
        "prazo para perguntar encerrado",
        "o prazo de perguntar (`max_age_days`) acabou antes do envio",
    )
    """Waited until it was older than `max_age_days`."""


#: Reasons of a line that stood back for another one of the same patient or contact.
STOOD_BACK = (Reason.SAME_PERSON, Reason.SAME_CONTACT, Reason.CONTACT_CAP)


class Refusal(Labelled):
    """How Track refused a line."""

    BY_STATUS = "refused_4xx", "recusa do Track, que o cadastro pode mudar"
    """By a 4xx: asked again when its data are mended in the ERP."""
    IN_ACCEPTANCE = "refused_2xx", "recusa definitiva do Track"
    """Named as faulty inside a 2xx: final for machines."""


class BatchState(Labelled):
    """The state of a batch, the lines of one POST."""

    SENDING = "sending", "em envio"
    """On the way, under a lease."""
    SETTLED = "settled", "respondido"
    """Answered, and each of its lines is accepted or refused."""
    IN_DOUBT = "in_doubt", "em dúvida"
    """Perhaps Track took it: a person decides."""
    SPLIT = "split", "dividido"
    """Refused as a whole; its lines went on in batches of their own."""
    NOT_DELIVERED = "not_delivered", "não entregue"
    """Certainly not taken: its lines are ready again."""


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


class DecisionRefusal(Labelled):
    """Why a decision is not carried out: the value for a shell, the label for the analyst.

    Both are filled with the same facts; see `error`.
    """

    NOBODY = (
        "nobody answers for this decision: it needs the name of a person",
        "ninguém responde por esta decisão: acione com o seu usuário do Airflow",
    )
    REASON_LENGTH = (
        "say why, in {shortest} to {longest} characters: it is kept with the decision",
        "escreva o motivo, com {shortest} a {longest} caracteres: ele fica guardado com a decisão",
    )
    PERSONAL = (
        (
            "the {what} looks as if it held an e-mail address, a phone or a CPF: it is kept and"
            " shown, so leave patients out of it"
        ),
        (
            "o motivo parece conter um e-mail, um telefone ou um CPF: ele fica guardado e é"
            " mostrado, por isso não escreva dados de pacientes"
        ),
    )
    MISSING = (
        "{field} is missing: this decision is about one",
        "esta decisão precisa do campo {title}: preencha-o",
    )
    NOT_BELONGING = (
        "{field} does not belong to {verb}: check what is to be decided",
        "o campo {title} não faz parte da decisão {verb}: confira o que quer decidir",
    )
    UNCONFIRMED = (
        (
            "everybody in an accepted batch will be asked: confirm that Track itself said that it"
            " never processed it"
        ),
        (
            "todos os pacientes de um lote aceito serão convidados de novo: marque a confirmação"
            " de que o próprio Track disse que nunca o processou"
        ),
    )
    FROM_A_SHELL = (
        "{verb} is decided from a shell, where it is asked for in full",
        "{verb} só se decide por linha de comando: peça à engenharia de dados",
    )
    CARRIED_OUT = (
        (
            "this run's decision was carried out before: a decision holds once; to decide again,"
            " trigger track_decide anew"
        ),
        (
            "a decisão desta execução já foi feita, e limpar não a repete: para decidir de novo,"
            " acione track_decide outra vez"
        ),
    )
    NO_BATCH = (
        (
            "the ledger knows no batch {batch}: `python -m track_dispatch doubt list`, or the last"
            " lines of report's log, name those in doubt"
        ),
        (
            "o lote {batch} não existe: copie o número do log do relatório, ou do começo do log da"
            " manhã"
        ),
    )
    ELSEWHERE = (
        "batch {batch} is {state}, this decides about one that is {needed}",
        "o lote {batch} está {state.label}; esta decisão é sobre um lote {needed.label}",
    )
    DECIDED_BEFORE = (
        (
            "batch {batch} is {state}, this decides about one that is {needed}: {by} decided about"
            " it already ({earlier}, {at:%Y-%m-%d %H:%M} UTC)"
        ),
        (
            "o lote {batch} está {state.label}: {by} já decidiu sobre ele ({earlier},"
            " {at:%d/%m/%Y %H:%M}, hora de Brasília)"
        ),
    )
    DECIDED_MEANWHILE = (
        "batch {batch}: somebody decided about it meanwhile",
        "outra pessoa acaba de decidir sobre o lote {batch}",
    )
    NO_LINE_LEFT = (
        "batch {batch}: none of its lines is {left} any more",
        "nenhuma das linhas do lote {batch} pode mais ser decidida assim: já não são {left.label}",
    )
    NONE_REFUSED = (
        "{day}: Track refused no line of this day",
        "{day.hospital} · {day.business_day:%d/%m/%Y}: não há linha recusada neste dia",
    )
    NONE_HELD = (
        "{day}: no line of this day is held: there is nothing to release",
        (
            "{day.hospital} · {day.business_day:%d/%m/%Y}: não há linha retida neste dia, nada a"
            " liberar"
        ),
    )

    def error(self, **facts: object) -> DecisionRefusedError:
        """Return the error with these facts; the analyst's text has Brazil's legal time."""
        local = {
            name: fact.astimezone(BRASILIA) if isinstance(fact, datetime) else fact
            for name, fact in facts.items()
        }
        return DecisionRefusedError(
            self.value.format(**facts), for_analyst=self.label.format(**local)
        )
