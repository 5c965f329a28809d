"""Runs a program's main coroutine, and ends it as people and systems ask for."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T], *, debug: bool | None = None) -> T | None:
    """As asyncio.run, and SIGTERM ends it as Ctrl-C does: the main task is cancelled, so that its `finally` and `async with`
    close connections and files. Returns what main returns, None when it was ended so; a second signal does not wait."""
    return asyncio.run(_ended_by_signals(main), debug=debug)


async def _ended_by_signals(main: Coroutine[Any, Any, T]) -> T | None:
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(main)
    told = False

    def end() -> None:
        nonlocal told
        told = True
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        task.cancel()

    if threading.current_thread() is threading.main_thread():  # which alone hears of signals
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, end)
    try:
        return await task
    except asyncio.CancelledError:
        if told and task.cancelled():
            return None
        raise
