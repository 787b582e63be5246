"""Hospitals that do not exist, to measure what more of them would cost."""

from __future__ import annotations

from pathlib import Path

import yaml

from track_dispatch.config import demo_survey_uuid
from track_dispatch.config.loading import hospital_files
from track_dispatch.records import Area

#: Made-up hospitals are like this one, with patients of their own.
MODEL = "hms"


def fill_up(include: Path, number: int) -> list[str]:
    """Leave an include folder so many hospitals: the first of those there, then made-up ones.

    Args:
        include: a folder of the caller's own.
        number: of hospitals.

    Returns:
        The sources of the made-up ones.
    """
    files = hospital_files(include)
    model = yaml.safe_load((include / "hospitals" / f"{MODEL}.yaml").read_text(encoding="utf-8"))
    for path in files[number:]:
        path.unlink()
    codes = [f"X{place:03}" for place in range(number - len(files))]
    for code in codes:
        source = code.lower()
        own = {
            "code": code,
            "name": f"Hospital {code}",
            "unidade": f"Unidade {code}",
            "source": source,
            "oracle_conn_id": f"oracle_{source}",
            "surveys": {area.key: str(demo_survey_uuid(code, area)) for area in Area},
        }
        text = yaml.safe_dump(model | own, allow_unicode=True, sort_keys=False)
        (include / "hospitals" / f"{source}.yaml").write_text(text, encoding="utf-8")
    return [code.lower() for code in codes]
