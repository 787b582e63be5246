"""What can keep a day from being green, or is open besides: each with what an analyst reads.

`report`, `track_morning`, the command line and the board tell the same problems; only their words
for a shell are elsewhere (`cli`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from track_dispatch.records import HospitalDay
from track_dispatch.states import Labelled


class ProblemKind(Labelled):
    """Why somebody should look; the label is filled with what a `DayProblem` says."""

    STOPPED = (
        "stopped",
        (
            "envio parado para todos os hospitais {detail}: confira a conta no Track; depois"
            " track_decide, resume, e limpe dispatch (Enviar ao Track)"
        ),
    )
    BROKEN_FILE = "broken_file", "arquivo com erro: avise a engenharia de dados"
    NOT_READ = (
        "not_read",
        "nenhuma execução leu {detail}: veja se {dag} está pausada e acione cada dia, ou Backfill",
    )
    NOT_EXTRACTED = (
        "not_extracted",
        "a extração desta execução não terminou: veja o log de extract e limpe a tarefa",
    )
    NOT_TRANSFORMED = (
        "not_transformed",
        "a transformação desta execução não terminou: veja o log de transform e limpe-a",
    )
    UNBALANCED = "unbalanced", "a conta do dia não fecha: avise a engenharia de dados"
    OTHER_HOSPITAL = (
        "other_hospital",
        "{lines} atendimentos já são de outro hospital: revise `companies` nos arquivos YAML",
    )
    LACKING = (
        "lacking",
        (
            "faltam {lines} atendimentos já conhecidos, a maior parte do dia: ERP ou SQL? Nenhuma"
            " linha foi retirada"
        ),
    )
    EMPTY_DAY = "empty_day", "0 atendimentos, usual {usual}: ERP ou SQL?"
    UNKNOWN_AREA = (
        "unknown_area",
        "{lines} atendimentos com área desconhecida: corrija o SQL do hospital",
    )
    UNREADABLE_COLUMN = (
        "unreadable_column",
        (
            "nenhum dos {lines} valores da coluna {detail} pôde ser lido: corrija o SQL do hospital"
            " e acione {dag} com business_day={day}"
        ),
    )
    CLAIMED_ANEW = (
        "claimed_anew",
        (
            "{lines} linhas aceitas duas vezes pelo Track: a resposta de um lote chegou depois que"
            " alguém decidiu por ele; avise a engenharia de dados"
        ),
    )
    IN_DOUBT = (
        "in_doubt",
        "{lines} linhas em dúvida: confira no Track e decida com track_decide",
    )
    UNANSWERED = (
        "unanswered",
        (
            "{lines} linhas retidas, usual {usual}: ninguém respondeu à aprovação; limpe"
            " volume_gate com as seguintes e responda, ou libere com track_decide"
        ),
    )
    HELD = (
        "held",
        "{lines} linhas retidas depois da última resposta: confira e libere com track_decide",
    )
    UNIT_REFUSED = "unit_refused", "{detail}: o Track recusou todas as linhas"
    UNIT_FAILED = (
        "unit_failed",
        "{detail}: o envio falhou em definitivo, {lines} linhas não saíram: veja o log de dispatch",
    )
    READY = (
        "ready",
        "{lines} linhas prontas não foram enviadas: limpe dispatch (Enviar ao Track)",
    )
    SENDING = "sending", "{lines} linhas em envio: aguarde o prazo e limpe dispatch"
    REOPENED = (
        "reopened",
        (
            "{lines} linhas a reler: vão com a próxima execução; para enviar agora, Acionar {dag}"
            " com business_day={day}"
        ),
    )


#: What goes on without anybody; all else needs a person.
GOES_ON = frozenset({ProblemKind.SENDING, ProblemKind.REOPENED})


@dataclass(frozen=True, slots=True)
class DayProblem:
    """One problem of a day, or of a hospital, or of all.

    Attributes:
        kind: what it is.
        hospital: the code; "" for all.
        day: of the hospital; None where it is about no single one.
        lines: how many.
        usual: of how many there usually are.
        detail: a unit, days, since when; never a patient's.
    """

    kind: ProblemKind
    hospital: str
    day: HospitalDay | None = None
    lines: int = 0
    usual: int = 0
    detail: str = ""

    @property
    def needs_person(self) -> bool:
        """Whether nothing happens until somebody acts."""
        return self.kind not in GOES_ON

    def text(self, template: str | None = None) -> str:
        """Say what is wrong and what to do, in Portuguese or by another template."""
        return (template or self.kind.label).format(
            lines=self.lines,
            usual=self.usual,
            detail=self.detail,
            dag=f"track_{self.hospital.lower()}",
            day=self.day.business_day if self.day else "",
        )


class NoticeKind(Labelled):
    """What is open of a day and needs nobody; the label is filled with a number of lines."""

    EXPIRING = "expiring", "{lines} linhas vencem amanhã se não saírem hoje"
    WAITING = (
        "waiting",
        "{lines} linhas esperam o horário de envio; a próxima execução as envia",
    )
    KEPT = "kept", "{lines} linhas retidas, por decisão de uma pessoa"


class DayNotice(NamedTuple):
    """Lines of a day that somebody should know of; by themselves they make nothing red."""

    kind: NoticeKind
    day: HospitalDay
    lines: int

    def text(self, template: str | None = None) -> str:
        """Say it in Portuguese or by another template."""
        return (template or self.kind.label).format(lines=self.lines)
