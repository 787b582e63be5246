"""The task `report`: what became of the day, and whether the run is green.

It trusts work done, not the absence of errors: the ledger must hold, for this run, a complete
extraction and a complete transformation, and nothing of the day may be left open. What it writes is
read by an analyst, in Portuguese.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from track_dispatch.ledger.settling import expire_leases
from track_dispatch.ledger.views import day_counts, equation, run_work
from track_dispatch.records import Channel, LineState, Reason

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from track_dispatch.ledger.database import Ledger
    from track_dispatch.ledger.views import Equation, LineCount, RunWork
    from track_dispatch.pipeline.run import Run

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

    def summary(self) -> dict[str, int]:
        """Count lines by state, with what the extraction found."""
        totals = Counter({str(state): 0 for state in LineState})
        for count in self.counts:
            totals[str(count.state)] += count.lines
        return {"rows": self.balance.rows if self.balance else 0, **totals}

    def text(self) -> Iterator[str]:
        """Yield the report line by line."""
        yield f"{self.hospital} · dia {self.business_day:%d/%m/%Y}"
        if self.balance is not None:
            yield from _balance_text(self.balance)
        yield from _unit_text(self.counts)
        yield from _exclusion_text(self.counts)
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
        work = run_work(connection, hospital=hospital, business_day=day, run_id=run.id)
        balance = equation(connection, hospital=hospital, business_day=day)
        counts = day_counts(connection, hospital=hospital, business_day=day)
    return Report(hospital, day, balance, counts, tuple(problems(work, balance, counts)))


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
    by_state: Counter[LineState] = Counter()
    for count in counts:
        by_state[count.state] += count.lines
    if by_state[LineState.READY]:
        yield f"{by_state[LineState.READY]} linhas prontas não foram enviadas: limpe dispatch"
    if by_state[LineState.SENDING]:
        yield f"{by_state[LineState.SENDING]} linhas em envio: aguarde o prazo e limpe dispatch"
    if by_state[LineState.IN_DOUBT]:
        yield f"{by_state[LineState.IN_DOUBT]} linhas em dúvida: uma pessoa precisa decidir"
    for count in counts:
        if count.reason == Reason.UNKNOWN_AREA:
            yield f"{count.lines} atendimentos com área desconhecida: corrija o SQL do hospital"
    for area, channel in _refused_units(counts):
        yield f"{area} · {_channel(channel)}: o Track recusou todas as linhas"


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


def _channel(channel: str) -> str:
    return Channel(channel).label
