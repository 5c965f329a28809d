"""The synthetic publisher: a moving picture and a tone, encoded here and sent by the engine to a WHIP endpoint like any
other publisher's. It needs no camera."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from urllib.parse import urljoin

from ..certificate import Certificate
from ..codecs.encode import Encoded
from ..codecs.opus import OpusEncoder
from ..codecs.vpx import Vp8Encoder
from ..engine import Engine, Sender
from ..media.pattern import Pattern, Tone
from .client_offer import Offer, make_offer, understand

log = logging.getLogger("rtcengine.whip")

VIDEO_CLOCK = 90_000
AUDIO_PACKET = 960  # samples: 20 ms at 48 kHz
SETUP_S = 10.0


class PublishError(Exception):
    """The relay refused, or did not connect."""


class SyntheticPublisher:
    """Publishes until `close`. `bitrate` is that of the picture, in bits per second.

    Encoding runs on a thread of its own, so that neither the event loop nor the relay's packets wait for it.
    """

    def __init__(self, *, width: int = 640, height: int = 360, fps: int = 30, bitrate: int = 800_000) -> None:
        self._pattern = Pattern(width, height)
        self._encoder = Vp8Encoder(fps=fps, bitrate=bitrate)
        self._tone = Tone()
        self._opus = OpusEncoder(channels=2)
        self._fps = fps
        self._key_wanted = True
        self._certificate = Certificate.generate()
        self._engine: Engine | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._resource = ""
        self._headers: dict[str, str] = {}
        self._ssl: ssl.SSLContext | bool = True

    async def start(self, url: str, *, token: str = "", verify: bool = True) -> None:
        """Posts the offer to `url`, connects and begins to send. Raises PublishError. `verify` False accepts a certificate that
        nobody has signed: for a relay of one's own on the same machine."""
        self._ssl = True if verify else False
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        engine = Engine(self._certificate, udp=(("0.0.0.0", 0), ("::", 0)))
        await engine.start()
        self._engine = engine
        try:
            await self._connect(engine, url)
        except BaseException:
            await self.close()
            raise

    async def _post(self, url: str, offer: Offer) -> str:
        import aiohttp

        headers = {"Content-Type": "application/sdp", **self._headers}
        try:
            async with (
                aiohttp.ClientSession() as http,
                http.post(url, data=offer.sdp.encode(), headers=headers, ssl=self._ssl) as response,
            ):
                text = await response.text()
                if response.status != 201:
                    raise PublishError(f"{url} answered {response.status}: {text.strip()}")
                self._resource = urljoin(str(response.url), response.headers["Location"])
                return text
        except aiohttp.ClientError as error:
            raise PublishError(f"{url} cannot be reached: {error}") from error

    async def _connect(self, engine: Engine, url: str) -> None:
        offer = make_offer(self._certificate)
        agreed = understand(offer, await self._post(url, offer))
        batch = engine.batch()
        transport = batch.transport(agreed.transport, None)
        senders = {kind: batch.send(transport, config) for kind, config in agreed.senders.items()}
        for address in agreed.addresses:
            batch.path(transport, address)
        await batch.commit()
        try:
            async with asyncio.timeout(SETUP_S):
                await transport.wait("connected")
        except TimeoutError:
            raise PublishError(f"no connection in {SETUP_S:.0f} s (tried {agreed.addresses})") from None
        if "video" in senders:
            senders["video"].on_keyframe = self._want_key
            self._tasks.append(asyncio.create_task(self._send_video(senders["video"])))
        if "audio" in senders:
            self._tasks.append(asyncio.create_task(self._send_audio(senders["audio"])))

    def _want_key(self) -> None:
        self._key_wanted = True

    async def _send_video(self, sender: Sender) -> None:
        start, number = time.monotonic(), 0
        while True:
            number = max(number + 1, int((time.monotonic() - start) * self._fps))
            await asyncio.sleep(max(0.0, start + number / self._fps - time.monotonic()))
            key, self._key_wanted = self._key_wanted, False
            timestamp = number * VIDEO_CLOCK // self._fps
            for frame in await asyncio.to_thread(self._encode, number, timestamp, key):
                self._give(sender, frame.data, frame.timestamp, frame.key)

    def _encode(self, number: int, timestamp: int, key: bool) -> list[Encoded]:
        return self._encoder.encode(self._pattern.video_frame(number, timestamp), key)

    async def _send_audio(self, sender: Sender) -> None:
        start, position = time.monotonic(), 0
        while True:
            await asyncio.sleep(max(0.0, start + position / 48000 - time.monotonic()))
            self._give(sender, self._opus.encode(self._tone.samples(AUDIO_PACKET)), position, True)
            position += AUDIO_PACKET

    def _give(self, sender: Sender, data: bytes, timestamp: int, key: bool) -> None:
        try:
            sender.send_frame(data, timestamp & 0xFFFFFFFF, key)
        except BufferError:
            log.warning("the engine is behind: a frame was left out")
            self._key_wanted = True

    async def wait(self) -> None:
        """Returns when sending has ended; raises what ended it."""
        await asyncio.gather(*self._tasks)

    async def close(self) -> None:
        """Ends the session at the relay and stops. Idempotent."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        resource, self._resource = self._resource, ""
        if resource:
            await self._delete(resource)
        if self._engine is not None:
            await self._engine.close()
            self._engine = None

    async def _delete(self, resource: str) -> None:
        import aiohttp

        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as http,
                http.delete(resource, headers=self._headers, ssl=self._ssl),
            ):
                pass
        except (aiohttp.ClientError, TimeoutError) as error:
            log.info("the session was not ended at the relay: %s", error)
