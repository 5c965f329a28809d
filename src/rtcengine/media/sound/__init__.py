"""Sound made better and measured: high-pass, noise suppression, gain control, echo cancellation, voice, level."""

from __future__ import annotations

from .echo import EchoCanceller, echo_cancellation_available
from .gain import GainControl
from .highpass import HighPass
from .level import LevelMeter
from .noise import NoiseSuppressor
from .process import ProcessedTrack, process
from .voice import VoiceDetector

__all__ = [
    "EchoCanceller",
    "GainControl",
    "HighPass",
    "LevelMeter",
    "NoiseSuppressor",
    "ProcessedTrack",
    "VoiceDetector",
    "echo_cancellation_available",
    "process",
]
