{#- ENCORE, establishment 21 and the exams of three others: its rules; tasy/_macros.sql makes the query. -#}
{% import "_extraction.sql" as extraction with context %}
{% import "tasy/_macros.sql" as tasy with context %}
{% set schema = "usuario_principal" %}

{% set of_another_type = extraction.not_in("a.ie_tipo_atendimento", [1, 3]) %}

{#- Its own admissions and emergencies, and what other establishments examine for it. -#}
{% set on_discharge %}
(
  (a.cd_estabelecimento = 21 and a.ie_tipo_atendimento in (1, 3))
  or (a.cd_estabelecimento in (1, 2, 4) and a.ie_tipo_atendimento = 8)
)
and {{ extraction.not_in("a.cd_motivo_alta", [7, 8, 9, 10, 16, 23]) }}
{% endset %}

{% set on_entry %}
a.cd_estabelecimento = 21
and {{ of_another_type }}
{% endset %}

{% set exames %}
a.cd_estabelecimento in (1, 2, 4)
or (
  {{ of_another_type }}
  and {{ extraction.not_in("a.nr_seq_classificacao", [1]) }}
)
{% endset %}

{#- Whoever was admitted out of the emergency room is asked about the admission alone. -#}
{% set pronto_socorro %}
a.ie_tipo_atendimento = 3
and not exists (
  select 1
  from {{ schema }}.atendimento_paciente admission
  where admission.cd_pessoa_fisica = a.cd_pessoa_fisica
    and admission.ie_tipo_atendimento = 1
    and admission.dt_cancelamento is null
    and admission.dt_entrada >= :day_start - 1
    and admission.dt_entrada < :day_end
)
{% endset %}

{% set ambulatorio %}
{{ of_another_type }}
and a.nr_seq_classificacao = 1
{% endset %}

{% set setor_exames %}
case
  when a.cd_estabelecimento in (1, 2, 4) then 'HEMODINAMICA'
  else case {{ tasy.department(schema) | indent(2) }}
    when 357 then 'LABORATORIO'
    when 353 then 'IMAGEM'
    when 354 then 'IMAGEM'
    when 365 then 'IMAGEM'
    when 405 then 'IMAGEM'
    when 355 then 'EXAMES'
    when 369 then 'EXAMES'
    when 370 then 'EXAMES'
    else 'OUTROS'
  end
end
{% endset %}

{#- The unit's name is one for all rows: in a query of its own Oracle asks for it once. -#}
{{ tasy.query(
  schema=schema,
  on_discharge=on_discharge,
  on_entry=on_entry,
  carried=["cd_estabelecimento", "nr_seq_classificacao"],
  email=tasy.email(schema),
  phone=tasy.phone(schema),
  unidade="(select " ~ schema ~ ".obter_nome_fantasia_estab(21) from dual)",
  oncologia=none,
  maternidade=none,
  exames=exames,
  internacao="a.ie_tipo_atendimento = 1",
  pronto_socorro=pronto_socorro,
  ambulatorio=ambulatorio,
  setor_exames=setor_exames,
  setor_pronto_socorro="'PA ADULTO'",
  setor_ambulatorio="'AMBULATORIO'",
) }}
