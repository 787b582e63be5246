"""Write the files of a hospital to come: its YAML, its SQL with examples, and its made-up ERP.

They are valid and reach nobody: `make demo HOSPITALS=<code>` runs them as they are.
"""

from __future__ import annotations

import argparse
import re
import sys
from importlib.resources import files
from pathlib import Path
from string import Template
from zlib import crc32

from demo.world import ROOT
from stand_ins.erp.site_files import FOLDER
from track_dispatch.config import demo_survey_uuid, include_dir
from track_dispatch.config.hospital import RESERVED_CODES
from track_dispatch.records import Area

#: The template set and the areas that a hospital of the family begins with.
FAMILIES = {
    "mv": ("hub_es", [area for area in Area if area is not Area.ONCOLOGIA]),
    "tasy": ("tasy", [Area.ONCOLOGIA, Area.INTERNACAO, Area.PRONTO_SOCORRO, Area.AMBULATORIO]),
}


def main(arguments: list[str] | None = None) -> int:
    """Write the files; return 1, and write nothing, when the hospital is there or cannot be."""
    parser = argparse.ArgumentParser(
        prog="make new-hospital",
        usage="make new-hospital CODE=abc ERP=mv",
        description=__doc__,
    )
    parser.add_argument("code", metavar="CODE", help="short name, letters and digits: abc")
    parser.add_argument("erp", metavar="ERP", choices=sorted(FAMILIES), help="mv or tasy")
    options = parser.parse_args(arguments)
    code = options.code.upper()
    if not re.fullmatch(r"[A-Z][A-Z0-9]{1,15}", code) or code in RESERVED_CODES:
        return failed(f"CODE={options.code}: must be letters and digits, like abc, and no DAG's")
    written = new_files(code, options.erp)
    if there := [path for path in written if path.exists()]:
        return failed(f"{shown(there[0])} is there already: nothing was written")
    for path, text in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(f"written: {shown(path)}")
    print(
        f"\nReplace every TODO; on the way, see\n"
        f"  python -m track_dispatch sql {code} --check\n"
        f"  make examples CODE={code.lower()}\n"
        f"  make demo HOSPITALS={code}\n"
        f"  make docs\n"
        f"then create the connection oracle_{code.lower()} (docker-compose.yaml names it, too),"
        f" run `python -m track_dispatch setup` and `python -m track_dispatch doctor {code}`.\n"
        f"The rest that belongs to it: docs/add-a-hospital.md."
    )
    return 0


def new_files(code: str, erp: str) -> dict[Path, str]:
    """Return the texts of the hospital's files by their paths."""
    source, (templates, areas) = code.lower(), FAMILIES[erp]
    values = {
        "code": code,
        "erp": erp,
        "source": source,
        "templates": templates,
        "surveys": "\n".join(f"  {area.key}: {demo_survey_uuid(code, area)}" for area in areas),
        # between those of the hospitals that are there and a hundred
        "number": str(50 + crc32(source.encode()) % 50),
    }
    return {
        include_dir() / "hospitals" / f"{source}.yaml": aligned(filled("hospital.yaml", values)),
        include_dir() / "sql" / erp / f"{source}.sql": filled(f"{erp}.sql", values),
        include_dir() / "sql" / erp / f"{source}.examples.yaml": filled(f"{erp}.examples", values),
        FOLDER / f"{source}.yaml": aligned(filled(f"{erp}.site", values)),
    }


def filled(name: str, values: dict[str, str]) -> str:
    """Return one of the templates beside this file, filled."""
    text = files("demo.new_hospital").joinpath(f"{name}.txt").read_text(encoding="utf-8")
    return Template(text).substitute(values)


def aligned(text: str) -> str:
    """Put the comments behind YAML's values one below the other."""
    return re.sub(r"^(\S.*?) {2,}#", lambda found: f"{found[1]:<39} #", text, flags=re.MULTILINE)


def shown(path: Path) -> str:
    """Return a path as short as it can be told."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def failed(message: str) -> int:
    """Tell why nothing is done."""
    print(message, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
