"""WebRTC in a page under test: publish, watch, statistics, pixels and sound. The JavaScript is in rtc.js."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests.browser.drivers import Page
from tests.util import until

Codec = Literal["VP8", "H264", "VP9", "AV1"]
Layer = Literal["h", "m", "l"]
Constraints = Mapping[str, object]

CAMERA: Constraints = {"width": 640, "height": 360, "frameRate": 30}
_LIBRARY = Path(__file__).with_name("rtc.js").read_text(encoding="utf-8")


class SignallingError(Exception):
    """A WHIP or WHEP server did not answer 201; ``reply`` holds what it said."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"status {reply.status}: {reply.body[:500]}")
        self.reply = reply


@dataclass(frozen=True)
class Reply:
    """A server's reply to the POST of an offer. ``body`` is the answer, or the text of the error."""

    status: int
    body: str
    offer: str
    location: str | None
    etag: str | None
    retry_after: str | None
    link: str | None


@dataclass(frozen=True)
class Pixels:
    """What a page's video element shows: size, mean luma 0-255, a hash of the pixels, and media time in seconds."""

    width: int
    height: int
    luma: float
    hash: str
    time: float


async def inject(page: Page) -> None:
    """Put ``window.rtc`` (rtc.js) into the page, unless it is there."""
    if not await page.evaluate("typeof window.rtc === 'object'"):
        await page.evaluate(_LIBRARY)


def _reply(raw: dict[str, Any]) -> Reply:
    reply = Reply(
        status=raw["status"],
        body=raw["body"],
        offer=raw["offer"],
        location=raw["location"],
        etag=raw["etag"],
        retry_after=raw["retryAfter"],
        link=raw["link"],
    )
    if reply.status != 201:
        raise SignallingError(reply)
    return reply


async def whip_publish(
    page: Page,
    url: str,
    token: str | None = None,
    video: Constraints | bool = CAMERA,
    codec: Codec | None = "VP8",
    max_bitrate: int | None = None,
    audio: Constraints | bool = True,
    layers: Sequence[Layer] = (),
) -> Reply:
    """Publish the page's camera and microphone by WHIP (RFC 9725), all candidates in the offer.

    ``video`` and ``audio`` are getUserMedia constraints; codec None leaves the browser's own order; max_bitrate is in
    bit/s, of each of the ``layers`` if there are any: the whole picture, its half, its quarter. Returns when the answer is
    applied; ``wait_connected`` waits for the rest. SignallingError unless 201.
    """
    await inject(page)
    options = {**_camera(video, codec, max_bitrate, audio), "layers": list(layers)}
    return _reply(await page.evaluate("await rtc.publish(arg)", {"url": url, "token": token, **options}))


async def switch_layer(page: Page, layer: Layer, active: bool) -> None:
    """Begin or cease to send one layer of what the page publishes."""
    await page.evaluate("await rtc.switchLayer(arg.rid, arg.active)", {"rid": layer, "active": active})


async def whep_watch(
    page: Page,
    url: str,
    token: str | None = None,
    kinds: Sequence[Literal["audio", "video"]] = ("audio", "video"),
    codec: Codec | None = None,
) -> Reply:
    """Watch by WHEP in a muted <video>; ``codec`` offers only that one. Otherwise as whip_publish."""
    await inject(page)
    options = {"url": url, "token": token, "kinds": list(kinds), "codec": codec}
    return _reply(await page.evaluate("await rtc.watch(arg)", options))


async def answer(page: Page, offer: str, send: Constraints | None = None) -> str:
    """Answer an offer in this page: receive or, with getUserMedia constraints in ``send``, send that instead."""
    await inject(page)
    return str(await page.evaluate("await rtc.answer(arg)", {"offer": offer, "send": send}))


async def loopback(
    page: Page,
    video: Constraints | bool = CAMERA,
    codec: Codec | None = "VP8",
    max_bitrate: int | None = None,
    audio: Constraints | bool = True,
) -> None:
    """A call of the page with itself; ``stats`` then has both inbound and outbound."""
    await inject(page)
    await page.evaluate("await rtc.loopback(arg)", _camera(video, codec, max_bitrate, audio))


async def hang_up(page: Page) -> int | None:
    """DELETE the page's session and close its connection; the status of the DELETE, None when there was no session."""
    status: int | None = await page.evaluate("await rtc.hangUp()")
    return status


async def close(page: Page) -> None:
    """Close the page's connection without a DELETE."""
    await page.evaluate("rtc.close()")


async def stats(page: Page) -> dict[str, Any]:
    """getStats of the page's connection, flattened; names inside are the W3C's.

    ``connectionState``, ``iceConnectionState`` (None without a connection), ``now`` (ms of the page's clock);
    ``inbound`` and ``outbound``: by kind ("audio", "video") the RTP stream's dictionary with its codec's ``mimeType``
    and ``fmtp``; of several streams (simulcast) the one with most bytes, all in ``layers``; outbound has ``remote``,
    the receiver's report; ``pair``: the selected candidate pair with ``local`` and ``remote`` {address, port, protocol,
    type}, or None; ``transport``: the transport's dictionary, or None where the browser has none. What a browser does
    not report is absent.
    """
    await inject(page)
    flat: dict[str, Any] = await page.evaluate("await rtc.stats()")
    return flat


async def wait_connected(page: Page, timeout: float = 15.0) -> dict[str, Any]:
    """Wait until the page's connection is connected, and return its statistics; AssertionError when it fails."""

    async def connected() -> dict[str, Any] | None:
        now = await stats(page)
        assert now["connectionState"] not in ("failed", "closed"), f"the connection {now['connectionState']}: {now}"
        return now if now["connectionState"] == "connected" else None

    found: dict[str, Any] = await until(connected, timeout=timeout, what="the connection")
    return found


async def wait_frames(page: Page, count: int, timeout: float = 20.0) -> dict[str, Any]:
    """Wait until ``count`` more video frames than now are decoded, and return the statistics at that moment."""

    async def decoded() -> tuple[int, dict[str, Any]]:
        now = await stats(page)
        return now["inbound"].get("video", {}).get("framesDecoded", 0), now

    start, _ = await decoded()
    latest: dict[str, Any] = {}

    async def enough() -> bool:
        nonlocal latest
        frames, latest = await decoded()
        return frames >= start + count

    try:
        await until(enough, timeout=timeout, interval=0.1)
    except AssertionError:
        frames, _ = await decoded()
        raise AssertionError(f"{frames - start} of {count} frames decoded in {timeout:g} s: {latest}") from None
    return latest


async def sample_pixels(page: Page) -> Pixels | None:
    """What the page's video shows now; None before its first picture."""
    await inject(page)
    raw = await page.evaluate("rtc.pixels()")
    return None if raw is None else Pixels(**raw)


async def wait_moving(page: Page, pictures: int = 3, timeout: float = 20.0) -> set[str]:
    """Wait until the page's video has shown so many different pictures; returns their hashes."""
    seen: set[str] = set()

    async def enough() -> bool:
        if shown := await sample_pixels(page):
            seen.add(shown.hash)
        return len(seen) >= pictures

    await until(enough, timeout=timeout, what=f"{pictures} different pictures")
    return seen


@dataclass(frozen=True)
class AudioSnapshot:
    """Running totals of received sound (W3C webrtc-stats): energy and duration in seconds, samples.

    Chromium measures energy behind the volume: 0 while the element is muted, as ours is. ``audio_level`` is not misled.
    """

    energy: float
    duration: float
    samples: int
    concealed: int

    def rms_since(self, earlier: AudioSnapshot) -> float:
        """Root mean square of the sound played since ``earlier``: 1 is full scale, 0 silence or nothing played."""
        duration = self.duration - earlier.duration
        return math.sqrt(max(0.0, self.energy - earlier.energy) / duration) if duration > 0 else 0.0


async def audio_snapshot(page: Page) -> AudioSnapshot:
    """The totals of the page's inbound sound now (all 0 before it starts)."""
    audio = (await stats(page))["inbound"].get("audio", {})
    return AudioSnapshot(
        energy=audio.get("totalAudioEnergy", 0.0),
        duration=audio.get("totalSamplesDuration", 0.0),
        samples=audio.get("totalSamplesReceived", 0),
        concealed=audio.get("concealedSamples", 0),
    )


async def audio_level(page: Page, seconds: float = 1.0, timeout: float = 15.0) -> float:
    """RMS (0 to 1) of the next ``seconds`` of sound that the page receives."""
    await inject(page)
    heard: float | None = await page.evaluate("await rtc.listen(arg)", seconds, timeout)
    if heard is not None:
        return heard
    start = await audio_snapshot(page)

    async def enough() -> AudioSnapshot | None:
        now = await audio_snapshot(page)
        return now if now.duration >= start.duration + seconds else None

    end: AudioSnapshot = await until(enough, timeout=timeout, what=f"{seconds:g} s of sound")
    return end.rms_since(start)


def _camera(
    video: Constraints | bool, codec: Codec | None, max_bitrate: int | None, audio: Constraints | bool
) -> dict[str, object]:
    return {"video": video, "audio": audio, "codec": codec, "maxBitrate": max_bitrate}
