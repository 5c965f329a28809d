"""The synthetic publisher of `rtcengine relay`, started again when it ends."""

from __future__ import annotations

import asyncio
import logging

from ..engine import EngineError
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
        said = ""
        while True:
            try:
                publisher = SyntheticPublisher()
            except (ImportError, ValueError) as error:  # libopus or libvpx is not there, and will not come
                log.warning("no synthetic publisher: %s", error)
                return
            try:
                await publisher.start(self._server.local_url(f"{self._room}/whip"), token=self._token, verify=False)
                said = ""
                await publisher.wait()
            except (PublishError, EngineError, OSError) as error:
                if str(error) != said:  # while somebody else publishes in its room, once is enough
                    said = str(error)
                    log.warning("the synthetic publisher: %s", error)
            finally:
                await publisher.close()
            await asyncio.sleep(RETRY_S)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
