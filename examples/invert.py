"""A browser's picture as a NumPy array and back: its colours come back inverted, its sound as it was."""

from __future__ import annotations

from page import serve

from rtcengine import MediaStreamTrack, RTCPeerConnection
from rtcengine.media.arrays import image, picture_of


class Inverted(MediaStreamTrack):
    """Another track's pictures, inverted."""

    kind = "video"

    def __init__(self, source: MediaStreamTrack) -> None:
        super().__init__()
        self.source = source

    async def recv(self):
        frame = await self.source.recv()
        return picture_of(255 - image(frame), like=frame)


def on_call(pc: RTCPeerConnection) -> None:
    for transceiver in pc.getTransceivers():
        track = transceiver.receiver.track
        pc.addTrack(Inverted(track) if track.kind == "video" else track)


if __name__ == "__main__":
    serve("Inverted", on_call, sends=True)
