"""The two ERPs' tables and functions, for DuckDB and for Oracle.

Columns that start with demo_ feed the functions; the real tables have not got them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from stand_ins.erp.tables import Tables, insert_sql, row_inserts

#: What a column holds, and its type in DuckDB and in Oracle. An Oracle DATE has a time of day.
_TYPES = {
    "id": ("bigint", "number(14)"),
    "code": ("integer", "number(10)"),
    "text": ("varchar", "varchar2(200)"),
    "moment": ("timestamp_s", "date"),
}

#: Nobody logs on as the owner of a made-up ERP.
_PASSWORD = "demo-Only-1"  # not `no authentication`, which 11.2 has not got


@dataclass(frozen=True, slots=True)
class ErpSchema:
    """A schema of an ERP, empty.

    Attributes:
        name: of the schema.
        tables: by name, the columns: `name kind, name kind`.
        indexes: by name, `table (column)`; for Oracle alone.
        duckdb_objects: views and macros.
        oracle_objects: views and functions in PL/SQL, one statement each.
    """

    name: str
    tables: Mapping[str, str]
    indexes: Mapping[str, str]
    duckdb_objects: str = ""
    oracle_objects: tuple[str, ...] = ()

    def duckdb(self, tables: Tables) -> str:
        """Return the DuckDB script that makes the schema and fills it."""
        made = "".join(
            f"create table {self.name}.{table} ({self._columns(table, 0)});\n"
            for table in self.tables
        )
        rows = insert_sql(self.name, tables)
        return f"create schema {self.name};\n{made}{self.duckdb_objects}{rows}"

    def oracle(self, tables: Tables) -> Iterator[str]:
        """Yield Oracle's statements that make the schema anew, from 11.2 on, and fill it.

        They are a DBA's, and drop a user of this name, with all that it has.
        """
        yield (
            f"begin execute immediate 'drop user {self.name} cascade';"
            " exception when others then if sqlcode <> -1918 then raise; end if; end;"
        )
        yield (
            f'create user {self.name} identified by "{_PASSWORD}"'
            " default tablespace users quota unlimited on users"
        )
        for table in self.tables:
            yield f"create table {self.name}.{table} ({self._columns(table, 1)})"
        for index, on in self.indexes.items():
            yield f"create index {self.name}.{index} on {self.name}.{on}"
        yield from self.oracle_objects
        yield from row_inserts(self.name, tables)

    def under(self, name: str) -> ErpSchema:
        """Return the same schema under another name."""
        return replace(
            self,
            name=name,
            duckdb_objects=self.duckdb_objects.replace(f"{self.name}.", f"{name}."),
            oracle_objects=tuple(
                text.replace(f"{self.name}.", f"{name}.") for text in self.oracle_objects
            ),
        )

    def _columns(self, table: str, dialect: int) -> str:
        columns = (column.split() for column in self.tables[table].split(","))
        return ", ".join(f"{name} {_TYPES[kind][dialect]}" for name, kind in columns)


def script(statements: Iterator[str]) -> str:
    """Return statements as a file for SQL*Plus, which runs each at a slash."""
    return "".join(f"{statement}\n/\n" for statement in statements)


MV = ErpSchema(
    "dbamv",
    {
        "atendime": (
            "cd_atendimento id, cd_paciente id, cd_prestador code, cd_multi_empresa code,"
            "tp_atendimento text, dt_atendimento moment, hr_atendimento moment,"
            "dt_alta moment, hr_alta moment, cd_ori_ate code, cd_servico code,"
            "cd_ser_dis code, cd_especialid code, cd_leito code, cd_cid text,"
            "cd_tip_res code, cd_mot_alt code, cd_atendimento_pai id"
        ),
        "paciente": (
            "cd_paciente id, nm_paciente text, email text, nr_cpf text,"
            "nr_ddi_celular text, nr_ddd_celular text, nr_celular text"
        ),
        "prestador": "cd_prestador code, nm_prestador text",
        "ser_dis": "cd_ser_dis code, ds_ser_dis text",
        "ori_ate": (
            "cd_ori_ate code, ds_ori_ate text, tp_origem text, cd_setor code, cd_multi_empresa code"
        ),
        "setor": "cd_setor code, nm_setor text",
        "especialid": "cd_especialid code, ds_especialid text",
        "servico": "cd_servico code, ds_servico text",
        "multi_empresas": "cd_multi_empresa code, ds_razao_social text",
        "tip_res": "cd_tip_res code, ds_tip_res text, sn_obito text",
        "mot_alt": "cd_mot_alt code, ds_mot_alt text, tp_mot_alta text",
        "leito": "cd_leito code, cd_unid_int code",
        "unid_int": "cd_unid_int code, ds_unid_int text",
    },
    {
        "atendime_alta": "atendime (dt_alta)",
        "atendime_dia": "atendime (dt_atendimento)",
        "atendime_pai": "atendime (cd_atendimento_pai)",
        "paciente_pk": "paciente (cd_paciente)",
    },
)

TASY = ErpSchema(
    "tasy",
    {
        "atendimento_paciente": (
            "nr_atendimento id, cd_pessoa_fisica text, cd_medico_resp text,"
            "dt_entrada moment, dt_alta moment, dt_cancelamento moment,"
            "ie_tipo_atendimento code, cd_motivo_alta code, cd_estabelecimento code,"
            "ie_clinica code, nr_seq_classificacao code,"
            "demo_primeiro_setor code, demo_setor code"
        ),
        "pessoa_fisica": (
            "cd_pessoa_fisica text, nm_pessoa_fisica text, nr_ddd_celular text,"
            "nr_telefone_celular text, nr_cpf text, demo_email text, demo_idade code"
        ),
        "setor_atendimento": "cd_setor_atendimento code, ds_setor_atendimento text",
    },
    {
        "atendimento_alta": "atendimento_paciente (dt_alta)",
        "atendimento_entrada": "atendimento_paciente (dt_entrada)",
        "atendimento_pessoa": "atendimento_paciente (cd_pessoa_fisica)",
        "atendimento_pk": "atendimento_paciente (nr_atendimento)",
        "pessoa_pk": "pessoa_fisica (cd_pessoa_fisica)",
    },
    duckdb_objects="""
create view tasy.atendimento_paciente_v as
select
  a.nr_atendimento, a.cd_pessoa_fisica, a.cd_medico_resp, a.dt_entrada, a.dt_alta,
  a.dt_cancelamento, a.ie_tipo_atendimento, a.cd_motivo_alta, a.cd_estabelecimento, a.ie_clinica,
  a.nr_seq_classificacao, p.nm_pessoa_fisica as nm_paciente, m.nm_pessoa_fisica as nm_medico,
  p.nr_cpf, s.ds_setor_atendimento as ds_setor_internacao, a.demo_setor as cd_setor_atendimento
from tasy.atendimento_paciente a
join tasy.pessoa_fisica p on p.cd_pessoa_fisica = a.cd_pessoa_fisica
left join tasy.pessoa_fisica m on m.cd_pessoa_fisica = a.cd_medico_resp
left join tasy.setor_atendimento s on s.cd_setor_atendimento = a.demo_setor;
create macro tasy.obter_compl_pf(pf, tipo, campo) as (
  select f.demo_email from tasy.pessoa_fisica f where f.cd_pessoa_fisica = pf and campo = 'M'
);
create macro tasy.obter_email_pf_hpm(pf) as (
  select f.demo_email from tasy.pessoa_fisica f where f.cd_pessoa_fisica = pf
);
create macro tasy.obter_telefone_pf(pf, tipo) as (
  select nullif(concat(f.nr_ddd_celular, ' ', f.nr_telefone_celular), ' ')
  from tasy.pessoa_fisica f where f.cd_pessoa_fisica = pf and tipo = 12
);
create macro tasy.obter_cpf_pessoa_fisica(pf) as (
  select f.nr_cpf from tasy.pessoa_fisica f where f.cd_pessoa_fisica = pf
);
create macro tasy.obter_dados_pf(pf, campo) as (
  select cast(f.demo_idade as varchar) from tasy.pessoa_fisica f
  where f.cd_pessoa_fisica = pf and campo = 'I'
);
create macro tasy.obter_nome_paciente(nr) as (
  select f.nm_pessoa_fisica from tasy.atendimento_paciente t
  join tasy.pessoa_fisica f on f.cd_pessoa_fisica = t.cd_pessoa_fisica
  where t.nr_atendimento = nr
);
create macro tasy.obter_primeiro_setor_atend(nr, campo) as (
  select cast(t.demo_primeiro_setor as varchar) from tasy.atendimento_paciente t
  where t.nr_atendimento = nr and campo = 'C'
);
create macro tasy.obter_nome_fantasia_estab(estab) as concat('Unidade ', estab);
""",
    oracle_objects=(
        """create view tasy.atendimento_paciente_v as
select
  a.nr_atendimento, a.cd_pessoa_fisica, a.cd_medico_resp, a.dt_entrada, a.dt_alta,
  a.dt_cancelamento, a.ie_tipo_atendimento, a.cd_motivo_alta, a.cd_estabelecimento, a.ie_clinica,
  a.nr_seq_classificacao, p.nm_pessoa_fisica as nm_paciente, m.nm_pessoa_fisica as nm_medico,
  p.nr_cpf, s.ds_setor_atendimento as ds_setor_internacao, a.demo_setor as cd_setor_atendimento
from tasy.atendimento_paciente a
join tasy.pessoa_fisica p on p.cd_pessoa_fisica = a.cd_pessoa_fisica
left join tasy.pessoa_fisica m on m.cd_pessoa_fisica = a.cd_medico_resp
left join tasy.setor_atendimento s on s.cd_setor_atendimento = a.demo_setor""",
        """create function tasy.obter_compl_pf(pf in varchar2, tipo in number, campo in varchar2)
return varchar2 is
  answer varchar2(200);
begin
  select max(f.demo_email) into answer
  from tasy.pessoa_fisica f where f.cd_pessoa_fisica = pf and campo = 'M';
  return answer;
end;""",
        """create function tasy.obter_email_pf_hpm(pf in varchar2)
return varchar2 is
  answer varchar2(200);
begin
  select max(f.demo_email) into answer
  from tasy.pessoa_fisica f where f.cd_pessoa_fisica = pf;
  return answer;
end;""",
        """create function tasy.obter_telefone_pf(pf in varchar2, tipo in number)
return varchar2 is
  answer varchar2(200);
begin
  select max(trim(f.nr_ddd_celular || ' ' || f.nr_telefone_celular)) into answer
  from tasy.pessoa_fisica f where f.cd_pessoa_fisica = pf and tipo = 12;
  return answer;
end;""",
        """create function tasy.obter_dados_pf(pf in varchar2, campo in varchar2)
return varchar2 is
  answer varchar2(200);
begin
  select max(to_char(f.demo_idade)) into answer
  from tasy.pessoa_fisica f where f.cd_pessoa_fisica = pf and campo = 'I';
  return answer;
end;""",
        """create function tasy.obter_primeiro_setor_atend(nr in number, campo in varchar2)
return varchar2 is
  answer varchar2(200);
begin
  select max(to_char(t.demo_primeiro_setor)) into answer
  from tasy.atendimento_paciente t where t.nr_atendimento = nr and campo = 'C';
  return answer;
end;""",
        """create function tasy.obter_nome_fantasia_estab(estab in number)
return varchar2 is
begin
  return 'Unidade ' || to_char(estab);
end;""",
    ),
)

#: ENCORE's Tasy lives in another schema.
ENCORE = TASY.under("usuario_principal")
