"""What programs for aiortc import from its module of this name."""

from __future__ import annotations

from .peer.channels import RTCDataChannel
from .peer.driver import RTCDataChannelParameters

__all__ = [
    "RTCDataChannel",
    "RTCDataChannelParameters",
]
