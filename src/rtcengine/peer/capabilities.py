"""What is offered unless the program says otherwise: codecs with their preferred numbers, and header extensions."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..sdp import Codec, extensions, h264
from ..sdp.codecs import is_tones, meaning
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
        known, entries = self.of(kind).codecs, self.codecs[kind]
        kept: list[RTCRtpCodecCapability] = []
        for codec in wanted:
            found = next((k for k in known if _same(k, codec)), None)
            if found is None and any(_as_wished(kind, entry, codec) is not None for entry in entries):
                found = codec
            if found is None:
                raise InvalidModificationError(f"{codec.mimeType} with these parameters is not among the capabilities")
            if found not in kept:
                kept.append(found)
        if wanted and all(codec.name.lower() in ("rtx", "red") or is_tones(codec) for codec in kept):
            raise InvalidModificationError("no codec with media is left")
        return tuple(kept)

    def chosen(self, kind: str, preferred: tuple[RTCRtpCodecCapability, ...]) -> tuple[Capability, ...]:
        """The capabilities in order of preference; without retransmission where that is not preferred."""
        if not preferred:
            return self.codecs[kind]
        rtx = any(codec.name.lower() == "rtx" for codec in preferred)
        found: dict[Capability, Capability] = {}  # each is there once, as the first that stands for it
        for codec in preferred:
            for entry in self.codecs[kind]:
                wished = _as_wished(kind, entry, codec) if entry not in found else None
                if wished is not None:
                    found[entry] = wished
        return tuple(entry if rtx else Capability(entry.codec) for entry in found.values())


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


H264_WISHES = frozenset("level-asymmetry-allowed max-br max-cpb max-fs max-mbps packetization-mode profile-level-id".split())
"""Parameters by which a receiver of H.264 says what it takes (RFC 6184 §8.1)."""


def _as_wished(kind: str, entry: Capability, codec: RTCRtpCodecCapability) -> Capability | None:
    """The entry that a preferred codec stands for, with its parameters; None where it is another. They may be a program's own
    of Opus, and of H.264 where they name the same profile and no higher level."""
    own = capability(kind, entry.codec)
    if _same(own, codec):
        return entry
    if not _same(own, replace(codec, parameters=own.parameters)):
        return None
    fmtp = ";".join(name if value is None else f"{name}={value}" for name, value in codec.parameters.items())
    wished = replace(entry.codec, fmtp=fmtp or None)
    values = {name: str(value) for name, value in codec.parameters.items() if value is not None}
    profile = values.pop("profile-level-id", "") if own.name.lower() == "h264" else ""
    if not all(value.isdecimal() for value in values.values()):
        return None
    match own.name.lower():
        case "opus":
            known = codec.parameters.keys() <= OPUS_WISHES
        case "h264":
            level, most = h264.level({"profile-level-id": profile or None}), h264.level(own.parameters)
            within = level is not None and most is not None and level <= most
            known = codec.parameters.keys() <= H264_WISHES and within and meaning(wished) == meaning(entry.codec)
        case _:
            known = False
    return replace(entry, codec=wished) if known else None


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
            Capability(Codec(63, "red", 48000, 2)),  # of Opus; before it in the list it is what is sent
            Capability(Codec(9, "G722", 8000)),
            Capability(Codec(0, "PCMU", 8000)),
            Capability(Codec(8, "PCMA", 8000)),
            Capability(Codec(110, "telephone-event", 48000)),  # beside Opus, whose clock it has
            Capability(Codec(126, "telephone-event", 8000)),
        ),
        "video": (
            _video(96, "VP8"),
            _video(98, "VP9", "profile-id=0"),
            # Constrained Baseline before Baseline, which FFmpeg and GStreamer call the same stream; in level 5.2, which is the
            # decoder's.
            _video(102, "H264", "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e034"),
            _video(106, "H264", "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=420034"),
            _video(104, "H264", "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e034"),
            _video(108, "H264", "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=420034"),
            _video(45, "AV1", "level-idx=5;profile=0;tier=0"),
        ),
    },
    {
        "audio": (*_BOTH, extensions.AUDIO_LEVEL, extensions.CSRC_AUDIO_LEVEL, extensions.ABS_CAPTURE_TIME),
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
