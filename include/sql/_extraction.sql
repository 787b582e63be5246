{#-
  What every extraction shares, whatever the ERP. Conditions and expressions that a hospital hands
  in speak of its attendance as `a`. The names and the order of the columns, and the order in which
  the areas win, come from track_dispatch.records: they are written nowhere in SQL.
-#}

{#- The comment that a DBA finds above the running statement. -#}
{% macro header(erp) -%}
-- Patients of one business day of hospital {{ hospital.code }} ({{ erp }}), for the satisfaction surveys.
-- Grain: one row per attendance, under the first survey area that it matches.
-- Binds: :day_start  date  first moment of the day, in the hospital's local time
--        :day_end    date  first moment of the following day
{%- endmacro %}

{#- Codes that put an attendance out; one without a code stays in. -#}
{% macro not_in(column, codes) -%}
({{ column }} is null or {{ column }} not in ({{ codes | literal }}))
{%- endmacro %}

{#- Only the hospital's companies. A shared database without them must not render: it would ask
    the patients of its neighbours. -#}
{% macro of_companies(column, shared) -%}
{%- if hospital.companies or shared -%}
{{ column }} in ({{ hospital.companies | literal }})
{%- endif -%}
{%- endmacro %}

{#-
  The day's attendances, one select for each date column that decides the day, so that each can use
  its own index. `branches`: {day_of: date column, which: condition}, mutually exclusive.
  `conditions`: what holds in every branch; empty ones are left out.
-#}
{% macro attendances_of_day(table, columns, branches, conditions) -%}
attendances_of_day as (
{% for branch in branches %}
  select
{% for column in columns %}
    a.{{ column }}{{ "," if not loop.last }}
{% endfor %}
  from {{ table }} a
  where a.{{ branch.day_of }} >= :day_start
    and a.{{ branch.day_of }} < :day_end
    and {{ branch.which | trim | indent(4) }}
{% for condition in conditions if condition | trim %}
    and {{ condition | trim | indent(4) }}
{% endfor %}
{% if not loop.last %}
  union all
{% endif %}
{% endfor %}
)
{%- endmacro %}

{#-
  Each attendance with the one area it is surveyed under; null: with none. `matches` holds a
  condition for each of the six areas, `none` where the hospital has no such area.
-#}
{% macro attendances_by_area(columns, matches) -%}
attendances_by_area as (
  select
{% for column in columns %}
    a.{{ column }},
{% endfor %}
    case
{% for area in areas if matches[area.key] is not none %}
      when {{ matches[area.key] | trim | indent(8) }}
        then {{ area.value | literal }}
{% endfor %}
    end as area_pesquisa
  from attendances_of_day a
)
{%- endmacro %}

{#- Where in the hospital: an expression by area, or the area's own label where there is none. -#}
{% macro setor(by_area) -%}
case a.area_pesquisa
{% for area in areas if by_area[area.key] is not none %}
    when {{ area.value | literal }}
      then {{ by_area[area.key] | trim | indent(6) }}
{% endfor %}
    else a.area_pesquisa
  end
{%- endmacro %}

{#-
  The agreed columns: an expression for each of them, by its name. A date comes out as text: at one
  that no calendar has (4712 BC, the 0th of a month) the driver would break off the whole day.
-#}
{% macro select_list(expressions) -%}
select
{%- for column in columns +%}
{% if column in moments %}
  to_char({{ expressions[column] | trim }}, {{ moment_format | literal }}) as "{{ column }}",
{%- else %}
  {{ expressions[column] | trim }} as "{{ column }}"{{ "," if not loop.last }}
{%- endif %}
{%- endfor %}
{%- endmacro %}
