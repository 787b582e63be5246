{#- The hub_es hospitals: one set of rules, each hospital with the codes of its own catalogue. -#}
{% import "_extraction.sql" as extraction with context %}
{% import "mv/_macros.sql" as mv with context %}

{% macro _of_type_and_origin(type, origins) -%}
a.tp_atendimento = {{ type | literal }} and a.cd_ori_ate in ({{ origins | literal }})
{%- endmacro %}

{#- A missing origin is of no kind. -#}
{% macro _of_origin_kind(kind) -%}
exists (
  select 1
  from dbamv.ori_ate origin
  where origin.cd_ori_ate = a.cd_ori_ate
    and origin.tp_origem = {{ kind | literal }}
)
{%- endmacro %}

{#-
  The whole query, from a hospital's column of the table in docs/hospitals.md#hub_es; none where
  the column says that there is no such rule.

  outcomes_out: cd_tip_res of an emergency.
  services: the only cd_servico of an emergency, none for any.
  rooms: cd_servico of an emergency by name; the others are PA_ADULTO.
  maternity_reasons_out, inpatient_reasons_out: cd_mot_alt of deaths, transfers and paperwork.
  day_hospital: {type: tp_atendimento, origins: cd_ori_ate}.
  origins_out, clinics_out: cd_ori_ate and cd_ser_dis that make no outpatient.
  clinics: cd_ser_dis that go by their own names; the others are GERAL_AMBULATORIO.
  exams: {type: tp_atendimento, names: cd_ori_ate by name}.
  oncology: cd_ori_ate of outpatients.

  inpatients_only, outpatients_only: a further condition, where a hospital has one.
  origin_kind: tp_origem that the origin of an outpatient must have, oncology's included.
  setor_*, carried, joins, shared: as in mv/_macros.sql.
-#}
{% macro query(
  outcomes_out, services, rooms, maternity_reasons_out, inpatient_reasons_out, day_hospital,
  origins_out, clinics_out, clinics, exams, oncology,
  inpatients_only=none, outpatients_only=none, origin_kind=none,
  setor_ambulatorio=none, setor_oncologia=none, carried=[], joins=[], shared=false
) -%}
{%- set oncologia = none -%}
{%- if oncology -%}
{%- set oncologia -%}
{{ _of_type_and_origin("A", oncology) }}
{% if origin_kind %}
and {{ _of_origin_kind(origin_kind) }}
{% endif %}
{%- endset -%}
{%- endif -%}

{%- set maternidade -%}
a.tp_atendimento = 'I'
and {{ extraction.not_in("a.cd_mot_alt", maternity_reasons_out) }}
and {{ mv.has_child() }}
{%- endset -%}

{%- set exames = none -%}
{%- if exams -%}
{%- set exames = _of_type_and_origin(exams.type, exams.names.values() | sum(start=[])) -%}
{%- endif -%}

{%- set admitted -%}
a.tp_atendimento = 'I'
{% if inpatients_only %}
and {{ inpatients_only }}
{% endif %}
and {{ extraction.not_in("a.cd_mot_alt", inpatient_reasons_out) }}
and {{ mv.not_a_birth() }}
{%- endset -%}

{%- set internacao = admitted -%}
{%- if day_hospital -%}
{%- set internacao -%}
(
  {{ admitted | indent(2) }}
)
or ({{ _of_type_and_origin(day_hospital.type, day_hospital.origins) }})
{%- endset -%}
{%- endif -%}

{%- set pronto_socorro -%}
a.tp_atendimento = 'U'
and {{ extraction.not_in("a.cd_tip_res", outcomes_out) }}
{% if services %}
and a.cd_servico in ({{ services | literal }})
{% endif %}
{%- endset -%}

{%- set ambulatorio -%}
a.tp_atendimento = 'A'
{% if outpatients_only %}
and {{ outpatients_only }}
{% endif %}
{% if origin_kind %}
and {{ _of_origin_kind(origin_kind) }}
{% endif %}
{% if origins_out %}
and {{ extraction.not_in("a.cd_ori_ate", origins_out) }}
{% endif %}
{% if clinics_out %}
and {{ extraction.not_in("a.cd_ser_dis", clinics_out) }}
{% endif %}
{%- endset -%}

{{ mv.query(
  on_discharge=["U", "I"],
  on_attendance=["A", "E"],
  only=mv.over_by_day_end(),
  shared=shared,
  carried=carried,
  joins=joins if setor_ambulatorio else [mv.join_clinic()],
  oncologia=oncologia,
  maternidade=maternidade,
  exames=exames,
  internacao=internacao,
  pronto_socorro=pronto_socorro,
  ambulatorio=ambulatorio,
  setor_exames=mv.named_by("a.cd_ori_ate", exams.names) if exams else none,
  setor_pronto_socorro=mv.named_by("a.cd_servico", rooms, "PA_ADULTO"),
  setor_ambulatorio=setor_ambulatorio or mv.clinic_or(clinics, "GERAL_AMBULATORIO"),
  setor_oncologia=setor_oncologia,
) }}
{%- endmacro %}
