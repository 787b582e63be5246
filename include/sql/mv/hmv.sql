{#- HMV, Meridional Vitória, in one database with HMSM, under codes of its own: its codes;
    mv/_hub_es.sql holds the group's rules. -#}
{% import "mv/_macros.sql" as mv with context %}
{% import "mv/_hub_es.sql" as hub_es with context %}

{% set reasons_out = [11, 12, 13, 51] %}

{#- The name of some specialities, of all others that of the origin. -#}
{% macro speciality_or_origin(specialities) -%}
case
  when a.cd_especialid in ({{ specialities | literal }}) then e.ds_especialid
  else oa.ds_ori_ate
end
{%- endmacro %}

{% set join_speciality %}
left join dbamv.especialid e
  on e.cd_especialid = a.cd_especialid
{% endset %}

{{ hub_es.query(
  shared=true,
  outcomes_out=[6, 8],
  services=none,
  rooms={"PA_PEDIATRICO": [40, 41], "PA_GINECOLOGICO": [5, 82]},
  maternity_reasons_out=reasons_out,
  inpatient_reasons_out=reasons_out,
  day_hospital=none,
  outpatients_only="a.cd_ori_ate = 30",
  origin_kind="A",
  origins_out=none,
  clinics_out=none,
  clinics=none,
  exams={"type": "E", "names": {"HEMODINAMICA": [0], "LABORATORIO": [15], "IMAGEM": [13]}},
  oncology=[29],
  setor_ambulatorio=speciality_or_origin([9, 22, 28, 33]),
  setor_oncologia=speciality_or_origin([9, 22, 33]),
  carried=["cd_especialid"],
  joins=[mv.join_origin(), join_speciality],
) }}
