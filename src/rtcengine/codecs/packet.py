"""Packets that are encoded already, as files and devices give them by PyAV: their codec, and their bytes as RTP wants them."""

from __future__ import annotations

from typing import Any

NAMES = {
    "h264": "h264",
    "libx264": "h264",
    "vp8": "vp8",
    "libvpx": "vp8",
    "vp9": "vp9",
    "libvpx-vp9": "vp9",
    "opus": "opus",
    "libopus": "opus",
    "pcm_mulaw": "pcmu",
    "pcm_alaw": "pcma",
    "g722": "g722",
}
"""Codecs as SDP names them, in lower case, by the names of FFmpeg's encoders and decoders."""
START_CODE = b"\0\0\0\1"
SPS, PPS, IDR = 7, 8, 5


class PacketReader:
    """Of one stream; `codec` is None when SDP has no name for it, or when packets do not say (`known` is False then)."""

    def __init__(self, packet: Any) -> None:
        context = packet.stream.codec_context if packet.stream is not None else None
        self.known = context is not None
        self.codec = NAMES.get(context.name) if context is not None else None
        extradata = bytes(context.extradata or b"") if context is not None else b""
        self._avc = AvcStream(extradata) if self.codec == "h264" and extradata[:1] == b"\1" else None

    def read(self, packet: Any) -> Any:
        """Its bytes, or itself where it has them as they are wanted. ValueError for what is damaged."""
        return packet if self._avc is None else self._avc.to_annexb(bytes(packet))


class AvcStream:
    """H.264 as MP4, MOV and Matroska have it (ISO 14496-15 §5.3): lengths before units, parameter sets apart."""

    def __init__(self, avcc: bytes) -> None:
        """`avcc`: the AVCDecoderConfigurationRecord. ValueError when it is cut."""
        self.sets = b""
        try:
            self._size = (avcc[4] & 3) + 1
            at = 5
            for bits in (0x1F, 0xFF):
                count = avcc[at] & bits
                at += 1
                for _ in range(count):
                    length = int.from_bytes(avcc[at : at + 2], "big")
                    unit = avcc[at + 2 : at + 2 + length]
                    if len(unit) != length or not length:
                        raise IndexError
                    self.sets += START_CODE + unit
                    at += 2 + length
        except IndexError:
            raise ValueError(f"an AVC configuration of {len(avcc)} bytes is cut") from None

    def to_annexb(self, data: bytes) -> bytes:
        """A frame with start codes; a key frame has its parameter sets."""
        units = []
        at = 0
        while at < len(data):
            length = int.from_bytes(data[at : at + self._size], "big")
            at += self._size
            if at + length > len(data):
                raise ValueError(f"an H.264 unit of {length} bytes in a frame of {len(data)}")
            if length:
                units.append(data[at : at + length])
            at += length
        types = {unit[0] & 0x1F for unit in units}
        sets = self.sets if IDR in types and not {SPS, PPS} <= types else b""
        return sets + b"".join(START_CODE + unit for unit in units)
