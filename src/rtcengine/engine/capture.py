"""A capture: what some transports send and receive, without SRTP, as a pcapng file that Wireshark reads."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import _core

if TYPE_CHECKING:
    from .engine import Engine


@dataclass(frozen=True, slots=True)
class CaptureCounts:
    """`packets` and `bytes` of the file written so far. `dropped`: packets that met a full buffer, an error or the limit.
    `error`: why the file could not be written any more, "" else."""

    packets: int
    bytes: int
    dropped: int
    error: str


class Capture:
    """Made by `Engine.open_capture`, given to transports by `Batch.capture`. Packets are copied by the engine's thread and
    written by one of the capture's own; neither waits for the other, nor for Python. `async with` stops it at the end."""

    def __init__(self, engine: Engine, path: str | os.PathLike[str], wire: bool, limit: int) -> None:
        self.path = os.fspath(path)
        self.transports: set[int] = set()  # by id
        self._engine = engine
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)  # what was said in private
        self._core = _core.Capture(fd, limit, wire, engine.addresses[0][1] if engine.addresses else 0)
        self._stopping: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Capture {self.path}{' stopped' if self.stopped else ''}>"

    @property
    def stopped(self) -> bool:
        """Whether `stop` has begun."""
        return self._stopping is not None

    @property
    def counts(self) -> CaptureCounts:
        packets, bytes, dropped, error = self._core.info()
        return CaptureCounts(packets, bytes, dropped, os.strerror(error) if error else "")

    async def stop(self) -> CaptureCounts:
        """All of before is in the file when it returns. Idempotent."""
        if self._stopping is None:
            self._stopping = asyncio.ensure_future(self._stop())
        await asyncio.shield(self._stopping)
        return self.counts

    async def _stop(self) -> None:
        from .handles import EngineClosed

        batch = self._engine.batch()
        for id in self.transports:
            batch._end_capture(id)
        try:
            await batch.commit()
        except EngineClosed:  # its thread has said all
            pass
        await asyncio.to_thread(self._core.stop)

    async def __aenter__(self) -> Capture:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()
