"""Airflow's adapters for work: operators, what all tasks share, and the texts of the UI."""
