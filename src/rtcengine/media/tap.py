"""Frames of an engine's receiver while somebody wants them, and key frames when they are needed."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from ..engine import FrameStream, Receiver
from ..frames import FrameQueue

FIRST_ASK_S, LONGEST_ASK_S = 0.5, 8.0
"""Between requests for key frames that do not help; each wait is twice the one before."""


class KeyWish:
    """Asks for key frames, less and less often while they do not help: each costs all who get the stream, and of one that is
    encrypted with another key none helps."""

    __slots__ = ("_ask", "_at", "_gap")

    def __init__(self, ask: Callable[[], None]) -> None:
        self._ask = ask
        self.helped()

    def helped(self) -> None:
        """The next one is asked for at once."""
        self._at, self._gap = 0.0, FIRST_ASK_S

    def wish(self) -> None:
        now = time.monotonic()
        if now >= self._at:
            self._at, self._gap = now + self._gap, min(2 * self._gap, LONGEST_ASK_S)
            self._ask()


@asynccontextmanager
async def tap(receiver: Receiver, queue: FrameQueue | None = None) -> AsyncIterator[FrameStream]:
    """Tells the engine to give the frames, and no more when the last of those who take them is gone. Video begins at a key
    frame, which is asked for. They wait in the engine, or in a `queue` of the caller's. EngineError when the engine or the
    transport is closed."""
    receiver.taps += 1
    try:
        if receiver.taps == 1:
            batch = receiver.transport.engine.batch()
            batch.frames(receiver, True)
            await batch.commit()
        elif receiver.config.video:
            receiver.ask_key_frame()
        stream = receiver.frames(queue)
        try:
            yield stream
        finally:
            stream.close()
    finally:
        receiver.taps -= 1
        if not receiver.taps and receiver.is_open:
            batch = receiver.transport.engine.batch()
            batch.frames(receiver, False)
            batch.submit()
