"""`python deploy/new_secrets.py FOLDER`: every secret of compose.celery.yaml, made anew.

Needs `cryptography` alone. It overwrites nothing: keys that are lost cannot be made again.
What only a person knows is left as TODO in connections.json: Track's token, the users of the ERPs.
"""

from __future__ import annotations

import json
import secrets
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path

from cryptography.fernet import Fernet

#: The users of the file's Airflow, who get a password each.
USERS = ("admin", "analista")


def new_secrets() -> dict[str, str]:
    """Return the content of each file, by its name; what must agree in two of them does."""
    airflow, broker, celery, ledger = (secrets.token_hex(24) for _ in range(4))
    database = "postgresql+psycopg2://{0}:{1}@postgres/{0}".format
    connection = ledger_connection(ledger)
    return {
        "airflow_database_url": database("airflow", airflow),
        "airflow_db_password": airflow,
        "airflow_passwords.json": json.dumps({user: secrets.token_urlsafe(12) for user in USERS}),
        "api_secret_key": secrets.token_hex(32),
        "broker_password": broker,
        "broker_url": f"redis://:{broker}@broker:6379/0",
        "celery_db_password": celery,
        "connections.json": as_file({**connection, **to_fill_in()}),
        "fernet_key": Fernet.generate_key().decode(),
        "jwt_secret": secrets.token_hex(64),
        "ledger_connection.json": as_file(connection),
        "ledger_db_password": ledger,
        "postgres_password": secrets.token_hex(24),
        "result_backend_url": "db+" + database("celery", celery),
    }


def ledger_connection(password: str) -> dict[str, object]:
    """Return `track_ledger` with new keys."""
    keys = {
        "ledger_id": str(uuid.uuid4()),
        "payload_secrets": [Fernet.generate_key().decode()],
        "identity_secrets": [
            {"id": uuid.uuid4().hex[:8], "secret": Fernet.generate_key().decode()}
        ],
    }
    found = {
        "conn_type": "postgres",
        "host": "postgres",
        "port": 5432,
        "schema": "track_ledger",
        "login": "track_ledger",
        "password": password,
        "extra": keys,
    }
    return {"track_ledger": found}


def to_fill_in() -> dict[str, object]:
    """Return what only a person can complete: Track's connection, and one ERP's as a pattern."""
    return {
        "track_api": {
            "conn_type": "http",
            "host": "https://api.track.co",
            "login": "TODO: the organization's UUID",
            "password": "TODO: the token",
        },
        "oracle_hms": {
            "conn_type": "oracle",
            "host": "TODO",
            "port": 1521,
            "login": "TODO: a user who may only read",
            "password": "TODO",
            "extra": {"service_name": "TODO"},
        },
    }


def as_file(connections: Mapping[str, object]) -> str:
    """Write connections as Airflow's file of them has them."""
    return json.dumps(connections, indent=2)


def write(folder: Path) -> None:
    """Write files that the containers' users may read, in a folder that only we enter."""
    folder.mkdir(mode=0o700)
    for name, content in new_secrets().items():
        (folder / name).write_text(content, encoding="utf-8")
        (folder / name).chmod(0o644)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    write(Path(sys.argv[1]))
