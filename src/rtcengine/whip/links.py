"""ICE servers as endpoints tell them: Link headers of relation "ice-server" (RFC 9725 §4.6, RFC 8288)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..peer.configuration import RTCIceServer

MAX_SERVERS = 16
_LINK = re.compile(r'\s*<([^>]*)>((?:\s*;\s*[\w!#$&+\-.^`|~*]+(?:\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^\s;,"]+))?)*)\s*(?:,|$)')
_PARAMETER = re.compile(r';\s*([\w!#$&+\-.^`|~*]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]+)))?')
_SCHEMES = ("stun:", "stuns:", "turn:", "turns:")


def ice_servers(headers: Iterable[str]) -> list[RTCIceServer]:
    """Of all Link headers of one answer; links of other relations and what cannot be read are left out. URLs with the same
    credentials are one server."""
    found: dict[tuple[str | None, str | None], RTCIceServer] = {}
    count = 0
    for header in headers:
        at = 0
        while (link := _LINK.match(header, at)) is not None and link.end() > at:
            at = link.end()
            parameters = _parameters(link[2])
            if "ice-server" not in parameters.get("rel", "").lower().split():
                continue
            if not link[1].lower().startswith(_SCHEMES) or count >= MAX_SERVERS:
                continue
            if parameters.get("credential-type", "password") != "password":
                continue
            key = parameters.get("username"), parameters.get("credential")
            server = found.setdefault(key, RTCIceServer([], *key))
            assert isinstance(server.urls, list)
            server.urls.append(link[1])
            count += 1
    return list(found.values())


def _parameters(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, quoted, token in _PARAMETER.findall(text):
        found.setdefault(name.lower(), re.sub(r"\\(.)", r"\1", quoted) or token)
    return found
