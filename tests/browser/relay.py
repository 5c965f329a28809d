"""A relay under test, pages that speak to it, and what is asked of those that watch."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

from rtcengine.relay.config import RelayConfig
from rtcengine.relay.relay import Relay
from rtcengine.relay.server import Server
from tests.browser import media
from tests.browser.drivers import BrowserError, JavaScriptError, Page
from tests.util import until

Stats = dict[str, Any]


@dataclass(frozen=True)
class Served:
    """A relay with its HTTP server, in this process."""

    relay: Relay
    server: Server

    def page(self, room: str) -> str:
        return self.server.local_url(room)

    def whip(self, room: str) -> str:
        return self.server.local_url(f"{room}/whip")

    def whep(self, room: str) -> str:
        return self.server.local_url(f"{room}/whep")


@asynccontextmanager
async def serve(**settings: Any) -> AsyncIterator[Served]:
    """A relay on free ports; settings are RelayConfig's."""
    async with Relay(RelayConfig(**{"port": 0, "udp_port": 0, **settings})) as relay, Server(relay) as server:
        yield Served(relay, server)


class Pages:
    """Pages opened for one test, each in a window of its own."""

    def __init__(self, blank: str) -> None:
        self._blank = blank
        self._open: list[Page] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await asyncio.gather(*map(self._close, self._open))

    async def open(self, browser: Page, url: str | None = None) -> Page:
        """A new page of the browser that this page belongs to, at the empty page or at ``url``."""
        page = await browser.new_page()
        self._open.append(page)
        if url != "about:blank":
            await page.goto(url or self._blank)
        return page

    async def _close(self, page: Page) -> None:
        # A page that the test has broken must not hide why.
        with contextlib.suppress(BrowserError, JavaScriptError, TimeoutError):
            await page.evaluate("window.rtc && await rtc.hangUp()", timeout=5)
        with contextlib.suppress(BrowserError, TimeoutError):
            await page.close()


# The longest time between two pictures that the element has shown, since it was asked last.
_GAPS = """
window.gaps = {last: null, longest: 0};
const shown = (now) => {
  if (gaps.last !== null) gaps.longest = Math.max(gaps.longest, now - gaps.last);
  gaps.last = now;
  rtc.video.requestVideoFrameCallback(shown);
};
rtc.video.requestVideoFrameCallback(shown);
"""


async def time_pictures(page: Page) -> None:
    """Begin to time the pictures that the page shows."""
    await page.evaluate(_GAPS)


async def longest_gap(page: Page) -> float:
    """Seconds between the two pictures furthest apart since ``time_pictures`` or the last call, one still awaited counted."""
    now: dict[str, float | None] = await page.evaluate(
        "const since = gaps.last === null ? Infinity : performance.now() - gaps.last;"
        "const longest = Math.max(gaps.longest, since); gaps.longest = 0; return {longest};"
    )
    longest = now["longest"]
    return longest / 1000 if longest is not None else math.inf  # JSON has no infinity


@dataclass(frozen=True)
class Watched:
    """What one page received while the publisher sent ``sent`` frames; freezes (seconds: frozen) are those after 5 s."""

    sent: int
    decoded: int
    freezes: int
    frozen: float
    pictures: int
    level: float
    last: Stats

    @property
    def share(self) -> float:
        """Decoded frames by sent ones."""
        return self.decoded / self.sent


def frames(stats: Stats) -> int:
    """Frames that the page has sent, or decoded."""
    if video := stats["outbound"].get("video"):
        return int(video["framesSent"])
    return int(stats["inbound"].get("video", {}).get("framesDecoded", 0))


async def join(page: Page, url: str, *viewers: Page, **options: Any) -> media.Reply:
    """Publish from ``page`` and watch in the others, until each has decoded a picture. ``url`` is the room's."""
    reply = await media.whip_publish(page, f"{url}/whip", **options)
    await media.wait_connected(page)
    await asyncio.gather(*(media.whep_watch(viewer, f"{url}/whep") for viewer in viewers))
    await asyncio.gather(*(media.wait_frames(viewer, 1) for viewer in viewers))
    return reply


async def watch_for(seconds: float, publisher: Page, viewers: Sequence[Page]) -> list[Watched]:
    """Let the viewers watch for so long by the publisher's clock, and tell what each of them got."""
    everybody = [publisher, *viewers]
    begin = await _stats(everybody)

    async def until_clock(at: float) -> list[Stats]:
        async def reached() -> bool:
            return bool((await media.stats(publisher))["now"] >= begin[0]["now"] + at * 1000)

        await until(reached, timeout=at + 15, interval=0.25, what=f"{at:g} s of the publisher's clock")
        return await _stats(everybody)

    hearing = asyncio.gather(*(_see_and_hear(viewer) for viewer in viewers))
    try:
        settled = await until_clock(min(5.0, seconds / 2))
        end = await until_clock(seconds)
        seen = await hearing
    finally:
        hearing.cancel()
    sent = frames(end[0]) - frames(begin[0])
    return [
        Watched(
            sent=sent,
            decoded=frames(end[n]) - frames(begin[n]),
            freezes=_grown("freezeCount", settled[n], end[n]),
            frozen=_grown("totalFreezesDuration", settled[n], end[n]),
            pictures=seen[n - 1][0],
            level=seen[n - 1][1],
            last=end[n],
        )
        for n in range(1, len(everybody))
    ]


def _grown(name: str, before: Stats, after: Stats) -> Any:
    return after["inbound"]["video"][name] - before["inbound"]["video"][name]


async def _stats(pages: Sequence[Page]) -> list[Stats]:
    return await asyncio.gather(*map(media.stats, pages))


async def _see_and_hear(page: Page) -> tuple[int, float]:
    pictures = await media.wait_moving(page, pictures=5)
    return len(pictures), await media.audio_level(page, seconds=2)
