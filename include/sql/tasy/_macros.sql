{#- Philips Tasy. The base tables, not the views: a view's inner joins would lose attendances. -#}
{% import "_extraction.sql" as extraction with context %}

{#- Code of the first department. The function answers with text in some installations: compare
    with text, which Oracle reads as a number beside a number. -#}
{% macro first_department(schema="tasy") -%}
{{ schema }}.obter_primeiro_setor_atend(a.nr_atendimento, 'C')
{%- endmacro %}

{#- The department, which only the view knows. max: one answer, whatever else the view joins. -#}
{% macro department(schema="tasy") -%}
(
  select max(v.cd_setor_atendimento)
  from {{ schema }}.atendimento_paciente_v v
  where v.nr_atendimento = a.nr_atendimento
)
{%- endmacro %}

{#- Age in whole years, which the function gives as text; who has no known age passes. -#}
{% macro at_least(years, schema="tasy") -%}
nvl(
  to_number(regexp_replace({{ schema }}.obter_dados_pf(a.cd_pessoa_fisica, 'I'), '[^0-9]', '')),
  {{ years }}
) >= {{ years }}
{%- endmacro %}

{% macro email(schema="tasy") -%}
{{ schema }}.obter_compl_pf(a.cd_pessoa_fisica, 1, 'M')
{%- endmacro %}

{#- An installation that keeps no e-mail. -#}
{% macro no_email() -%}
cast(null as varchar2(1))
{%- endmacro %}

{% macro phone(schema="tasy") -%}
'55' || regexp_replace({{ schema }}.obter_telefone_pf(a.cd_pessoa_fisica, 12), '[^0-9]', '')
{%- endmacro %}

{#-
  The whole query.

  on_discharge, on_entry: which attendances count on the day of dt_alta, of dt_entrada; none where
  none does. They exclude each other.
  only: condition that holds in every area, or none.
  shared: whether several hospitals live in the database, told apart by establishment.
  carried: further columns of the attendance that the areas and setores speak of.
  The six areas: condition each, none where the hospital has no such area.
  setor_*: expression each; MATERNIDADE and INTERNACAO are always their own label.
  unidade: expression where the unit's name comes from the ERP.
-#}
{% macro query(
  on_discharge, on_entry, email, phone,
  oncologia, maternidade, exames, internacao, pronto_socorro, ambulatorio,
  setor_pronto_socorro, setor_ambulatorio, setor_exames=none, setor_oncologia=none,
  only=none, shared=false, carried=[], schema="tasy", unidade=none
) -%}
{%- set columns_carried = [
  "nr_atendimento", "cd_pessoa_fisica", "cd_medico_resp", "dt_entrada", "dt_alta",
  "ie_tipo_atendimento",
] + carried -%}
{%- set branches = [] -%}
{%- if on_discharge is not none -%}
{%- set _ = branches.append({"day_of": "dt_alta", "which": on_discharge | trim}) -%}
{%- endif -%}
{%- if on_entry is not none -%}
{%- set _ = branches.append({"day_of": "dt_entrada", "which": on_entry | trim}) -%}
{%- endif -%}
{{ extraction.header("Tasy, schema " ~ schema | upper) }}
with {{ extraction.attendances_of_day(
  table=schema ~ ".atendimento_paciente",
  columns=columns_carried,
  branches=branches,
  conditions=[
    "a.dt_cancelamento is null",
    extraction.of_companies("a.cd_estabelecimento", shared),
    only or "",
  ],
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
  "cd_atendimento": "a.nr_atendimento",
  "data_atendimento": "a.dt_entrada",
  "data_saida_alta": "a.dt_alta",
  "name": "p.nm_pessoa_fisica",
  "email": email,
  "phone": phone,
  "cpf": "p.nr_cpf",
  "medico": "m.nm_pessoa_fisica",
  "area_pesquisa": "a.area_pesquisa",
  "unidade": hospital.unidade | literal if unidade is none else unidade,
  "setor": extraction.setor({
    "oncologia": setor_oncologia, "maternidade": none, "exames": setor_exames,
    "internacao": none, "pronto_socorro": setor_pronto_socorro, "ambulatorio": setor_ambulatorio,
  }),
}) }}
from attendances_by_area a
left join {{ schema }}.pessoa_fisica p
  on p.cd_pessoa_fisica = a.cd_pessoa_fisica
left join {{ schema }}.pessoa_fisica m
  on m.cd_pessoa_fisica = a.cd_medico_resp
where a.area_pesquisa is not null
{%- endmacro %}
