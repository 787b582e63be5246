{#- HPM and HST, one database told apart by establishment: Palmas Medical, Santa Thereza. -#}
{% import "_extraction.sql" as extraction with context %}
{% import "tasy/_macros.sql" as tasy with context %}

{#- Types 1, 3 and 7 are what they say, whichever department came first. -#}
{% set type_leaves_it_open = extraction.not_in("a.ie_tipo_atendimento", [1, 3, 7]) %}

{% set oncologia %}
{{ type_leaves_it_open }}
and {{ tasy.first_department() }} in ('151', '164', '269', '271')
{% endset %}

{% set ambulatorio %}
a.ie_tipo_atendimento = 8
or (
  {{ type_leaves_it_open }}
  and {{ tasy.first_department() }} = '154'
)
{% endset %}

{{ tasy.query(
  on_discharge=extraction.not_in("a.cd_motivo_alta", [7, 9, 13, 15, 16, 18]),
  on_entry=none,
  shared=true,
  email="tasy.obter_email_pf_hpm(a.cd_pessoa_fisica)",
  phone=tasy.phone(),
  oncologia=oncologia,
  maternidade=none,
  exames=none,
  internacao="a.ie_tipo_atendimento in (1, 7)",
  pronto_socorro="a.ie_tipo_atendimento = 3",
  ambulatorio=ambulatorio,
  setor_pronto_socorro="'PA_ADULTO'",
  setor_ambulatorio="'GERAL_AMBULATORIO'",
) }}
