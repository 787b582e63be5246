{#- HMS, Meridional Serra: its codes; mv/_hub_es.sql holds the group's rules. -#}
{% import "mv/_hub_es.sql" as hub_es with context %}

{% set reasons_out = [6, 7, 9, 17, 18, 19, 20, 21, 22] %}

{{ hub_es.query(
  outcomes_out=[1, 4, 11],
  services=none,
  rooms={"PA_OBSTÉTRICO": [1], "PA_PEDIATRICO": [27]},
  maternity_reasons_out=reasons_out,
  inpatient_reasons_out=reasons_out,
  inpatients_only="a.cd_atendimento_pai is null",
  day_hospital={"type": "A", "origins": [9]},
  outpatients_only="a.cd_ser_dis is not null",
  origins_out=[9, 21],
  clinics_out=none,
  clinics=[2, 3, 6, 11, 30, 51, 76, 85],
  exams={"type": "E", "names": {"HEMODINAMICA": [46], "LABORATORIO": [7]}},
  oncology=[21],
  carried=["cd_atendimento_pai"],
) }}
