"""Opus (RFC 6716) by libopus through opuslib."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from . import libopus

SAMPLE_RATE = 48000


class OpusEncoder:
    """Encodes 48 kHz sound. `bitrate` is in bits per second and may be changed at any time; `fec` adds in-band redundancy
    for `loss` percent of packets."""

    def __init__(self, *, channels: int = 2, bitrate: int = 64_000, fec: bool = True, loss: int = 5) -> None:
        if channels not in (1, 2):
            raise ValueError(f"channels must be 1 or 2, not {channels}")
        opuslib = libopus.load()
        self.channels = channels
        self._encoder: Any = opuslib.Encoder(SAMPLE_RATE, channels, opuslib.APPLICATION_AUDIO)
        self.bitrate = bitrate
        self._encoder.packet_loss_perc = loss
        # opuslib's own setter for this one is broken (it passes a getter's request).
        opuslib.api.encoder.encoder_ctl(self._encoder.encoder_state, opuslib.api.ctl.set_inband_fec, int(fec))

    @property
    def bitrate(self) -> int:
        return int(self._encoder.bitrate)

    @bitrate.setter
    def bitrate(self, bps: int) -> None:
        self._encoder.bitrate = bps

    def encode(self, pcm: npt.NDArray[np.int16]) -> bytes:
        """One packet from int16 samples of shape (samples, channels), 2.5 to 60 ms of them as Opus allows."""
        if pcm.ndim != 2 or pcm.shape[1] != self.channels or pcm.dtype != np.int16:
            raise ValueError(f"pcm must be int16 of shape (samples, {self.channels}), not {pcm.dtype} {pcm.shape}")
        return bytes(self._encoder.encode(np.ascontiguousarray(pcm).tobytes(), pcm.shape[0]))
