"""Frames of an engine's receiver while somebody wants them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ..engine import FrameStream, Receiver


@asynccontextmanager
async def tap(receiver: Receiver) -> AsyncIterator[FrameStream]:
    """Tells the engine to give the frames, and no more when the last of those who take them is gone. Video begins at a key
    frame, which is asked for. EngineError when the engine or the transport is closed."""
    receiver.taps += 1
    try:
        if receiver.taps == 1:
            batch = receiver.transport.engine.batch()
            batch.frames(receiver, True)
            await batch.commit()
        elif receiver.config.video:
            ask_key_frame(receiver)
        stream = receiver.frames()
        try:
            yield stream
        finally:
            stream.close()
    finally:
        receiver.taps -= 1
        if not receiver.taps and is_open(receiver):
            batch = receiver.transport.engine.batch()
            batch.frames(receiver, False)
            batch.submit()


def ask_key_frame(receiver: Receiver) -> None:
    """Asks the peer for one, if it is still there."""
    if is_open(receiver):
        batch = receiver.transport.engine.batch()
        batch.keyframe(receiver)
        batch.submit()


def is_open(receiver: Receiver) -> bool:
    """Whether the engine still has it."""
    return not receiver.transport.engine.closed and receiver.transport.state != "closed"
