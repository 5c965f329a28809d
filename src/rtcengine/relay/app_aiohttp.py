"""The relay as an aiohttp application: reads bounded bodies, leaves the rest to `site`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web

from .http import BODY_SECONDS, MAX_BODY, HttpError, Request, Response
from .relay import Relay
from .site import refuse, serve


def make_app(
    relay: Relay, body_seconds: float = BODY_SECONDS, on_body: Callable[[web.Request], None] = lambda request: None
) -> web.Application:
    """An Application with every address of the relay: serve it, or mount it with `parent.add_subapp("/live/", app)`.
    `on_body` is called when all of a request is there."""
    app = web.Application()

    async def respond(http: web.Request) -> web.StreamResponse:
        path = "/" + http.match_info["path"] if "path" in http.match_info else ""
        try:
            body = await _body(http, body_seconds)
            on_body(http)
            response = await serve(relay, _request(http, path, body))
        except HttpError as error:
            response = refuse(path, error)
        return _answer(http, response)

    app.router.add_route("*", "/{path:.*}", respond)
    app.router.add_route("*", "", respond)  # the prefix of a subapp without its slash
    return app


def _request(http: web.Request, path: str, body: bytes) -> Request:
    return Request(
        method=http.method,
        path=path,
        headers={name.lower(): value for name, value in http.headers.items()},
        query=dict(http.query),
        body=body,
        remote=http.remote or "",
        secure=http.secure,
        mount=http.path.removesuffix(path),
    )


async def _body(http: web.Request, seconds: float) -> bytes:
    """Up to one byte more than is allowed: enough to see that it is too much."""
    parts: list[bytes] = []
    left = MAX_BODY + 1
    try:
        async with asyncio.timeout(seconds):
            while left > 0 and (part := await http.content.read(left)):
                parts.append(part)
                left -= len(part)
    except TimeoutError:
        raise HttpError(408, f"the body did not come within {seconds:g} s") from None
    except ConnectionError:  # nobody is there to be answered, but half a body must not be served
        raise HttpError(400, "the client went away") from None
    except web.RequestPayloadError as error:
        raise HttpError(400, f"the body cannot be read: {error}") from None
    return b"".join(parts)


def _answer(http: web.Request, response: Response) -> web.Response:
    answer = web.Response(status=response.status, body=response.body)
    for name, value in response.headers:
        answer.headers.add(name, value)
    if not http.content.is_eof():  # what is left of the body is not worth waiting for
        answer.force_close()
    return answer
