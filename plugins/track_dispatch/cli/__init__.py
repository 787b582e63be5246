"""`python -m track_dispatch <verb>`: what a person does to an installation from a shell.

Airflow takes seconds to import: each verb imports what it needs, so that `--help` answers at once.
"""

from __future__ import annotations

from track_dispatch.cli.program import app, main

__all__ = ["app", "main"]
