"""A secrets backend that stands before all others, has everything, and tells who reads."""

from __future__ import annotations

import sys

from airflow.secrets import BaseSecretsBackend

#: Raised as an audit event with what was read.
READ = "tests.secret_read"


class WatchedSecrets(BaseSecretsBackend):
    """Answers whoever asks for a connection or a variable."""

    def get_conn_value(self, conn_id: str, team_name: str | None = None) -> str:
        """Return a connection to nowhere."""
        sys.audit(READ, f"connection {conn_id}")
        return '{"conn_type": "http"}'

    def get_variable(self, key: str, team_name: str | None = None) -> str:
        """Return a word."""
        sys.audit(READ, f"variable {key}")
        return "word"
