"""Opus (RFC 6716) by libopus through opuslib."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from . import libopus

SAMPLE_RATE = 48000
COMPLEXITY = 9
"""0 to 10: what encoders that are made from now on spend on each packet, unless they are told otherwise."""

_BANDS = ((8000, "NARROWBAND"), (12000, "MEDIUMBAND"), (16000, "WIDEBAND"), (24000, "SUPERWIDEBAND"))
USES = {
    "": ("APPLICATION_AUDIO", "AUTO"),
    "music": ("APPLICATION_AUDIO", "SIGNAL_MUSIC"),
    "speech": ("APPLICATION_VOIP", "SIGNAL_VOICE"),
    # A machine listens: nothing is done for the ear that changes the signal, as VOIP's filter does.
    "speech-recognition": ("APPLICATION_AUDIO", "SIGNAL_VOICE"),
}
"""Application and signal (libopus) by the W3C's content hint."""


class OpusEncoder:
    """Encodes 48 kHz sound. `bitrate` in bits per second, `loss`, the percentage of packets that will be lost, and `complexity`
    (0 to 10) may be changed at any time; `fec` adds in-band redundancy for as much loss.

    `dtx`: nothing but an update now and then of what is silence; then `encode` gives no bytes. `cbr`: all packets have one
    size. `max_rate`: samples a second that the far end plays. `hint`: as MediaStreamTrack.contentHint says it.
    """

    def __init__(
        self,
        *,
        channels: int = 2,
        bitrate: int = 64_000,
        fec: bool = True,
        loss: int = 5,
        dtx: bool = False,
        cbr: bool = False,
        max_rate: int = SAMPLE_RATE,
        hint: str = "",
        complexity: int | None = None,
    ) -> None:
        if channels not in (1, 2):
            raise ValueError(f"channels must be 1 or 2, not {channels}")
        if hint not in USES:
            raise ValueError(f"the hint {hint!r} is none of {', '.join(map(repr, USES))}")
        opuslib = libopus.load()
        self.channels = channels
        self._api = opuslib.api
        application, signal = (getattr(opuslib, name) for name in USES[hint])
        self._encoder: Any = opuslib.Encoder(SAMPLE_RATE, channels, application)
        self._set("signal", signal)
        self.bitrate, self.loss = bitrate, loss
        self.complexity = COMPLEXITY if complexity is None else complexity
        self._set("inband_fec", int(fec))
        self._set("dtx", int(dtx))
        self._set("vbr", int(not cbr))
        band = next((name for rate, name in _BANDS if max_rate <= rate), "FULLBAND")
        self._set("max_bandwidth", getattr(opuslib, f"BANDWIDTH_{band}"))

    @property
    def bitrate(self) -> int:
        return int(self._encoder.bitrate)

    @bitrate.setter
    def bitrate(self, bps: int) -> None:
        self._encoder.bitrate = bps

    @property
    def loss(self) -> int:
        return int(self._encoder.packet_loss_perc)

    @loss.setter
    def loss(self, percent: int) -> None:
        if not 0 <= percent <= 100:
            raise ValueError(f"loss of {percent} %: 0 to 100 is allowed")
        self._encoder.packet_loss_perc = percent

    @property
    def complexity(self) -> int:
        return int(self._encoder.complexity)

    @complexity.setter
    def complexity(self, level: int) -> None:
        if not 0 <= level <= 10:
            raise ValueError(f"complexity is {level}: 0 to 10 is allowed")
        self._encoder.complexity = level

    def encode(self, pcm: npt.NDArray[np.int16]) -> bytes:
        """One packet from int16 samples of shape (samples, channels), 2.5 to 60 ms of them as Opus allows. No bytes: with
        `dtx`, it need not be sent."""
        if pcm.ndim != 2 or pcm.shape[1] != self.channels or pcm.dtype != np.int16:
            raise ValueError(f"pcm must be int16 of shape (samples, {self.channels}), not {pcm.dtype} {pcm.shape}")
        packet = bytes(self._encoder.encode(np.ascontiguousarray(pcm).tobytes(), pcm.shape[0]))
        return packet if len(packet) > 2 else b""  # as opus_encode has it

    def _set(self, name: str, value: int) -> None:
        # Some of the properties that opuslib has for these are broken (they pass a getter's request).
        self._api.encoder.encoder_ctl(self._encoder.encoder_state, getattr(self._api.ctl, f"set_{name}"), value)


def repeated(packet: bytes) -> int:
    """Samples at the end of the packet before that this one says again: what a flag of SILK tells, behind one for each of its
    frames (RFC 6716 §4.2.3), in the first of the Opus frames. 0 as well for what is no packet."""
    config = packet[0] >> 3 if packet else 31
    if config >= 16:
        return 0
    samples = (480, 960, 1920, 2880)[config & 3] if config < 12 else (480, 960)[config & 1]
    frames = max(1, samples // 960)
    try:
        first = packet[_first_frame(packet)]
    except IndexError:
        return 0
    flags = first >> (7 - frames)
    if packet[0] & 4:  # two channels: the flags of the second follow
        flags |= first >> (6 - 2 * frames)
    return samples if flags & 1 else 0


def _first_frame(packet: bytes) -> int:
    """Where it begins (RFC 6716 §3.2)."""
    code = packet[0] & 3
    if code < 2:
        return 1
    if code == 2:
        return 2 + (packet[1] >= 252)
    at = 2
    if packet[1] & 0x40:  # padding
        while packet[at] == 255:
            at += 1
        at += 1
    for _ in range((packet[1] & 0x3F) - 1 if packet[1] & 0x80 else 0):
        at += 1 + (packet[at] >= 252)
    return at
