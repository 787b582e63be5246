#!/usr/bin/env bash
# Run by the postgres image, once, when its volume is empty: a database with a role of its own for
# Airflow, another for the ledger and, where there are workers, one for Celery's results, so that
# none reads another's. A password stands in the variable, or in the file that <variable>_FILE names.
set -euo pipefail

create() { # name, variable that holds the password
  local file="$2_FILE"
  if [[ -n ${!file:-} ]]; then
    export "$2=$(<"${!file}")"
  fi
  psql --username "$POSTGRES_USER" --set ON_ERROR_STOP=1 --set name="$1" <<SQL
\getenv password $2
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
}

create airflow AIRFLOW_DB_PASSWORD
create track_ledger LEDGER_DB_PASSWORD
if [[ -n ${CELERY_DB_PASSWORD:-}${CELERY_DB_PASSWORD_FILE:-} ]]; then
  create celery CELERY_DB_PASSWORD
fi
