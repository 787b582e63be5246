"""requirements-celery.txt: what workers on several machines are installed from."""

from __future__ import annotations

import re

from demo.world import ROOT

PIN = re.compile(r"^([a-z0-9][a-z0-9.-]*)(?:\[[a-z0-9,-]+\])?==(\S+)", re.MULTILINE | re.IGNORECASE)


def pins_of(name: str) -> dict[str, str]:
    """Return what a compiled file installs: versions by package."""
    return dict(PIN.findall((ROOT / name).read_text(encoding="utf-8")))


def test_a_worker_has_every_package_that_the_product_was_tested_with() -> None:
    product, worker = pins_of("requirements.txt"), pins_of("requirements-celery.txt")

    assert len(product) > 100
    assert {name: worker.get(name) for name in product} == product


def test_celery_is_one_that_airflows_provider_can_use() -> None:
    worker = pins_of("requirements-celery.txt")

    # 5.7 has lost what the provider imports of it
    assert worker["celery"].startswith("5.6.")
    assert {"apache-airflow-providers-celery", "redis"} <= worker.keys()


def test_every_package_is_checked_by_its_hash() -> None:
    text = (ROOT / "requirements-celery.txt").read_text(encoding="utf-8")
    entries = re.split(r"\n(?=\S)", text)

    assert [entry for entry in entries if "==" in entry and "--hash=sha256:" not in entry] == []
