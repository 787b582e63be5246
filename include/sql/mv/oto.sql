{#- The OTO group and ING, one database told apart by company: OTOA, OTOM, OTOS, OTOSD, ING. -#}
{% import "_extraction.sql" as extraction with context %}
{% import "mv/_macros.sql" as mv with context %}

{#- Origins of exams by the name under which the surveys know them. -#}
{% set exam_origins = {
  "HEMODINAMICA": [103],
  "IMAGEM": [19, 21, 22, 38, 47, 104, 106, 109, 121, 123],
  "LABORATORIO": [13, 14, 16, 35, 37, 50, 88, 112, 125, 126],
  "ENDOSCOPIA": [29, 100, 110],
} %}

{% set maternidade %}
a.tp_atendimento = 'I'
and {{ mv.left_alive_ward() }}
and {{ mv.has_child() }}
{% endset %}

{% set exames %}
a.tp_atendimento = 'E'
and a.cd_ori_ate in ({{ exam_origins.values() | sum(start=[]) | literal }})
{% endset %}

{% set internacao %}
a.tp_atendimento = 'I'
and {{ mv.left_alive_ward() }}
and {{ mv.not_a_birth() }}
{% endset %}

{% set pronto_socorro %}
a.tp_atendimento = 'U'
and {{ mv.left_alive_emergency() }}
{% endset %}

{% set ambulatorio %}
a.tp_atendimento = 'A'
{% endset %}

{{ mv.query(
  on_discharge=["U", "I"],
  on_attendance=["A", "E"],
  shared=true,
  joins=[mv.join_clinic()],
  oncologia=none,
  maternidade=maternidade,
  exames=exames,
  internacao=internacao,
  pronto_socorro=pronto_socorro,
  ambulatorio=ambulatorio,
  setor_exames=mv.named_by("a.cd_ori_ate", exam_origins),
  setor_pronto_socorro=mv.named_by(
    "a.cd_servico", {"PA_OBSTÉTRICO": [5], "PA_PEDIATRICO": [40]}, "PA_ADULTO"
  ),
  setor_ambulatorio=mv.clinic_or([9, 15, 30, 31, 33, 46], "AMBULATORIO_GERAL"),
) }}
