"""The synthetic publisher that `rtcengine relay` starts with."""

from __future__ import annotations

import asyncio
import logging

from ..relay.server import Server
from ..whip import WhipClient, WhipError

log = logging.getLogger("rtcengine.relay")

RETRY_S = 3.0
BITRATE = 800_000
"""Of the picture, in bits per second."""


class Demo:
    """Publishes the test picture and the test tone into a room over loopback, by WHIP, as anybody else would."""

    def __init__(self, server: Server, room: str, token: str) -> None:
        self._server = server
        self._room = room
        self._token = token
        self._task: asyncio.Task[None] | None = None
        self._said = ""

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            from ..codecs.encode import make_encoder
            from ..media.synthetic import SyntheticCamera, SyntheticMicrophone

            for codec in ("opus", "vp8"):
                make_encoder(codec, {})
        except (ImportError, ValueError) as error:  # libopus or libvpx is not there, and will not come
            log.warning("no synthetic publisher: %s", error)
            return
        microphone, camera = SyntheticMicrophone(), SyntheticCamera()
        try:
            while True:
                try:
                    await self._publish(microphone, camera)
                except (WhipError, OSError) as error:
                    self._say(str(error))
                await asyncio.sleep(RETRY_S)
        finally:
            microphone.stop()
            camera.stop()

    async def _publish(self, *tracks: object) -> None:
        """Until it is ended for good. The relay is our own: nobody has to vouch for it."""
        url = self._server.local_url(f"{self._room}/whip")
        async with WhipClient(url, token=self._token, verify=False, patience_s=0.0) as client:

            def told() -> None:
                if client.state == "reconnecting":
                    self._say(client.failure)

            client.on("statechange", told)
            await client.publish(*tracks, codecs=("opus", "VP8"), max_bitrate=BITRATE)
            self._said = ""
            await client.closed()

    def _say(self, why: str) -> None:
        """Once, while it is the same: somebody else may publish in its room."""
        if why != self._said:
            self._said = why
            log.warning("the synthetic publisher: %s", why)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
