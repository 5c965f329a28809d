"""A browser's picture as a NumPy array and back: its colours come back inverted, its sound as it was."""

from __future__ import annotations

from av import VideoFrame
from page import serve

from rtcengine import RTCPeerConnection
from rtcengine.media.arrays import image, picture_of


def invert(frame: VideoFrame) -> VideoFrame:
    return picture_of(255 - image(frame))


def on_call(pc: RTCPeerConnection) -> None:
    for transceiver in pc.getTransceivers():
        track = transceiver.receiver.track
        pc.addTrack(track.map(invert) if track.kind == "video" else track)


if __name__ == "__main__":
    serve("Inverted", on_call, sends=True)
