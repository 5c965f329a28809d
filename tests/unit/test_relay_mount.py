"""The relay inside somebody's program: mounted in aiohttp and in FastAPI under /live, spoken to over real HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
import uvicorn
from aiohttp import web
from fastapi import FastAPI

from rtcengine.relay import IceServer, Relay
from rtcengine.relay.app_aiohttp import make_app
from rtcengine.relay.app_asgi import AsgiApp
from tests.unit.whip_kit import FRAGMENT, PUBLISHER, SDP, VIEWER, fragment
from tests.util import until

TURN = IceServer("turn:turn.example", "u", "c")
BODY_SECONDS = 0.5


@dataclass
class Mounted:
    relay: Relay
    http: httpx.AsyncClient
    prefix: str

    async def post(self, path: str, body: bytes, **headers: str) -> httpx.Response:
        return await self.http.post(self.prefix + path, content=body, headers={"Content-Type": SDP, **headers})


@contextlib.asynccontextmanager
async def in_aiohttp(relay: Relay, prefix: str) -> AsyncIterator[int]:
    app = make_app(relay, BODY_SECONDS)
    if prefix:
        parent = web.Application()
        parent.add_subapp(prefix + "/", app)
        app = parent
    runner = web.AppRunner(app, lingering_time=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def in_asgi(relay: Relay, prefix: str) -> AsyncIterator[int]:
    app: FastAPI | AsgiApp = AsgiApp(relay, BODY_SECONDS)
    if prefix:
        parent = FastAPI()
        parent.mount(prefix, app)
        app = parent
    with socket.socket(proto=socket.IPPROTO_TCP) as sock:  # said so, asyncio turns Nagle's delay off
        sock.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
        serving = asyncio.ensure_future(server.serve([sock]))
        try:
            await until(lambda: server.started, what="uvicorn started")
            yield sock.getsockname()[1]
        finally:
            server.should_exit = True
            await serving


SERVERS = {"aiohttp": in_aiohttp, "asgi": in_asgi}


@pytest.fixture(params=["aiohttp", "aiohttp/live", "asgi", "asgi/live"])
async def mounted(request: pytest.FixtureRequest) -> AsyncIterator[Mounted]:
    server, _, prefix = request.param.partition("/")
    prefix = "/" + prefix if prefix else ""
    async with (
        Relay(udp_port=0, ice_servers=(TURN,), watch_token="w") as relay,
        SERVERS[server](relay, prefix) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http,
    ):
        yield Mounted(relay, http, prefix)


@pytest.mark.parametrize("mounted", ["aiohttp", "aiohttp/live", "aiohttp/a/b", "asgi", "asgi/live", "asgi/a/b"], indirect=True)
async def test_a_life(mounted: Mounted) -> None:
    """POST, PATCH, GET and DELETE at the addresses that the answers give."""
    created = await mounted.post("/demo/whip", PUBLISHER)
    assert created.status_code == 201
    path = created.headers["location"]
    assert path.startswith(f"{mounted.prefix}/demo/whip/")
    assert created.headers["content-type"] == SDP
    assert created.headers["link"] == TURN.link()
    assert created.headers["access-control-allow-origin"] == "*"
    headers = {"Content-Type": FRAGMENT, "If-Match": "*"}
    restarted = await mounted.http.patch(path, content=fragment("newU", "0123456789abcdef01234567"), headers=headers)
    assert restarted.status_code == 200
    assert restarted.headers["etag"] != created.headers["etag"]
    headers["If-Match"] = restarted.headers["etag"]
    trickled = await mounted.http.patch(path, content=fragment("newU"), headers=headers)
    assert (trickled.status_code, trickled.content) == (204, b"")
    assert "etag" not in trickled.headers and "content-length" not in trickled.headers
    got = await mounted.http.get(path)
    assert (got.status_code, got.headers["etag"]) == (204, restarted.headers["etag"])
    watched = await mounted.post("/demo/whep", VIEWER, Authorization="Bearer w")
    assert watched.headers["location"].startswith(f"{mounted.prefix}/demo/whep/")
    refused = await mounted.http.delete(watched.headers["location"])
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, "*")
    assert (await mounted.http.delete(path)).status_code == 200
    assert (await mounted.http.delete(path)).status_code == 404


async def test_session_seen_from_outside(mounted: Mounted) -> None:
    await mounted.post("/demo/whip", PUBLISHER, **{"User-Agent": "OBS"})
    (session,) = mounted.relay.sessions
    assert (session.remote, session.agent) == ("127.0.0.1", "OBS")


async def test_page_and_files(mounted: Mounted) -> None:
    for path in ("/", "/demo", "/demo?publish"):
        page = await mounted.http.get(mounted.prefix + path)
        assert page.status_code == 200
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "default-src 'self'" in page.headers["content-security-policy"]
    types = {"page.js": "text/javascript", "page.css": "text/css", "icon.svg": "image/svg+xml"}
    for name, kind in types.items():
        # As the page asks for it: relative to its own address.
        found = await mounted.http.get(page.url.join("static/" + name))
        assert (found.status_code, found.headers["content-type"].partition(";")[0]) == (200, kind)
        head = await mounted.http.head(page.url.join("static/" + name))
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == found.headers["content-length"]
    for missing in ("static/", "static/none.js", "static/../relay.py", "static/%2e%2e/relay.py", "favicon.ico", "a/b"):
        assert (await mounted.http.get(f"{mounted.prefix}/{missing}")).status_code == 404
    assert (await mounted.http.get(mounted.prefix + "/healthz")).text == "ok\n"
    assert "rtcengine_rooms 0" in (await mounted.http.get(mounted.prefix + "/metrics")).text
    posted = await mounted.http.post(mounted.prefix + "/demo")
    assert (posted.status_code, posted.headers["allow"]) == (405, "GET, HEAD")


async def test_slashes(mounted: Mounted) -> None:
    """The page's links are relative, so the address it is shown at matters."""
    room = await mounted.http.get(mounted.prefix + "/demo/?publish=1")
    assert (room.status_code, room.headers["location"]) == (307, mounted.prefix + "/demo?publish=1")
    if mounted.prefix:
        root = await mounted.http.get(mounted.prefix, follow_redirects=True)
        assert (root.status_code, root.url.path) == (200, mounted.prefix + "/")


async def test_preflight(mounted: Mounted) -> None:
    headers = {"Origin": "https://page.example", "Access-Control-Request-Method": "POST"}
    response = await mounted.http.options(mounted.prefix + "/demo/whip", headers=headers)
    assert response.status_code == 200
    assert "Authorization" in response.headers["access-control-allow-headers"]
    assert "link" not in response.headers
    head = await mounted.http.head(mounted.prefix + "/demo/whep", headers={"Authorization": "Bearer w"})
    assert (head.status_code, head.headers["content-type"]) == (200, SDP)


async def test_errors_are_for_scripts_too(mounted: Mounted) -> None:
    for body, kind, status in (
        (b"hello", SDP, 400),
        (PUBLISHER, "text/plain", 415),
        (b"v" * 65537, SDP, 413),
        (b"v" * 3_000_000, SDP, 413),
    ):
        response = await mounted.post("/demo/whip", body, **{"Content-Type": kind})
        assert response.status_code == status
        assert response.headers["access-control-allow-origin"] == "*"


async def test_token_that_is_not_ascii(mounted: Mounted) -> None:
    for given in ("Bearer é".encode(), b"Bearer \xff\xfe"):
        response = await mounted.http.post(
            mounted.prefix + "/demo/whep", content=VIEWER, headers={b"Authorization": given, b"Content-Type": SDP.encode()}
        )
        assert response.status_code == 401


@pytest.mark.parametrize("mounted", ["aiohttp", "asgi/live"], indirect=True)
async def test_chunked_body(mounted: Mounted) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for start in range(0, len(PUBLISHER), 700):
            yield PUBLISHER[start : start + 700]

    response = await mounted.http.post(mounted.prefix + "/demo/whip", content=parts(), headers={"Content-Type": SDP})
    assert response.status_code == 201


async def raw(mounted: Mounted, sent: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", mounted.http.base_url.port)
    writer.write(sent)
    return reader, writer


HEAD = "POST {}/demo/whip HTTP/1.1\r\nHost: x\r\nContent-Type: application/sdp\r\n"


@pytest.mark.parametrize("mounted", ["aiohttp", "aiohttp/live", "asgi", "asgi/live"], indirect=True)
async def test_body_that_does_not_come(mounted: Mounted) -> None:
    sent = HEAD.format(mounted.prefix) + "Content-Length: 1000\r\n\r\nv=0\r\n"
    reader, writer = await raw(mounted, sent.encode())
    try:
        answer = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert answer.startswith(b"http/1.1 408 ")
        assert b"access-control-allow-origin: *" in answer
        assert b"connection: close" in answer
        assert mounted.relay.sessions == []
    finally:
        writer.close()


@pytest.mark.parametrize("mounted", ["aiohttp", "asgi"], indirect=True)
async def test_client_that_goes_while_it_sends(mounted: Mounted, caplog: pytest.LogCaptureFixture) -> None:
    sent = HEAD.format(mounted.prefix) + f"Content-Length: {len(PUBLISHER) + 1}\r\n\r\n"
    _, writer = await raw(mounted, sent.encode() + PUBLISHER)
    await writer.drain()
    writer.transport.abort()
    assert (await mounted.post("/other/whip", PUBLISHER)).status_code == 201
    assert list(mounted.relay.rooms) == ["other"], "half an offer makes no session, even when it could be read"
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize("mounted", ["aiohttp"], indirect=True)
async def test_broken_chunks(mounted: Mounted) -> None:
    reader, writer = await raw(
        mounted, (HEAD.format("") + "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n").encode()
    )
    try:
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        writer.write(b"zz\r\n")
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.split()[1] in (b"400", b"408"), "aiohttp's parsers tell at once or not at all"
        assert b"access-control-allow-origin: *" in answer.lower()
        assert mounted.relay.sessions == []
    finally:
        writer.close()


async def test_websocket_and_unknown_scopes() -> None:
    sent: list[object] = []

    async def send(message: object) -> None:
        sent.append(message)

    async def receive() -> dict[str, object]:
        return {"type": "websocket.connect"}

    app = AsgiApp(Relay(udp_port=0))
    await app({"type": "websocket", "path": "/"}, receive, send)
    assert sent == [{"type": "websocket.close"}]
    with pytest.raises(ValueError, match="mail"):
        await app({"type": "mail"}, receive, send)


@pytest.mark.parametrize(
    ("root_path", "path", "mount", "rest"),
    [
        ("", "/r/whip", "", "/r/whip"),
        ("/live", "/live/r/whip", "/live", "/r/whip"),
        ("/live", "/r/whip", "/live", "/r/whip"),  # frameworks from before ASGI settled it
        ("/live", "/lively/whip", "/live", "/lively/whip"),
        ("/live", "/live", "/live", ""),
        ("/live/", "/live/", "/live", "/"),
    ],
)
def test_prefix_of_a_mount(root_path: str, path: str, mount: str, rest: str) -> None:
    from rtcengine.relay.app_asgi import _split

    assert _split({"root_path": root_path, "path": path}) == (mount, rest)
