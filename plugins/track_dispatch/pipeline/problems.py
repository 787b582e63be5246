"""The problems of a day, and an analyst's texts for them and for the states of its lines.

`report`, `track_morning`, the command line and the board show the same problems; the shell's texts
are in `cli`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from track_dispatch.records import HospitalDay
from track_dispatch.states import BRASILIA, Count, Labelled, LineState, Reason, Refusal

if TYPE_CHECKING:  # it is slow, and `--help` reads this module
    from track_dispatch.ledger.views import LineCount


class ProblemKind(Labelled):
    """The kind of a problem; its label is filled with the fields of a `DayProblem`.

    The explanation is for the analyst's page, which lists them all.
    """

    STOPPED = (
        "stopped",
        (
            "envio parado para todos os hospitais {detail}: confira a conta no Track; depois"
            " track_decide, resume, e limpe dispatch (Enviar ao Track)"
        ),
        "o Track pediu uma pessoa (CAPTCHA, HTTP 405) ou recusou a chave (401, 403)",
    )
    BROKEN_FILE = (
        "broken_file",
        "arquivo com erro: avise a engenharia de dados",
        "o arquivo do hospital está errado (etiqueta `config-error`); os outros seguem",
    )
    NOT_READ = (
        "not_read",
        (
            "nenhuma execução leu {detail}: veja se {dag} está pausada e acione cada dia, ou"
            " Backfill"
        ),
        "a DAG está pausada, ou o Airflow esteve parado (só na manhã)",
    )
    NOT_EXTRACTED = (
        "not_extracted",
        "a extração desta execução não terminou: veja o log de extract e limpe a tarefa",
        (
            "o ERP não respondeu, a senha ou a consulta está errada; resolvido, *Limpar*"
            " `extract` com as seguintes"
        ),
    )
    NOT_TRANSFORMED = (
        "not_transformed",
        "a transformação desta execução não terminou: veja o log de transform e limpe-a",
        ("o livro-razão falhou, ou um arquivo está errado; resolvido, *Limpar* com as seguintes"),
    )
    UNBALANCED = (
        "unbalanced",
        "a conta do dia não fecha: avise a engenharia de dados",
        "falta um atendimento na conta",
    )
    OTHER_HOSPITAL = (
        "other_hospital",
        (
            "{lines:atendimento já é|atendimentos já são} de outro hospital: revise `companies`"
            " nos arquivos YAML"
        ),
        "dois hospitais leem os mesmos atendimentos: avise a engenharia de dados",
    )
    LACKING = (
        "lacking",
        (
            "faltam {lines:atendimento já conhecido|atendimentos já conhecidos}, a maior parte"
            " do dia: ERP ou SQL?"
            " Nenhuma linha foi retirada"
        ),
        (
            "a leitura veio pela metade; por cautela, ninguém foi retirado: avise a engenharia"
            " de dados"
        ),
    )
    EMPTY_DAY = (
        "empty_day",
        "0 atendimentos, usual {usual}: ERP ou SQL?",
        "o dia veio vazio, e nunca vem: avise a engenharia de dados",
    )
    UNKNOWN_AREA = (
        "unknown_area",
        "{lines:atendimento|atendimentos} com área desconhecida: corrija o SQL do hospital",
        "a consulta devolveu uma área fora das seis: avise a engenharia de dados",
    )
    UNREADABLE_COLUMN = (
        "unreadable_column",
        (
            "{lines:valor ilegível|valores ilegíveis} na coluna {detail}, a maior parte: corrija o"
            " SQL do hospital e acione {dag} com business_day={day}"
        ),
        (
            "sem ela uma regra de cautela não vale, e essas pessoas não foram perguntadas: avise a"
            " engenharia de dados"
        ),
    )
    CLAIMED_ANEW = (
        "claimed_anew",
        (
            "{lines:linha aceita|linhas aceitas} duas vezes pelo Track: a resposta de um lote"
            " chegou depois"
            " que alguém decidiu por ele; avise a engenharia de dados"
        ),
        "os pacientes podem ter recebido dois convites",
    )
    IN_DOUBT = (
        "in_doubt",
        "{lines:linha|linhas} em dúvida: confira no Track e decida com track_decide",
        "o Track pode ter recebido, mas a resposta se perdeu; nada é reenviado sozinho",
    )
    ASKED = (
        "asked",
        (
            "{lines:linha retida|linhas retidas}, usual {usual}: a aprovação espera uma resposta em"
            " Ações Necessárias até {detail}"
        ),
        "o volume do dia foge do comum: responda lá; sem resposta, fica retido",
    )
    UNANSWERED = (
        "unanswered",
        (
            "{lines:linha retida|linhas retidas}, usual {usual}: ninguém respondeu à aprovação;"
            " limpe"
            " volume_gate com as seguintes e responda, ou libere com track_decide"
        ),
        "o volume do dia foge do comum, e ninguém o aprovou a tempo",
    )
    HELD = (
        "held",
        (
            "{lines:linha retida|linhas retidas} depois da última resposta: confira e libere com"
            " track_decide"
        ),
        "o dia foge do comum, e há linhas que nenhuma resposta contou",
    )
    UNIT_REFUSED = (
        "unit_refused",
        "{detail}: o Track recusou todas as linhas",
        "modelo, pesquisa ou chave errados: avise a engenharia de dados",
    )
    UNIT_FAILED = (
        "unit_failed",
        (
            "{detail}: o envio falhou em definitivo, {lines:linha não saiu|linhas não saíram}:"
            " veja o log de"
            " dispatch"
        ),
        (
            "o mesmo, de uma área e um canal; os outros saíram: avise a engenharia de dados;"
            " resolvido, *Limpar* `dispatch`"
        ),
    )
    READY = (
        "ready",
        (
            "{lines:linha pronta não foi enviada|linhas prontas não foram enviadas}: limpe"
            " dispatch (Enviar ao Track)"
        ),
        "o Track não recebeu; limpar envia só o que falta",
    )
    SENDING = (
        "sending",
        "{lines:linha|linhas} em envio: aguarde o prazo e limpe dispatch",
        "outra tarefa está enviando, ou caiu no meio",
    )
    REOPENED = (
        "reopened",
        (
            "{lines:linha a reler: vai|linhas a reler: vão} com a próxima execução; para enviar"
            " agora, Acionar"
            " {dag} com business_day={day}"
        ),
        (
            "o que se leu é antigo demais para sair, ou alguém decidiu que seja relido (veja"
            " *Enviar agora*)"
        ),
    )


#: Problems that pass without a person; all others need one.
GOES_ON = frozenset({ProblemKind.SENDING, ProblemKind.REOPENED})


@dataclass(frozen=True, slots=True)
class DayProblem:
    """A problem of a day, of a hospital, or of all hospitals.

    Attributes:
        kind: what it is.
        hospital: the code; "" for all.
        day: of the hospital; None if the problem is not about a single day.
        lines: the number of lines.
        usual: the usual number.
        detail: a unit, days, since when, until when; never a patient's.
        run_id: of the run that asks, if the problem is a question.
    """

    kind: ProblemKind
    hospital: str
    day: HospitalDay | None = None
    lines: int = 0
    usual: int = 0
    detail: str = ""
    run_id: str = ""

    @property
    def needs_person(self) -> bool:
        """Whether nothing happens until somebody acts."""
        return self.kind not in GOES_ON

    def text(self, template: str | None = None) -> str:
        """Write what is wrong and what to do, in Portuguese or by another template."""
        return (template or self.kind.label).format(
            lines=Count(self.lines),
            usual=self.usual,
            detail=self.detail,
            dag=f"track_{self.hospital.lower()}",
            day=self.day.business_day if self.day else "",
        )


class NoticeKind(Labelled):
    """The kind of a notice; its label is filled with a number of lines."""

    EXPIRING = (
        "expiring",
        "{lines:linha vence amanhã se não sair hoje|linhas vencem amanhã se não saírem hoje}",
    )
    WAITING = (
        "waiting",
        "{lines:linha espera|linhas esperam} o horário de envio, até a próxima execução",
    )
    KEPT = "kept", "{lines:linha retida|linhas retidas}, por decisão de uma pessoa"


class DayNotice(NamedTuple):
    """Open lines of a day that are no problem and do not make a run red."""

    kind: NoticeKind
    day: HospitalDay
    lines: int

    def text(self, template: str | None = None) -> str:
        """Write the notice in Portuguese or by another template."""
        return (template or self.kind.label).format(lines=Count(self.lines))


#: Why a day is never read again.
FORGOTTEN = (
    "as linhas já foram apagadas (ledger_retention_days), e não se sabe mais quem foi perguntado"
)


def day_text(day: HospitalDay, *, read_again: bool = False) -> str:
    """Name a hospital's day; `read_again`: the run of a later day read it again."""
    return f"{day.hospital} · {day.business_day:%d/%m/%Y}{' (relido)' if read_again else ''}"


def brasilia_text(at: datetime) -> str:
    """Write a moment that concerns all hospitals, in Brazil's legal time."""
    return f"{at.astimezone(BRASILIA):%d/%m/%Y %H:%M} (hora de Brasília)"


def dates_text(days: Iterable[date]) -> str:
    """Write days, those in a row as a range."""
    texts = []
    for _, group in groupby(
        enumerate(sorted(days)), lambda numbered: numbered[1].toordinal() - numbered[0]
    ):
        run = [day for _, day in group]
        texts.append(
            f"{run[0]:%d/%m/%Y}" if len(run) == 1 else f"{run[0]:%d/%m/%Y} a {run[-1]:%d/%m/%Y}"
        )
    return ", ".join(texts)


def states_text(states: Mapping[LineState, int]) -> str:
    """List how many lines stand in each state; "" where there are none."""
    return ", ".join(state.counted(states[state]) for state in LineState if states.get(state))


def excluded_by_reason(counts: Sequence[LineCount]) -> dict[str, int]:
    """Count excluded lines by reason, in the order of the reasons' names."""
    reasons: Counter[str] = Counter()
    for count in counts:
        if count.state is LineState.EXCLUDED and count.reason:
            reasons[count.reason] += count.lines
    return dict(sorted(reasons.items()))


def reason_label(reason: str) -> str:
    """Return the label of a reason or a refusal; a later version's is returned as it is."""
    if reason in set(Refusal):
        return Refusal(reason).label
    return Reason(reason).label if reason in set(Reason) else reason


def lines_text(counts: Sequence[LineCount]) -> str:
    """Write the states of a day's lines in one line; the reasons of excluded lines come last."""
    states: Counter[LineState] = Counter()
    for count in counts:
        states[count.state] += count.lines
    reasons = excluded_by_reason(counts).items()
    why = ", ".join(f"{lines} {reason_label(reason)}" for reason, lines in reasons)
    return (states_text(states) or "nenhum atendimento") + (f" (excluídas: {why})" if why else "")
