"""H.264 profiles and levels behind profile-level-id (RFC 6184 §8.1): several byte patterns mean one profile, and a level bounds
what a decoder takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, NamedTuple

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


class Level(NamedTuple):
    """A row of H.264's table A-1: macroblocks of a second and of a picture, bits of a second and of the decoder's buffer (for
    Baseline and Main), level_idc. They sort as levels do. 1b is 9, as High writes it."""

    second_blocks: int
    picture_blocks: int
    bps: int
    buffer_bits: int
    number: int

    @property
    def name(self) -> str:
        return "1b" if self.number == 9 else f"{self.number / 10:g}"


LEVELS = tuple(
    Level(second, picture, 1000 * kbps, 1000 * buffer, number)
    for number, second, picture, kbps, buffer in (
        (10, 1_485, 99, 64, 175),
        (9, 1_485, 99, 128, 350),
        (11, 3_000, 396, 192, 500),
        (12, 6_000, 396, 384, 1_000),
        (13, 11_880, 396, 768, 2_000),
        (20, 11_880, 396, 2_000, 2_000),
        (21, 19_800, 792, 4_000, 4_000),
        (22, 20_250, 1_620, 4_000, 4_000),
        (30, 40_500, 1_620, 10_000, 10_000),
        (31, 108_000, 3_600, 14_000, 14_000),
        (32, 216_000, 5_120, 20_000, 20_000),
        (40, 245_760, 8_192, 20_000, 25_000),
        (41, 245_760, 8_192, 50_000, 62_500),
        (42, 522_240, 8_704, 50_000, 62_500),
        (50, 589_824, 22_080, 135_000, 135_000),
        (51, 983_040, 36_864, 240_000, 240_000),
        (52, 2_073_600, 36_864, 240_000, 240_000),
        (60, 4_177_920, 139_264, 240_000, 240_000),
        (61, 8_355_840, 139_264, 480_000, 480_000),
        (62, 16_711_680, 139_264, 800_000, 800_000),
    )
)
_LEVEL = {level.number: level for level in LEVELS}

USUAL_LEVEL = _LEVEL[31]
"""Of who names none. RFC 6184 has level 1 then, 176 x 144 fifteen times a second, which nobody means who leaves it out;
browsers have this one."""

_MARKS_1B = {0x42, 0x4D, 0x58}
"""Profiles in which 1b is 1.1 with constraint_set3_flag (H.264 §A.3.1)."""
_SET3 = 0x10


def level(parameters: Mapping[str, Any]) -> Level | None:
    """What format parameters name, USUAL_LEVEL where they name none; None of a profile-level-id that cannot be read."""
    text = parameters.get("profile-level-id")
    if text is None:
        return USUAL_LEVEL
    if not re.fullmatch(r"[0-9A-Fa-f]{6}", str(text)):
        return None
    idc, iop, number = bytes.fromhex(str(text))
    if number == 11 and iop & _SET3 and idc in _MARKS_1B:
        number = 9
    known = [n for n in _LEVEL if n <= number]
    return _LEVEL[max(known)] if known else LEVELS[0]


def receivable(parameters: Mapping[str, Any]) -> Level | None:
    """The level, with what the receiver says that it takes beyond (RFC 6184 §8.1: max-mbps, max-fs, max-br, max-cpb)."""
    found = level(parameters)
    if found is None:
        return None
    second, picture = _number(parameters, "max-mbps"), _number(parameters, "max-fs")
    bps, buffer = 1000 * _number(parameters, "max-br"), 1000 * _number(parameters, "max-cpb")
    return Level(
        max(found.second_blocks, second),
        max(found.picture_blocks, picture),
        max(found.bps, bps),
        max(found.buffer_bits, buffer),
        found.number,
    )


def _number(parameters: Mapping[str, Any], name: str) -> int:
    text = str(parameters.get(name, ""))
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else 0


def agreed(mine: Codec, other: Codec) -> str | None:
    """The fmtp of one side, with the level that holds towards it: its own where both allow levels that differ, else the lower
    one (RFC 6184 §8.2.2)."""
    text, found = mine.parameters.get("profile-level-id"), _common_level(mine, other)
    if mine.fmtp is None or text is None or found is None or found == level(mine.parameters):
        return mine.fmtp
    return mine.fmtp.replace(text, _with_level(text, found))


def answered(fmtp: str | None, offered: Codec, ours: Codec) -> str | None:
    """The fmtp of an answer, which repeats the offer's, with our level, or the lower of both (RFC 6184 §8.2.2)."""
    text, found = offered.parameters.get("profile-level-id"), _common_level(ours, offered)
    if fmtp is None or text is None or found is None:
        return fmtp
    if not _asymmetric(ours):
        fmtp = ";".join(part for part in fmtp.split(";") if not part.startswith("level-asymmetry-allowed"))
    return fmtp.replace(text, _with_level(text, found))


def _common_level(mine: Codec, other: Codec) -> Level | None:
    levels = level(mine.parameters), level(other.parameters)
    if levels[0] is None or levels[1] is None or (_asymmetric(mine) and _asymmetric(other)):
        return levels[0]
    return min(levels[0], levels[1])


def _asymmetric(codec: Codec) -> bool:
    return codec.parameters.get("level-asymmetry-allowed") == "1"


def _with_level(text: str, wanted: Level) -> str:
    """The profile-level-id of the same profile with another level."""
    idc, iop, number = int(text[:2], 16), int(text[2:4], 16), wanted.number
    if idc in _MARKS_1B and number in (9, 11):
        iop, number = (iop | _SET3 if number == 9 else iop & ~_SET3), 11
    return f"{idc:02x}{iop:02x}{number:02x}"


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
