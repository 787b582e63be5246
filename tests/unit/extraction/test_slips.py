"""One change that a tired analyst might make to a query: the linter or an example tells it.

Each changes who is asked or what is sent. Of the rest, the second readings are the judge.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from demo.examples import run
from track_dispatch.config import include_dir, load_hospital
from track_dispatch.extraction.examples import read_examples
from track_dispatch.extraction.lint import lint
from track_dispatch.extraction.query import render

#: Hospital, file, passage, and what stands there instead.
SLIPS: list[tuple[str, str, str, str]] = [
    ("HMS", "mv/hms.sql", "outcomes_out=[1, 4, 11]", "outcomes_out=[1, 4]"),
    (
        "HMS",
        "mv/hms.sql",
        'inpatients_only="a.cd_atendimento_pai is null"',
        'inpatients_only="a.cd_atendimento_pai is not null"',
    ),
    (
        "HMS",
        "mv/hms.sql",
        'day_hospital={"type": "A", "origins": [9]}',
        'day_hospital={"type": "E", "origins": [9]}',
    ),
    ("HMS", "mv/hms.sql", 'outpatients_only="a.cd_ser_dis is not null",\n', ""),
    (
        "HMS",
        "mv/hms.sql",
        "clinics=[2, 3, 6, 11, 30, 51, 76, 85]",
        "clinics=[2, 3, 6, 11, 30, 51, 76]",
    ),
    ("HMS", "mv/_hub_es.sql", 'on_discharge=["U", "I"]', 'on_discharge=["I"]'),
    ("HMS", "mv/_hub_es.sql", 'on_attendance=["A", "E"]', 'on_attendance=["A", "E", "U"]'),
    ("HMS", "mv/_macros.sql", "a.hr_alta is null or a.hr_alta < :day_end", "a.hr_alta < :day_end"),
    ("HMS", "mv/_macros.sql", "a.hr_atendimento < :day_end\n", "a.hr_atendimento >= :day_start\n"),
    ("HMS", "mv/_macros.sql", "'O60', 'O80', 'O82'", "'O60', 'O82'"),
    (
        "HMS",
        "mv/_macros.sql",
        "a.cd_cid is null\n  or a.cd_cid not in",
        "a.cd_cid is not null\n  or a.cd_cid not in",
    ),
    (
        "HMS",
        "mv/_macros.sql",
        "a.cd_cid is null\n  or a.cd_cid not in",
        "a.cd_cid is null\n  or a.cd_cid in",
    ),
    (
        "HMS",
        "mv/_macros.sql",
        "child.cd_atendimento_pai = a.cd_atendimento",
        "child.cd_atendimento = a.cd_atendimento",
    ),
    (
        "HMS",
        "mv/_macros.sql",
        "child.cd_atendimento_pai = a.cd_atendimento",
        "child.cd_atendimento_pai = a.cd_paciente",
    ),
    (
        "HMS",
        "mv/_macros.sql",
        "left join dbamv.prestador pr\n  on pr.cd_prestador = a.cd_prestador",
        "left join dbamv.prestador pr\n  on pr.cd_prestador = a.cd_paciente",
    ),
    (
        "HMS",
        "mv/_macros.sql",
        "where a.area_pesquisa is not null",
        "where a.area_pesquisa is not null and p.email is not null",
    ),
    (
        "HMS",
        "mv/_macros.sql",
        "where a.area_pesquisa is not null",
        "where a.area_pesquisa is not null and a.area_pesquisa <> 'EXAMES'",
    ),
    (
        "HMS",
        "mv/_macros.sql",
        "\"nvl(p.nr_ddi_celular, '55') || p.nr_ddd_celular || p.nr_celular\"",
        '"p.nr_ddi_celular || p.nr_ddd_celular || p.nr_celular"',
    ),
    (
        "HMS",
        "mv/_macros.sql",
        "\"nvl(p.nr_ddi_celular, '55') || p.nr_ddd_celular || p.nr_celular\"",
        "\"nvl(p.nr_ddi_celular, '55') || p.nr_celular\"",
    ),
    ("HMS", "mv/_macros.sql", '"cpf": "p.nr_cpf"', '"cpf": "pr.nm_prestador"'),
    ("HMS", "mv/_macros.sql", '"medico": "pr.nm_prestador"', '"medico": "p.nm_paciente"'),
    (
        "HMS",
        "mv/_macros.sql",
        'data_atendimento="a.hr_atendimento"',
        'data_atendimento="a.hr_alta"',
    ),
    (
        "HMS",
        "mv/_macros.sql",
        '"data_saida_alta": "a.hr_alta"',
        '"data_saida_alta": "a.hr_atendimento"',
    ),
    (
        "HMS",
        "_extraction.sql",
        "({{ column }} is null or {{ column }} not in ({{ codes | literal }}))",
        "{{ column }} not in ({{ codes | literal }})",
    ),
    (
        "HMS",
        "_extraction.sql",
        "({{ column }} is null or {{ column }} not in ({{ codes | literal }}))",
        "({{ column }} is null or {{ column }} in ({{ codes | literal }}))",
    ),
    ("HMS", "_extraction.sql", "  union all", "  union"),
    (
        "HMS",
        "_extraction.sql",
        "a.{{ branch.day_of }} >= :day_start",
        "a.{{ branch.day_of }} > :day_start",
    ),
    (
        "HMV",
        "mv/hmv.sql",
        'outpatients_only="a.cd_ori_ate = 30"',
        'outpatients_only="a.cd_ori_ate = 29"',
    ),
    ("HMV", "mv/hmv.sql", 'origin_kind="A"', 'origin_kind="a"'),
    ("HMV", "mv/hmv.sql", 'origin_kind="A",\n', ""),
    (
        "HMV",
        "mv/_hub_es.sql",
        "origin.cd_ori_ate = a.cd_ori_ate",
        "origin.cd_ori_ate = a.cd_servico",
    ),
    (
        "HMV",
        "mv/hmv.sql",
        "on e.cd_especialid = a.cd_especialid",
        "on e.cd_especialid = a.cd_ori_ate",
    ),
    (
        "HMV",
        "_extraction.sql",
        "{%- if hospital.companies or shared -%}",
        "{%- if shared and not hospital.companies -%}",
    ),
    ("HMC", "mv/hmc.sql", "services=[3, 23, 35, 37, 40]", "services=[3, 23, 35, 37]"),
    (
        "HMC",
        "mv/hmc.sql",
        "inpatient_reasons_out=reasons_out + [55]",
        "inpatient_reasons_out=reasons_out",
    ),
    ("HMC", "mv/hmc.sql", "oncology=[6, 18, 27]", "oncology=[6, 18]"),
    ("HMC", "mv/hmc.sql", "clinics_out=[17, 18, 32, 83, 88]", "clinics_out=[17, 18, 32, 83]"),
    ("HAT", "mv/hat.sql", "department.cd_setor = 637", "department.cd_setor = 673"),
    ("HAT", "mv/hat.sql", "'RN %'", "'RN%'"),
    ("HAT", "mv/hat.sql", "'%NAO%'", "'NAO%'"),
    ("HAT", "mv/hat.sql", "upper(person.email)", "person.email"),
    ("HAT", "mv/hat.sql", "and not {{ is_newborn | trim }}", "and {{ is_newborn | trim }}"),
    ("HAT", "mv/hat.sql", 'on_discharge=["I"]', 'on_discharge=["I", "U"]'),
    ("HAT", "mv/_macros.sql", "reason.tp_mot_alta = 'O'", "reason.tp_mot_alta <> 'O'"),
    (
        "HAT",
        "mv/_macros.sql",
        "reason.cd_mot_alt = a.cd_mot_alt",
        "reason.cd_mot_alt = a.cd_tip_res",
    ),
    ("HAT", "mv/hat.sql", "on w.cd_unid_int = l.cd_unid_int", "on w.cd_unid_int = l.cd_leito"),
    (
        "HAT",
        "mv/hat.sql",
        "when 'I' then a.hr_alta else a.hr_atendimento end",
        "when 'I' then a.hr_alta end",
    ),
    ("OTOA", "mv/_macros.sql", "outcome.sn_obito = 'S'", "outcome.sn_obito = 'N'"),
    ("OTOA", "mv/oto.sql", "29, 100, 110", "29, 100"),
    ("HAC", "tasy/hac.sql", "a.dt_alta is not null\nand (", "("),
    ("HAC", "tasy/hac.sql", "tasy.at_least(years=1)", "tasy.at_least(years=18)"),
    ("HAC", "tasy/hac.sql", "= 54", "= 45"),
    ("HAC", "tasy/hac.sql", "nr_seq_classificacao is not null", "nr_seq_classificacao is null"),
    (
        "HAC",
        "tasy/hac.sql",
        "'55' || p.nr_ddd_celular || p.nr_telefone_celular",
        "'55' || p.nr_telefone_celular",
    ),
    ("HAC", "tasy/_macros.sql", '"a.dt_cancelamento is null",\n', ""),
    (
        "HAC",
        "tasy/_macros.sql",
        "on m.cd_pessoa_fisica = a.cd_medico_resp",
        "on m.cd_pessoa_fisica = a.cd_pessoa_fisica",
    ),
    ("HAC", "tasy/_macros.sql", "{{ years }}\n) >= {{ years }}", "0\n) >= {{ years }}"),
    (
        "HAC",
        "tasy/_macros.sql",
        '"data_atendimento": "a.dt_entrada"',
        '"data_atendimento": "a.dt_alta"',
    ),
    ("HPM", "tasy/hpm_hst.sql", "('151', '164', '269', '271')", "('151', '164', '269')"),
    ("HPM", "tasy/hpm_hst.sql", "a.ie_tipo_atendimento in (1, 7)", "a.ie_tipo_atendimento = 1"),
    ("HPM", "tasy/hpm_hst.sql", "[7, 9, 13, 15, 16, 18]", "[7, 9, 13, 15, 16]"),
    ("HSMC", "tasy/hsmc.sql", "= '148'", "= '184'"),
    (
        "HSMC",
        "tasy/_macros.sql",
        "'[^0-9]', '')\n{%- endmacro %}\n\n{#-\n  The",
        "'[^0-9]', ' ')\n{%- endmacro %}\n\n{#-\n  The",
    ),
    (
        "ENCORE",
        "tasy/encore.sql",
        "a.cd_estabelecimento in (1, 2, 4) and a.ie_tipo_atendimento = 8",
        "a.cd_estabelecimento in (1, 2, 4) or a.ie_tipo_atendimento = 8",
    ),
    (
        "ENCORE",
        "tasy/encore.sql",
        "admission.dt_entrada >= :day_start - 1",
        "admission.dt_entrada >= :day_start",
    ),
    ("ENCORE", "tasy/encore.sql", "    and admission.dt_cancelamento is null\n", ""),
    (
        "ENCORE",
        "tasy/encore.sql",
        "not exists (\n  select 1\n  from {{ schema }}",
        "exists (\n  select 1\n  from {{ schema }}",
    ),
    (
        "ENCORE",
        "tasy/encore.sql",
        "and admission.ie_tipo_atendimento = 1\n",
        "and admission.ie_tipo_atendimento = 3\n",
    ),
    ("ENCORE", "tasy/encore.sql", "obter_nome_fantasia_estab(21)", "obter_nome_fantasia_estab(1)"),
    ("ENCORE", "tasy/encore.sql", "[7, 8, 9, 10, 16, 23]", "[7, 8, 9, 10, 16]"),
]


@pytest.mark.parametrize(
    ("code", "file", "old", "new"), SLIPS, ids=[f"{slip[0]} {slip[3][:40]!r}" for slip in SLIPS]
)
def test_a_slip_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, file: str, old: str, new: str
) -> None:
    shutil.copytree(include_dir(), tmp_path / "include")
    monkeypatch.setenv("TRACK_INCLUDE_DIR", str(tmp_path / "include"))
    path = tmp_path / "include" / "sql" / file
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")

    hospital = load_hospital(code)
    assert lint(render(hospital), file=file) or run(hospital, read_examples(hospital))
