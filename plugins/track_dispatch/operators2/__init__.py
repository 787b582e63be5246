"""Airflow's adapters for work: TrackOperator and the retry policy."""
