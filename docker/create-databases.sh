#!/usr/bin/env bash
# Run by the postgres image, once, when its volume is empty: a database with a role of its own for
# Airflow and another for the ledger, so that neither reads the other's.
set -euo pipefail

create() { # name, variable that holds the password
  psql --username "$POSTGRES_USER" --set ON_ERROR_STOP=1 --set name="$1" <<SQL
\getenv password $2
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
}

create airflow AIRFLOW_DB_PASSWORD
create track_ledger LEDGER_DB_PASSWORD
