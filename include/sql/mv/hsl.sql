{#- HSL, Hospital São Luiz: its codes; mv/_hub_es.sql holds the group's rules. -#}
{% import "mv/_hub_es.sql" as hub_es with context %}

{% set reasons_out = [11, 12, 13, 49, 50, 51, 52, 53, 54, 55, 56] %}

{{ hub_es.query(
  outcomes_out=[6, 17, 21],
  services=none,
  rooms={"PA_PEDIATRICO": [40], "PA_OBSTETRICO": [5]},
  maternity_reasons_out=reasons_out,
  inpatient_reasons_out=reasons_out,
  day_hospital={"type": "E", "origins": [2]},
  origins_out=none,
  clinics_out=[17, 18, 32],
  clinics=[22, 30, 62],
  exams=none,
  oncology=none,
) }}
