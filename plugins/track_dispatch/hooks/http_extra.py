"""What the extra of a connection of type http says of proxies and certificates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests
from airflow.utils.strings import to_boolean

from track_dispatch.errors import ConfigError

#: Names in the extra that count; HttpHook knows two of them by a second name.
HTTP_EXTRA = ("proxies", "verify", "cert", "trust_env")


def check_http_extra(extra: Mapping[str, Any], conn_id: str) -> None:
    """Check the shape of what `requests` will be given; it fails on others without a hint.

    Raises:
        ConfigError: a shape is wrong; it names which.
    """
    proxies = extra.get("proxies", extra.get("proxy"))
    verify = _verify(extra)
    cert = extra.get("cert")
    if not (proxies is None or _are_http_proxies(proxies)):
        problem = '`proxies` must be an object like {"https": "http://proxy.example:3128"}'
    elif not (verify is None or isinstance(verify, (bool, str))):
        problem = "`verify` must be true, false or the path of a file with certificates"
    elif not (cert is None or isinstance(cert, str) or _is_pair(cert)):
        problem = "`cert` must be a path, or the two paths of certificate and key"
    else:
        return
    raise ConfigError(f"The extra of the Airflow connection {conn_id!r} is wrong: {problem}.")


def session_of(extra: Mapping[str, Any]) -> requests.Session:
    """Open a session with the proxies and certificates of a checked extra."""
    session = requests.Session()
    session.trust_env = to_boolean(str(extra.get("trust_env", False)))
    session.proxies = dict(extra.get("proxies") or {})
    session.verify = extra.get("verify", True)
    session.cert = extra.get("cert")
    set_certificates(session, extra)
    return session


def set_certificates(session: requests.Session, extra: Mapping[str, Any]) -> None:
    """Put a session's certificates into the form that `requests` takes."""
    if _verify(extra) is True:
        # by its path, so that the environment cannot overrule what was said
        session.verify = requests.utils.DEFAULT_CA_BUNDLE_PATH
    if isinstance(session.cert, list):
        session.cert = tuple(session.cert)


def _verify(extra: Mapping[str, Any]) -> object:
    return extra.get("verify", extra.get("verify_ssl"))


def _are_http_proxies(proxies: object) -> bool:
    return isinstance(proxies, dict) and all(
        isinstance(url, str) and url.startswith(("http://", "https://")) for url in proxies.values()
    )


def _is_pair(value: object) -> bool:
    return isinstance(value, list) and [type(part) for part in value] == [str, str]
