"""Session descriptions (SDP): read, written and answered, without I/O.

`parse` and `write` are RFC 8866 with all that WebRTC uses, `answer_publisher` and `answer_viewer` are what a relay
says to WHIP and WHEP offers, `parse_fragment` and `write_fragment` are their PATCH bodies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .answer import (
    AcceptedSection,
    Answer,
    DeclaredStream,
    LocalStream,
    PublishedTrack,
    answer_publisher,
    answer_viewer,
)
from .candidate import format_candidate, parse_candidate
from .description import Codec, ExtMap, MediaSection, SessionDescription
from .errors import NegotiationError, SdpError
from .fragment import Fragment, FragmentSection, parse_fragment, write_fragment
from .parse import parse
from .transport import LocalTransport, RemoteTransport
from .write import write

if TYPE_CHECKING:
    from ..peer.description import candidate_from_sdp as candidate_from_sdp
    from ..peer.description import candidate_to_sdp as candidate_to_sdp


def __getattr__(name: str) -> Any:
    """aiortc's functions of these names are about the objects of a peer connection."""
    if name not in ("candidate_from_sdp", "candidate_to_sdp"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ..peer import description

    return getattr(description, name)


__all__ = [
    "AcceptedSection",
    "Answer",
    "Codec",
    "DeclaredStream",
    "ExtMap",
    "Fragment",
    "FragmentSection",
    "LocalStream",
    "LocalTransport",
    "MediaSection",
    "NegotiationError",
    "PublishedTrack",
    "RemoteTransport",
    "SdpError",
    "SessionDescription",
    "answer_publisher",
    "answer_viewer",
    "candidate_from_sdp",
    "candidate_to_sdp",
    "format_candidate",
    "parse",
    "parse_candidate",
    "parse_fragment",
    "write",
    "write_fragment",
]
