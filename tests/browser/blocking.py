"""For programs of tests: a handler that blocks Python, `/block?how=sleep|gil`, and how they are served."""

from __future__ import annotations

import asyncio
import ctypes
import sys
import time

from aiohttp import web

BLOCKED_S = 10


async def block(request: web.Request) -> web.Response:
    """Answers when it is over, with the seconds that it has taken."""
    begin = time.monotonic()
    if request.query["how"] == "gil":
        ctypes.PyDLL(None).sleep(BLOCKED_S)  # PyDLL, unlike CDLL, keeps the GIL: no thread of Python runs
    else:
        time.sleep(BLOCKED_S)  # noqa: ASYNC251  # nothing else of this event loop runs
    return web.json_response(time.monotonic() - begin)


async def serve(app: web.Application) -> None:
    """Prints the port; until the standard input ends."""
    app.router.add_get("/block", block)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()
