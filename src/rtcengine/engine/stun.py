"""A question to a STUN server: which address of ours it sees. The engine's thread asks, repeats and keeps the binding open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from ..stats import Address

if TYPE_CHECKING:
    from .handles import Transport

NO_ANSWER = 701  # as RTCPeerConnectionIceErrorEvent numbers it


class StunError(Exception):
    """No address came of a query. `code`: the server's, 701 when it did not answer, 0 when the transport or batch ended."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


class StunQuery:
    """Made by `Batch.stun_query`. `await query` gives the (IP, port) that the server sees, or StunError.

    `address` is the latest one, None before. While a local candidate of type srflx has it, the binding is kept open by
    a request every 15 to 25 s, and `on_change` is called with the new address when the server sees us elsewhere.
    """

    def __init__(self, number: int, transport: Transport, server: Address) -> None:
        self.number = number
        self.transport = transport
        self.server = server
        self.address: Address | None = None
        self.on_change: Callable[[Address], None] | None = None
        self._error: StunError | None = None
        self._waiting: list[asyncio.Future[None]] = []

    def __repr__(self) -> str:
        return f"<StunQuery {self.server} {self.address or self._error or 'under way'}>"

    def __await__(self) -> Generator[None, None, Address]:
        if self.address is None and self._error is None:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            yield from future
        if self.address is None:
            assert self._error is not None
            raise self._error
        return self.address

    def _tell(self, address: Address | None, error: int) -> bool:
        """True when it is another address than the one told before."""
        if error:
            host, port = self.server
            said = "did not answer" if error == NO_ANSWER else f"refused with {error}"
            self._fail(f"the STUN server {host} port {port} {said}", error)
            return False
        before, self.address = self.address, address
        self._wake()
        return before is not None and before != address

    def _fail(self, text: str, code: int = 0) -> None:
        if self._error is None and self.address is None:
            self._error = StunError(text, code)
            self._wake()

    def _wake(self) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
        self._waiting.clear()
