"""A call in which both sides send pictures and sound, and what the two then say of the way between them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rtcengine import RTCPeerConnection, SyntheticCamera, SyntheticMicrophone
from tests.browser import media
from tests.browser.call import Call, call
from tests.browser.drivers import Page
from tests.figures import note

BOTH = {"video": media.CAMERA, "audio": True}
HERE = "127.0.0.1"


@dataclass(frozen=True)
class Ends:
    """The candidates in use, {address, port, protocol, type} each, as either side tells them."""

    ours: Mapping[str, Any]
    theirs: Mapping[str, Any]
    page_ours: Mapping[str, Any]
    page_theirs: Mapping[str, Any]

    @property
    def protocols(self) -> set[str]:
        return {end["protocol"] for end in (self.ours, self.theirs, self.page_ours, self.page_theirs)}


async def take(track: Any, n: int) -> list[Any]:
    return [await asyncio.wait_for(track.recv(), 10) for _ in range(n)]


async def talk(
    page: Page,
    ours: RTCPeerConnection,
    *,
    we_offer: bool,
    trickle: bool,
    codec: media.Codec = "VP8",
    configuration: Mapping[str, object] | None = None,
    grouped: bool = True,
    then: Callable[[], Awaitable[None]] | None = None,
    **said: str,
) -> Ends:
    """Calls, waits for pictures and sound both ways, hangs up. `configuration` is the page's; `grouped`: the offer's sections
    may share a transport; `then` is called while all flows; `said` goes into the figures."""
    async with call(page, ours, trickle=trickle, configuration=configuration) as made:
        made.grouped = grouped
        ours.addTrack(SyntheticMicrophone())
        ours.addTrack(SyntheticCamera(320, 240, 30))
        await made("add", BOTH)
        await page.evaluate(f"call.prefer('video', {codec!r})")
        started = time.monotonic()
        await made.negotiate(we_offer)
        await made.connected()
        connected = time.monotonic() - started
        pictures = await take(made.track("video"), 20)
        assert pictures[-1].width * 9 == pictures[-1].height * 16  # small until its estimate has risen
        sound = await take(made.track("audio"), 20)
        assert {f.sample_rate for f in sound} == {48000}
        seen = await media.wait_frames(page, 20)
        inbound = seen["inbound"]
        assert inbound["video"]["mimeType"] == f"video/{codec}" and inbound["video"]["frameWidth"] == 320
        assert inbound["audio"]["packetsReceived"] > 0 and inbound["audio"]["packetsLost"] <= 0
        named = {"browser": type(page).__name__, "codec": codec, **said}
        note("call", **named, we_offer=we_offer, trickle=trickle, seconds=round(connected, 3))
        if then is not None:
            await then()
        return await ends(made)


async def ends(made: Call) -> Ends:
    stats: Mapping[str, Any] = await made.ours.getStats()
    transport = next(s for s in stats.values() if s["type"] == "transport")
    pair = stats[transport["selectedCandidatePairId"]]
    here, there = (as_page(stats[pair[name]]) for name in ("localCandidateId", "remoteCandidateId"))
    seen = (await media.stats(made.page))["pair"]
    return Ends(here, there, seen["local"], seen["remote"])


def as_page(candidate: Mapping[str, Any]) -> dict[str, Any]:
    names = {"address": "address", "port": "port", "protocol": "protocol", "type": "candidateType"}
    return {short: candidate[name] for short, name in names.items()}
