"""A video processor of one's own: all but the middle is blurred, on a thread, the newest picture alone."""

from __future__ import annotations

import av
import numpy as np
from page import serve

from rtcengine import RTCPeerConnection
from rtcengine.media.arrays import planes


def blur_around_the_middle(frame: av.VideoFrame) -> av.VideoFrame:
    """Works in place on a copy's planes, which are views of the frame's memory."""
    out = av.VideoFrame.from_ndarray(frame.to_ndarray(format="yuv420p"), format="yuv420p")
    for plane in planes(out):
        height, width = plane.shape
        inside = np.s_[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4]
        sharp = plane[inside].copy()
        small = plane[: height // 16 * 16, : width // 16 * 16].reshape(height // 16, 16, width // 16, 16).mean(axis=(1, 3))
        plane[: height // 16 * 16, : width // 16 * 16] = small.repeat(16, axis=0).repeat(16, axis=1)
        plane[inside] = sharp
    return out


def on_call(pc: RTCPeerConnection) -> None:
    for transceiver in pc.getTransceivers():
        track = transceiver.receiver.track
        pc.addTrack(track.map(blur_around_the_middle) if track.kind == "video" else track)


if __name__ == "__main__":
    serve("Blurred", on_call, sends=True)
