"""Addresses that carry secrets: read them, refuse them and show them without telling what they hide.

A chat's webhook has its password in the path or in the query, so nothing but scheme, host and port is ever shown.
"""

from __future__ import annotations

from typing import NamedTuple


class WebAddress(NamedTuple):
    """Where to POST: `target` is path and query, `authorization` the value of the header of that name, or empty."""

    scheme: str
    host: str
    port: int
    target: str
    authorization: str

    @property
    def shown(self) -> str:
        """The address without its secrets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = {"https": 443, "http": 80}[self.scheme]
        return f"{self.scheme}://{host}" + ("" if self.port == usual else f":{self.port}")


def web_address(url: str) -> WebAddress:
    """Read an http or https URL; a name and password before the host become basic authorization.

    Raises ValueError whose text says what is wrong and never the URL.
    """
    from base64 import b64encode
    from urllib.parse import unquote, urlsplit

    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("must have no blanks, line ends or letters that are not ASCII; write them as %20 and so on")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("has a host or a port that cannot be read") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError("must begin with https:// (or http://) and a host")
    if port == 0:
        raise ValueError("has a port that cannot be read")
    given = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return WebAddress(
        scheme=parts.scheme,
        host=host,
        port=port or {"https": 443, "http": 80}[parts.scheme],
        target=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        authorization="" if given == ":" else f"Basic {b64encode(given.encode()).decode()}",
    )
