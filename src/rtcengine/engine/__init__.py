"""The engine: one C thread that owns sockets, timers and packets, steered by batches of commands and heard by events.

Nothing here runs for a packet. Everything belongs to the asyncio loop that called `Engine.start`; only
`Sender.send_frame` may be called from any thread. A program that blocks that loop, or holds the GIL, delays events and
commands, no media.
"""

from __future__ import annotations

from ..certificate import Certificate
from ..config import IceCandidate, IceConfig, RecvConfig, SendConfig, TlsConfig, TonePayload, TransportConfig
from ..frames import EncodedFrame, FrameStream
from ..stats import (
    Address,
    CandidateStats,
    EngineStats,
    HubStats,
    IceStats,
    LoopStats,
    OneTransportStats,
    PairStats,
    ReceiverStats,
    SenderStats,
    TransportStats,
)
from .batch import Batch
from .capture import Capture, CaptureCounts
from .engine import Engine, dtls_context
from .handles import (
    RED_MORE_LOSS,
    EngineClosed,
    EngineError,
    Receiver,
    Sender,
    Socket,
    Transport,
    TransportEvent,
    TransportTimes,
    csrc_rows,
)
from .stun import StunError, StunQuery
from .turn import Allocation, TurnError

__all__ = [
    "RED_MORE_LOSS",
    "Address",
    "Allocation",
    "Batch",
    "CandidateStats",
    "Capture",
    "CaptureCounts",
    "Certificate",
    "EncodedFrame",
    "Engine",
    "EngineClosed",
    "EngineError",
    "EngineStats",
    "FrameStream",
    "HubStats",
    "IceCandidate",
    "IceConfig",
    "IceStats",
    "LoopStats",
    "OneTransportStats",
    "PairStats",
    "Receiver",
    "ReceiverStats",
    "RecvConfig",
    "SendConfig",
    "Sender",
    "SenderStats",
    "Socket",
    "StunError",
    "StunQuery",
    "TlsConfig",
    "TonePayload",
    "Transport",
    "TransportConfig",
    "TransportEvent",
    "TransportStats",
    "TransportTimes",
    "TurnError",
    "csrc_rows",
    "dtls_context",
]
