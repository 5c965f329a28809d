"""The relay (SFU): publish by WHIP, watch by WHEP."""

from __future__ import annotations

from .config import IceServer, RelayConfig
from .relay import Joining, Refused, Relay
from .room import Room
from .session import Session
from .track import Track

__all__ = ["IceServer", "Joining", "Refused", "Relay", "RelayConfig", "Room", "Session", "Track"]
