"""A secrets backend that stands before all others and lets nobody read."""

from __future__ import annotations

from typing import NoReturn

from airflow.secrets import BaseSecretsBackend


class RefusingSecrets(BaseSecretsBackend):
    """Fails whoever asks for a connection or a variable."""

    def get_conn_value(self, conn_id: str, team_name: str | None = None) -> NoReturn:
        """Refuse."""
        raise SystemExit(f"connection {conn_id} was read")

    def get_variable(self, key: str, team_name: str | None = None) -> NoReturn:
        """Refuse."""
        raise SystemExit(f"variable {key} was read")
