"""One side of a call by a browser, whose signalling is lines of JSON: for hosts behind NATs, with nat_peer.py on the other.

python -m tests.interop.nat_browser_peer chromium|firefox [--stun URL] [--turn URL --user NAME --password WORD]; lines and
events as pipe_peer.py tells them. The page sends its fake camera; candidates are signalled as they are found.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from tests.browser import media
from tests.browser.chromium import chromium
from tests.browser.drivers import Page
from tests.browser.firefox import firefox
from tests.browser.serve import blank_page_server
from tests.interop.pipe_peer import PipePeer, run_peer

CALL = Path(media.__file__).with_name("call.js").read_text(encoding="utf-8")
# What a page learns of its call only by looking.
WATCH = """
window.news = { frames: [], decoded: 0 };
setInterval(async () => {
  for (const one of (await call.pc.getStats()).values())
    if (one.type === "inbound-rtp" && one.kind === "video" && one.framesDecoded > news.decoded) {
      news.decoded = one.framesDecoded;
      news.frames.push([performance.now(), one.framesDecoded]);
    }
}, 20);
"""
NEWS = """
const stats = await rtc.stats();
return { candidates: call.take(), frames: news.frames.splice(0), states: call.states.splice(0), pair: stats.pair };
"""


class BrowserPeer(PipePeer):
    """A page in a browser of its own."""

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__()
        self._browser = options.browser
        self._servers: list[dict[str, str]] = [{"urls": options.stun}] if options.stun else []
        if options.turn:
            self._servers.append({"urls": options.turn, "username": options.user, "credential": options.password})
        self._stack = AsyncExitStack()
        self._shown: tuple[str, str] | None = None
        self._clock = 0.0  # what is added to the page's seconds for ours
        self._page: Page

    async def start(self, offerer: bool) -> None:
        url = await self._stack.enter_async_context(blank_page_server())
        made = chromium() if self._browser == "chromium" else firefox(prefs={"media.peerconnection.ice.loopback": False})
        self._page = page = await self._stack.enter_async_context(made)
        await page.goto(url)
        await media.inject(page)
        await page.evaluate(f"{CALL}\nwindow.call = call;")
        await page.evaluate("await call.open(arg)", {"configuration": {"iceServers": self._servers}})
        await page.evaluate("await call.add(arg)", {"video": media.CAMERA})
        begin = time.monotonic()
        there = await page.evaluate("performance.now()")
        self._clock = (begin + time.monotonic()) / 2 - there / 1e3
        await page.evaluate(WATCH)
        self.spawn(self._watch())
        if offerer:
            await self._describe("offer")

    async def on_signal(self, value: dict[str, Any]) -> None:
        if "candidate" in value:
            await self._page.evaluate("await call.candidate(arg)", value["candidate"])
            return
        await self._page.evaluate("await call.hear(arg)", value)
        if value["type"] == "offer":
            await self._describe("answer")

    async def do_restart(self) -> None:
        """As a page does that learns of another network."""
        await self._describe("offer", restart=True)

    async def _describe(self, type: str, restart: bool = False) -> None:
        sdp = await self._page.evaluate("await call.describe(arg)", {"type": type, "gather": False, "restart": restart})
        self.signal(sdp=sdp, type=type)

    async def _watch(self) -> None:
        while True:
            news = await self._page.evaluate(NEWS)
            for candidate in news["candidates"]:
                self.signal(candidate=candidate)
            for at, frames in news["frames"]:
                self.frames = frames
                self.report("counts", video=frames, at=at / 1e3 + self._clock)
            for state in news["states"]:
                self.report("state", value=state)
            self._show(news["pair"])
            await asyncio.sleep(0.03)

    def _show(self, pair: dict[str, Any] | None) -> None:
        if pair is None or not pair["local"] or not pair["remote"]:
            return
        types = (pair["local"]["type"], pair["remote"]["type"])
        if types != self._shown:
            self._shown = types
            self.report("pair", local=types[0], remote=types[1])

    async def close(self) -> None:
        await self._stack.aclose()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("browser", choices=("chromium", "firefox"))
    for name in ("stun", "turn", "user", "password"):
        parser.add_argument(f"--{name}")
    options = parser.parse_args()
    run_peer(lambda: BrowserPeer(options))
