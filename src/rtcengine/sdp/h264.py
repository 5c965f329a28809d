"""H.264 profiles behind profile-level-id (RFC 6184 §8.1): several byte patterns mean one profile."""

from __future__ import annotations

import re
from enum import Enum, auto

from .description import Codec

DEFAULT_PROFILE_LEVEL_ID = "42000a"  # Baseline, level 1: what an absent parameter means (RFC 6184 §8.1)


class Profile(Enum):
    CONSTRAINED_BASELINE = auto()
    BASELINE = auto()
    MAIN = auto()
    EXTENDED = auto()
    CONSTRAINED_HIGH = auto()
    HIGH = auto()
    HIGH_10 = auto()
    HIGH_42 = auto()
    HIGH_44 = auto()
    HIGH_10_INTRA = auto()
    HIGH_42_INTRA = auto()
    HIGH_44_INTRA = auto()
    CAVLC_44_INTRA = auto()


# RFC 6184 table 5: profile_idc, then mask and value of profile-iop. First match wins.
_PATTERNS = (
    (0x42, 0b0100_1111, 0b0100_0000, Profile.CONSTRAINED_BASELINE),
    (0x4D, 0b1000_1111, 0b1000_0000, Profile.CONSTRAINED_BASELINE),
    (0x58, 0b1100_1111, 0b1100_0000, Profile.CONSTRAINED_BASELINE),
    (0x42, 0b0100_1111, 0b0000_0000, Profile.BASELINE),
    (0x58, 0b1100_1111, 0b1000_0000, Profile.BASELINE),
    (0x4D, 0b1010_1111, 0b0000_0000, Profile.MAIN),
    (0x58, 0b1100_1111, 0b0000_0000, Profile.EXTENDED),
    (0x64, 0b1111_1111, 0b0000_0000, Profile.HIGH),
    (0x64, 0b1111_1111, 0b0000_1100, Profile.CONSTRAINED_HIGH),  # not in the table, sent by Safari and libwebrtc
    (0x6E, 0b1111_1111, 0b0000_0000, Profile.HIGH_10),
    (0x7A, 0b1111_1111, 0b0000_0000, Profile.HIGH_42),
    (0xF4, 0b1111_1111, 0b0000_0000, Profile.HIGH_44),
    (0x6E, 0b1111_1111, 0b0001_0000, Profile.HIGH_10_INTRA),
    (0x7A, 0b1111_1111, 0b0001_0000, Profile.HIGH_42_INTRA),
    (0xF4, 0b1111_1111, 0b0001_0000, Profile.HIGH_44_INTRA),
    (0x2C, 0b1111_1111, 0b0001_0000, Profile.CAVLC_44_INTRA),
)

_FROM_MAIN = frozenset({Profile.HIGH, Profile.HIGH_10, Profile.HIGH_42, Profile.HIGH_44})

# Whose decoders must decode the profile as well (H.264 Annex A.3), besides its own.
_DECODED_BY: dict[Profile, frozenset[Profile]] = {
    Profile.CONSTRAINED_BASELINE: _FROM_MAIN | {Profile.BASELINE, Profile.MAIN, Profile.EXTENDED, Profile.CONSTRAINED_HIGH},
    Profile.BASELINE: frozenset({Profile.EXTENDED}),
    Profile.MAIN: _FROM_MAIN,
    Profile.CONSTRAINED_HIGH: _FROM_MAIN,
    Profile.HIGH: _FROM_MAIN - {Profile.HIGH},
    Profile.HIGH_10: frozenset({Profile.HIGH_42, Profile.HIGH_44}),
    Profile.HIGH_42: frozenset({Profile.HIGH_44}),
}


def profile(codec: Codec) -> Profile | None:
    """The profile of an H.264 payload type; None when profile-level-id names none that exists."""
    text = codec.parameters.get("profile-level-id", DEFAULT_PROFILE_LEVEL_ID)
    if not re.fullmatch(r"[0-9A-Fa-f]{6}", text):
        return None
    idc, iop = int(text[:2], 16), int(text[2:4], 16)
    return next((p for i, mask, value, p in _PATTERNS if i == idc and iop & mask == value), None)


def packetization_mode(codec: Codec) -> int | None:
    """0 (single NAL units), 1 (non-interleaved) or 2 (interleaved); None when the parameter is none of them."""
    text = codec.parameters.get("packetization-mode", "0")
    return int(text) if text in ("0", "1", "2") else None


def decodes(decoder: Profile, stream: Profile) -> bool:
    """Whether a decoder of one profile decodes streams of another."""
    return decoder is stream or decoder in _DECODED_BY.get(stream, frozenset())
