"""Texts of the pages that no enum has, in the words of Airflow's own Portuguese screens."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from track_dispatch.board.facts import Board
from track_dispatch.states import Count, DecisionRefusal, Verb

#: Monday first.
WEEKDAYS = ("seg", "ter", "qua", "qui", "sex", "sáb", "dom")

#: Buttons' texts; the verbs' own labels, for the form of `track_decide`, are longer.
BUTTONS: Mapping[Verb, str] = {
    Verb.SETTLE_SENT: "Está no Track",
    Verb.SETTLE_UNSENT: "Não está no Track",
    Verb.ABANDON: "Não dá para saber",
    Verb.RETRY_REFUSED: "A causa foi corrigida: reler as recusadas",
    Verb.REOPEN_ACCEPTED: "O Track nunca processou: reler",
    Verb.RELEASE: "Liberar as retidas",
    Verb.RESUME: "Retomar o envio",
}

#: Questions before a decision is carried out: none of them can be taken back.
CONFIRM: Mapping[Verb, str] = {
    Verb.SETTLE_SENT: "Os pacientes do lote contam como convidados e não são perguntados de novo.",
    Verb.SETTLE_UNSENT: (
        "Os pacientes do lote são relidos e enviados. Se o Track tiver o lote, são perguntados"
        " duas vezes."
    ),
    Verb.ABANDON: "Ninguém deste lote é perguntado de novo.",
    Verb.RETRY_REFUSED: "As linhas recusadas do dia são relidas e enviadas outra vez.",
    Verb.REOPEN_ACCEPTED: (
        "Todos os pacientes do lote são convidados de novo. Só confirme se o próprio Track disse"
        " que nunca processou o lote: do contrário, são perguntados duas vezes."
    ),
    Verb.RELEASE: "As linhas retidas do dia saem com o próximo envio.",
    Verb.RESUME: "O envio recomeça em todos os hospitais.",
}

#: Why a button is disabled.
MAY_NOT_DECIDE = "Seu usuário não pode acionar Operação · decidir: peça a quem pode."
MAY_NOT_RUN = "Seu usuário não pode acionar esta DAG: peça a quem pode."
MAY_NOT_EXPLAIN = "Seu usuário não pode ler os logs deste hospital: peça a quem pode."

#: The message in place of Airflow's own one where its form refuses a reason.
PERSONAL = DecisionRefusal.PERSONAL.label

NOT_OF_HOSPITAL = "Esta aba é das DAGs dos hospitais: aqui não há nada a mostrar."
RUN_READ_NOTHING = (
    "Esta execução ainda não começou a ler o ERP (ou é simulação ou ensaio): não há conta."
)
UNKNOWN_ATTENDANCE = (
    "O livro-razão não conhece este atendimento neste hospital. Confira o número e o hospital;"
    " se o dia é anterior à entrada em operação ou já foi apagado, ele não aparece."
)
NO_HOSPITALS = "Nenhum hospital: não há arquivo de nenhum, ou seu usuário não pode ver as DAGs"
NOTHING_YET = "Nenhuma linha destes dias: nenhuma execução os leu, ou o que leram já foi apagado."
MISCONFIGURED = (
    "A instalação está incompleta, ou um arquivo dela tem erro: avise a engenharia de dados."
)
UNREACHABLE = "O livro-razão não está ao alcance agora: avise a engenharia de dados."
REFUSED: Mapping[int, str] = {
    401: "A sessão acabou: entre no Airflow de novo.",
    403: "Seu usuário não pode ver esta página: peça a quem pode.",
    404: "Não há esta página, ou seu usuário não pode ver este hospital.",
    422: "O pedido está incompleto, ou não pode ser lido: volte ao painel.",
}


def verdict(board: Board) -> str:
    """Write in one line whether a person is needed."""
    if not board.rows:
        return NO_HOSPITALS
    needed, going_on = len(board.for_person), len(board.matters) - len(board.for_person)
    if needed:
        hospitals = {matter.problem.hospital for matter in board.for_person} - {""}
        where = f", de {number(len(hospitals), 'hospital', 'hospitais')}" if hospitals else ""
        return f"{number(needed, 'assunto precisa', 'assuntos precisam')} de alguém{where}"
    if going_on:
        return f"Nada precisa de alguém; {number(going_on, 'assunto anda', 'assuntos andam')} só"
    return f"Tudo em ordem em {number(len(board.rows), 'hospital', 'hospitais')}"


def short_day(day: date) -> str:
    """Write a day for a narrow column."""
    return f"{WEEKDAYS[day.weekday()]} {day:%d/%m}"


def number(count: int, one: str, more: str) -> str:
    """Write a number with its noun in the singular or plural."""
    return f"{Count(count):{one}|{more}}"
