"""Frames between a thread or a task that makes them and a track that is read."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from typing import Any

VIDEO_WAITS, AUDIO_WAITS = 64, 128


class Inbox:
    """Holds `cap` items; with more the oldest go, or the one that comes when they are `kept`: `dropped` counts them. One loop
    takes them, any thread gives."""

    def __init__(self, kind: str, cap: int | None = None, *, kept: bool = False) -> None:
        self._kept = kept
        self.cap = cap if cap is not None else VIDEO_WAITS if kind == "video" else AUDIO_WAITS
        self.dropped = 0
        self._items: deque[Any] = deque()
        self._lock = threading.Lock()
        self._news = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = False
        self._read_at = 0.0
        self._waiting = 0

    def begin(self) -> None:
        """On the loop that will take, which begins to wait."""
        self._read_at = time.monotonic()
        if self._loop is None:
            self._loop = asyncio.get_running_loop()

    def put(self, item: Any) -> None:
        with self._lock:
            if len(self._items) >= self.cap:
                self.dropped += 1
                if self._kept:
                    return
                self._items.popleft()
            self._items.append(item)
        self._wake()

    def end(self) -> None:
        """No more will come; what is here may still be taken."""
        self._ended = True
        self._wake()

    def clear(self) -> None:
        """Forgets what is here."""
        with self._lock:
            self._items.clear()

    def read_within(self, seconds: float) -> bool:
        """Whether somebody took, or began to wait, not longer ago."""
        return time.monotonic() - self._read_at < seconds

    @property
    def wanted(self) -> bool:
        """Whether somebody waits now."""
        return self._waiting > 0

    @property
    def full(self) -> bool:
        return len(self._items) >= self.cap

    async def get(self) -> Any:
        """The oldest; None at the end."""
        self.begin()
        while True:
            self._read_at = time.monotonic()
            self._news.clear()
            with self._lock:
                if self._items:
                    return self._items.popleft()
            if self._ended:
                return None
            self._waiting += 1
            try:
                await self._news.wait()
            finally:
                self._waiting -= 1

    def _wake(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._news.set)
