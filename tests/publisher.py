"""Our own publisher for tests of what others do with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from rtcengine import NetworkOptions, SyntheticCamera, SyntheticMicrophone, WhipClient


@asynccontextmanager
async def synthetic(
    url: str,
    *,
    width: int = 640,
    height: int = 360,
    codecs: Sequence[str] = ("opus", "VP8"),
    max_bitrate: int | None = 800_000,
    token: str = "",
    network: NetworkOptions | None = None,
) -> AsyncIterator[WhipClient]:
    """The test tone and the test picture, at a WHIP address."""
    microphone, camera = SyntheticMicrophone(), SyntheticCamera(width, height)
    try:
        async with WhipClient(url, token=token, network=network) as client:
            await client.publish(microphone, camera, codecs=codecs, max_bitrate=max_bitrate)
            yield client
    finally:
        microphone.stop()
        camera.stop()
