"""A program with a peer connection and a handler that blocks Python: `/block?how=sleep|gil`.

Run by test_call_blocked.py. Prints its port; ends with its standard input. `GET /offer` offers, `POST /take` takes what
the page describes and answers an offer, `GET /state` tells the states so far and how many pictures have come.
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from rtcengine import (
    MediaStreamError,
    MediaStreamTrack,
    RTCPeerConnection,
    RTCSessionDescription,
    SyntheticCamera,
    SyntheticMicrophone,
)
from tests.browser.blocking import serve


class Program:
    def __init__(self) -> None:
        self.peer = RTCPeerConnection()
        self.states: list[str] = []
        self.pictures = 0
        self.tasks: set[asyncio.Task[None]] = set()
        self.peer.on("connectionstatechange", lambda: self.states.append(self.peer.connectionState))
        self.peer.on("iceconnectionstatechange", lambda: self.states.append(f"ice {self.peer.iceConnectionState}"))
        self.peer.on("track", self.on_track)
        self.peer.addTrack(SyntheticMicrophone())
        self.peer.addTrack(SyntheticCamera(320, 240, 30))

    def on_track(self, track: MediaStreamTrack) -> None:
        self.tasks.add(asyncio.ensure_future(self.read(track)))

    async def read(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                await track.recv()
                self.pictures += track.kind == "video"
        except MediaStreamError:
            return

    def described(self) -> web.Response:
        assert self.peer.localDescription is not None
        return web.json_response(vars(self.peer.localDescription))

    async def offer(self, _request: web.Request) -> web.Response:
        await self.peer.setLocalDescription()
        return self.described()

    async def take(self, request: web.Request) -> web.Response:
        await self.peer.setRemoteDescription(RTCSessionDescription(**await request.json()))
        if self.peer.signalingState == "stable":
            return web.json_response(None)
        await self.peer.setLocalDescription()
        return self.described()

    async def state(self, _request: web.Request) -> web.Response:
        return web.json_response({"states": self.states, "state": self.peer.connectionState, "pictures": self.pictures})


async def main() -> None:
    program = Program()
    app = web.Application()
    app.router.add_get("/offer", program.offer)
    app.router.add_post("/take", program.take)
    app.router.add_get("/state", program.state)
    await serve(app)
    await program.peer.close()


if __name__ == "__main__":
    asyncio.run(main())
