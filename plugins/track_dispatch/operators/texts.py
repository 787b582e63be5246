# ruff: noqa: E501 - a table row of Markdown is one line
"""What an operator reads about a hospital's DAG in the UI, in Portuguese."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from track_dispatch.records import Area

if TYPE_CHECKING:
    from track_dispatch.config import Hospital

TASKS = {
    "extract": "Extrair do ERP",
    "transform": "Montar as linhas",
    "volume_gate": "Conferir o volume",
    "approve_volume": "Aprovar o volume",
    "dispatch": "Enviar ao Track",
    "report": "Relatório do dia",
    "rehearse": "Simular ou ensaiar",
}

DAY_TITLE = "Dia de atendimento"
DAY_HELP = (
    "Deixe vazio para o dia da própria execução (ontem). Preencha para enviar outro dia já"
    " encerrado; quem já recebeu o convite não recebe de novo."
)

OLD_TITLE = "Incluir atendimentos antigos"
OLD_HELP = (
    "Convida também quem passou do limite de dias (max_age_days). Só em execuções manuais, e nunca"
    " antes da entrada em operação."
)

MODE_TITLE = "Modo"
MODE_HELP = (
    "Simulação: lê o ERP e conta o que seria enviado; nada é gravado nem enviado. Ensaio: envia"
    " alguns pacientes inventados de cada área aos nossos próprios contatos (rehearsal_contacts)."
)
MODES = {
    "live": "Enviar",
    "dry_run": "Simulação (não envia nada)",
    "rehearsal": "Ensaio (só para os nossos contatos)",
}
#: The first line of what `rehearse` tells.
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

_BROKEN_DOC = """
### {code}: configuração com erro

O arquivo deste hospital não pode ser usado, por isso **nada é enviado** por ele. Os outros hospitais
não são afetados. Mostre a mensagem abaixo à engenharia de dados.

```
{message}
```
"""


#: Words of colour that begin a line, and the level that Airflow's log view colours it by.
LEVELS = {"VERMELHO": logging.ERROR, "ATENÇÃO": logging.WARNING}


def log_text(log: logging.Logger, lines: Iterable[str]) -> None:
    """Log a text line by line, each at the level of the word of colour that it begins with."""
    for line in lines:
        log.log(LEVELS.get(line.partition(":")[0], logging.INFO), "%s", line)


def hospital_doc(hospital: Hospital) -> str:
    """Describe a hospital's DAG."""
    return _DOC.format(
        **TASKS,
        name=hospital.name,
        day_title=DAY_TITLE,
        unidade=hospital.unidade or "a do ERP",
        erp=hospital.erp.upper(),
        source=hospital.source,
        schedule=hospital.schedule,
        timezone=hospital.timezone,
        channels=", ".join(channel.label for channel in hospital.channels),
        areas=", ".join(area for area in Area if hospital.survey(area)),
    )


def broken_doc(code: str, message: str) -> str:
    """Describe the DAG that stands for a broken file."""
    return _BROKEN_DOC.format(code=code, message=message)
