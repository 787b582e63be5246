"""The task `report`: what became of the day, and whether the run is green.

It trusts work done, not the absence of errors: the ledger must hold, for this run, a complete
extraction and a complete transformation, and nothing of the day may be left open. What it writes is
read by an analyst, in Portuguese.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from track_dispatch.ledger.approvals import Answer, last_question, past_attendances
from track_dispatch.ledger.doubts import doubts
from track_dispatch.ledger.settling import expire_leases
from track_dispatch.ledger.switch import standing_stops
from track_dispatch.ledger.views import day_counts, equation, run_work
from track_dispatch.records import Channel, LineState, Reason

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from sqlalchemy import Connection

    from track_dispatch.ledger.database import Ledger
    from track_dispatch.ledger.doubts import Doubt
    from track_dispatch.ledger.switch import Stop
    from track_dispatch.ledger.views import Equation, LineCount, RunWork
    from track_dispatch.pipeline.run import Run

#: Weeks that an empty day is held against, and the least of them that must be known.
WEEKS, LEAST_HISTORY = 8, 4
#: States as an operator reads them.
STATES = {
    LineState.READY: "prontas",
    LineState.EXCLUDED: "excluídas",
    LineState.HELD: "retidas",
    LineState.SENDING: "em envio",
    LineState.ACCEPTED: "aceitas",
    LineState.REFUSED: "recusadas",
    LineState.IN_DOUBT: "em dúvida",
    LineState.ABANDONED: "abandonadas",
    LineState.EXPIRED: "vencidas",
}
#: Reasons as an operator reads them.
REASONS = {
    Reason.NO_CONTACT: "sem contato utilizável",
    Reason.NO_SURVEY: "área sem pesquisa",
    Reason.NO_IDENTIFIER: "sem identificador",
    Reason.UNKNOWN_AREA: "área desconhecida",
    Reason.NEWBORN: "recém-nascido",
    Reason.DEATH: "óbito",
    Reason.TEST_RECORD: "cadastro de teste",
    Reason.STAFF: "funcionário",
    Reason.UNDER_AGE: "abaixo da idade mínima",
    Reason.BEFORE_GO_LIVE: "anterior à entrada em operação",
    Reason.TOO_OLD: "antigo demais",
    Reason.SAME_PERSON: "mesma pessoa no dia",
    Reason.OPT_OUT: "pediu para não ser contatado",
    Reason.CONTACT_CAP: "contatado há pouco",
    Reason.GONE: "não está mais no ERP",
}


@dataclass(frozen=True, slots=True)
class Report:
    """A day in counts, why it is red (nothing = green), and the text for the operator."""

    hospital: str
    business_day: date
    balance: Equation | None
    counts: tuple[LineCount, ...]
    problems: tuple[str, ...]
    doubts: tuple[Doubt, ...] = ()

    @property
    def states(self) -> Counter[LineState]:
        """How many lines of the day stand in each state."""
        return by_state(self.counts)

    def summary(self) -> dict[str, int]:
        """Count lines by state, with what the extraction found."""
        totals = {str(state): self.states[state] for state in LineState}
        return {"rows": self.balance.rows if self.balance else 0, **totals}

    def text(self) -> Iterator[str]:
        """Yield the report line by line."""
        yield f"{self.hospital} · dia {self.business_day:%d/%m/%Y}"
        if self.balance is not None:
            yield from _balance_text(self.balance)
        yield from _unit_text(self.counts)
        yield from _exclusion_text(self.counts)
        yield from (_doubt_text(doubt) for doubt in self.doubts)
        for problem in self.problems:
            yield f"VERMELHO: {problem}"
        if not self.problems:
            yield "VERDE: o dia está completo"


def report(run: Run, *, ledger: Ledger) -> Report:
    """Judge the day of a run.

    Raises:
        LedgerError: the ledger failed.
    """
    hospital, day = run.hospital.code, run.business_day
    expire_leases(ledger, hospital=hospital, actor=run.actor)
    with ledger.reading() as connection:
        return judge(connection, hospital=hospital, business_day=day, run_id=run.id)


def judge(connection: Connection, *, hospital: str, business_day: date, run_id: str) -> Report:
    """Judge a day by the work of one run and by what the ledger holds, without changing it."""
    day: Any = {"hospital": hospital, "business_day": business_day}
    work = run_work(connection, **day, run_id=run_id)
    balance = equation(connection, **day)
    counts = day_counts(connection, **day)
    found = [
        *problems(work, balance, counts),
        *_stop_problems(standing_stops(connection), counts),
        *_volume_problems(connection, balance, day, run_id),
    ]
    doubtful = tuple(doubts(connection, **day))
    return Report(hospital, business_day, balance, counts, tuple(found), doubtful)


def problems(
    work: RunWork, balance: Equation | None, counts: tuple[LineCount, ...]
) -> Iterator[str]:
    """Yield what keeps a day from being green, in Portuguese, with what to do."""
    if not work.extracted:
        yield "a extração desta execução não terminou: veja o log de extract e limpe a tarefa"
    elif not work.transformed:
        yield "a transformação desta execução não terminou: veja o log de transform e limpe-a"
    if balance is not None and not balance.holds:
        yield "a conta do dia não fecha: avise a engenharia de dados"
    if balance is not None and balance.other_hospital:
        yield (
            f"{balance.other_hospital} atendimentos já são de outro hospital:"
            " revise `companies` nos arquivos YAML"
        )
    states = by_state(counts)
    if states[LineState.READY]:
        yield f"{states[LineState.READY]} linhas prontas não foram enviadas: limpe dispatch"
    if states[LineState.SENDING]:
        yield f"{states[LineState.SENDING]} linhas em envio: aguarde o prazo e limpe dispatch"
    if states[LineState.IN_DOUBT]:
        yield (
            f"{states[LineState.IN_DOUBT]} linhas em dúvida: confira no Track e decida com"
            " track_decide"
        )
    for count in counts:
        if count.reason == Reason.UNKNOWN_AREA:
            yield f"{count.lines} atendimentos com área desconhecida: corrija o SQL do hospital"
    for area, channel in _refused_units(counts):
        yield f"{area} · {_channel(channel)}: o Track recusou todas as linhas"


def by_state(counts: tuple[LineCount, ...]) -> Counter[LineState]:
    """Count a day's lines by state."""
    states: Counter[LineState] = Counter()
    for count in counts:
        states[count.state] += count.lines
    return states


def stop_text(stop: Stop) -> str:
    """Say why nothing is sent, and what to do."""
    status = f" (HTTP {stop.status})" if stop.status else ""
    return (
        f"envio parado para todos os hospitais desde {stop.stopped_at:%d/%m %H:%M} UTC por"
        f" {stop.hospital}{status}: confira a conta no Track; depois track_decide, resume, e limpe"
        " dispatch"
    )


def _stop_problems(stops: list[Stop], counts: tuple[LineCount, ...]) -> Iterator[str]:
    """Name the stop where it keeps lines of the day back; a day that is done is not its matter."""
    if stops and by_state(counts)[LineState.READY]:
        yield stop_text(stops[0])


def _volume_problems(
    connection: Connection, balance: Equation | None, day: dict[str, Any], run_id: str
) -> Iterator[str]:
    """Name an approval that nobody gave, and an empty day that never was empty."""
    question = last_question(connection, **day, run_id=run_id)
    if question is not None and question.answer in {None, Answer.TIMEOUT}:
        yield (
            f"{question.lines} convites, usual {question.usual}: ninguém respondeu à aprovação;"
            " limpe volume_gate com as seguintes e responda, ou libere com track_decide"
        )
    if balance is not None and not balance.attendances:
        past = past_attendances(connection, **day, weeks=WEEKS)
        if len(past) >= LEAST_HISTORY and min(past) > 0:
            yield f"0 atendimentos, usual {round(median(past))}: ERP ou SQL?"


def _refused_units(counts: tuple[LineCount, ...]) -> list[tuple[str, str]]:
    """Return the units of which Track refused every line it was offered."""
    states: defaultdict[tuple[str, str], set[LineState]] = defaultdict(set)
    for count in counts:
        if count.area and count.channel and count.state is not LineState.EXCLUDED:
            states[count.area, count.channel].add(count.state)
    return [unit for unit, found in states.items() if found == {LineState.REFUSED}]


def _balance_text(balance: Equation) -> Iterator[str]:
    yield (
        f"{balance.rows} registros do ERP = {balance.attendances} atendimentos"
        f" + {balance.rows_merged} repetidos"
    )
    yield (
        f"{balance.attendances} atendimentos = {balance.lines} deste dia"
        f" + {balance.other_day} já conhecidos em outro dia"
        f" + {balance.other_hospital} de outro hospital"
    )
    states = ", ".join(f"{count} {STATES[state]}" for state, count in balance.states)
    yield f"{balance.lines} deste dia = {states or 'nenhum'}"


def _unit_text(counts: tuple[LineCount, ...]) -> Iterator[str]:
    units: defaultdict[tuple[str, str], Counter[LineState]] = defaultdict(Counter)
    for count in counts:
        if count.area and count.channel and count.state is not LineState.EXCLUDED:
            units[count.area, count.channel][count.state] += count.lines
    for (area, channel), states in units.items():
        listed = ", ".join(f"{lines} {STATES[state]}" for state, lines in states.items())
        yield f"{area} · {_channel(channel)}: {listed}"


def _exclusion_text(counts: tuple[LineCount, ...]) -> Iterator[str]:
    reasons: Counter[str] = Counter()
    for count in counts:
        if count.state is LineState.EXCLUDED and count.reason:
            reasons[count.reason] += count.lines
    for reason, lines in sorted(reasons.items()):
        yield f"excluídas: {lines} {REASONS[Reason(reason)]} ({reason})"


def _doubt_text(doubt: Doubt) -> str:
    unit = doubt.unit
    return f"em dúvida: lote {doubt.id} · {unit.area} · {unit.channel.label}: {doubt.lines} linhas"


def _channel(channel: str) -> str:
    return Channel(channel).label
