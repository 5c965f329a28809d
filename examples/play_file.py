"""Plays a file into every call, from its beginning and again and again: FILE=talk.mp4 python examples/play_file.py"""

from __future__ import annotations

import os

from page import serve

from rtcengine import RTCPeerConnection
from rtcengine.contrib.media import MediaPlayer

FILE = os.environ.get("FILE", "talk.mp4")


def on_call(pc: RTCPeerConnection) -> None:
    player = MediaPlayer(FILE, loop=True)
    for track in (player.audio, player.video):
        if track is not None:
            pc.addTrack(track)

    @pc.on("connectionstatechange")
    def changed() -> None:
        if pc.connectionState in ("failed", "disconnected", "closed"):
            for track in (player.audio, player.video):
                if track is not None:
                    track.stop()


if __name__ == "__main__":
    serve("A file", on_call)
