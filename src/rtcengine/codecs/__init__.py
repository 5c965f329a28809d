"""Encoders and decoders over PyAV and opuslib: frames in, encoded frames out. `register` adds one, or takes a built-in one's
place."""

from .registry import register

__all__ = ["register"]
