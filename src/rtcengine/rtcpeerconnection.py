"""What programs for aiortc import from its module of this name."""

from __future__ import annotations

from .peer.connection import RTCPeerConnection

__all__ = [
    "RTCPeerConnection",
]
