"""RTP payloads alone: dividing encoded frames, and telling what a payload begins.

    for payload in split("VP8", frame, max_payload=1200, picture_id=n):
        ...  # the last one is sent with the RTP marker bit
    if look("H264", packet.payload).key:
        ...  # a decoder can begin here

Codecs are named as in SDP: "opus", "VP8", "VP9", "H264", "AV1", "PCMU", "PCMA", "G722", "H265", in any case (RFC 7587,
RFC 7741, RFC 9628, RFC 6184, the RTP payload format for AV1, RFC 3551, RFC 7798). All but H.265 can be split. Only `join`
looks further than one payload.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ._core import (
    CODECS,
    RtpFormatError,
    payload_join,
    payload_look,
    payload_size,
    payload_split,
    payload_vp8,
    red_parse,
    red_write,
)

Bytes = bytes | bytearray | memoryview


class PayloadInfo(NamedTuple):
    """What one payload begins. Malformed bytes begin nothing: both are False.

    `start` is as certain as the format allows: H.264, H.265 and AV1 may open one picture with several payloads of which each
    looks like its first (parameter sets, SEI), so of those the first in order counts. `key` comes with `start` only.
    """

    start: bool
    key: bool


class TemporalLayer(NamedTuple):
    """Where a frame stands among temporal layers (RFC 7741 §4.2, RFC 9628 §4.2; of AV1 its dependency descriptor says it): who
    forwards it goes by that."""

    id: int
    """TID, 0 to 3; frames of the layers up to some id need none above it."""
    sync: bool = False
    """Y of VP8: above layer 0, and made from its newest frame alone, as all that follow are of nothing older above layer 0."""
    switch_up: bool = True
    """U of VP9: no later frame of a higher layer was made from one of a higher layer before this frame."""
    droppable: bool = False
    """N of VP8: no other frame was made from this one."""
    references: tuple[int, ...] = ()
    """P_DIFF of VP9: how many frames before this one are those that it was made from; up to three, 1 to 127. A key frame has
    none, any other at least one."""


class FrameDescription(NamedTuple):
    """That dependency descriptors go with a frame's packets (AV1 RTP specification, appendix A), and what a key frame's says:
    who forwards the frame needs nothing of what is in it."""

    layers: int = 0
    """How many temporal layers there are from here on, 1 to 3; 0: three when the key frame has a TemporalLayer, else one."""
    width: int = 0
    height: int = 0
    """Of the pictures; 0: not said."""


@dataclass(frozen=True, slots=True)
class Vp8Descriptor:
    """The descriptor before the data of each VP8 payload (RFC 7741 §4.2); None where a field is not there."""

    start: bool
    """S: the payload begins a partition."""
    partition: int
    """PID, 0 to 7."""
    non_reference: bool
    """N: no later frame needs this one."""
    picture_id: int | None
    """PictureID, 7 or 15 bits."""
    long_picture_id: bool
    """M: picture_id has 15 bits."""
    tl0_picture_index: int | None
    """TL0PICIDX, 8 bits: counts frames of the base temporal layer."""
    temporal_id: int | None
    """TID, 0 to 3."""
    layer_sync: bool
    """Y: the frame depends on the base layer only."""
    key_index: int | None
    """KEYIDX, 5 bits."""
    length: int
    """Bytes of the descriptor; the VP8 data follow."""

    @classmethod
    def parse(cls, payload: Bytes) -> Vp8Descriptor:
        """Of a whole payload. RtpFormatError when it ends inside the descriptor."""
        return cls(*payload_vp8(payload))


def split(
    codec: str,
    frame: Bytes,
    max_payload: int = 1200,
    picture_id: int = 0,
    layer: TemporalLayer | None = None,
    tl0_picture_index: int = 0,
    *,
    single_units: bool = False,
) -> list[bytes]:
    """Payloads of one encoded frame, at least one, of at most `max_payload` bytes each (64 or more) and even sizes.

    VP8 and VP9 payloads begin with a descriptor that carries the low 15 bits of `picture_id`, which the caller counts up by
    one a frame; VP9 is of one spatial layer. With `layer` they say it, VP8's with the low 8 bits of `tl0_picture_index`,
    which counts the frames of layer 0, this one among them. An H.264 frame is an Annex B stream, with start codes; its
    payloads are those of packetization-mode 1, or with `single_units` of 0: each unit is one, and has to fit. An AV1 frame is
    a temporal unit of OBUs with their sizes, as encoders give it; delimiters and padding are left out. An Opus or G.711 frame
    is one payload (RFC 7587 §4.2).

    ValueError for a codec that is not known, H.265, a layer that its descriptor cannot say, an empty frame, one of more than
    65535 payloads, an Opus frame or a single unit above `max_payload`, H.264 without start codes, AV1 whose OBUs do not add
    up.
    """
    number = _number(codec)
    if max_payload < 0:
        raise ValueError(f"max_payload is {max_payload}")
    payloads = payload_split(number, frame, max_payload, picture_id & 0x7FFF, layer, tl0_picture_index & 0xFF, single_units)
    if payloads is None and layer is not None:
        raise ValueError(f"a {codec} frame of {layer} cannot become payloads of at most {max_payload} bytes")
    if payloads is None:
        raise ValueError(
            f"a {codec} frame of {memoryview(frame).nbytes} bytes cannot become payloads of at most {max_payload}:"
            " what is not empty can be, into 65535 payloads of 64 bytes or more, sound into one, H.264 with start codes, AV1"
            " with the sizes of its OBUs"
        )
    return payloads


def join(codec: str, payloads: Iterable[Bytes]) -> bytes:
    """The frame that these are the payloads of, in the order of their numbers and all of them: 2048 payloads and 4 MiB at most.

    H.264 comes out as an Annex B stream with start codes of four bytes, AV1 as OBUs that have their sizes, without temporal
    delimiters, the others as they were split. RtpFormatError for what is no frame: a payload that is malformed, not at its
    place or missing at the end; ValueError for a codec that is not known.
    """
    pieces = list(payloads)
    frame = payload_join(_number(codec), pieces)
    if frame is None:
        raise RtpFormatError(f"{len(pieces)} payloads that are no frame of {codec}")
    return frame


def look(codec: str, payload: Bytes) -> PayloadInfo:
    """Whether a payload starts a frame, and whether that is a key frame; never fails on bytes.

    Opus, G.711: always both. ValueError for a codec that is not known.
    """
    return PayloadInfo(*payload_look(_number(codec), payload))


def picture_size(codec: str, payload: Bytes) -> tuple[int, int] | None:
    """Width and height of the pictures that a payload begins, which a key frame's first one says (of H.264 its parameter sets,
    of AV1 its sequence header); None where it does not, and for sound. Never fails on bytes; ValueError for a codec that is
    not known."""
    width, height = payload_size(_number(codec), payload)
    return (width, height) if width else None


class RedundantBlock(NamedTuple):
    """One frame in the payload of a packet that repeats earlier ones (RFC 2198)."""

    payload_type: int
    """Of its codec, 0 to 127."""
    offset: int
    """How much older than the packet it is, in units of the RTP clock: 0 of the packet's own, 16383 at most."""
    data: bytes
    """1023 bytes at most, but for the packet's own."""


def split_redundant(payload: Bytes) -> list[RedundantBlock]:
    """The frames of a payload of RED in its order, of which the last is the packet's own; 32 at most. RtpFormatError for what
    is malformed."""
    blocks = red_parse(payload)
    if blocks is None:
        raise RtpFormatError(f"{memoryview(payload).nbytes} bytes that are no frames with redundancy")
    return [RedundantBlock(*block) for block in blocks]


def join_redundant(blocks: Sequence[RedundantBlock]) -> bytes:
    """The payload of RED of these frames, the oldest first, of which the last is the packet's own. ValueError for what its
    heads cannot say, and for none or more than 32."""
    payload = red_write([(block.payload_type, block.offset, bytes(block.data)) for block in blocks])
    if payload is None:
        raise ValueError(
            "these are no frames of one packet: 1 to 32 of them, types to 127, offsets to 16383 and lengths to 1023,"
            " the last one the packet's own with an offset of 0"
        )
    return payload


def _number(codec: str) -> int:
    number = CODECS.get(codec.lower())
    if number is None:
        raise ValueError(f"codec {codec!r}: opus, VP8, VP9, H264, H265, AV1, PCMU, PCMA and G722 are known")
    return number


__all__ = [
    "FrameDescription",
    "PayloadInfo",
    "RedundantBlock",
    "RtpFormatError",
    "TemporalLayer",
    "Vp8Descriptor",
    "join",
    "join_redundant",
    "look",
    "picture_size",
    "split",
    "split_redundant",
]
