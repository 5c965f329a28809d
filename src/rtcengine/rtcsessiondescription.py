"""What programs for aiortc import from its module of this name."""

from __future__ import annotations

from .peer.description import RTCSessionDescription

__all__ = [
    "RTCSessionDescription",
]
