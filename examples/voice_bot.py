"""Answers when the speaker pauses, and is silent when the speaker goes on: it says again what it has heard, faster and higher.

Speech recognition, a language model and a voice would stand in `answer`: it gets what was said and gives what is to be said.
"""

from __future__ import annotations

import asyncio
import time

import numpy as np
from page import serve

from rtcengine import AudioStreamTrack, MediaStreamTrack, RTCPeerConnection
from rtcengine.media.arrays import sound_of
from rtcengine.media.sound import VoiceDetector
from rtcengine.media.sound.blocks import Blocks

RATE, FRAME = 48000, 960
PAUSE, LEAST = 60, 20  # blocks of 10 ms: a silence that ends what is said, and the least that is answered
running: set[asyncio.Task[None]] = set()


def answer(said: np.ndarray) -> np.ndarray:
    """float32 of 48 kHz in and out, one channel."""
    return said[::2]


class Voice(AudioStreamTrack):
    """What there is to say, else silence."""

    def __init__(self) -> None:
        super().__init__()
        self.rest = np.zeros(0, np.float32)
        self.position, self.start = 0, time.monotonic()

    async def recv(self):
        await asyncio.sleep(self.start + self.position / RATE - time.monotonic())
        part, self.rest = self.rest[:FRAME], self.rest[FRAME:]
        frame = sound_of(RATE, np.pad(part, (0, FRAME - len(part))), pts=self.position)
        self.position += FRAME
        return frame


async def listen(track: MediaStreamTrack, voice: Voice) -> None:
    blocks, hears, said, quiet = Blocks(), None, [], 0
    async for frame in track.frames(64, "fifo"):
        anew, sound = blocks.put(frame)
        if anew:
            hears = VoiceDetector(blocks.rate, blocks.channels)
        for at in range(0, sound.shape[1], blocks.size):
            block = sound[:, at : at + blocks.size]
            if hears(block):
                said.append(block.mean(axis=0))
                quiet, voice.rest = 0, voice.rest[:0]  # whoever speaks is not interrupted
                continue
            quiet += 1
            if quiet == PAUSE and len(said) >= LEAST:
                voice.rest = await asyncio.to_thread(answer, np.concatenate(said))
            if quiet >= PAUSE:
                said = []


def on_call(pc: RTCPeerConnection) -> None:
    for transceiver in pc.getTransceivers():
        if transceiver.kind == "audio":
            voice = Voice()
            pc.addTrack(voice)
            task = asyncio.ensure_future(listen(transceiver.receiver.track, voice))
            running.add(task)
            task.add_done_callback(running.discard)


if __name__ == "__main__":
    serve("It answers", on_call, sends=True)
