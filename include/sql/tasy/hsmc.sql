{#- HSMC, Hospital São Mateus Cuiabá: its rules; tasy/_macros.sql makes the query of them. -#}
{% import "_extraction.sql" as extraction with context %}
{% import "tasy/_macros.sql" as tasy with context %}

{% set oncologia %}
a.ie_tipo_atendimento = 8
and {{ tasy.first_department() }} = '148'
{% endset %}

{{ tasy.query(
  on_discharge="a.ie_tipo_atendimento in (1, 3, 7, 8)",
  on_entry=none,
  only=extraction.not_in("a.cd_motivo_alta", [7, 18, 22, 24]),
  email=tasy.no_email(),
  phone=tasy.phone(),
  oncologia=oncologia,
  maternidade=none,
  exames=none,
  internacao="a.ie_tipo_atendimento in (1, 7)",
  pronto_socorro="a.ie_tipo_atendimento = 3",
  ambulatorio="a.ie_tipo_atendimento = 8",
  setor_pronto_socorro="'PA_ADULTO'",
  setor_ambulatorio="'GERAL_AMBULATORIO'",
) }}
