"""Airflow's own API server in this process: its answers are the real one's."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import uvicorn
from airflow.api_fastapi.app import create_app


@contextmanager
def serving_api() -> Iterator[str]:
    """Serve the REST API on a free loopback port, everybody an admin; yield its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app("core"), log_config=None, lifespan="off"))
    thread = Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/api/v2"
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()
