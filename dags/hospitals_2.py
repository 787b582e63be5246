"""Airflow's DAGs of a quarter of the hospitals: what stops one such file stops no other.

The pipeline is that of `hospital_surveys.py`.
"""

from __future__ import annotations

from hospital_surveys import build_shard

build_shard(2, of=4)
