"""A program with the relay mounted in aiohttp below /live, and a handler that blocks Python: `/block?how=sleep|gil`.

Run by test_relay_blocked.py. Prints its port; ends with its standard input.
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from rtcengine.relay.config import RelayConfig
from rtcengine.relay.relay import Relay
from tests.browser.blocking import serve


async def main() -> None:
    async with Relay(RelayConfig(port=0, udp_port=0)) as relay:
        app = web.Application()
        app.add_subapp("/live/", relay.aiohttp_app())
        await serve(app)


if __name__ == "__main__":
    asyncio.run(main())
