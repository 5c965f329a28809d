"""A program with the relay mounted in aiohttp below /live, and a handler that blocks Python: `/block?how=sleep|gil`.

Run by test_relay_blocked.py. Prints its port; ends with its standard input.
"""

from __future__ import annotations

import asyncio
import ctypes
import sys
import time

from aiohttp import web

from rtcengine.relay.config import RelayConfig
from rtcengine.relay.relay import Relay

BLOCKED_S = 10


async def block(request: web.Request) -> web.Response:
    """Answers when it is over, with the seconds that it has taken."""
    begin = time.monotonic()
    if request.query["how"] == "gil":
        ctypes.PyDLL(None).sleep(BLOCKED_S)  # PyDLL, unlike CDLL, keeps the GIL: no thread of Python runs
    else:
        time.sleep(BLOCKED_S)  # noqa: ASYNC251  # nothing else of this event loop runs
    return web.json_response(time.monotonic() - begin)


async def main() -> None:
    async with Relay(RelayConfig(port=0, udp_port=0)) as relay:
        app = web.Application()
        app.router.add_get("/block", block)
        app.add_subapp("/live/", relay.aiohttp_app())
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(runner.addresses[0][1], flush=True)
        await asyncio.to_thread(sys.stdin.read)
        await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main())
