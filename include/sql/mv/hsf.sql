{#- HSF, Hospital São Francisco: its codes; mv/_hub_es.sql holds the group's rules. -#}
{% import "mv/_hub_es.sql" as hub_es with context %}

{% set reasons_out = [11, 12, 13, 49, 50, 51] %}

{{ hub_es.query(
  outcomes_out=[6, 17, 21],
  services=[23, 37, 40],
  rooms={"PA_PEDIATRICO": [40]},
  maternity_reasons_out=reasons_out,
  inpatient_reasons_out=reasons_out,
  day_hospital={"type": "E", "origins": [15]},
  origins_out=none,
  clinics_out=none,
  clinics=[30, 33, 46],
  exams=none,
  oncology=none,
) }}
