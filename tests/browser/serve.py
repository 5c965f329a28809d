"""Tiny HTTP servers for tests: an empty page, files, and a WHIP and WHEP endpoint whose answers a page makes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

_BLANK = "<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>blank</title><body></body>"


@asynccontextmanager
async def blank_page_server(host: str = "127.0.0.1", name: str = "localhost") -> AsyncIterator[str]:
    """Serve an empty page; gives its URL. On localhost it is a secure context, so getUserMedia works without TLS."""

    async def page(_request: web.Request) -> web.Response:
        return web.Response(text=_BLANK, content_type="text/html")

    async with _serve(page, host) as port:
        yield f"http://{name}:{port}/"


@asynccontextmanager
async def file_server(folder: Path) -> AsyncIterator[str]:
    """Serve the files of a folder, in parts where a browser asks for that, and the empty page, whose URL it gives."""

    async def file(request: web.Request) -> web.StreamResponse:
        name = request.match_info["path"]
        return web.FileResponse(folder / name) if name else web.Response(text=_BLANK, content_type="text/html")

    async with _serve(file) as port:
        yield f"http://localhost:{port}/"


@asynccontextmanager
async def signalling(answer: Callable[[str], Awaitable[str]], token: str | None = None) -> AsyncIterator[tuple[str, list[str]]]:
    """A WHIP and WHEP endpoint that lets ``answer`` make the answers; gives its URL and the methods it has seen."""
    seen: list[str] = []
    cors = {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Allow-Methods": "POST, DELETE",
        "Access-Control-Allow-Headers": "authorization, content-type",
        "Access-Control-Expose-Headers": "Location, ETag, Retry-After, Link",
    }

    async def handle(request: web.Request) -> web.Response:
        seen.append(request.method)
        if request.method == "OPTIONS":
            return web.Response(headers=cors)
        if token and request.headers.get("Authorization") != f"Bearer {token}":
            return web.Response(status=401, text="no token", headers=cors)
        if request.method == "DELETE":
            return web.Response(headers=cors)
        sdp = await answer(await request.text())
        return web.Response(status=201, text=sdp, content_type="application/sdp", headers={**cors, "Location": "/session/1"})

    async with _serve(handle) as port:
        yield f"http://127.0.0.1:{port}/room/whip", seen


@asynccontextmanager
async def _serve(handle: Callable[[web.Request], Awaitable[web.StreamResponse]], host: str = "127.0.0.1") -> AsyncIterator[int]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
