{#- HAT, Hospital Anchieta: its rules; mv/_macros.sql makes the query of them. -#}
{% import "_extraction.sql" as extraction with context %}
{% import "mv/_macros.sql" as mv with context %}

{#- NAO TEM and the like, where the e-mail should be. -#}
{% set email_without_nao %}
not exists (
  select 1
  from dbamv.paciente person
  where person.cd_paciente = a.cd_paciente
    and upper(person.email) like '%NAO%'
)
{% endset %}

{% set is_newborn %}
exists (
  select 1
  from dbamv.paciente newborn
  where newborn.cd_paciente = a.cd_paciente
    and newborn.nm_paciente like 'RN %'
)
{% endset %}

{#- By the department behind the origin. -#}
{% set oncologia %}
a.tp_atendimento = 'A'
and exists (
  select 1
  from dbamv.ori_ate origin
  join dbamv.setor department
    on department.cd_setor = origin.cd_setor
  where origin.cd_ori_ate = a.cd_ori_ate
    and department.cd_setor = 637
)
{% endset %}

{#- Mothers among them: no maternity survey asks them here. -#}
{% set internacao %}
a.tp_atendimento = 'I'
and {{ mv.left_alive_ward() }}
and not {{ is_newborn | trim }}
{% endset %}

{% set pronto_socorro %}
a.tp_atendimento = 'U'
and {{ extraction.not_in("a.cd_tip_res", [5, 6, 8, 13, 14, 17]) }}
{% endset %}

{#- An inpatient's moment is that of leaving. -#}
{% set data_atendimento = "case a.tp_atendimento when 'I' then a.hr_alta else a.hr_atendimento end" %}

{% set join_department %}
left join dbamv.setor d
  on d.cd_setor = oa.cd_setor
{% endset %}

{% set join_ward %}
left join dbamv.leito l
  on l.cd_leito = a.cd_leito
left join dbamv.unid_int w
  on w.cd_unid_int = l.cd_unid_int
{% endset %}

{{ mv.query(
  on_discharge=["I"],
  on_attendance=["U", "A", "E"],
  only=email_without_nao,
  carried=["cd_leito"],
  joins=[mv.join_origin(), join_department, join_ward],
  data_atendimento=data_atendimento,
  oncologia=oncologia,
  maternidade=none,
  exames="a.tp_atendimento = 'E'",
  internacao=internacao,
  pronto_socorro=pronto_socorro,
  ambulatorio="a.tp_atendimento = 'A'",
  setor_oncologia="d.nm_setor",
  setor_exames="d.nm_setor",
  setor_internacao="w.ds_unid_int",
  setor_pronto_socorro="d.nm_setor",
  setor_ambulatorio="d.nm_setor",
) }}
