"""The verbs of `python -m track_dispatch` that talk to the ledger.

Airflow takes seconds to import: each verb imports what it needs, so that `--help` answers at once.
"""
