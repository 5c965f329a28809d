"""RTP and RTCP alone: packets as values, for programs that have their own sockets (RFC 3550, RFC 8285, RFC 4585).

    ids = ExtensionIds({3: Extension.TWCC, 4: Extension.MID})  # what the section's a=extmap lines say
    packet = RtpPacket.parse(data, ids)  # RtpFormatError when it is none
    packet.extensions[Extension.MID]  # b"0"
    packet.serialize(ids)

    for report in parse_compound(data):
        if isinstance(report, Nack):
            ...
    serialize_compound([ReceiverReport(ssrc, blocks), SourceDescription(ssrc, "name")])

Bytes are read and written in C; what fails raises RtpFormatError, a ValueError, and nothing else. Values are checked
when they are written. Numbers are unsigned and of the width of their field unless said otherwise. Nothing here is
authentic before SRTP has said so (rtcengine.srtp).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from enum import StrEnum
from operator import attrgetter
from typing import Any

from ._core import ExtensionIds, RtpFormatError, rtcp_parse, rtcp_serialize, rtp_parse, rtp_write

Bytes = bytes | bytearray | memoryview


class Extension(StrEnum):
    """URIs of the header extensions that WebRTC uses; any other URI may be used as well."""

    MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
    RID = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
    REPAIRED_RID = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
    ABS_SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
    TWCC = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
    AUDIO_LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
    VIDEO_ORIENTATION = "urn:3gpp:video-orientation"
    PLAYOUT_DELAY = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
    CONTENT_TYPE = "http://www.webrtc.org/experiments/rtp-hdrext/video-content-type"
    VIDEO_TIMING = "http://www.webrtc.org/experiments/rtp-hdrext/video-timing"
    COLOR_SPACE = "http://www.webrtc.org/experiments/rtp-hdrext/color-space"
    TOFFSET = "urn:ietf:params:rtp-hdrext:toffset"
    ABS_CAPTURE_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
    CSRC_AUDIO_LEVEL = "urn:ietf:params:rtp-hdrext:csrc-audio-level"
    DEPENDENCY_DESCRIPTOR = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"


@dataclass(slots=True)
class RtpPacket:
    """One RTP packet (RFC 3550 §5.1)."""

    payload_type: int
    """7 bits."""
    sequence_number: int
    """16 bits."""
    timestamp: int
    """32 bits, in units of the codec's clock rate."""
    ssrc: int
    payload: bytes = b""
    """Without padding."""
    marker: bool = False
    csrcs: list[int] = field(default_factory=list)
    """Up to 15 contributing sources."""
    extensions: dict[str | int, bytes] = field(default_factory=dict)
    """Header extensions (RFC 8285), up to 14, in the order of writing. Keys are URIs where ids told them, else the id."""
    padding: int = 0
    """Bytes of padding behind the payload, 0 to 255; the last of them says how many."""
    other_extension: tuple[int, bytes] | None = None
    """A header extension that is not of RFC 8285: its profile number (16 bits) and its bytes, in whole words of 4."""

    @classmethod
    def parse(cls, data: Bytes, ids: ExtensionIds | None = None) -> RtpPacket:
        """The packet in a datagram of at most 65535 bytes; RtpFormatError when it is none.

        With `ids`, extensions are keyed by URI and those that it does not know are left out; without, all are there,
        keyed by id. Of broken extensions what comes before the break is taken; of an id that comes twice, the last.
        """
        return cls(*rtp_parse(data, ids))

    def serialize(self, ids: ExtensionIds | None = None, *, two_byte: bool = True) -> bytes:
        """The packet's bytes; RtpFormatError when a value does not fit its field.

        Extensions keyed by URI get their ids from `ids`; one that it does not know was not negotiated and is left out.
        Extensions take the one-byte form when all fit it: ids to 14, 1 to 16 bytes. Else they take the two-byte form
        (a=extmap-allow-mixed), or with `two_byte` False those that do not fit are left out.
        """
        return rtp_write(
            self.payload_type,
            self.sequence_number,
            self.timestamp,
            self.ssrc,
            self.payload,
            self.marker,
            self.csrcs,
            self.extensions,
            self.padding,
            self.other_extension,
            ids,
            two_byte,
        )


@dataclass(slots=True)
class ReportBlock:
    """What a receiver tells about one source (RFC 3550 §6.4.1)."""

    ssrc: int
    """The source that is reported on."""
    fraction_lost: int
    """Since the last report, in 1/256."""
    packets_lost: int
    """Since the beginning; signed, 24 bits: what is beyond is written as the nearest (RFC 3550 A.3)."""
    highest_sequence: int
    """Highest sequence number, roll-overs in the upper 16 bits."""
    jitter: int
    """In units of the codec's clock rate."""
    lsr: int
    """Middle 32 bits of the NTP time in the last sender report; 0 before the first."""
    dlsr: int
    """Delay since that report, in 1/65536 s."""


@dataclass(slots=True)
class SenderReport:
    """SR (RFC 3550 §6.4.1)."""

    ssrc: int
    ntp_timestamp: int
    """64 bits: seconds since 1900 in the upper 32, fraction in the lower."""
    rtp_timestamp: int
    """The same instant in units of the codec's clock rate."""
    packet_count: int
    octet_count: int
    """Payload bytes, without header and padding."""
    reports: list[ReportBlock] = field(default_factory=list)
    """Up to 31."""


@dataclass(slots=True)
class ReceiverReport:
    """RR (RFC 3550 §6.4.2)."""

    ssrc: int
    reports: list[ReportBlock] = field(default_factory=list)
    """Up to 31."""


@dataclass(slots=True)
class SourceDescription:
    """SDES with one CNAME (RFC 3550 §6.5): when parsed, its first. Other items and chunks are not kept."""

    ssrc: int
    cname: str
    """At most 255 bytes in UTF-8; bytes that are not UTF-8 are read as U+FFFD."""


@dataclass(slots=True)
class Goodbye:
    """BYE (RFC 3550 §6.6); a reason is checked but not kept."""

    ssrcs: list[int]
    """Up to 31."""


@dataclass(slots=True)
class Nack:
    """Generic NACK (RFC 4585 §6.2.1): sequence numbers that are missed, one at least."""

    ssrc: int
    """Who sends this."""
    media_ssrc: int
    sequence_numbers: list[int]
    """Best in ascending, wrapping order: then 17 neighbours take 4 bytes."""


@dataclass(slots=True)
class PictureLossIndication:
    """PLI (RFC 4585 §6.3.1)."""

    ssrc: int
    media_ssrc: int


@dataclass(slots=True)
class FullIntraRequest:
    """FIR (RFC 5104 §4.3.1)."""

    ssrc: int
    requests: list[tuple[int, int]]
    """(media SSRC, command sequence number of 8 bits), one at least."""


@dataclass(slots=True)
class ReceiverEstimatedMaximumBitrate:
    """REMB (draft-alvestrand-rmcat-remb-03)."""

    ssrc: int
    bitrate: int
    """Bits per second, 64 bits. Written with 18 significant bits, rounded down."""
    ssrcs: list[int]
    """Media SSRCs that it is for, up to 255."""


@dataclass(slots=True)
class TransportFeedback:
    """Transport-wide congestion control feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1)."""

    ssrc: int
    media_ssrc: int
    base_sequence_number: int
    """Transport-wide number of the first status."""
    arrivals: list[int | None]
    """For that number and those after it: when the packet arrived, in µs on the receiver's clock, or None when it did
    not. The wire has units of 250 µs, and of the clock 24 bits of 64 ms (signed: it wraps after 12 days). 1 to 2048,
    the rest is not read; one must not lie more than 8.19 s after the one before."""
    feedback_count: int
    """Counts feedback packets, 8 bits."""


@dataclass(slots=True)
class OtherPacket:
    """A packet of a type that has no class here (APP, XR, other feedback), and SDES without a CNAME."""

    packet_type: int
    """192 to 223; other types than 200 to 207 are skipped when parsing."""
    count: int
    """5 bits: what they mean depends on the type, for feedback its format."""
    body: bytes
    """Behind the first 4 bytes, without padding; in whole words of 4 when written."""


RtcpPacket = (
    SenderReport
    | ReceiverReport
    | SourceDescription
    | Goodbye
    | Nack
    | PictureLossIndication
    | FullIntraRequest
    | ReceiverEstimatedMaximumBitrate
    | TransportFeedback
    | OtherPacket
)


def _blocks(rows: list[tuple[int, ...]]) -> list[ReportBlock]:
    return [ReportBlock(*row) for row in rows]


def _sender_report(ssrc: int, ntp: int, rtp: int, count: int, octets: int, rows: list[tuple[int, ...]]) -> SenderReport:
    return SenderReport(ssrc, ntp, rtp, count, octets, _blocks(rows))


def _receiver_report(ssrc: int, rows: list[tuple[int, ...]]) -> ReceiverReport:
    return ReceiverReport(ssrc, _blocks(rows))


# The names of rows in the binding.
_READ: dict[str, Callable[..., RtcpPacket]] = {
    "SR": _sender_report,
    "RR": _receiver_report,
    "SDES": SourceDescription,
    "BYE": Goodbye,
    "NACK": Nack,
    "PLI": PictureLossIndication,
    "FIR": FullIntraRequest,
    "REMB": ReceiverEstimatedMaximumBitrate,
    "TWCC": TransportFeedback,
    "OTHER": OtherPacket,
}


def _getter(kind: type) -> Callable[[Any], tuple[Any, ...]]:
    """All fields of an instance, in order."""
    names = [f.name for f in fields(kind)]
    return attrgetter(*names) if len(names) > 1 else lambda packet: (getattr(packet, names[0]),)


_WRITE = {kind: (name, _getter(kind)) for name, kind in _READ.items() if isinstance(kind, type)}
_block_fields, _sender_fields = _getter(ReportBlock), _getter(SenderReport)


def parse_compound(data: Bytes) -> list[RtcpPacket]:
    """The packets of a compound or reduced-size RTCP packet (RFC 3550 §6.1, RFC 5506), of at most 65535 bytes.

    RtpFormatError when one of them is malformed: then none counts. Types that are not RTCP's (200 to 207) are skipped.
    """
    return [_READ[name](*values) for name, values in rtcp_parse(data)]


def serialize_compound(packets: Iterable[RtcpPacket]) -> bytes:
    """One datagram of these packets, in their order. RtpFormatError when a value does not fit its field.

    What a compound packet must begin with (RFC 3550 §6.1, RFC 5506) is the caller's to know.
    """
    return rtcp_serialize([_row(packet) for packet in packets])


def _row(packet: RtcpPacket) -> tuple[str, tuple[Any, ...]]:
    if isinstance(packet, SenderReport):
        return "SR", (*_sender_fields(packet)[:-1], [_block_fields(block) for block in packet.reports])
    if isinstance(packet, ReceiverReport):
        return "RR", (packet.ssrc, [_block_fields(block) for block in packet.reports])
    found = _WRITE.get(type(packet))
    if found is None:
        raise TypeError(f"{packet!r} is no RTCP packet")
    name, read = found
    return name, read(packet)


__all__ = [
    "Extension",
    "ExtensionIds",
    "FullIntraRequest",
    "Goodbye",
    "Nack",
    "OtherPacket",
    "PictureLossIndication",
    "ReceiverEstimatedMaximumBitrate",
    "ReceiverReport",
    "ReportBlock",
    "RtcpPacket",
    "RtpFormatError",
    "RtpPacket",
    "SenderReport",
    "SourceDescription",
    "TransportFeedback",
    "parse_compound",
    "serialize_compound",
]
