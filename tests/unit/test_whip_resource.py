"""The HTTP of a session against servers that misbehave."""

from __future__ import annotations

import contextlib

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from rtcengine.whip import WhipError
from rtcengine.whip.resource import MAX_ANSWER, Resource


async def test_an_answer_without_end() -> None:
    async def post(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=201, headers={"Location": "/session"})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(b"a=rtcp-mux\r\n" * 1000)
        return response

    app = web.Application()
    app.router.add_post("/whip", post)
    async with TestServer(app) as server, aiohttp.ClientSession() as http:
        with pytest.raises(WhipError, match=f"more than {MAX_ANSWER} bytes"):
            await Resource(str(server.make_url("/whip")), "", http, True).post("v=0")


async def test_the_token_stays_with_its_origin() -> None:
    """Redirects keep method and body; another origin gets no token, unless the first one names it itself."""
    seen: list[tuple[str, str, str, str | None]] = []

    async def note(request: web.Request) -> web.Response:
        seen.append((request.method, request.host, (await request.text())[:3], request.headers.get("Authorization")))
        match request.path:
            case "/whip":
                return web.Response(status=307, headers={"Location": f"http://{other.host}:{other.port}/elsewhere"})
            case "/elsewhere":
                return web.Response(status=201, text="v=0", headers={"Location": "/session"})
            case "/named":
                return web.Response(status=201, headers={"Location": f"http://{other.host}:{other.port}/session"})
            case "/turning":
                return web.Response(status=307, headers={"Location": "/turning"})
        return web.Response()

    app, second = web.Application(), web.Application()
    for one in (app, second):
        one.router.add_route("*", "/{any:.*}", note)
    async with TestServer(app) as server, TestServer(second) as other, aiohttp.ClientSession() as http:
        resource = Resource(str(server.make_url("/whip")), "s3cret", http, True)
        assert await resource.post("v=0") == "v=0"
        await resource.delete()
        first, last = f"{server.host}:{server.port}", f"{other.host}:{other.port}"
        assert seen == [
            ("POST", first, "v=0", "Bearer s3cret"),
            ("POST", last, "v=0", None),
            ("DELETE", last, "", None),
        ]
        resource = Resource(str(server.make_url("/named")), "s3cret", http, True)
        await resource.post("v=0")
        await resource.delete()
        assert seen[-1] == ("DELETE", last, "", "Bearer s3cret")
        with pytest.raises(WhipError, match="redirects more than 5 times"):
            await Resource(str(server.make_url("/turning")), "", http, True).post("v=0")


@pytest.mark.parametrize(
    ("response", "said"),
    [
        ({"status": 503, "text": "full", "headers": {"Retry-After": "7"}}, "answered POST with 503: full"),
        ({"status": 201, "text": "v=0"}, "without the session's address"),
        ({"status": 200, "text": "v=0", "headers": {"Location": "/session"}}, "answered POST with 200"),
    ],
)
async def test_what_is_refused(response: dict[str, object], said: str) -> None:
    async def post(request: web.Request) -> web.Response:
        return web.Response(**response)  # type: ignore[arg-type]

    app = web.Application()
    app.router.add_post("/whip", post)
    async with TestServer(app) as server, aiohttp.ClientSession() as http:
        with pytest.raises(WhipError, match=said) as refused:
            await Resource(str(server.make_url("/whip")), "", http, True).post("v=0")
        assert refused.value.retry_after == (7.0 if response["status"] == 503 else None)
