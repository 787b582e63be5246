"""Made-up sources that have a file of their own, as `make new-hospital` writes it."""

from __future__ import annotations

from pathlib import Path

import yaml

from stand_ins.erp.attendances import Site

FOLDER = Path(__file__).parent / "sites"


def read_site(source: str) -> tuple[str, Site]:
    """Return the source's family and its site, with the codes that its attendances draw from.

    Raises:
        SystemExit: there is no such file.
    """
    path = FOLDER / f"{source}.yaml"
    if not path.is_file():
        raise SystemExit(
            f"the demo has no ERP {source}: write {path.relative_to(FOLDER.parents[2])}, like those"
            " of `make new-hospital`"
        )
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    codes = {
        name: tuple(values) if isinstance(values, list) else values
        for name, values in content["codes"].items()
    }
    companies = {number: tuple(range_) for number, range_ in content["companies"].items()}
    site = Site(source, content["number"], content["area_code"], companies, codes)
    return content["family"], site
