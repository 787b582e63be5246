"""The page *Pesquisas* in Airflow's UI: the ledger as an analyst reads it."""
