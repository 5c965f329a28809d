"""What programs for aiortc import from its module of this name."""

from __future__ import annotations

from .peer.configuration import RTCBundlePolicy, RTCConfiguration, RTCIceServer, RTCIceTransportPolicy

__all__ = [
    "RTCBundlePolicy",
    "RTCConfiguration",
    "RTCIceServer",
    "RTCIceTransportPolicy",
]
