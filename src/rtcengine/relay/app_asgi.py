"""The relay as an ASGI application (HTTP only): mountable in FastAPI, Starlette, or served by uvicorn."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from .http import MAX_BODY, Request
from .relay import Relay
from .site import serve

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class AsgiApp:
    """`app.mount("/live", relay.asgi())`. The relay itself must be entered (`async with`) on the same event loop."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":
            raise ValueError(f"the relay answers HTTP, not {scope['type']}")
        response = await serve(self.relay, await _request(scope, receive))
        headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
        headers.append((b"content-length", str(len(response.body)).encode()))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else response.body
        await send({"type": "http.response.body", "body": body})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _request(scope: Scope, receive: Receive) -> Request:
    body = b""
    while len(body) <= MAX_BODY:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    # ASGI: since 3.0 frameworks differ in whether `path` keeps the mount's prefix; root_path tells it either way.
    mount = scope.get("root_path", "")
    path = scope["path"]
    if mount and path.startswith(mount):
        path = path[len(mount) :]
    client = scope.get("client")
    return Request(
        method=scope["method"],
        path=path or "/",
        headers={name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]},
        query=dict(parse_qsl(scope.get("query_string", b"").decode("latin-1"))),
        body=body[: MAX_BODY + 1],
        remote=client[0] if client else "",
        secure=scope.get("scheme") == "https",
        mount=mount,
    )
