"""Links that gather before a description needs them: iceCandidatePoolSize (W3C §4.2.1, RFC 9429 §3.5.4)."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from ..types import Candidate
from .driver import PeerEvents

MAX_AHEAD = 16
"""Links, whatever size is asked for: each has sockets, and allocations on all TURN servers."""


class Ahead:
    """What a link of the pool tells. It is kept until a transport of the connection is this link, and passed on from then."""

    def __init__(self) -> None:
        self._kept: list[tuple[str, tuple[Any, ...]]] = []
        self._to: PeerEvents | None = None
        self._id = -1
        self._ended = False

    def pass_on(self, to: PeerEvents, id: int) -> None:
        """Soon, as the first words of a link that begins now come."""
        self._id = id
        asyncio.get_running_loop().call_soon(self._let_go, to)

    def end(self) -> None:
        self._ended = True

    def _let_go(self, to: PeerEvents) -> None:
        self._to = to
        if self._ended:
            return
        for name, told in self._kept:
            getattr(to, name)(self._id, *told)
        self._kept.clear()

    def _tell(self, name: str, *told: Any) -> None:
        if self._to is None:
            self._kept.append((name, told))
        else:
            getattr(self._to, name)(self._id, *told)

    def on_local_candidate(self, transport: int, candidate: Candidate | None, ufrag: str) -> None:
        self._tell("on_local_candidate", candidate, ufrag)

    def on_candidate_error(self, transport: int, error: Any) -> None:
        self._tell("on_candidate_error", error)

    def on_ice_state(self, transport: int, state: str) -> None:
        self._tell("on_ice_state", state)

    def on_gathering_state(self, transport: int, state: str) -> None:
        self._tell("on_gathering_state", state)

    def on_dtls_state(self, transport: int, state: str) -> None:
        self._tell("on_dtls_state", state)

    def on_moment(self, transport: int, what: str, at: float | None = None) -> None:
        self._tell("on_moment", what, time.monotonic() if at is None else at)
