"""The synthetic publisher of `rtcengine relay`, started again when it ends."""

from __future__ import annotations

import asyncio
import logging

from ..relay.server import Server
from ..relay.synthetic import PublishError, SyntheticPublisher

log = logging.getLogger("rtcengine.relay")

RETRY_S = 3.0


class Demo:
    """Publishes the test picture into a room over loopback, by WHIP, as anybody else would."""

    def __init__(self, server: Server, room: str, token: str) -> None:
        self._server = server
        self._room = room
        self._token = token
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            publisher = SyntheticPublisher()
            try:
                await publisher.start(self._server.local_url(f"{self._room}/whip"), token=self._token, verify=False)
                await publisher.wait()
            except PublishError as error:
                log.warning("the synthetic publisher: %s", error)
            finally:
                await publisher.close()
            await asyncio.sleep(RETRY_S)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
