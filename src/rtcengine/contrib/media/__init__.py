"""Sources and sinks of media, by aiortc's names."""

from __future__ import annotations

from ...media.player import MediaPlayer, PlayerStreamTrack
from .blackhole import MediaBlackhole
from .recorder import MediaRecorder
from .relay import MediaRelay, RelayStreamTrack

__all__ = ["MediaBlackhole", "MediaPlayer", "MediaRecorder", "MediaRelay", "PlayerStreamTrack", "RelayStreamTrack"]
