"""Frames of an engine's receiver while somebody wants them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ..engine import FrameStream, Receiver


@asynccontextmanager
async def tap(receiver: Receiver) -> AsyncIterator[FrameStream]:
    """Tells the engine to give the frames, and no more at the end. Video begins at a key frame, which is asked for. EngineError
    when the engine or the transport is closed."""
    engine = receiver.transport.engine
    batch = engine.batch()
    batch.frames(receiver, True)
    try:
        await batch.commit()
    except asyncio.CancelledError:
        _no_more(receiver)
        raise
    stream = receiver.frames()  # EngineError: somebody else has them, and goes on having them
    try:
        yield stream
    finally:
        stream.close()
        _no_more(receiver)


def _no_more(receiver: Receiver) -> None:
    if is_open(receiver):
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
