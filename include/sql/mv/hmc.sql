{#- HMC, Meridional Cariacica: its codes; mv/_hub_es.sql holds the group's rules. -#}
{% import "mv/_hub_es.sql" as hub_es with context %}

{% set reasons_out = [24, 25, 36, 39, 40, 41, 42, 43, 56] %}

{{ hub_es.query(
  outcomes_out=[6, 17, 21],
  services=[3, 23, 35, 37, 40],
  rooms={"PA_PEDIATRICO": [40]},
  maternity_reasons_out=reasons_out,
  inpatient_reasons_out=reasons_out + [55],
  day_hospital={"type": "E", "origins": [16]},
  origins_out=[18],
  clinics_out=[17, 18, 32, 83, 88],
  clinics=[9, 15, 30, 31, 33, 46],
  exams={"type": "A", "names": {"HIPERBARICA": [24]}},
  oncology=[6, 18, 27],
) }}
