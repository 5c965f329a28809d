"""Our `sdp` under the names of aiortc's, so that aiortc's tests of its own can be asked of it. What is read is what `parse`
has read; the text is what aiortc makes of what `write` has written, so that nothing which it knows is lost on the way."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import aiortc.sdp as theirs
from aiortc import RTCDtlsFingerprint, RTCDtlsParameters, RTCIceParameters
from aiortc.rtcrtpparameters import RTCRtcpFeedback, RTCRtpCodecParameters, RTCRtpHeaderExtensionParameters
from aiortc.rtcsctptransport import RTCSctpCapabilities
from aiortc.sdp import DTLS_SETUP_ROLE, GroupDescription, SsrcDescription

from rtcengine.peer.capabilities import typed
from rtcengine.sdp import Codec, MediaSection, format_candidate, parse, write
from rtcengine.sdp import SessionDescription as Ours

__all__ = ["GroupDescription", "SessionDescription", "SsrcDescription"]


def feedback(text: str) -> RTCRtcpFeedback:
    kind, _, parameter = text.partition(" ")
    return RTCRtcpFeedback(type=kind, parameter=parameter or None)


def codec(section: MediaSection, found: Codec) -> RTCRtpCodecParameters:
    return RTCRtpCodecParameters(
        mimeType=f"{section.kind}/{found.name}",
        clockRate=found.clock_rate,
        channels=(found.channels or 1) if section.kind == "audio" else None,
        payloadType=found.payload_type,
        rtcpFeedback=[feedback(text) for text in [*found.feedback, *section.wildcard_feedback]],
        parameters=typed(found.parameters),
    )


def ssrcs(section: MediaSection) -> Iterable[SsrcDescription]:
    for entry in section.ssrcs:
        said = dict(entry.attributes)
        yield SsrcDescription(entry.ssrc, *(said.get(name) for name in ("cname", "msid", "mslabel", "label")))


class MediaDescription:
    """A section as aiortc shows it: what the session says for all its sections is told of each."""

    def __init__(self, description: Ours, section: MediaSection) -> None:
        self.kind, self.port, self.profile = section.kind, section.port, section.protocol
        self.host = section.connection.address if section.connection is not None else None
        self.direction = str(section.direction) if section.direction is not None else None
        self.msid = next((f"{m.stream} {m.track}" if m.track else m.stream for m in section.msids), None)
        self.fmt = [int(f) for f in section.formats] if section.is_rtp else list(section.formats)
        self.rtp = SimpleNamespace(
            codecs=[codec(section, found) for found in section.codecs],
            headerExtensions=[RTCRtpHeaderExtensionParameters(id=e.id, uri=e.uri) for e in section.extmaps],
            muxId=section.mid or "",
        )
        rtcp = section.rtcp
        self.rtcp_port = rtcp.port if rtcp is not None else None
        self.rtcp_host = rtcp.connection.address if rtcp is not None and rtcp.connection is not None else None
        self.rtcp_mux = section.rtcp_mux
        self.ssrc = list(ssrcs(section))
        self.ssrc_group = [GroupDescription(g.semantics, list(g.ssrcs)) for g in section.ssrc_groups]
        self.sctpmap: dict[int, str] = {}
        if (old := section.attribute("sctpmap")) is not None and old.value is not None:
            number, _, rest = old.value.partition(" ")
            self.sctpmap[int(number)] = rest
        self.sctp_port = section.sctp_port
        most = section.max_message_size
        self.sctpCapabilities = RTCSctpCapabilities(maxMessageSize=most) if most is not None else None
        self.ice_candidates = [format_candidate(c) for c in section.candidates]
        self.ice_candidates_complete = section.end_of_candidates
        self.ice_options = " ".join(description.ice_options_of(section)) or None
        ufrag, pwd = description.ice_of(section) or (None, None)
        self.ice = RTCIceParameters(usernameFragment=ufrag, password=pwd, iceLite=description.ice_lite)
        setup = description.setup_of(section)
        prints = [RTCDtlsFingerprint(f.algorithm, f.value) for f in description.fingerprints_of(section)]
        self.dtls = RTCDtlsParameters(prints, DTLS_SETUP_ROLE[str(setup)]) if setup is not None else None


class SessionDescription:
    """A description as aiortc shows it."""

    def __init__(self, ours: Ours) -> None:
        self._ours = ours
        o, first = ours.origin, ours.times[0]
        self.version, self.name = ours.version, ours.name
        self.origin = f"{o.username} {o.session_id} {o.version} {o.network_type} {o.address_type} {o.address}"
        self.time = f"{first.start} {first.stop}"
        self.host = ours.connection.address if ours.connection is not None else None
        self.group = [GroupDescription(g.semantics, list(g.mids)) for g in ours.groups]
        self.msid_semantic: list[GroupDescription] = []
        theirs.parse_group(self.msid_semantic, ours.msid_semantic or "")
        self.media = [MediaDescription(ours, section) for section in ours.media]

    @classmethod
    def parse(cls, text: str) -> SessionDescription:
        return cls(parse(text.lstrip("\r\n")))  # Safari's there begins with an empty line, which is an error to us

    def webrtc_track_id(self, media: MediaDescription) -> Any:
        return theirs.SessionDescription.webrtc_track_id(self, media)  # type: ignore[arg-type]

    def __str__(self) -> str:
        return str(theirs.SessionDescription.parse(write(self._ours)))
