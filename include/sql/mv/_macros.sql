{#- Soul MV, schema DBAMV. -#}
{% import "_extraction.sql" as extraction with context %}

{#- Births, where there is a maternity survey: a mother's stay is never asked about as admission. -#}
{% macro not_a_birth() -%}
(
  a.cd_cid is null
  or a.cd_cid not in (
    'O60', 'O80', 'O82', 'O84', 'O757', 'O800', 'O801', 'O809', 'O810', 'O820', 'O821', 'O822',
    'O829', 'O839', 'O840', 'O842', 'Z380', 'Z382'
  )
)
{%- endmacro %}

{#- A mother: exists, because a join would bring her once for each twin. -#}
{% macro has_child() -%}
exists (
  select 1
  from dbamv.atendime child
  where child.cd_atendimento_pai = a.cd_atendimento
)
{%- endmacro %}

{% macro left_alive_emergency() -%}
not exists (
  select 1
  from dbamv.tip_res outcome
  where outcome.cd_tip_res = a.cd_tip_res
    and outcome.sn_obito = 'S'
)
{%- endmacro %}

{% macro left_alive_ward() -%}
not exists (
  select 1
  from dbamv.mot_alt reason
  where reason.cd_mot_alt = a.cd_mot_alt
    and reason.tp_mot_alta = 'O'
)
{%- endmacro %}

{#- The hub_es hospitals ask nobody whose clock entries point past the day. -#}
{% macro over_by_day_end() -%}
a.hr_atendimento < :day_end
and (a.hr_alta is null or a.hr_alta < :day_end)
{%- endmacro %}

{#- A place by its name in the surveys: `codes` by name, and the name of all others, or none. -#}
{% macro named_by(column, names, otherwise=none) -%}
case
{% for name, codes in names.items() %}
  when {{ column }} in ({{ codes | literal }}) then {{ name | literal }}
{% endfor %}
{% if otherwise %}
  else {{ otherwise | literal }}
{% endif %}
end
{%- endmacro %}

{#- A clinic that is named in the surveys, or the hospital's word for all others. -#}
{% macro clinic_or(clinics, otherwise) -%}
case
  when a.cd_ser_dis in ({{ clinics | literal }}) then s.ds_ser_dis
  else {{ otherwise | literal }}
end
{%- endmacro %}

{#- The clinic (s), for a hospital whose setores go by `clinic_or`. -#}
{% macro join_clinic() -%}
left join dbamv.ser_dis s
  on s.cd_ser_dis = a.cd_ser_dis
{%- endmacro %}

{#- Where an attendance came from (oa), for a hospital whose setores speak of it. -#}
{% macro join_origin() -%}
left join dbamv.ori_ate oa
  on oa.cd_ori_ate = a.cd_ori_ate
{%- endmacro %}

{#-
  The whole query.

  on_discharge, on_attendance: values of tp_atendimento, by the date that decides their day.
  only: condition that holds in every area, or none.
  shared: whether several hospitals live in the database, told apart by company.
  carried: further columns of the attendance that the areas, setores and joins speak of.
  joins: further outer joins that the setores speak of, each to one row at most.
  data_atendimento: expression; only HAT has another one.
  The six areas: condition each, none where the hospital has no such area.
  setor_*: expression each, none where it is the area's own label; MATERNIDADE always is.
-#}
{% macro query(
  on_discharge, on_attendance,
  oncologia, maternidade, exames, internacao, pronto_socorro, ambulatorio,
  setor_pronto_socorro, setor_ambulatorio, setor_exames=none, setor_oncologia=none,
  setor_internacao=none,
  only=none, shared=false, carried=[], joins=[], data_atendimento="a.hr_atendimento"
) -%}
{%- set columns_carried = [
  "cd_atendimento", "cd_paciente", "cd_prestador", "tp_atendimento", "hr_atendimento", "hr_alta",
  "cd_ori_ate", "cd_servico", "cd_ser_dis", "cd_cid", "cd_tip_res", "cd_mot_alt",
] + carried -%}
{{ extraction.header("Soul MV, schema DBAMV") }}
with {{ extraction.attendances_of_day(
  table="dbamv.atendime",
  columns=columns_carried,
  branches=[
    {"day_of": "dt_alta", "which": "a.tp_atendimento in (" ~ (on_discharge | literal) ~ ")"},
    {"day_of": "dt_atendimento", "which": "a.tp_atendimento in (" ~ (on_attendance | literal) ~ ")"},
  ],
  conditions=[extraction.of_companies("a.cd_multi_empresa", shared), only or ""],
) }},
{{ extraction.attendances_by_area(
  columns=columns_carried,
  matches={
    "oncologia": oncologia, "maternidade": maternidade, "exames": exames,
    "internacao": internacao, "pronto_socorro": pronto_socorro, "ambulatorio": ambulatorio,
  },
) }}
{{ extraction.select_list({
  "ID_Cliente_Hfocus": hospital.client_id | literal,
  "cd_atendimento": "a.cd_atendimento",
  "data_atendimento": data_atendimento,
  "data_saida_alta": "a.hr_alta",
  "name": "p.nm_paciente",
  "email": "p.email",
  "phone": "nvl(p.nr_ddi_celular, '55') || p.nr_ddd_celular || p.nr_celular",
  "cpf": "p.nr_cpf",
  "medico": "pr.nm_prestador",
  "area_pesquisa": "a.area_pesquisa",
  "unidade": hospital.unidade | literal,
  "setor": extraction.setor({
    "oncologia": setor_oncologia, "maternidade": none, "exames": setor_exames,
    "internacao": setor_internacao, "pronto_socorro": setor_pronto_socorro,
    "ambulatorio": setor_ambulatorio,
  }),
}) }}
from attendances_by_area a
left join dbamv.paciente p
  on p.cd_paciente = a.cd_paciente
left join dbamv.prestador pr
  on pr.cd_prestador = a.cd_prestador
{% for join in joins %}
{{ join | trim }}
{% endfor %}
where a.area_pesquisa is not null
{%- endmacro %}
