"""Candidates of a connection on their way to an endpoint, as fragments (RFC 8840 §9)."""

from __future__ import annotations

import asyncio

from ..peer.connection import RTCPeerConnection
from ..peer.description import RTCIceCandidate
from ..sdp import Fragment, FragmentSection, parse, write
from ..sdp.description import Group

FIRST_S = 1.0
"""So long an offer waits for its first candidate: one that has none can only be answered, not reached."""


class Gathered:
    """What a connection has gathered, and has not told yet."""

    def __init__(self, pc: RTCPeerConnection) -> None:
        self._pc = pc
        self._waiting: list[RTCIceCandidate] = []
        self._news = asyncio.Event()
        pc.on("icecandidate", self._on_candidate)
        pc.on("icegatheringstatechange", self._news.set)

    def _on_candidate(self, candidate: RTCIceCandidate) -> None:
        self._waiting.append(candidate)
        self._news.set()

    def close(self) -> None:
        """Hears no more. Idempotent."""
        for event, listener in (("icecandidate", self._on_candidate), ("icegatheringstatechange", self._news.set)):
            if listener in self._pc.listeners(event):
                self._pc.remove_listener(event, listener)

    async def first(self, *, all: bool = False) -> None:
        """Waits for the first candidate, or all of them; not longer than it is worth."""
        try:
            async with asyncio.timeout(None if all else FIRST_S):
                while not (self._waiting and (not all or self._pc.iceGatheringState == "complete")):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            pass

    async def more(self) -> Fragment:
        """Waits for candidates that were not told, and counts them as told."""
        while not self._waiting:
            self._news.clear()
            await self._news.wait()
        return self.take()

    def take(self) -> Fragment:
        """All that were not told: they count as told."""
        waiting, self._waiting = self._waiting, []
        local = self._pc.localDescription
        if local is None:
            return Fragment()
        description = parse(local.sdp)
        bundled = [s for s in description.media if not s.is_rejected and s.mid is not None]
        first = bundled[0]
        ufrag, pwd = description.ice_of(first) or (None, None)
        current = [c for c in waiting if c.usernameFragment in (None, ufrag)]
        section = FragmentSection(
            kind=first.kind,
            mid=first.mid,
            ice_ufrag=ufrag,
            ice_pwd=pwd,
            candidates=[c.to_wire() for c in current if c.ip],
            end_of_candidates=any(not c.ip for c in current),
        )
        mids = tuple(s.mid for s in bundled if s.mid is not None)
        return Fragment(groups=[Group("BUNDLE", mids)], sections=[section])


def restarted(answer: str, fragment: Fragment) -> str:
    """An answer with the credentials and candidates that came for an ICE restart in place of its own."""
    description = parse(answer)
    credentials = fragment.credentials
    assert credentials is not None
    levels = [description, *(section for section in description.media if not section.is_rejected)]
    for level in levels:
        if level is not description or level.ice_ufrag is not None:
            level.ice_ufrag, level.ice_pwd = credentials
    for section in description.media:
        section.candidates, section.end_of_candidates = [], False
    first = next(section for section in description.media if not section.is_rejected)
    first.candidates, first.end_of_candidates = fragment.all_candidates(), fragment.complete
    return write(description)
