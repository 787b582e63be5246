"""Synthetic ERPs, seeded and untidy on purpose: what the Oracle stand-in is filled with.

    OracleStandIn(users={"TRACK": "..."}, init_sql=erp_sql("hms", days=[date(2026, 11, 20)]))

One stand-in for each source: the MV sources are databases of their own with one and the same
schema. A day is the same for the same seed, whichever other days are asked for with it; the days
beside it get a few attendances too, which must not be extracted with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from stand_ins.erp import mv, schemas, tasy
from stand_ins.erp.attendances import Site
from stand_ins.erp.patients import Patient
from stand_ins.erp.schemas import ErpSchema
from stand_ins.erp.site_files import read_site
from stand_ins.erp.tables import Tables

#: One company of each hospital sees most of its patients; 99 belongs to no hospital.
_OTO = dict.fromkeys((1, 18, 10, 8, 20), (40, 60)) | dict.fromkeys(
    (2, 3, 6, 7, 11, 12, 13, 16, 19, 21, 22, 23, 25, 26, 99), (1, 4)
)

MV_SITES = {
    site.source: site
    for site in (
        Site("hms", 21, "27", {1: (80, 120)}),
        Site("oto_ing", 22, "85", _OTO),
        Site("hmc", 23, "27", {1: (80, 120)}),
        Site("hpc", 24, "27", {1: (80, 120)}),
        Site("hmsm", 25, "27", {1: (80, 110), 2: (80, 110), 99: (2, 5)}),
        Site("hsf", 26, "27", {1: (80, 120)}),
        Site("hsl", 27, "27", {1: (80, 120)}),
        Site("hat", 28, "61", {1: (80, 120)}),
    )
}
TASY_SITES = {
    site.source: site
    for site in (
        Site("hsmc", 31, "65", {1: (60, 100)}),
        Site("hac", 32, "61", {1: (80, 110)}),
        Site("hpm_hst", 33, "63", {1: (60, 80), 71: (10, 20), 81: (70, 100), 99: (2, 5)}),
        Site("encore", 34, "62", {21: (70, 90), 1: (5, 9), 2: (5, 9), 4: (5, 9), 5: (2, 5)}),
    )
}

SOURCES = (*MV_SITES, *TASY_SITES)


@dataclass(frozen=True, slots=True)
class Person:
    """A patient who was planted, and under which attendances: what a privacy test looks for."""

    patient: Patient
    attendance_ids: tuple[str, ...]

    def values(self) -> list[str]:
        """Return every personal value, the attendance ids among them."""
        return [*self.patient.values(), *self.attendance_ids]


def erp_sql(source: str, *, days: Sequence[date], seed: int = 1) -> str:
    """Return the DuckDB script that makes a source's schema and fills it.

    Args:
        source: one of `SOURCES`, or one with a file in `stand_ins/erp/sites/`.
        days: the business days to fill, 60 to 120 attendances each and more in a shared database.
        seed: another seed, other people.
    """
    return erp_schema(source).duckdb(erp_tables(source, days=days, seed=seed))


def erp_schema(source: str) -> ErpSchema:
    """Return a source's schema, empty."""
    family, _ = _site(source)
    if family == "mv":
        return schemas.MV
    return schemas.ENCORE if source == "encore" else schemas.TASY


def erp_tables(source: str, *, days: Sequence[date], seed: int = 1) -> Tables:
    """Return a source's rows by table; the arguments are those of `erp_sql`."""
    return _made(source, days, seed)[0]


def erp_people(source: str, *, days: Sequence[date], seed: int = 1) -> list[Person]:
    """Return everybody who was planted, on the days beside as well."""
    _, by_attendance = _made(source, days, seed)
    ids: dict[Patient, list[str]] = {}
    for attendance_id, who in by_attendance.items():
        ids.setdefault(who, []).append(str(attendance_id))
    return [Person(who, tuple(found)) for who, found in ids.items()]


def _made(source: str, days: Sequence[date], seed: int) -> tuple[Tables, dict[int, Patient]]:
    family, site = _site(source)
    return (mv if family == "mv" else tasy).tables(site, days, seed)


def _site(source: str) -> tuple[str, Site]:
    """Return a source's family and site: one of ours, or one that `make new-hospital` wrote."""
    if source in MV_SITES:
        return "mv", MV_SITES[source]
    if source in TASY_SITES:
        return "tasy", TASY_SITES[source]
    return read_site(source)
