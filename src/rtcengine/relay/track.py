"""A published track as a program sees it: its frames, decoded or as they came, while viewers get its packets as before."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from ..engine import EncodedFrame, Receiver
from ..frames import MOST_FRAMES, UNTIL_KEYFRAME, FrameQueue
from ..media.encoded import EncodedReader
from ..media.tap import KeyWish, tap


class Track:
    """One stream of a room's publisher: `relay.rooms["live"].video`. `kind` is audio or video, `codec` as in SDP.

    Any number of iterations, of `frames` or `encoded`, each at its own pace. They end when the publisher leaves; another
    publisher has other tracks. A program that is slow gets the newest (see FrameStream) and costs the viewers nothing.
    """

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self.kind = "video" if receiver.config.video else "audio"
        self.codec = receiver.config.codec

    def __repr__(self) -> str:
        return f"<Track {self.kind} {self.codec}>"

    async def frames(self) -> AsyncIterator[Any]:
        """Decoded: av.VideoFrame or av.AudioFrame with `pts` and `time_base`, on a thread of their own. A frame that is
        broken is left out, and a key frame asked for, less and less often while none helps."""
        from ..codecs.decode import DecodedStream

        async with tap(self._receiver) as stream:
            key = KeyWish(self.ask_key_frame)
            decoded = DecodedStream(stream, on_broken=lambda _: key.wish())
            try:
                async for frame in decoded:
                    key.helped()
                    yield frame
            finally:
                decoded.close()

    def encoded(self, maxsize: int = MOST_FRAMES, drop: str = UNTIL_KEYFRAME) -> EncodedReader:
        """As the publisher encoded them. `maxsize` of them wait, and by `drop` others make way: as `RemoteTrack.encoded`."""
        queue = FrameQueue.of(self.kind, maxsize, drop)
        return EncodedReader(queue, self._encoded(queue))

    async def _encoded(self, queue: FrameQueue) -> AsyncGenerator[EncodedFrame, None]:
        async with tap(self._receiver, queue) as stream:
            async for frame in stream:
                yield frame

    def ask_key_frame(self) -> None:
        """Asks the publisher for a key frame."""
        self._receiver.ask_key_frame()
