"""Sources and sinks of media, by aiortc's names."""

from __future__ import annotations

from .blackhole import MediaBlackhole
from .player import MediaPlayer, PlayerStreamTrack
from .recorder import MediaRecorder
from .relay import MediaRelay, RelayStreamTrack

__all__ = ["MediaBlackhole", "MediaPlayer", "MediaRecorder", "MediaRelay", "PlayerStreamTrack", "RelayStreamTrack"]
