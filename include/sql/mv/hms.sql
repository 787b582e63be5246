{#- HMS, Meridional Serra: its rules; mv/_macros.sql makes the query of them. -#}
{% import "_extraction.sql" as extraction with context %}
{% import "mv/_macros.sql" as mv with context %}

{#- Reasons of discharge that are deaths, transfers and paperwork. -#}
{% set reasons_out = [6, 7, 9, 17, 18, 19, 20, 21, 22] %}

{% set oncologia %}
a.tp_atendimento = 'A' and a.cd_ori_ate = 21
{% endset %}

{% set maternidade %}
a.tp_atendimento = 'I'
and {{ extraction.not_in("a.cd_mot_alt", reasons_out) }}
and {{ mv.has_child() }}
{% endset %}

{% set exames %}
a.tp_atendimento = 'E' and a.cd_ori_ate in (46, 7)
{% endset %}

{#- Admissions, and the day hospital. -#}
{% set internacao %}
(
  a.tp_atendimento = 'I'
  and a.cd_atendimento_pai is null
  and {{ extraction.not_in("a.cd_mot_alt", reasons_out) }}
  and {{ mv.not_a_birth() | indent(2) }}
)
or (a.tp_atendimento = 'A' and a.cd_ori_ate = 9)
{% endset %}

{% set pronto_socorro %}
a.tp_atendimento = 'U'
and {{ extraction.not_in("a.cd_tip_res", [1, 4, 11]) }}
{% endset %}

{% set ambulatorio %}
a.tp_atendimento = 'A'
and a.cd_ser_dis is not null
and {{ extraction.not_in("a.cd_ori_ate", [21, 9]) }}
{% endset %}

{% set setor_exames %}
case a.cd_ori_ate
  when 46 then 'HEMODINAMICA'
  when 7 then 'LABORATORIO'
end
{% endset %}

{% set setor_pronto_socorro %}
case a.cd_servico
  when 1 then 'PA_OBSTÉTRICO'
  when 27 then 'PA_PEDIATRICO'
  else 'PA_ADULTO'
end
{% endset %}

{{ mv.query(
  on_discharge=["U", "I"],
  on_attendance=["A", "E"],
  only=mv.over_by_day_end(),
  carried=["cd_atendimento_pai"],
  oncologia=oncologia,
  maternidade=maternidade,
  exames=exames,
  internacao=internacao,
  pronto_socorro=pronto_socorro,
  ambulatorio=ambulatorio,
  setor_exames=setor_exames,
  setor_pronto_socorro=setor_pronto_socorro,
  setor_ambulatorio=mv.clinic_or([2, 3, 6, 11, 30, 51, 76, 85], "GERAL_AMBULATORIO"),
) }}
