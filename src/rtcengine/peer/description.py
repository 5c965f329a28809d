"""Descriptions and candidates as programs see them: aiortc's fields, and the W3C's where they differ."""

from __future__ import annotations

from dataclasses import dataclass

from ..sdp import format_candidate, parse_candidate
from ..types import Candidate

SDP_TYPES = ("offer", "pranswer", "answer", "rollback")


@dataclass
class RTCSessionDescription:
    """One end of a connection. ValueError for another type than offer, pranswer, answer or rollback."""

    sdp: str
    type: str

    def __post_init__(self) -> None:
        if self.type not in SDP_TYPES:
            raise ValueError(f"type is none of {', '.join(SDP_TYPES)}: {self.type!r}")


@dataclass
class RTCIceCandidate:
    """A candidate. One without an address (`ip` empty) says that there are no more, see `end_of_candidates`."""

    component: int
    foundation: str
    ip: str
    port: int
    priority: int
    protocol: str
    type: str
    relatedAddress: str | None = None
    relatedPort: int | None = None
    sdpMid: str | None = None
    sdpMLineIndex: int | None = None
    tcpType: str | None = None
    usernameFragment: str | None = None

    @property
    def address(self) -> str:
        """The W3C's name for `ip`."""
        return self.ip

    @property
    def candidate(self) -> str:
        """As JavaScript has it: "candidate:...", empty for the end of candidates."""
        return format_candidate(self.to_wire()) if self.ip else ""

    def to_wire(self) -> Candidate:
        """The engine's value."""
        ufrag = self.usernameFragment
        return Candidate(
            foundation=self.foundation,
            component=self.component,
            transport=self.protocol,
            priority=self.priority,
            address=self.ip,
            port=self.port,
            type=self.type,
            related_address=self.relatedAddress,
            related_port=self.relatedPort,
            tcp_type=self.tcpType,
            extensions=(("ufrag", ufrag),) if ufrag is not None else (),
        )

    @classmethod
    def from_wire(
        cls, wire: Candidate, *, mid: str | None = None, index: int | None = None, ufrag: str | None = None
    ) -> RTCIceCandidate:
        return cls(
            component=wire.component,
            foundation=wire.foundation,
            ip=wire.address,
            port=wire.port,
            priority=wire.priority,
            protocol=wire.transport,
            type=wire.type,
            relatedAddress=wire.related_address,
            relatedPort=wire.related_port,
            sdpMid=mid,
            sdpMLineIndex=index,
            tcpType=wire.tcp_type,
            usernameFragment=ufrag if ufrag is not None else wire.ufrag,
        )

    @classmethod
    def from_sdp(
        cls,
        candidate: str,
        sdpMid: str | None = None,
        sdpMLineIndex: int | None = None,
        usernameFragment: str | None = None,
    ) -> RTCIceCandidate:
        """What browsers' JSON holds. ValueError for text that is no candidate; empty text ends the candidates."""
        if not candidate.removeprefix("a=").removeprefix("candidate:").strip():
            return cls.end_of_candidates(sdpMid, sdpMLineIndex, usernameFragment)
        return cls.from_wire(parse_candidate(candidate), mid=sdpMid, index=sdpMLineIndex, ufrag=usernameFragment)

    @classmethod
    def end_of_candidates(
        cls, sdpMid: str | None = None, sdpMLineIndex: int | None = None, usernameFragment: str | None = None
    ) -> RTCIceCandidate:
        """No more will come for this section and generation."""
        return cls(1, "", "", 0, 0, "", "", None, None, sdpMid, sdpMLineIndex, None, usernameFragment)


def candidate_from_sdp(sdp: str) -> RTCIceCandidate:
    """What follows "candidate:"; the prefix may be there. ValueError for text that is no candidate."""
    return RTCIceCandidate.from_wire(parse_candidate(sdp))


def candidate_to_sdp(candidate: RTCIceCandidate) -> str:
    """What follows "candidate:"."""
    return format_candidate(candidate.to_wire()).removeprefix("candidate:")
