{#- HAC, Hospital São Francisco DF: its rules; tasy/_macros.sql makes the query of them. -#}
{% import "_extraction.sql" as extraction with context %}
{% import "tasy/_macros.sql" as tasy with context %}

{#- Admissions and emergencies count when they end. -#}
{% set on_discharge %}
(
  a.ie_tipo_atendimento = 3
  or (
    a.ie_tipo_atendimento = 1
    and {{ tasy.at_least(years=1) | indent(4) }}
  )
)
{% endset %}

{#- Consultations and exams count when they begin, once they are over. -#}
{% set on_entry %}
a.dt_alta is not null
and (
  a.ie_tipo_atendimento = 8
  or (a.ie_tipo_atendimento = 7 and a.nr_seq_classificacao is not null)
)
{% endset %}

{% set maternidade %}
a.ie_tipo_atendimento = 1
and {{ tasy.department() }} = 54
{% endset %}

{% set setor_exames %}
case
  when a.nr_seq_classificacao in (2, 16) then 'IMAGEM'
  when a.nr_seq_classificacao in (6, 14) then 'LABORATORIO'
  else 'EXAMES'
end
{% endset %}

{% set setor_pronto_socorro %}
case
  when a.ie_clinica = 13 then 'PA_GINECOLOGICO'
  when a.ie_clinica in (4, 10) then 'PA_PEDIATRICO'
  else 'PA_ADULTO'
end
{% endset %}

{{ tasy.query(
  on_discharge=on_discharge,
  on_entry=on_entry,
  only=extraction.not_in("a.cd_motivo_alta", [7, 16, 21, 26, 27, 28, 30]),
  carried=["ie_clinica", "nr_seq_classificacao"],
  email=tasy.email(),
  phone="'55' || p.nr_ddd_celular || p.nr_telefone_celular",
  oncologia=none,
  maternidade=maternidade,
  exames="a.ie_tipo_atendimento = 7",
  internacao="a.ie_tipo_atendimento = 1",
  pronto_socorro="a.ie_tipo_atendimento = 3",
  ambulatorio="a.ie_tipo_atendimento = 8",
  setor_exames=setor_exames,
  setor_pronto_socorro=setor_pronto_socorro,
  setor_ambulatorio="'AMBULATORIO_GERAL'",
) }}
