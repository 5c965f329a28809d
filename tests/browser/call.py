"""A call between a page and an RTCPeerConnection of this process: descriptions and candidates carried between the two."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from rtcengine import RTCIceCandidate, RTCPeerConnection, RTCSessionDescription
from tests.browser import media
from tests.browser.between import Between
from tests.browser.drivers import Page
from tests.util import until

_LIBRARY = Path(__file__).with_name("call.js").read_text(encoding="utf-8")


async def functions(page: Page) -> Callable[..., Awaitable[Any]]:
    """Brings call.js to the page; what is returned calls its functions by name, with one argument at most."""
    await media.inject(page)
    await page.evaluate(f"{_LIBRARY}\nwindow.call = call;")

    async def function(name: str, arg: Any = None) -> Any:
        return await page.evaluate(f"call.{name}(arg)", arg)

    return function


class Call:
    """`ours` and the page's connection. `trickle`: descriptions go at once, candidates after them, in both directions;
    `grouped`: offers keep their BUNDLE group on the way; `way`: by which all goes that the two send each other."""

    def __init__(self, page: Page, ours: RTCPeerConnection, trickle: bool) -> None:
        self.page, self.ours, self.trickle = page, ours, trickle
        self.grouped = True
        self.way: Between | None = None
        self.tracks: list[Any] = []
        self._carrying: asyncio.Task[None] | None = None
        ours.on("track", self.tracks.append)
        if trickle:
            ours.on("icecandidate", self._tell)

    async def __call__(self, name: str, arg: Any = None) -> Any:
        """A function of call.js."""
        return await self.page.evaluate(f"call.{name}(arg)", arg)

    async def _tell(self, candidate: RTCIceCandidate) -> None:
        with contextlib.suppress(Exception):  # the page may be gone
            await self("candidate", {"candidate": candidate.candidate, "sdpMid": candidate.sdpMid} if candidate.ip else None)

    async def _carry(self) -> None:
        while True:
            for found in await self("take"):
                if found is None or not found["candidate"]:
                    await self.ours.addIceCandidate(None)
                else:
                    candidate = RTCIceCandidate.from_sdp(found["candidate"], found["sdpMid"], found["sdpMLineIndex"])
                    await self.ours.addIceCandidate(candidate)
            await asyncio.sleep(0.05)

    async def negotiate(self, we_offer: bool, *, restart: bool = False) -> None:
        if we_offer:
            if restart:
                self.ours.restartIce()
            await self.ours.setLocalDescription()
            await self._to_page()
            answer = await self("describe", {"type": "answer", "gather": not self.trickle})
            await self.ours.setRemoteDescription(RTCSessionDescription(self._to_us(answer), "answer"))
        else:
            offer = await self("describe", {"type": "offer", "gather": not self.trickle, "restart": restart})
            await self.ours.setRemoteDescription(RTCSessionDescription(self._to_us(self._passed(offer)), "offer"))
            await self.ours.setLocalDescription()
            await self._to_page()
        if self.trickle and self._carrying is None:
            self._carrying = asyncio.create_task(self._carry())

    async def _to_page(self) -> None:
        description = self.ours.localDescription
        assert description is not None
        sdp = self._passed(description.sdp) if description.type == "offer" else description.sdp
        await self("hear", {"type": description.type, "sdp": self.way.to_page(sdp) if self.way is not None else sdp})

    def _to_us(self, sdp: str) -> str:
        return self.way.to_us(sdp) if self.way is not None else sdp

    def _passed(self, offer: str) -> str:
        lines = offer.splitlines(keepends=True)
        return "".join(line for line in lines if self.grouped or not line.startswith("a=group:BUNDLE"))

    async def connected(self) -> None:
        await until(lambda: self.ours.connectionState == "connected", timeout=20, what="we are connected")

        async def there() -> bool:
            return bool(await self.page.evaluate("call.pc.connectionState") == "connected")

        await until(there, timeout=20, what="the page is connected")

    def track(self, kind: str) -> Any:
        """The newest of the kind that the page sends."""
        return next(t for t in reversed(self.tracks) if t.kind == kind)

    async def close(self) -> None:
        if self._carrying is not None:
            self._carrying.cancel()
        await self.ours.close()


@contextlib.asynccontextmanager
async def call(
    page: Page,
    ours: RTCPeerConnection,
    *,
    trickle: bool = False,
    configuration: Mapping[str, object] | None = None,
    watched: bool = False,
) -> AsyncIterator[Call]:
    """`configuration` is the page's; `watched`: it notes what sound it gets, for `heard` of call.js."""
    await functions(page)
    made = Call(page, ours, trickle)
    try:
        await made("open", {"configuration": dict(configuration or {}), "watched": watched})
        yield made
    finally:
        await made.close()
