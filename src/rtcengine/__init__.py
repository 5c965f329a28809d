"""rtcengine: a WebRTC media engine whose packets never touch Python."""

from __future__ import annotations

from . import crypto
from .certificate import Certificate
from .engine import (
    Batch,
    EncodedFrame,
    Engine,
    EngineClosed,
    EngineError,
    EngineStats,
    FrameStream,
    IceCandidate,
    IceConfig,
    Receiver,
    RecvConfig,
    SendConfig,
    Sender,
    Socket,
    Transport,
    TransportConfig,
    TransportEvent,
)

crypto.check()

__version__ = "0.1.0"

__all__ = [
    "Batch",
    "Certificate",
    "EncodedFrame",
    "Engine",
    "EngineClosed",
    "EngineError",
    "EngineStats",
    "FrameStream",
    "IceCandidate",
    "IceConfig",
    "Receiver",
    "RecvConfig",
    "SendConfig",
    "Sender",
    "Socket",
    "Transport",
    "TransportConfig",
    "TransportEvent",
    "__version__",
]
