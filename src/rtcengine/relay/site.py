"""All addresses of the relay: the page, its files, WHIP and WHEP, health and metrics."""

from __future__ import annotations

import logging
import re
from functools import cache
from importlib.resources import files
from urllib.parse import quote, urlencode

from . import whip
from .config import valid_room
from .http import HttpError, Request, Response
from .metrics import render
from .relay import Relay

log = logging.getLogger("rtcengine.relay")

_TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}
_STATIC = re.compile(r"/static/([a-z0-9_-]+\.(?:html|js|css|svg))")
# Nothing is loaded from elsewhere; WHIP and WHEP may be spoken to another relay of the user's.
_POLICY = "default-src 'self'; connect-src *; media-src 'self' blob: mediastream:; img-src 'self' data:; frame-ancestors *"


@cache
def _file(name: str) -> bytes | None:
    path = files("rtcengine.relay") / "static" / name
    return path.read_bytes() if path.is_file() else None


def _static(name: str) -> Response:
    content = _file(name)
    if content is None:
        raise HttpError(404, "no such file")
    headers = [
        ("Content-Type", _TYPES[name.rpartition(".")[2]]),
        ("Content-Security-Policy", _POLICY),
        ("X-Content-Type-Options", "nosniff"),
        ("Cache-Control", "no-cache"),
    ]
    return Response(200, headers, content)


async def _serve(relay: Relay, request: Request) -> Response:
    path = request.path
    static = _STATIC.fullmatch(path)
    astray = not path or (path.endswith("/") and valid_room(path[1:-1]))
    if not (static or astray or path in ("/", "/healthz", "/metrics") or valid_room(path[1:])):
        raise HttpError(404, "no such address")
    if request.method not in ("GET", "HEAD"):
        raise HttpError(405, f"{request.method} is not for this address", ("Allow", "GET, HEAD"))
    if astray:
        return _redirect(request)
    if static:
        return _static(static[1])
    if path == "/healthz":
        status, text = (503, b"closing\n") if relay.draining else (200, b"ok\n")
        return Response(status, [("Content-Type", "text/plain; charset=utf-8")], text)
    if path == "/metrics":
        metrics = render(relay, await relay.stats())
        return Response(200, [("Content-Type", "text/plain; version=0.0.4; charset=utf-8")], metrics.encode())
    return _static("index.html")


def _redirect(request: Request) -> Response:
    """To the address that the page's relative links are made for: a slash after the mount's prefix, none after a room."""
    target = quote(request.mount + request.path.rstrip("/")) if request.path else quote(request.mount) + "/"
    query = "?" + urlencode(request.query) if request.query else ""
    return Response(307, [("Location", target + query)])


def refuse(path: str, error: HttpError) -> Response:
    """The answer to a request that was at fault before it could be served."""
    response = error.response()
    if whip.route(path) is not None:
        response.headers.extend(whip.CORS)
    return response


async def serve(relay: Relay, request: Request) -> Response:
    """Answers any request; a fault of ours is logged and becomes 500."""
    if whip.route(request.path) is not None:
        return await whip.handle(relay, request)
    try:
        return await _serve(relay, request)
    except HttpError as error:
        return error.response()
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        return HttpError(500, "the relay failed; its log says why").response()
