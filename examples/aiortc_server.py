"""A server as programs for aiortc are written, with the imports changed and nothing else: it sends a page's sound and picture
back, the picture transformed as the page asks, and records both: python examples/aiortc_server.py --record-to call.mp4"""

from __future__ import annotations

import argparse

import numpy as np
from aiohttp import web
from av import VideoFrame

from rtcengine import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription  # from aiortc import ...
from rtcengine.contrib.media import MediaBlackhole, MediaRecorder, MediaRelay  # from aiortc.contrib.media import ...

PAGE = """<!doctype html><meta charset="utf-8"><title>As for aiortc</title>
<select id="transform"><option>edges<option>negative</select><button id="start">Start</button>
<p id="state">waiting</p><video id="video" autoplay playsinline muted></video>
<script>
const pc = new RTCPeerConnection(), video = document.getElementById("video");
pc.ontrack = ({track, streams}) => { if (track.kind === "video") video.srcObject = streams[0]; };
pc.onconnectionstatechange = () => { document.getElementById("state").textContent = pc.connectionState; };
document.getElementById("start").onclick = async () => {
  const mine = await navigator.mediaDevices.getUserMedia({audio: true, video: true});
  for (const track of mine.getTracks()) pc.addTrack(track, mine);
  await pc.setLocalDescription();
  while (pc.iceGatheringState !== "complete") await new Promise((next) => setTimeout(next, 50));
  const {sdp, type} = pc.localDescription, video_transform = document.getElementById("transform").value;
  const reply = await fetch("/offer", {method: "POST", body: JSON.stringify({sdp, type, video_transform})});
  await pc.setRemoteDescription(await reply.json());
};
</script>
"""
pcs: set[RTCPeerConnection] = set()
relay = MediaRelay()


class VideoTransformTrack(MediaStreamTrack):
    kind = "video"

    def __init__(self, track: MediaStreamTrack, transform: str) -> None:
        super().__init__()
        self.track, self.transform = track, transform

    async def recv(self):
        frame = await self.track.recv()
        image = frame.to_ndarray(format="rgb24").astype(np.int16)
        edges = np.abs(np.diff(image, axis=0, append=0)) + np.abs(np.diff(image, axis=1, append=0))
        image = np.clip(edges * 2, 0, 255) if self.transform == "edges" else 255 - image
        changed = VideoFrame.from_ndarray(image.astype(np.uint8), format="rgb24")
        changed.pts, changed.time_base = frame.pts, frame.time_base
        return changed


async def index(request: web.Request) -> web.Response:
    return web.Response(content_type="text/html", text=PAGE)


async def offer(request: web.Request) -> web.Response:
    params = await request.json()
    pc = RTCPeerConnection()
    pcs.add(pc)
    recorder = MediaRecorder(request.app["record_to"]) if request.app["record_to"] else MediaBlackhole()

    @pc.on("connectionstatechange")
    async def on_connectionstatechange():
        if pc.connectionState in ("failed", "closed"):
            await recorder.stop()
            await pc.close()
            pcs.discard(pc)

    @pc.on("track")
    def on_track(track):
        if track.kind == "audio":
            pc.addTrack(relay.subscribe(track))
        else:
            pc.addTrack(VideoTransformTrack(relay.subscribe(track), params["video_transform"]))
        recorder.addTrack(relay.subscribe(track))

    await pc.setRemoteDescription(RTCSessionDescription(sdp=params["sdp"], type=params["type"]))
    await recorder.start()
    await pc.setLocalDescription(await pc.createAnswer())
    return web.json_response({"sdp": pc.localDescription.sdp, "type": pc.localDescription.type})


async def on_shutdown(app: web.Application) -> None:
    for pc in list(pcs):
        await pc.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="As for aiortc")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--record-to")
    args = parser.parse_args()
    app = web.Application()
    app["record_to"] = args.record_to
    app.on_shutdown.append(on_shutdown)
    app.add_routes([web.get("/", index), web.post("/offer", offer)])
    web.run_app(app, host="127.0.0.1", port=args.port)
