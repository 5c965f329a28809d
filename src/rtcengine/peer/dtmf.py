"""Keys of a telephone, sent by an RTCRtpSender (W3C webrtc §7): which tones are under way, and what is still to come."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyee.asyncio import AsyncIOEventEmitter

from ..media.handlers import Handler
from ..media.tones import KEYS
from .errors import InvalidCharacterError, InvalidStateError

if TYPE_CHECKING:
    from .transceiver import RTCRtpSender

PAUSE, PAUSE_MS = ",", 2000
SHORTEST_MS, LONGEST_MS, SHORTEST_GAP_MS = 40, 6000, 30


@dataclass(frozen=True, slots=True)
class RTCDTMFToneChangeEvent:
    """A tone has begun, or "," a pause; "": all are over."""

    tone: str


class RTCDTMFSender(AsyncIOEventEmitter):
    """`sender.dtmf` of an RTCRtpSender of sound. "tonechange" comes with an RTCDTMFToneChangeEvent as each tone begins, and
    after the last one. The packets of a tone are sent by the engine's thread, and do not wait for Python."""

    ontonechange = Handler("tonechange", lambda _, event: event)

    def __init__(self, sender: RTCRtpSender) -> None:
        super().__init__()
        self._sender = sender
        self._buffer = ""
        self._duration_ms = self._gap_ms = 0
        self._next: asyncio.TimerHandle | None = None

    @property
    def canInsertDTMF(self) -> bool:
        """Whether the connection stands, the peer takes telephone events, and a track is being sent to it."""
        return self._sender.track is not None and self._sender.may_send_tones

    @property
    def toneBuffer(self) -> str:
        """What has not begun yet."""
        return self._buffer

    def insertDTMF(self, tones: str, duration: int = 100, interToneGap: int = 70) -> None:
        """Sends these keys, 0 to 9, A to D, # and *, in place of all that has not begun; "," waits two seconds. "" sends no
        more. A tone lasts `duration` ms, 40 to 6000, and after it `interToneGap` ms pass, 30 to 6000; what is beyond is made
        to fit. InvalidStateError when nothing can be sent, InvalidCharacterError for other characters."""
        if not self.canInsertDTMF:
            raise InvalidStateError("no tones can be sent: see canInsertDTMF")
        tones = tones.upper()
        if unknown := sorted(set(tones) - {*KEYS, PAUSE}):
            raise InvalidCharacterError(f"no key of a telephone: {', '.join(map(repr, unknown))}")
        self._buffer = tones
        self._duration_ms = min(LONGEST_MS, max(SHORTEST_MS, duration))
        self._gap_ms = min(LONGEST_MS, max(SHORTEST_GAP_MS, interToneGap))
        if tones and self._next is None:
            self._later(0)

    def _later(self, ms: float) -> None:
        self._next = asyncio.get_running_loop().call_later(ms / 1000, self._go_on)

    def _go_on(self) -> None:
        self._next = None
        if not self._sender.may_send_tones:
            return
        tone, self._buffer = self._buffer[:1], self._buffer[1:]
        if tone == PAUSE:
            self._later(PAUSE_MS)
        elif tone:
            self._sender.send_tone(KEYS.index(tone), self._duration_ms)
            self._later(self._duration_ms + self._gap_ms)
        self.emit("tonechange", RTCDTMFToneChangeEvent(tone))
