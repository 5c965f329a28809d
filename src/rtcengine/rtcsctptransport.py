"""What programs for aiortc import from its module of this name."""

from __future__ import annotations

from .peer.channels import RTCSctpTransport
from .peer.parameters import RTCSctpCapabilities
from .peer.state import MAX_MESSAGE_SIZE as LOCAL_MAX_MESSAGE_SIZE

USERDATA_MAX_LENGTH = 1160
"""Bytes of one message that a DATA chunk holds, in datagrams of 1200 bytes at most."""

__all__ = [
    "LOCAL_MAX_MESSAGE_SIZE",
    "USERDATA_MAX_LENGTH",
    "RTCSctpCapabilities",
    "RTCSctpTransport",
]
