"""This machine's screen in a browser (X11), ten pictures a second."""

from __future__ import annotations

from page import serve

from rtcengine import RTCPeerConnection, mediaDevices


async def on_call(pc: RTCPeerConnection) -> None:
    stream = await mediaDevices.getDisplayMedia({"video": {"frameRate": 10}})
    (screen,) = stream.getTracks()
    screen.contentHint = "detail"
    pc.addTrack(screen, stream)

    @pc.on("connectionstatechange")
    def changed() -> None:
        if pc.connectionState in ("failed", "disconnected", "closed"):
            screen.stop()


if __name__ == "__main__":
    serve("The screen", on_call)
