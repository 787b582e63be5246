{#- HMSM, Hospital São Mateus, in one database with HMV, under codes of its own: its codes;
    mv/_hub_es.sql holds the group's rules. -#}
{% import "mv/_hub_es.sql" as hub_es with context %}

{% set reasons_out = [11, 12, 13, 51] %}

{{ hub_es.query(
  shared=true,
  outcomes_out=[6, 8],
  services=[3, 23, 37, 40],
  rooms={"PA_PEDIATRICO": [40]},
  maternity_reasons_out=reasons_out,
  inpatient_reasons_out=reasons_out,
  day_hospital={"type": "E", "origins": [7]},
  origins_out=[6],
  clinics_out=[17, 18, 32],
  clinics=[9, 22, 33, 34, 46, 62],
  exams={"type": "E", "names": {"HEMODINAMICA": [10], "IMAGEM": [5], "LABORATORIO": [4]}},
  oncology=[6],
) }}
