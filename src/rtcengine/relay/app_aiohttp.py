"""The relay as an aiohttp application: reads bounded bodies, leaves the rest to `site`."""

from __future__ import annotations

from aiohttp import web

from .http import MAX_BODY, Request
from .relay import Relay
from .site import serve


def make_app(relay: Relay) -> web.Application:
    """An Application with every address of the relay: serve it, or mount it with `parent.add_subapp("/live/", app)`."""
    app = web.Application(client_max_size=MAX_BODY)

    async def respond(http: web.Request) -> web.StreamResponse:
        path = "/" + http.match_info["path"]
        request = Request(
            method=http.method,
            path=path,
            headers={name.lower(): value for name, value in http.headers.items()},
            query=dict(http.query),
            body=await _body(http),
            remote=http.remote or "",
            secure=http.secure,
            mount=http.path.removesuffix(path),
        )
        response = await serve(relay, request)
        answer = web.Response(status=response.status, body=response.body)
        for name, value in response.headers:
            answer.headers.add(name, value)
        return answer

    app.router.add_route("*", "/{path:.*}", respond)
    return app


async def _body(http: web.Request) -> bytes:
    """Up to one byte more than is allowed: enough to see that it is too much."""
    parts: list[bytes] = []
    left = MAX_BODY + 1
    while left > 0 and (part := await http.content.read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
