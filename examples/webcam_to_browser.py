"""This machine's camera and microphone in a browser: open http://localhost:8080 and press Start.

python examples/webcam_to_browser.py            # without a camera: RTC_SYNTHETIC=1, a test picture and a tone
"""

from __future__ import annotations

import os

from page import serve

from rtcengine import MediaStream, RTCPeerConnection, mediaDevices

NAMES = {"video": "camera", "audio": "microphone"}
stream: MediaStream | None = None


async def capture() -> MediaStream:
    """Opened with the first call, shared by all: each gets a clone, and the camera is closed with the last."""
    global stream
    if stream is None or not stream.active:
        wanted = {"video": {"width": 640, "height": 360, "frameRate": 30}, "audio": True}
        if os.environ.get("RTC_SYNTHETIC"):
            wanted = {kind: {"deviceId": {"exact": f"synthetic-{name}"}} for kind, name in NAMES.items()}
        stream = await mediaDevices.getUserMedia(wanted)
    return stream.clone()


async def on_call(pc: RTCPeerConnection) -> None:
    mine = await capture()
    for track in mine.getTracks():
        pc.addTrack(track, mine)

    @pc.on("connectionstatechange")
    def changed() -> None:
        if pc.connectionState in ("failed", "disconnected", "closed"):
            for track in mine.getTracks():
                track.stop()


if __name__ == "__main__":
    serve("This machine's camera", on_call)
