{#- HPC, Meridional Praia Da Costa: its codes; mv/_hub_es.sql holds the group's rules. -#}
{% import "mv/_hub_es.sql" as hub_es with context %}

{% set reasons_out = [24, 25, 36] %}

{{ hub_es.query(
  outcomes_out=[6, 17, 20],
  services=[2, 3, 4, 7],
  rooms={"PA_PEDIATRICO": [3], "PA_OBSTETRICO": [2]},
  maternity_reasons_out=reasons_out,
  inpatient_reasons_out=reasons_out,
  day_hospital={"type": "E", "origins": [22]},
  origins_out=[1],
  clinics_out=[32, 40],
  clinics=[6, 14, 17, 20],
  exams={"type": "E", "names": {"IMAGEM": [2, 15], "LABORATORIO": [20]}},
  oncology=[1],
) }}
