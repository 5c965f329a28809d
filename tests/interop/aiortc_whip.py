"""A WHIP and WHEP server on aiortc, as small as they come: one room, no trickling, no restart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaRelay


class Room:
    """`patched` and `deleted` count what clients sent; `location` is what they are told."""

    def __init__(self) -> None:
        self.relay = MediaRelay()
        self.tracks: list[Any] = []
        self.peers: dict[str, RTCPeerConnection] = {}
        self.links: list[str] = []
        self.asked = self.patched = self.deleted = 0
        self.offers: list[str] = []

    async def post(self, request: web.Request) -> web.Response:
        watching = request.match_info["what"] == "whep"
        if request.headers.get("Authorization") != "Bearer s3cret":
            return web.Response(status=401, text="a token is needed")
        pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        offer = await request.text()
        self.offers.append(offer)
        if watching:
            for track in self.tracks:
                pc.addTrack(self.relay.subscribe(track))
        else:
            pc.on("track", self.tracks.append)
        await pc.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        await pc.setLocalDescription(await pc.createAnswer())
        id = str(len(self.peers))
        self.peers[id] = pc
        response = web.Response(status=201, text=pc.localDescription.sdp, content_type="application/sdp")
        response.headers["Location"] = f"/session/{id}"
        for link in self.links:
            response.headers.add("Link", link)
        return response

    async def patch(self, request: web.Request) -> web.Response:
        self.patched += 1
        return web.Response(status=405)

    async def delete(self, request: web.Request) -> web.Response:
        assert request.headers.get("Authorization") == "Bearer s3cret"
        self.deleted += 1
        await self.peers[request.match_info["id"]].close()
        return web.Response()

    async def options(self, request: web.Request) -> web.Response:
        self.asked += 1
        return web.Response(status=405)

    async def moved(self, request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": f"/{request.match_info['what']}"})


@asynccontextmanager
async def serve() -> AsyncIterator[tuple[Room, str]]:
    """The room and its address, which has no slash at its end."""
    room, app = Room(), web.Application()
    app.router.add_post("/{what:whip|whep}", room.post)
    app.router.add_options("/{what:whip|whep}", room.options)
    app.router.add_post("/moved/{what}", room.moved)
    app.router.add_patch("/session/{id}", room.patch)
    app.router.add_delete("/session/{id}", room.delete)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        yield room, f"http://127.0.0.1:{port}"
    finally:
        for pc in room.peers.values():
            await pc.close()
        await runner.cleanup()
