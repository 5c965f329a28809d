"""The operations chain (W3C §4.4.1.2): calls that negotiate wait for those before them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from .errors import InvalidStateError, OperationError

MAX_OPERATIONS = 1024


class OperationsChain:
    """`when_empty` is called when the last waiting operation has ended."""

    def __init__(self, when_empty: Callable[[], None]) -> None:
        self._turns: list[asyncio.Future[None]] = []  # mostly empty, when a deque is ten times as large
        self._when_empty = when_empty
        self.closed = False

    @property
    def empty(self) -> bool:
        return not self._turns

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """The caller's turn; InvalidStateError when the connection is closed before it comes."""
        if self.closed:
            raise InvalidStateError("the connection is closed")
        if len(self._turns) >= MAX_OPERATIONS:
            raise OperationError(f"{MAX_OPERATIONS} operations wait already")
        mine = asyncio.get_running_loop().create_future()
        self._turns.append(mine)
        try:
            if self._turns[0] is not mine:
                await mine
            if self.closed:
                raise InvalidStateError("the connection was closed meanwhile")
            yield
        finally:
            first = self._turns[0] is mine
            self._turns.remove(mine)
            if first and self._turns and not self._turns[0].done():
                self._turns[0].set_result(None)
            if not self._turns and not self.closed:
                self._when_empty()

    def close(self) -> None:
        """Everybody who waits is told that it is too late."""
        self.closed = True
        for turn in self._turns[1:]:
            if not turn.done():
                turn.set_result(None)
