"""The relay as an ASGI application (HTTP only): mountable in FastAPI, Starlette, or served by uvicorn."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from .http import BODY_SECONDS, MAX_BODY, HttpError, Request, Response
from .relay import Relay
from .site import refuse, serve

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class AsgiApp:
    """`app.mount("/live", relay.asgi())`. The relay itself must be entered (`async with`) on the same event loop."""

    def __init__(self, relay: Relay, body_seconds: float = BODY_SECONDS) -> None:
        self.relay = relay
        self._body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "lifespan":
                await _lifespan(receive, send)
            case "http":
                await self._http(scope, receive, send)
            case "websocket":
                await send({"type": "websocket.close"})  # before it was accepted: the server answers 403
            case other:
                raise ValueError(f"the relay answers HTTP, not {other}")

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        mount, path = _split(scope)
        try:
            async with asyncio.timeout(self._body_seconds):
                body = await _body(receive)
        except TimeoutError:
            error = HttpError(408, f"the body did not come within {self._body_seconds:g} s", ("Connection", "close"))
            await _answer(refuse(path, error), scope, send)
            return
        if body is None:  # the client is gone
            return
        await _answer(await serve(self.relay, _request(scope, mount, path, body)), scope, send)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _body(receive: Receive) -> bytes | None:
    """Up to one byte more than is allowed: enough to see that it is too much. None when the client went away."""
    body = b""
    while len(body) <= MAX_BODY:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    return body[: MAX_BODY + 1]


def _split(scope: Scope) -> tuple[str, str]:
    """The mount's prefix and what follows it: ASGI's `path` has the prefix in it, older frameworks cut it off."""
    mount, path = scope.get("root_path", "").rstrip("/"), scope["path"]
    if mount and (path == mount or path.startswith(mount + "/")):
        path = path[len(mount) :]
    return mount, path


def _request(scope: Scope, mount: str, path: str, body: bytes) -> Request:
    client = scope.get("client")
    return Request(
        method=scope["method"],
        path=path,
        headers={name.decode("latin-1").lower(): value.decode(errors="surrogateescape") for name, value in scope["headers"]},
        query=dict(parse_qsl(scope.get("query_string", b"").decode("latin-1"))),
        body=body,
        remote=client[0] if client else "",
        secure=scope.get("scheme") == "https",
        mount=mount,
    )


async def _answer(response: Response, scope: Scope, send: Send) -> None:
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
    if response.status != 204:  # RFC 9110 §8.6
        headers.append((b"content-length", str(len(response.body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    body = b"" if scope["method"] == "HEAD" else response.body
    await send({"type": "http.response.body", "body": body})
