"""What is offered unless the program says otherwise: codecs with their preferred numbers, and header extensions."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..sdp import Codec, extensions
from ..sdp.codecs import is_tones
from .errors import InvalidModificationError
from .parameters import RTCRtpCapabilities, RTCRtpCodecCapability, RTCRtpHeaderExtensionCapability

VIDEO_FEEDBACK = ("goog-remb", "transport-cc", "ccm fir", "nack", "nack pli")


@dataclass(frozen=True, slots=True)
class Capability:
    """One codec. `rtx` is the payload type of its retransmissions, None where there are none."""

    codec: Codec
    rtx: int | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Codecs by preference and extension URIs, the same in both directions, for "audio" and "video"."""

    codecs: dict[str, tuple[Capability, ...]]
    extensions: dict[str, tuple[str, ...]]

    def of(self, kind: str) -> RTCRtpCapabilities:
        """As getCapabilities tells them: retransmission is one entry, whatever it repeats."""
        if kind not in self.codecs:
            raise ValueError(f"kind is neither audio nor video: {kind!r}")
        listed = [capability(kind, entry.codec) for entry in self.codecs[kind]]
        if any(entry.rtx is not None for entry in self.codecs[kind]):
            listed.append(RTCRtpCodecCapability(f"{kind}/rtx", 90000))
        uris = [RTCRtpHeaderExtensionCapability(uri) for uri in self.extensions[kind]]
        return RTCRtpCapabilities(listed, uris)

    def preferred(self, kind: str, wanted: list[RTCRtpCodecCapability]) -> tuple[RTCRtpCodecCapability, ...]:
        """Preferences checked (W3C §5.4.1 setCodecPreferences): known codecs, each once, one of them with media."""
        known = self.of(kind).codecs
        kept: list[RTCRtpCodecCapability] = []
        for codec in wanted:
            found = next((k for k in known if _same(k, codec)), None)
            if found is None and _is_wish(codec) and any(_same(replace(codec, parameters=k.parameters), k) for k in known):
                found = codec
            if found is None:
                raise InvalidModificationError(f"{codec.mimeType} with these parameters is not among the capabilities")
            if found not in kept:
                kept.append(found)
        if wanted and all(codec.name.lower() == "rtx" or is_tones(codec) for codec in kept):
            raise InvalidModificationError("no codec with media is left")
        return tuple(kept)

    def chosen(self, kind: str, preferred: tuple[RTCRtpCodecCapability, ...]) -> tuple[Capability, ...]:
        """The capabilities in order of preference; without retransmission where that is not preferred."""
        if not preferred:
            return self.codecs[kind]
        rtx = any(codec.name.lower() == "rtx" for codec in preferred)
        found = [e for codec in preferred for e in (_as_wished(kind, e, codec) for e in self.codecs[kind]) if e is not None]
        return tuple(entry if rtx else Capability(entry.codec) for entry in found)


def capability(kind: str, codec: Codec) -> RTCRtpCodecCapability:
    return RTCRtpCodecCapability(f"{kind}/{codec.name}", codec.clock_rate, codec.channels, typed(codec.parameters))


def typed(parameters: dict[str, str]) -> dict[str, int | str | None]:
    """Format parameters as programs see them: numbers where they are some, None without a value."""
    # profile-level-id is six hex digits: no number, even where it looks like one.
    return {
        name: int(value) if value.isdigit() and name != "profile-level-id" else value or None
        for name, value in parameters.items()
    }


OPUS_WISHES = frozenset(
    "cbr maxaveragebitrate maxplaybackrate maxptime minptime ptime sprop-maxcapturerate sprop-stereo stereo usedtx "
    "useinbandfec".split()
)
"""Parameters by which a receiver of Opus says how it wants to be sent to, and what it may expect (RFC 7587 §6.1)."""


def _is_wish(codec: RTCRtpCodecCapability) -> bool:
    """Whether these are parameters of a program's own."""
    numbers = all(value is None or str(value).isdecimal() for value in codec.parameters.values())
    return codec.mimeType.lower() == "audio/opus" and codec.parameters.keys() <= OPUS_WISHES and numbers


def _as_wished(kind: str, entry: Capability, codec: RTCRtpCodecCapability) -> Capability | None:
    """The entry that a preferred codec stands for, with its parameters; None where it is another."""
    own = capability(kind, entry.codec)
    if _same(own, codec):
        return entry
    if not (_is_wish(codec) and _same(own, replace(codec, parameters=own.parameters))):
        return None
    fmtp = ";".join(name if value is None else f"{name}={value}" for name, value in codec.parameters.items())
    return replace(entry, codec=replace(entry.codec, fmtp=fmtp or None))


def _same(a: RTCRtpCodecCapability, b: RTCRtpCodecCapability) -> bool:
    return (
        a.mimeType.lower() == b.mimeType.lower()
        and a.clockRate == b.clockRate
        and (a.channels or 1) == (b.channels or 1)
        and a.parameters == b.parameters
    )


def _video(payload_type: int, name: str, fmtp: str | None = None) -> Capability:
    return Capability(Codec(payload_type, name, 90000, None, fmtp, VIDEO_FEEDBACK), payload_type + 1)


_BOTH = (extensions.MID, extensions.ABS_SEND_TIME, extensions.TRANSPORT_CC)

DEFAULT = Capabilities(
    {
        "audio": (
            Capability(Codec(111, "opus", 48000, 2, "minptime=10;useinbandfec=1", ("transport-cc",))),
            Capability(Codec(9, "G722", 8000)),
            Capability(Codec(0, "PCMU", 8000)),
            Capability(Codec(8, "PCMA", 8000)),
            Capability(Codec(110, "telephone-event", 48000)),  # beside Opus, whose clock it has
            Capability(Codec(126, "telephone-event", 8000)),
        ),
        "video": (
            _video(96, "VP8"),
            _video(98, "VP9", "profile-id=0"),
            # Constrained Baseline before Baseline, which FFmpeg and GStreamer call the same stream.
            _video(102, "H264", "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"),
            _video(106, "H264", "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f"),
            _video(104, "H264", "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f"),
            _video(108, "H264", "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42001f"),
            _video(45, "AV1", "level-idx=5;profile=0;tier=0"),
        ),
    },
    {
        "audio": (*_BOTH, extensions.AUDIO_LEVEL, extensions.ABS_CAPTURE_TIME),
        "video": (
            *_BOTH,
            extensions.RID,
            extensions.REPAIRED_RID,
            extensions.VIDEO_ORIENTATION,
            extensions.ABS_CAPTURE_TIME,
            extensions.DEPENDENCY_DESCRIPTOR,
        ),
    },
)
