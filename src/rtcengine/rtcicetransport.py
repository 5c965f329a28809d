"""What programs for aiortc import from its module of this name."""

from __future__ import annotations

from .peer.description import RTCIceCandidate
from .peer.transports import RTCIceGatherer, RTCIceParameters, RTCIceTransport

__all__ = [
    "RTCIceCandidate",
    "RTCIceGatherer",
    "RTCIceParameters",
    "RTCIceTransport",
]
