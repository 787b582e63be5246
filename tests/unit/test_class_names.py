"""Two classes of one name would have a reader take one for the other."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_no_class_has_the_name_of_another() -> None:
    names = Counter(
        name
        for folder in ("plugins", "dags", "demo", "stand_ins")
        for file in (ROOT / folder).rglob("*.py")
        for name in re.findall(r"^class (\w+)", file.read_text("utf-8"), re.MULTILINE)
    )

    assert [name for name, count in names.items() if count > 1] == []
