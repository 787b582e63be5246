"""The two ERPs' tables and functions as DuckDB makes them: an Oracle DATE is a timestamp_s."""

from __future__ import annotations

MV = """
create schema dbamv;
create table dbamv.atendime (
  cd_atendimento bigint, cd_paciente bigint, cd_prestador integer, cd_multi_empresa integer,
  tp_atendimento varchar, dt_atendimento timestamp_s, hr_atendimento timestamp_s,
  dt_alta timestamp_s, hr_alta timestamp_s, cd_ori_ate integer, cd_servico integer,
  cd_ser_dis integer, cd_especialid integer, cd_leito integer, cd_cid varchar,
  cd_tip_res integer, cd_mot_alt integer, cd_atendimento_pai bigint
);
create table dbamv.paciente (
  cd_paciente bigint, nm_paciente varchar, email varchar, nr_cpf varchar,
  nr_ddi_celular varchar, nr_ddd_celular varchar, nr_celular varchar
);
create table dbamv.prestador (cd_prestador integer, nm_prestador varchar);
create table dbamv.ser_dis (cd_ser_dis integer, ds_ser_dis varchar);
create table dbamv.ori_ate (
  cd_ori_ate integer, ds_ori_ate varchar, tp_origem varchar, cd_setor integer,
  cd_multi_empresa integer
);
create table dbamv.setor (cd_setor integer, nm_setor varchar);
create table dbamv.especialid (cd_especialid integer, ds_especialid varchar);
create table dbamv.servico (cd_servico integer, ds_servico varchar);
create table dbamv.multi_empresas (cd_multi_empresa integer, ds_razao_social varchar);
create table dbamv.tip_res (cd_tip_res integer, ds_tip_res varchar, sn_obito varchar);
create table dbamv.mot_alt (cd_mot_alt integer, ds_mot_alt varchar, tp_mot_alta varchar);
create table dbamv.leito (cd_leito integer, cd_unid_int integer);
create table dbamv.unid_int (cd_unid_int integer, ds_unid_int varchar);
"""

#: Columns that start with demo_ feed the functions; the real tables have not got them.
TASY = """
create schema tasy;
create table tasy.atendimento_paciente (
  nr_atendimento bigint, cd_pessoa_fisica varchar, cd_medico_resp varchar,
  dt_entrada timestamp_s, dt_alta timestamp_s, dt_cancelamento timestamp_s,
  ie_tipo_atendimento integer, cd_motivo_alta integer, cd_estabelecimento integer,
  ie_clinica integer, nr_seq_classificacao integer,
  demo_primeiro_setor integer, demo_setor integer
);
create table tasy.pessoa_fisica (
  cd_pessoa_fisica varchar, nm_pessoa_fisica varchar, nr_ddd_celular varchar,
  nr_telefone_celular varchar, nr_cpf varchar, demo_email varchar, demo_idade integer
);
create table tasy.setor_atendimento (cd_setor_atendimento integer, ds_setor_atendimento varchar);
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
"""

#: ENCORE's Tasy lives in another schema.
ENCORE = TASY.replace("tasy", "usuario_principal")
