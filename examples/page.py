"""A page for the other examples: it offers a call over HTTP, and shows what comes back. Not an example by itself."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable

from aiohttp import web

from rtcengine import RTCPeerConnection, RTCSessionDescription

PAGE = """<!doctype html><meta charset="utf-8"><title>%(title)s</title>
<style>body{font:16px system-ui;margin:2rem auto;max-width:42rem;text-align:center}video{width:100%%;background:#111}</style>
<h1>%(title)s</h1><p id="state">waiting</p><button id="start">Start</button>
<p><video id="video" autoplay playsinline></video></p>
<script>
const state = document.getElementById("state"), video = document.getElementById("video");
const pc = new RTCPeerConnection(), stream = new MediaStream();
pc.ontrack = ({track}) => { stream.addTrack(track); video.srcObject = stream; };
pc.onconnectionstatechange = () => { state.textContent = pc.connectionState; };
document.getElementById("start").onclick = async () => {
  try {
    if (%(sends)s) {
      const mine = await navigator.mediaDevices.getUserMedia({audio: true, video: {width: 640, height: 360}});
      for (const track of mine.getTracks()) pc.addTrack(track, mine);
    } else for (const kind of ["audio", "video"]) pc.addTransceiver(kind, {direction: "recvonly"});
    await pc.setLocalDescription();
    await new Promise((done) => {
      if (pc.iceGatheringState === "complete") done();
      pc.onicegatheringstatechange = () => pc.iceGatheringState === "complete" && done();
    });
    const answer = await fetch("offer", {method: "POST", body: pc.localDescription.sdp});
    if (!answer.ok) throw new Error(await answer.text());
    await pc.setRemoteDescription({type: "answer", sdp: await answer.text()});
  } catch (error) { state.textContent = error; }
};
</script>
"""


def serve(title: str, on_call: Callable[[RTCPeerConnection], Awaitable[None] | None], *, sends: bool = False) -> None:
    """Serves the page until Ctrl-C. `on_call` gets each new connection, whose offer is set, before it is answered; `sends`: the
    page has its camera and microphone sent."""
    arguments = argparse.ArgumentParser(description=title)
    arguments.add_argument("--host", default="127.0.0.1")
    arguments.add_argument("--port", type=int, default=8080)
    args = arguments.parse_args()
    calls: set[RTCPeerConnection] = set()

    async def page(request: web.Request) -> web.Response:
        return web.Response(text=PAGE % {"title": title, "sends": str(sends).lower()}, content_type="text/html")

    async def offer(request: web.Request) -> web.Response:
        pc = RTCPeerConnection()
        calls.add(pc)

        @pc.on("connectionstatechange")
        async def changed() -> None:
            if pc.connectionState in ("failed", "disconnected", "closed"):
                calls.discard(pc)
                await pc.close()

        await pc.setRemoteDescription(RTCSessionDescription(await request.text(), "offer"))
        waiting = on_call(pc)
        if waiting is not None:
            await waiting
        await pc.setLocalDescription(await pc.createAnswer())
        return web.Response(text=pc.localDescription.sdp, content_type="application/sdp")

    async def close(app: web.Application) -> None:
        for pc in list(calls):
            await pc.close()

    app = web.Application()
    app.add_routes([web.get("/", page), web.post("/offer", offer)])
    app.on_shutdown.append(close)
    web.run_app(app, host=args.host, port=args.port)
