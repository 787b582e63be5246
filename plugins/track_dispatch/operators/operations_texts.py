# ruff: noqa: E501 - a table row of Markdown is one line
"""What an operator reads about the operations DAGs in the UI, in Portuguese."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from track_dispatch.states import SHELL_ONLY, Verb

if TYPE_CHECKING:
    from track_dispatch.hooks.alert import UndeliveredAlert
    from track_dispatch.ledger.decisions import DecidedLines
    from track_dispatch.pipeline.decide import Done

_MORNING_DOC = """
### A manhã de todos os hospitais

Às 9h15, ou quando você acionar: **tudo o que está em aberto, de qualquer dia**. O log da tarefa começa pelo que
precisa de alguém (linhas `VERMELHO`), depois o que vence amanhã (`ATENÇÃO`), depois a tabela: um hospital por linha, com
a execução encontrada, atendimentos lidos, aceitas, excluídas, recusadas, retidas e em dúvida.

**Vermelho** se um hospital está vermelho, atrasado, sem execução ou com algo em aberto; se algum dia desde a entrada em
operação não foi lido por ninguém; ou se o envio está parado para todos.

A linha da tabela é do último dia cuja execução já devia ter terminado, pelo horário do hospital: quem sai às 9h15
ou às 9h20 aparece às 9h15 com o dia anterior.

**Aviso** (opcional): se existir a conexão `track_alert` (tipo http, um webhook de Slack, Teams ou outro), uma manhã
vermelha manda para lá o texto do que fazer, só com contagens. Se o aviso não foi entregue, a última linha do log diz.
"""

_CONFLICTS_DOC = """
#### Configuração com conflito

Os arquivos destes hospitais se contradizem, e a extração deles para até que alguém corrija. Mostre à engenharia de dados:

```
{problems}
```
"""


DECIDE_DOC = """
### Decidir o que as máquinas não decidem

Acione e preencha. Quem decide é **você**: o nome é o do seu usuário do Airflow e fica guardado com o motivo.

| decisão | sobre | quando |
| --- | --- | --- |
| `settle_sent` | um lote em dúvida | você viu no Track que o lote **chegou** |
| `settle_unsent` | um lote em dúvida | você viu no Track que **não** chegou: os pacientes são relidos e vão com a próxima execução |
| `abandon` | um lote em dúvida | não dá para saber: melhor não perguntar do que perguntar duas vezes |
| `retry_refused` | um dia de um hospital | o motivo da recusa foi corrigido: as recusadas são relidas |
| `reopen_accepted` | um lote aceito | o próprio Track confirmou que **nunca processou** o lote que tinha aceitado: os pacientes são relidos; marque a confirmação |
| `release` | um dia de um hospital | as linhas retidas podem sair |
| `resume` | todos os hospitais | o Track pediu uma pessoa (CAPTCHA) ou recusou a chave, ou um ERP recusou usuário e senha, e isso foi resolvido |

Nada é reenviado às cegas: o que foi **relido** passa de novo por todas as regras (óbito, contato corrigido, quem pediu
para não ser contatado). Vai com a próxima execução do hospital; para enviar agora, acione `track_<código>` com
`business_day` = o dia do lote.

O lote (UUID) está no log do relatório e da manhã. Um lote só se decide depois do prazo dele (alguns minutos). Cada
acionamento decide **uma** vez: limpar a execução não repete a decisão. Se duas pessoas decidem o mesmo lote, a segunda é
avisada. Se o `transform` do hospital está em andamento, a decisão pode falhar sem efeito: acione de novo em um minuto.
**Não escreva dados de pacientes no motivo**: o que parece e-mail, telefone ou CPF é recusado antes de ser guardado.
Preencha só o que a decisão pede; o que não pertence a ela é recusado.
"""

HOUSEKEEPING_DOC = """
### Limpeza do livro-razão

Toda madrugada: envios interrompidos viram dúvida; o que passou do prazo de perguntar vence; dados lidos há mais de
`extraction_max_age_hours` são apagados (e relidos antes de sair); registros do ERP esquecidos são apagados; linhas
encerradas perdem o que identifica a pessoa, a área e o canal; e dias mais velhos que `ledger_retention_days` saem de vez.
Nada que ainda espera uma pessoa é apagado.
"""

#: What `track_decide` offers, as the form shows it.
WHAT = {verb: f"{verb.label} ({verb})" for verb in Verb if verb not in SHELL_ONLY}

#: Title and help of each Param of `track_decide`, and of `track_morning`'s day.
PARAMS = {
    "what": ("Decisão", "O que foi decidido; a tabela acima diz quando cada uma serve."),
    "batch": ("Lote", "Só para decisões sobre um lote: o número, do log do relatório."),
    "hospital": ("Hospital", "Só para decisões sobre um dia: o código do hospital, p. ex. HMS."),
    "business_day": ("Dia de atendimento", "Só para decisões sobre um dia de um hospital."),
    "confirmed": (
        "Confirmo: o Track nunca processou o lote",
        "Só para reopen_accepted: todos os pacientes do lote serão convidados de novo.",
    ),
    "why": (
        "Motivo",
        "Fica guardado com o seu nome. O que parece e-mail, telefone ou CPF é recusado.",
    ),
    "morning_day": (
        "Dia de atendimento",
        "Deixe vazio para tudo o que está em aberto. Preenchido, só esse dia é mostrado.",
    ),
}


def morning_doc(conflicts: Mapping[str, Sequence[str]]) -> str:
    """Describe `track_morning`, with what hospitals' files contradict each other in, by code."""
    if not conflicts:
        return _MORNING_DOC
    problems = "\n".join(problem for told in conflicts.values() for problem in told)
    return _MORNING_DOC + _CONFLICTS_DOC.format(problems=problems)


def undelivered_text(undelivered: UndeliveredAlert) -> str:
    """Say that nobody was told by the webhook, and whom to show it."""
    status = f", HTTP {undelivered.status}" if undelivered.status else ""
    return (
        f"VERMELHO: o aviso (track_alert) não foi entregue: {undelivered.problem.label}{status};"
        " mostre à engenharia de dados"
    )


def done_text(done: Done) -> str:
    """Say what a decision did, and what comes next."""
    if done.decided is None:
        if done.verb is Verb.RESUME:
            return (
                "retomado para todos os hospitais: limpe dispatch, ou extract, onde ficou vermelho"
                if done.lines
                else "nada estava parado"
            )
        return f"{done.lines} linhas em dúvida: decida cada lote"
    day = done.decided.day
    where = f"{day.hospital} · {day.business_day:%d/%m/%Y}"
    return "; ".join([f"{where}: {_moved(done.verb, done.decided)}", *_next_steps(done.decided)])


def _moved(verb: Verb, decided: DecidedLines) -> str:
    if verb is Verb.SETTLE_SENT:
        return f"{decided.ended} linhas dadas como aceitas"
    if verb is Verb.ABANDON:
        return f"{decided.ended} linhas abandonadas"
    moved = {"prontas": decided.ready, "a reler": decided.reopened}
    return ", ".join(f"{lines} linhas {state}" for state, lines in moved.items() if lines)


def _next_steps(decided: DecidedLines) -> list[str]:
    """Say how the lines leave: ready ones by dispatch, reopened ones by being read again."""
    dag, steps = f"track_{decided.day.hospital.lower()}", []
    if decided.ready:
        steps.append("limpe dispatch (Enviar ao Track) daquele dia, com a seguinte")
    if decided.reopened:
        steps.append(
            "o que é relido vai com a próxima execução; para enviar agora, Acionar"
            f" {dag} com business_day={decided.day.business_day}"
        )
    if decided.too_late:
        steps.append(
            f"{decided.too_late} delas já passaram do prazo de perguntar e vencem, a menos que"
            " você acione o dia com Incluir atendimentos antigos"
        )
    return steps
