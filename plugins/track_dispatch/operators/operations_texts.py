# ruff: noqa: E501 - a table row of Markdown is one line
"""What an operator reads about the three operations DAGs in the UI, in Portuguese."""

from __future__ import annotations

from typing import TYPE_CHECKING

from track_dispatch.records import Verb

if TYPE_CHECKING:
    from track_dispatch.pipeline.deciding import Done

MORNING_DOC = """
### A manhã de todos os hospitais

Uma tabela, às 9h15 ou quando você disparar: execução encontrada, extraídas, aceitas, excluídas, recusadas,
retidas, em dúvida e **o que fazer**. Está no log da tarefa. **Vermelho** se um hospital está vermelho, atrasado ou
sem execução, ou se o envio está parado para todos.

Cada hospital é julgado pelo último dia cuja execução já devia ter terminado, pelo horário dele: quem sai às 9h15
ou às 9h20 aparece às 9h15 com o dia anterior.

**Aviso** (opcional): se existir a conexão `track_alert` (tipo http, um webhook), uma manhã vermelha manda para lá o
texto do que fazer, só com contagens.
"""

DECIDE_DOC = """
### Decidir o que as máquinas não decidem

Dispare e preencha. Quem decide é **você**: o nome é o do seu usuário do Airflow e fica guardado com o motivo.

| decisão | sobre | quando |
| --- | --- | --- |
| **Foi enviado** (`settle_sent`) | um lote em dúvida | você viu no Track que o lote chegou |
| **Enviar de novo** (`send_again`) | um lote em dúvida | você viu no Track que **não** chegou; vai o mesmo lote, com a mesma chave |
| **Abandonar** (`abandon`) | um lote em dúvida | não dá para saber: melhor não perguntar do que perguntar duas vezes |
| **Retomar o envio** (`resume`) | todos os hospitais | o Track pediu uma pessoa (CAPTCHA) ou recusou a chave, e isso foi resolvido |
| **Liberar** (`release`) | um dia de um hospital | linhas retidas, ou postas em dúvida porque um backup voltou, podem sair |
| **Permitir nova tentativa** (`retry_refused`) | um dia de um hospital | o motivo da recusa foi corrigido; depois limpe `extract` daquele dia, com as seguintes |

O número do lote está nas últimas linhas do log de `report`. Uma dúvida só se decide depois do prazo dela (alguns
minutos). Cada disparo decide **uma** vez: limpar a execução não repete a decisão. **Não escreva dados de pacientes no motivo.**
"""

HOUSEKEEPING_DOC = """
### Limpeza do livro-razão

Toda madrugada: envios interrompidos viram dúvida, linhas antigas demais vencem, registros do ERP esquecidos são apagados,
linhas encerradas perdem o que identifica a pessoa, e dias mais velhos que `ledger_retention_days` saem de vez.
Nada que ainda espera uma pessoa é apagado.
"""

WHAT = {
    Verb.SETTLE_SENT: "Foi enviado (settle_sent)",
    Verb.SEND_AGAIN: "Enviar de novo (send_again)",
    Verb.ABANDON: "Abandonar (abandon)",
    Verb.RESUME: "Retomar o envio de todos (resume)",
    Verb.RELEASE: "Liberar linhas retidas (release)",
    Verb.RETRY_REFUSED: "Permitir nova tentativa (retry_refused)",
}

#: Title and help of each Param of `track_decide`, and of `track_morning`'s day.
PARAMS = {
    "what": ("Decisão", "O que foi decidido; a tabela acima diz quando cada uma serve."),
    "batch": ("Lote", "Para decisões sobre uma dúvida: o número do lote, do log de report."),
    "hospital": ("Hospital", "Para decisões sobre um dia: o código do hospital, p. ex. HMS."),
    "business_day": ("Dia de atendimento", "Para decisões sobre um dia de um hospital."),
    "why": ("Motivo", "Fica guardado com o seu nome. Não escreva dados de pacientes."),
    "morning_day": (
        "Dia de atendimento",
        "Deixe vazio para o último dia que já devia estar pronto.",
    ),
}


_DONE = {
    Verb.RESUME: "envio retomado para todos os hospitais: limpe dispatch onde ficou vermelho",
    Verb.SETTLE_SENT: "{lines} linhas dadas como enviadas",
    Verb.SEND_AGAIN: "{lines} linhas enviadas de novo; o Track respondeu por elas",
    Verb.ABANDON: "{lines} linhas abandonadas",
    Verb.RELEASE: "{lines} linhas liberadas: limpe dispatch daquele dia, com a seguinte",
    Verb.RETRY_REFUSED: "{lines} recusas podem voltar: limpe extract daquele dia, com as seguintes",
}


def done_text(done: Done) -> str:
    """Say what a decision did."""
    if done.what is Verb.RESUME and not done.lines:
        return "o envio não estava parado"
    where = f"{done.hospital} · {done.business_day:%d/%m/%Y}: " if done.business_day else ""
    return where + _DONE[done.what].format(lines=done.lines)
