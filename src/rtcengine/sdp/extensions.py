"""RTP header extensions: which are answered, and with which id (RFC 8285 §5 to §7)."""

from __future__ import annotations

from ..types import Direction
from .description import ExtMap, MediaSection, SessionDescription

MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
RID = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
REPAIRED_RID = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
ABS_SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
TRANSPORT_CC = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
AUDIO_LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
CSRC_AUDIO_LEVEL = "urn:ietf:params:rtp-hdrext:csrc-audio-level"
VIDEO_ORIENTATION = "urn:3gpp:video-orientation"
PLAYOUT_DELAY = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
CONTENT_TYPE = "http://www.webrtc.org/experiments/rtp-hdrext/video-content-type"
VIDEO_TIMING = "http://www.webrtc.org/experiments/rtp-hdrext/video-timing"
COLOR_SPACE = "http://www.webrtc.org/experiments/rtp-hdrext/color-space"
ABS_CAPTURE_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
DEPENDENCY_DESCRIPTOR = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"

WRITTEN_BY_RELAY = frozenset({MID, ABS_SEND_TIME, TRANSPORT_CC})
"""Made anew for each viewer, whatever the publisher sends."""

FORWARDED = frozenset(
    {
        AUDIO_LEVEL,
        VIDEO_ORIENTATION,
        PLAYOUT_DELAY,
        CONTENT_TYPE,
        VIDEO_TIMING,
        COLOR_SPACE,
        ABS_CAPTURE_TIME,
        DEPENDENCY_DESCRIPTOR,
    }
)
"""Copied from publisher to viewers, so worth offering to a viewer only when the publisher has them."""

FROM_PUBLISHER = WRITTEN_BY_RELAY | FORWARDED | {RID, REPAIRED_RID}

_ONE_BYTE_IDS = range(1, 15)
_TWO_BYTE_IDS = range(1, 256)


def answer_extensions(
    offer: SessionDescription, section: MediaSection, wanted: frozenset[str] | set[str], *, sending: bool
) -> tuple[ExtMap, ...]:
    """The offered extensions that are wanted, with the offer's ids, as an answer lists them.

    `sending` is our direction. Extensions that the offer restricts to the other direction are left out, and so are ids
    that need the two-byte form unless the offer allows mixing the forms. One id a URI.
    """
    ids = _TWO_BYTE_IDS if offer.allows_mixed_extensions(section) else _ONE_BYTE_IDS
    answered: dict[str, ExtMap] = {}
    taken: set[int] = set()
    for entry in offer.extmaps_of(section):
        if entry.uri not in wanted or entry.uri in answered or entry.id not in ids or entry.id in taken:
            continue
        theirs = entry.direction
        if theirs is not None and not (theirs.receives if sending else theirs.sends):
            continue
        direction = None if theirs in (None, Direction.SENDRECV) else theirs.reversed if theirs else None
        answered[entry.uri] = ExtMap(entry.id, entry.uri, direction)
        taken.add(entry.id)
    return tuple(answered.values())
