"""A stand-in Oracle server for tests and demos: the Oracle wire protocol over DuckDB."""

from demo.oracle.server import Faults, OracleStandIn, Recorded

__all__ = ["Faults", "OracleStandIn", "Recorded"]
