# ruff: noqa: E501 - a table row of Markdown is one line
"""Texts of Airflow's UI in Portuguese: of a hospital's DAG and of the operations' DAGs."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

from track_dispatch.config import Hospital
from track_dispatch.errors import (
    DecisionRefusedError,
    LedgerError,
    LinesInFlightError,
    TrackDispatchError,
)
from track_dispatch.hooks.alert import UndeliveredAlert
from track_dispatch.ledger.decisions import DecidedLines
from track_dispatch.pipeline import BUSINESS_DAY
from track_dispatch.pipeline.decide import FIELDS, Done
from track_dispatch.records import Area
from track_dispatch.states import SHELL_ONLY, Count, Verb

#: The tasks of a hospital's DAG.
TASKS = {
    "extract": "Extrair do ERP",
    "transform": "Montar as linhas",
    "volume_gate": "Conferir o volume",
    "approve_volume": "Aprovar o volume",
    "dispatch": "Enviar ao Track",
    "report": "Relatório do dia",
    "rehearse": "Simular ou ensaiar",
}
#: The tasks of the operations' DAGs.
OPERATIONS = {
    "morning": "Tabela da manhã",
    "decide": "Decidir",
    "housekeeping": "Limpeza",
    "doctor": "Examinar",
}

MODES = {
    "live": "Enviar",
    "dry_run": "Simulação (não envia nada)",
    "rehearsal": "Ensaio (só para os nossos contatos)",
}
#: The first line of the log of `rehearse`, by mode.
REHEARSED = {
    "dry_run": "SIMULAÇÃO: nada é gravado nem enviado",
    "rehearsal": "ENSAIO: só pacientes inventados, só para os nossos contatos",
}

_DOC = """
### {name}

Todo dia, convida os pacientes atendidos **no dia anterior** a responder a pesquisa do Track:
lê o ERP, monta uma linha por atendimento e envia cada área pelo canal que o paciente tem.
**Ninguém é convidado duas vezes**, mesmo que você limpe tarefas, repita o dia ou refaça dias antigos.

| tarefa | o que faz |
| --- | --- |
| **{extract}** | lê do ERP os atendimentos do dia, e relê os dias que ainda esperam |
| **{transform}** | monta as linhas; quem não pode ser convidado é excluído, com o motivo |
| **{volume_gate}** | deixa passar, ou retém o dia se o número de convites foge do comum |
| **{approve_volume}** | só então: pergunta a uma pessoa (*Navegar → Ações Necessárias*); sem resposta, as linhas ficam retidas |
| **{dispatch}** | envia o que está pronto, uma área e um canal depois do outro |
| **{report}** | fecha a conta do dia e decide a cor da execução |
| **{rehearse}** | só com *Modo* = *Simulação* ou *Ensaio*, em lugar de todas as outras: conta o que seria enviado, ou envia pacientes inventados aos nossos contatos |

#### Verde ou vermelho
A última tarefa, **{report}**, decide (numa simulação ou num ensaio, **{rehearse}**). **Verde**: cada atendimento terminou com um destino. Exclusões,
recusas isoladas e áreas sem pesquisa são normais. **Vermelho**: falta algo; as linhas
`VERMELHO`, no fim do log dela, dizem o quê e o que fazer.

| você vê | o que fazer |
| --- | --- |
| **{extract}** vermelho | o ERP não respondeu ou a consulta mudou; depois de resolvido, limpe essa tarefa e as seguintes |
| **{dispatch}** vermelho, linhas prontas | o Track não recebeu; limpe a tarefa e as seguintes: só o que falta é enviado |
| linhas **em dúvida** | pode ter chegado ao Track; não limpe à toa, nada é reenviado sozinho: uma pessoa decide |
| "recusou todas as linhas" | modelo, pesquisa ou chave errados no Track: avise a engenharia de dados |
| área desconhecida | a consulta do hospital devolveu uma área fora das seis: avise a engenharia de dados |

#### Enviar outro dia
*Acionar* e escolha **{day_title}**, ou *Backfill* (no mesmo formulário) para vários dias (escolha o fim **depois** do horário
da execução do último dia, senão ele fica de fora).

Unidade no Track: {unidade} · ERP: {erp} (`{source}`) · horário: `{schedule}` ({timezone}) ·
canais: {channels} · áreas com pesquisa: {areas}
"""

#: Describes the DAG that stands for a broken file.
BROKEN_DOC = """
### {code}: configuração com erro

O arquivo deste hospital não pode ser usado, por isso **nada é enviado** por ele. Os outros hospitais
não são afetados. Mostre a mensagem abaixo à engenharia de dados.

```
{message}
```
"""


#: The level at which a line is logged, by its first word: Airflow's log view colours by level.
LEVELS = {"VERMELHO": logging.ERROR, "ATENÇÃO": logging.WARNING}


def log_text(log: logging.Logger, lines: Iterable[str]) -> None:
    """Log a text line by line, each at the level of its first word in `LEVELS`."""
    for line in lines:
        log.log(LEVELS.get(line.partition(":")[0], logging.INFO), "%s", line)


def hospital_doc(hospital: Hospital) -> str:
    """Describe a hospital's DAG."""
    return _DOC.format(
        **TASKS,
        name=hospital.name,
        day_title=PARAMS["run_day"][0],
        unidade=hospital.unidade or "a do ERP",
        erp=hospital.erp.upper(),
        source=hospital.source,
        schedule=hospital.schedule,
        timezone=hospital.timezone,
        channels=", ".join(channel.label for channel in hospital.channels),
        areas=", ".join(area for area in Area if hospital.survey(area)),
    )


# -- the operations' DAGs ------------------------------------------------------------

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

WORKERS_DOC = """
### O que cada máquina vê

Para a engenharia de dados: acione depois de instalar, de mudar `queue` ou de trocar uma máquina. **Uma tarefa por fila**
olha, de onde as tarefas de verdade rodam, o relógio, o livro-razão (com TLS), a versão e as regras instaladas, o Track e os ERPs
dos hospitais dessa fila. Nada é enviado, nenhuma consulta é executada. **Vermelho**: uma execução falharia ali; as linhas `VERMELHO`
do log dizem o que fazer. Uma tarefa que fica na fila: nenhuma máquina atende essa fila.
"""

#: The XCom key of why a decision was not carried out, which the board shows.
NOT_DECIDED = "not_decided"
#: The choices of `track_decide`, as its form shows them.
WHAT = {verb: f"{verb.label} ({verb})" for verb in Verb if verb not in SHELL_ONLY}

#: Title and help of each Param.
PARAMS = {
    "run_day": (
        BUSINESS_DAY,
        (
            "Deixe vazio para o dia da própria execução (ontem). Preencha para enviar outro dia já"
            " encerrado; quem já recebeu o convite não recebe de novo."
        ),
    ),
    "include_old": (
        "Incluir atendimentos antigos",
        (
            "Convida também quem passou do limite de dias (max_age_days). Só em execuções manuais,"
            " e nunca antes da entrada em operação."
        ),
    ),
    "mode": (
        "Modo",
        (
            "Simulação: lê o ERP e conta o que seria enviado; nada é gravado nem enviado. Ensaio:"
            " envia alguns pacientes inventados de cada área aos nossos próprios contatos"
            " (rehearsal_contacts)."
        ),
    ),
    "what": ("Decisão", "O que foi decidido; a tabela acima diz quando cada uma serve."),
    "batch": (FIELDS["batch"], "Só para decisões sobre um lote: o número, do log do relatório."),
    "hospital": (
        FIELDS["hospital"],
        "Só para decisões sobre um dia: o código do hospital, p. ex. HMS.",
    ),
    "business_day": (FIELDS["business_day"], "Só para decisões sobre um dia de um hospital."),
    "confirmed": (
        FIELDS["confirmed"],
        "Só para reopen_accepted: todos os pacientes do lote serão convidados de novo.",
    ),
    "why": (
        "Motivo",
        "Fica guardado com o seu nome. O que parece e-mail, telefone ou CPF é recusado.",
    ),
    "morning_day": (
        BUSINESS_DAY,
        "Deixe vazio para tudo o que está em aberto. Preenchido, só esse dia é mostrado.",
    ),
}


def morning_doc(conflicts: Mapping[str, Sequence[str]]) -> str:
    """Describe `track_morning`, with the conflicts between hospitals' files, by code."""
    if not conflicts:
        return _MORNING_DOC
    problems = "\n".join(problem for told in conflicts.values() for problem in told)
    return _MORNING_DOC + _CONFLICTS_DOC.format(problems=problems)


_NOT_SHOWN = (
    "linha que ele não mostrava continua retida|linhas que ele não mostrava continuam retidas"
)


def read_later_text(lines: int) -> str:
    """Write that lines of a day read again stay held: the answered form did not show them."""
    return (
        f"ATENÇÃO: um dia foi relido depois deste formulário: {Count(lines):{_NOT_SHOWN}}; limpe"
        " volume_gate para responder"
    )


def undelivered_text(undelivered: UndeliveredAlert) -> str:
    """Write that an alert was not delivered, and whom to ask."""
    status = f", HTTP {undelivered.status}" if undelivered.status else ""
    return (
        f"VERMELHO: o aviso (track_alert) não foi entregue: {undelivered.problem.label}{status};"
        " mostre à engenharia de dados"
    )


def not_decided_text(error: TrackDispatchError) -> str:
    """Write that a decision was not carried out, and why."""
    return f"VERMELHO: nada foi decidido: {why_not_decided(error)}"


def why_not_decided(error: TrackDispatchError) -> str:
    """Write why a decision was not carried out; an error for the administrator stays in English."""
    if isinstance(error, DecisionRefusedError):
        return error.for_analyst
    if isinstance(error, LinesInFlightError):
        return (
            "o prazo deste lote ainda corre, e a resposta ainda pode chegar: decida de novo em"
            f" {error.retry_after:.0f} s"
        )
    if isinstance(error, LedgerError):
        return (
            "o livro-razão está ocupado ou não responde: acione de novo em um minuto; se continuar,"
            f" mostre à engenharia de dados ({error})"
        )
    return f"confira o que preencheu; se estiver certo, mostre à engenharia de dados ({error})"


def done_text(done: Done) -> str:
    """Write what a decision changed, and what comes next."""
    if done.decided is None:
        if done.verb is Verb.RESUME:
            return (
                "retomado para todos os hospitais: limpe dispatch, ou extract, onde ficou vermelho"
                if done.lines
                else "nada estava parado"
            )
        return f"{Count(done.lines):linha|linhas} em dúvida: decida cada lote"
    day = done.decided.day
    where = f"{day.hospital} · {day.business_day:%d/%m/%Y}"
    return "; ".join([f"{where}: {_moved(done.verb, done.decided)}", *_next_steps(done.decided)])


def _moved(verb: Verb, decided: DecidedLines) -> str:
    if verb is Verb.SETTLE_SENT:
        return f"{Count(decided.ended):linha dada como aceita|linhas dadas como aceitas}"
    if verb is Verb.ABANDON:
        return f"{Count(decided.ended):linha abandonada|linhas abandonadas}"
    ready = f"{Count(decided.ready):linha pronta|linhas prontas}"
    reopened = f"{Count(decided.reopened):linha|linhas} a reler"
    return ", ".join([ready] * bool(decided.ready) + [reopened] * bool(decided.reopened))


_TOO_LATE = (
    "delas já passou do prazo de perguntar e vence|delas já passaram do prazo de perguntar e vencem"
)


def _next_steps(decided: DecidedLines) -> list[str]:
    """Write how the lines go out: ready ones by a dispatch, reopened ones after a new reading."""
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
            f"{Count(decided.too_late):{_TOO_LATE}}, a menos que você acione o dia com Incluir"
            " atendimentos antigos"
        )
    return steps
