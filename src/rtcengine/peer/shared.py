"""The engine that the peer connections of one event loop share. It starts with the first and is closed after the last."""

from __future__ import annotations

import asyncio
import weakref

from ..certificate import Certificate
from ..engine import Engine

_engines: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[Engine, set[int]]] = weakref.WeakKeyDictionary()


def lease(owner: object) -> Engine:
    """The running event loop's engine, kept until `release` by the same owner."""
    loop = asyncio.get_running_loop()
    engine, owners = _engines.get(loop, (None, set[int]()))
    if engine is None or engine.closed:
        engine, owners = Engine(Certificate.generate(), udp=()), set()
        engine.open()
        _engines[loop] = (engine, owners)
    owners.add(id(owner))
    return engine


async def release(owner: object) -> None:
    """Returns when the engine is closed, if nobody else needs it."""
    loop = asyncio.get_running_loop()
    engine, owners = _engines.get(loop, (None, set[int]()))
    owners.discard(id(owner))
    if engine is not None and not owners:
        del _engines[loop]
        await engine.close()
