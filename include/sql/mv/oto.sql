{#- The OTO group and ING, one database told apart by company: OTOA, OTOM, OTOS, OTOSD, ING. -#}
{% import "_extraction.sql" as extraction with context %}
{% import "mv/_macros.sql" as mv with context %}

{#- Origins of exams by the name under which the surveys know them. -#}
{% set hemodinamica = [103] %}
{% set imagem = [19, 21, 22, 38, 47, 104, 106, 109, 121, 123] %}
{% set laboratorio = [13, 14, 16, 35, 37, 50, 88, 112, 125, 126] %}
{% set endoscopia = [29, 100, 110] %}

{% set maternidade %}
a.tp_atendimento = 'I'
and {{ mv.left_alive_ward() }}
and {{ mv.has_child() }}
{% endset %}

{% set exames %}
a.tp_atendimento = 'E'
and a.cd_ori_ate in (
  {{ (hemodinamica + imagem + laboratorio + endoscopia) | literal }}
)
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

{% set setor_exames %}
case
  when a.cd_ori_ate in ({{ hemodinamica | literal }}) then 'HEMODINAMICA'
  when a.cd_ori_ate in ({{ imagem | literal }}) then 'IMAGEM'
  when a.cd_ori_ate in ({{ laboratorio | literal }}) then 'LABORATORIO'
  when a.cd_ori_ate in ({{ endoscopia | literal }}) then 'ENDOSCOPIA'
end
{% endset %}

{% set setor_pronto_socorro %}
case a.cd_servico
  when 5 then 'PA_OBSTÉTRICO'
  when 40 then 'PA_PEDIATRICO'
  else 'PA_ADULTO'
end
{% endset %}

{{ mv.query(
  on_discharge=["U", "I"],
  on_attendance=["A", "E"],
  shared=true,
  oncologia=none,
  maternidade=maternidade,
  exames=exames,
  internacao=internacao,
  pronto_socorro=pronto_socorro,
  ambulatorio=ambulatorio,
  setor_exames=setor_exames,
  setor_pronto_socorro=setor_pronto_socorro,
  setor_ambulatorio=mv.clinic_or([9, 15, 30, 31, 33, 46], "AMBULATORIO_GERAL"),
) }}
