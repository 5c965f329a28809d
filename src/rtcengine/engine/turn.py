"""An allocation on a TURN server (RFC 8656), as Python sees it: where it stands, and why it failed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from .. import _core
from ..stats import Address
from .handles import EngineClosed, EngineError

if TYPE_CHECKING:
    from .engine import Engine


class TurnError(EngineError):
    """A TURN server gave no allocation, or has ended one. `code` and `reason` are its words, 401 and Unauthorized for
    instance; 701 when nobody answered. `alternate`: the server that a 300 names instead; who goes there checks the
    address as it did the first one."""

    def __init__(self, code: int, reason: str, alternate: Address | None = None) -> None:
        super().__init__(f"{code} {reason}".strip())
        self.code = code
        self.reason = reason
        self.alternate = alternate


class Allocation:
    """An allocation on a TURN server. Made by `Batch.turn`, ended by `Batch.close_turn`; the engine's thread refreshes it.

    `state`: asking, ready, closed or failed. When ready, `relayed` is the address that peers send to, and `mapped` ours
    as the server sees it, if it says so. A relayed candidate is `Batch.local_candidate` with that address, type
    relay and this as its base. `error` says why it failed. `on_event` is called on the asyncio loop when the state
    changes.
    """

    def __init__(self, engine: Engine, id: int, server: Address, on_event: Callable[[Allocation], None] | None) -> None:
        self.id = id
        self.server = server
        self.on_event = on_event
        self.state = "asking"
        self.relayed: Address | None = None
        self.mapped: Address | None = None
        self.error: TurnError | None = None
        self._engine = engine
        self._waiting: list[asyncio.Future[None]] = []

    def __repr__(self) -> str:
        return f"<Allocation {self.id} {self.state}{f' ({self.error})' if self.error else ''}>"

    @property
    def number(self) -> int:
        """As a socket of the engine."""
        return _core.RELAYED_SOCK | self.id

    @property
    def address(self) -> Address:
        """`relayed`, when there is an allocation."""
        if self.relayed is None:
            raise EngineError(f"allocation {self.id} is not there yet")
        return self.relayed

    @property
    def closed(self) -> bool:
        """Whether it is no more."""
        return self.state in ("closed", "failed")

    async def wait(self) -> tuple[Address, Address | None]:
        """`relayed` and `mapped`, once there is an allocation. TurnError when the server gives none, EngineClosed when it
        is closed."""
        if self.state == "asking":
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            try:
                await future
            finally:
                self._waiting.remove(future)
        if self.error is not None:
            raise TurnError(self.error.code, self.error.reason, self.error.alternate)
        if self.state != "ready" or self.relayed is None:
            raise EngineClosed(f"allocation {self.id} is closed")
        return self.relayed, self.mapped

    def _set_state(self, state: str) -> None:
        self.state = state
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
