"""When two payload types mean the same codec, and which of them a relay can carry."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple, Protocol

from . import h264
from .description import Codec, Codecs, MediaSection, kept

_REPAIR = frozenset({"rtx", "red", "ulpfec", "flexfec", "flexfec-03"})

# RFC 5761 §4: with rtcp-mux these collide with RTCP's packet types.
_RTCP_RANGE = range(64, 96)

# Parameters that say which codec it is; an answer repeats them. All others only tune it.
_IDENTITY = {
    "h264": ("profile-level-id", "packetization-mode", "level-asymmetry-allowed"),
    "h265": ("profile-id", "tier-flag", "level-id", "tx-mode"),
    "vp9": ("profile-id",),
    "av1": ("profile", "level-idx", "tier"),
}
_OPUS_STREAM = ("sprop-stereo", "sprop-maxcapturerate")
_SHOWN = {
    "h264": ("profile-level-id", "packetization-mode"),
    "h265": ("profile-id",),
    "vp9": ("profile-id",),
    "av1": ("profile",),
}


class Match(IntEnum):
    """How well a receiver's payload type fits a stream; lower is better."""

    SAME = 0
    SUPERSET = 1
    """The receiver's configuration contains the stream's: a Main decoder gets Constrained Baseline."""
    LIKELY = 2
    """Baseline to a Constrained Baseline decoder: what Constrained leaves out (FMO, ASO, redundant slices) no encoder
    in use writes, and FFmpeg and Chromium label Constrained streams Baseline."""


def is_repair(codec: Codec) -> bool:
    """RTX and FEC: they carry other codecs."""
    return codec.name.lower() in _REPAIR


class Named(Protocol):
    """What has a codec's name."""

    @property
    def name(self) -> str: ...


def is_tones(codec: Named) -> bool:
    """Telephone events (RFC 4733): they go between the packets of other codecs."""
    return codec.name.lower() == "telephone-event"


Meaning = tuple[object, ...]
"""What payload types of one configuration have in common, whatever their numbers."""


def meaning(codec: Codec) -> Meaning | None:
    """Equal for two payload types that mean one configuration; None of parameters that cannot be read, which mean nothing.
    Levels are not compared: they bound what a receiver takes, and level-asymmetry-allowed frees the other direction (RFC 6184
    §8.2.2)."""
    return _meaning(codec.name.lower(), codec.clock_rate, codec.channels or 1, codec.fmtp)


# The same few codecs come in every description, and each is compared with all of the other side's.
@functools.lru_cache(maxsize=256)
def _meaning(name: str, clock_rate: int, channels: int, fmtp: str | None) -> Meaning | None:
    codec = Codec(0, name, clock_rate, channels, fmtp)
    said: tuple[object, ...] = ()
    match name:
        case "h264":
            said = (h264.profile(codec), h264.packetization_mode(codec))
        case "h265":
            said = (_parameter(codec, "profile-id", 1), codec.parameters.get("tx-mode", "SRST"))
        case "vp9":
            said = (_parameter(codec, "profile-id", 0),)
        case "av1":
            said = (_parameter(codec, "profile", 0),)
        case "rtx":
            said = (_parameter(codec, "apt", None),)
    return None if None in said else (name, clock_rate, channels, *said)


@kept
def by_meaning(codecs: Codecs) -> Mapping[Meaning | None, Codec]:
    """The first of each meaning, without what repairs others."""
    found: dict[Meaning | None, Codec] = {}
    for codec in codecs:
        if not is_repair(codec) and (means := meaning(codec)) is not None:
            found.setdefault(means, codec)
    return found


def same_codec(a: Codec, b: Codec) -> bool:
    """Whether two payload types mean one configuration."""
    found = meaning(a)
    return found is not None and found == meaning(b)


def match(offered: Codec, stream: Codec) -> Match | None:
    """How well a receiver that offers `offered` takes `stream`; None when it does not."""
    if same_codec(offered, stream):
        return Match.SAME
    if _basics(offered) != _basics(stream) or offered.name.lower() != "h264":
        return None
    theirs, ours = h264.profile(offered), h264.profile(stream)
    their_mode, our_mode = h264.packetization_mode(offered), h264.packetization_mode(stream)
    if theirs is None or ours is None:
        return None
    # Single NAL unit packets are part of mode 1 (RFC 6184 §6.3), mode 2 has its own packets.
    if (our_mode, their_mode) not in ((0, 0), (0, 1), (1, 1)):
        return None
    if h264.decodes(theirs, ours):
        return Match.SUPERSET
    if ours is h264.Profile.BASELINE and h264.decodes(theirs, h264.Profile.CONSTRAINED_BASELINE):
        return Match.LIKELY
    return None


@kept
def rtx_of(codecs: Codecs) -> Mapping[int, Codec]:
    """The RTX payload type of each codec that has one, by apt (RFC 4588 §8)."""
    repairs = [c for c in codecs if c.name.lower() == "rtx" and c.payload_type not in _RTCP_RANGE]
    if not repairs:
        return {}
    known = {codec.payload_type: codec for codec in reversed(codecs)}
    found: dict[int, Codec] = {}
    for rtx in repairs:
        codec = known.get(_apt(rtx.fmtp))
        if codec is not None and codec.clock_rate == rtx.clock_rate:
            found.setdefault(codec.payload_type, rtx)
    return found


class Red(NamedTuple):
    """The payload type of packets that repeat earlier frames of a codec (RFC 2198); `first`: it stands before the codec's."""

    codec: Codec
    first: bool


@kept
def red_of(codecs: Codecs) -> Mapping[int, Red]:
    """RED of each codec that has it, as browsers say it: a=fmtp of its payload type for each level ("111/111", RFC 2198 §5)."""
    found: dict[int, Red] = {}
    for at, red in enumerate(codecs):
        said = (red.fmtp or "").split("/")
        if red.name.lower() != "red" or len(set(said)) != 1 or red.payload_type in _RTCP_RANGE:
            continue
        for other, codec in enumerate(codecs):
            plain = not is_repair(codec) and not is_tones(codec) and codec.payload_type not in found
            same = (codec.clock_rate, codec.channels or 1) == (red.clock_rate, red.channels or 1)
            if plain and same and str(codec.payload_type) == said[0].strip():
                found[codec.payload_type] = Red(red, at < other)
    return found


def find_rtx(section: MediaSection, payload_type: int) -> Codec | None:
    """The RTX payload type of one codec of the section."""
    return rtx_of(section.codecs).get(payload_type)


@kept
def formats_of(codecs: Codecs) -> tuple[str, ...]:
    """As an m-line lists them."""
    return tuple([str(codec.payload_type) for codec in codecs])


@functools.lru_cache(maxsize=256)
def _apt(fmtp: str | None) -> int:
    """-1 when there is none."""
    found = _parameter(Codec(0, "rtx", 0, None, fmtp), "apt", None)
    return -1 if found is None else found


def find_match(section: MediaSection, stream: Codec) -> Codec | None:
    """The offered payload type that takes `stream` best, the first of equals."""
    usable = (codec for codec in section.codecs if codec.payload_type not in _RTCP_RANGE)
    ranked = [(rank, codec) for codec in usable if (rank := match(codec, stream)) is not None]
    return min(ranked, key=lambda entry: entry[0])[1] if ranked else None


def relayable(kind: str, codec: Codec) -> bool:
    """Whether the relay carries the codec: it must read its payload's beginning to find key frames and layers."""
    if codec.payload_type in _RTCP_RANGE:
        return False
    if kind == "audio":
        return _basics(codec) == ("opus", 48000, 2)  # RFC 7587 §7: always 48000/2
    if kind != "video" or codec.clock_rate != 90000:
        return False
    match codec.name.lower():
        case "vp8":
            return True
        case "vp9":
            return _parameter(codec, "profile-id", 0) in (0, 2)
        case "h264":
            return h264.packetization_mode(codec) in (0, 1) and h264.profile(codec) is not None
        case "h265":  # RFC 7798 §4.4: on one stream, and units in their order, without DONL
            in_order = _parameter(codec, "sprop-max-don-diff", 0) == 0
            return in_order and codec.parameters.get("tx-mode", "SRST") == "SRST" and meaning(codec) is not None
        case "av1":
            return _parameter(codec, "profile", 0) in (0, 1, 2)
        case _:
            return False


def choose_for_relay(section: MediaSection) -> Codec | None:
    """The codec a publisher shall send: the first of its offer that can be relayed.

    Where that is H.264 Baseline and Constrained Baseline is offered too, the latter is taken: encoders write the same
    stream for both, and more viewers offer it. H.265, which few viewers take, is the last choice.
    """
    usable = [c for c in section.codecs if relayable(section.kind, c)]
    if not usable:
        return None
    first = next((c for c in usable if c.name.lower() != "h265"), usable[0])
    if first.name.lower() == "h264" and h264.profile(first) is h264.Profile.BASELINE:
        mode = h264.packetization_mode(first)
        for other in usable:
            if (
                other.name.lower() == "h264"
                and h264.profile(other) is h264.Profile.CONSTRAINED_BASELINE
                and h264.packetization_mode(other) == mode
            ):
                return other
    return first


def feedback_of(codec: Codec, wildcard: tuple[str, ...]) -> tuple[str, ...]:
    """Feedback offered for a codec, the section's wildcard included (RFC 4585 §4.2), each once."""
    return tuple(dict.fromkeys(codec.feedback + wildcard))


def answer_fmtp(codec: Codec, stream: Codec | None = None) -> str | None:
    """fmtp of an answer: the offer's, less what binds only the offerer.

    sprop- parameters describe the offerer's own stream (RFC 7587 §6.1), frame-size limits its own decoder. When we send
    `stream`, what it says of itself is told to the receiver.
    """
    name = codec.name.lower()
    offered = codec.parameters
    if name == "opus":
        kept = {key: value for key, value in offered.items() if not key.startswith("sprop-")}
        if stream is not None:
            kept |= {key: str(value) for key in _OPUS_STREAM if (value := _parameter(stream, key, None)) is not None}
    else:
        kept = {key: offered[key] for key in _IDENTITY.get(name, ()) if key in offered}
    return ";".join(f"{key}={value}" if value else key for key, value in kept.items()) or None


def describe(codec: Codec) -> str:
    """The codec for a person: its name and what sets it apart, e.g. "H264 (packetization-mode=1)"."""
    given = codec.parameters
    keys = _SHOWN.get(codec.name.lower(), ())
    # A peer's text goes into messages and logs: only what can be a number in decimal or hex.
    shown = [f"{key}={given[key]}" for key in keys if re.fullmatch(r"[0-9A-Za-z]{1,16}", given.get(key, ""))]
    return f"{codec.name} ({', '.join(shown)})" if shown else codec.name


def _basics(codec: Codec) -> tuple[str, int, int]:
    return codec.name.lower(), codec.clock_rate, codec.channels or 1


def _parameter(codec: Codec, name: str, default: int | None) -> int | None:
    """A decimal parameter: `default` when absent, None when unreadable."""
    text = codec.parameters.get(name)
    if text is None:
        return default
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None
