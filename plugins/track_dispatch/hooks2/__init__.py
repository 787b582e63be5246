"""Airflow's adapters for connections: Track's API and the ledger's database."""
