"""Sends everybody's sound and picture back, decoded and encoded anew; examples/echo.c does it without."""

from __future__ import annotations

from page import serve

from rtcengine import RTCPeerConnection


def on_call(pc: RTCPeerConnection) -> None:
    for transceiver in pc.getTransceivers():
        pc.addTrack(transceiver.receiver.track)


if __name__ == "__main__":
    serve("Echo", on_call, sends=True)
