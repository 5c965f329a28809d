"""Keys of a telephone, as telephone events number them (RFC 4733 §3.2)."""

from __future__ import annotations

from dataclasses import dataclass

KEYS = "0123456789*#ABCD"


@dataclass(frozen=True, slots=True)
class DtmfTone:
    """A key that the peer has pressed and let go: `tone` is one of 0123456789*#ABCD, `duration` in milliseconds, `volume` in
    dBm0 from 0, as loud as can be, to -63."""

    tone: str
    duration: float
    volume: int


def tone_of(code: int, volume: int, seconds: float) -> DtmfTone | None:
    """None for an event that is no key."""
    return DtmfTone(KEYS[code], seconds * 1000, -volume) if code < len(KEYS) else None
