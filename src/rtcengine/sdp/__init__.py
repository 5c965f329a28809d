"""Session descriptions (SDP): read, written and answered, without I/O.

`parse` and `write` are RFC 8866 with all that WebRTC uses, `answer_publisher` and `answer_viewer` are what a relay
says to WHIP and WHEP offers, `parse_fragment` and `write_fragment` are their PATCH bodies.
"""

from __future__ import annotations

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
    "format_candidate",
    "parse",
    "parse_candidate",
    "parse_fragment",
    "write",
    "write_fragment",
]
