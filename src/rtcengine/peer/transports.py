"""RTCDtlsTransport, RTCIceTransport and RTCIceGatherer: a connection's transports as programs see them (W3C webrtc §5.5, §5.6).

They show what goes on and change nothing: a connection makes them, and what they say comes from its negotiation and its driver.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pyee.asyncio import AsyncIOEventEmitter

from ..types import Candidate, DtlsRole
from .certificate import RTCDtlsFingerprint
from .description import RTCIceCandidate

if TYPE_CHECKING:
    from .connection import RTCPeerConnection
    from .driver import TransportFacts
    from .state import TransportState


@dataclass
class RTCIceParameters:
    """Credentials of one side."""

    usernameFragment: str | None = None
    password: str | None = None
    iceLite: bool = False


@dataclass
class RTCDtlsParameters:
    """Certificates and role of one side; the role is auto, client or server."""

    fingerprints: list[RTCDtlsFingerprint] = field(default_factory=list)
    role: str = "auto"


@dataclass(frozen=True, slots=True)
class RTCIceCandidatePair:
    """Two addresses that reach each other."""

    local: RTCIceCandidate
    remote: RTCIceCandidate


class _Shown(AsyncIOEventEmitter):
    """Something with a state, and "statechange" when that is another."""

    def __init__(self, peer: RTCPeerConnection, id: int, state: str) -> None:
        super().__init__()
        self._peer, self._id, self._state = peer, id, state

    @property
    def state(self) -> str:
        return self._state

    def _show(self, state: str) -> bool:
        changed, self._state = state != self._state, state
        return changed

    @property
    def _negotiated(self) -> TransportState | None:
        return self._peer.jsep.state.transports.get(self._id)

    @property
    def _facts(self) -> TransportFacts | None:
        return self._peer.driver.facts(self._id)

    def _section(self) -> str | None:
        """The first section that it carries."""
        return next((mid for mid, id in self._peer.jsep.state.transport_of.items() if id == self._id), None)

    def _candidates(self, wire: Collection[Candidate]) -> list[RTCIceCandidate]:
        mid = self._section()
        return [RTCIceCandidate.from_wire(one, mid=mid) for one in wire]


class RTCIceGatherer(_Shown):
    """Finds addresses of ours. `state`: new, gathering or complete, closed with its connection; event "statechange"."""

    def getLocalCandidates(self) -> list[RTCIceCandidate]:
        """Those that the peer is told."""
        return self._candidates(self._negotiated.candidates if self._negotiated is not None else ())

    def getLocalParameters(self) -> RTCIceParameters:
        now = self._negotiated
        return RTCIceParameters(*now.ice) if now is not None else RTCIceParameters()


class RTCIceTransport(_Shown):
    """Finds a way to the peer. `state` as RTCIceTransportState; events "statechange" and "gatheringstatechange"."""

    component = "rtp"

    def __init__(self, peer: RTCPeerConnection, id: int, states: tuple[str, str]) -> None:
        super().__init__(peer, id, states[0])
        self._gatherer = RTCIceGatherer(peer, id, states[1])

    @property
    def iceGatherer(self) -> RTCIceGatherer:
        return self._gatherer

    @property
    def gatheringState(self) -> str:
        return self._gatherer.state

    @property
    def role(self) -> str:
        """controlling or controlled, "unknown" before a description says."""
        facts = self._facts
        if facts is None or self._peer.jsep.state.controlling is None:
            return "unknown"
        return "controlling" if facts.controlling else "controlled"

    def getLocalCandidates(self) -> list[RTCIceCandidate]:
        return self._gatherer.getLocalCandidates()

    def getLocalParameters(self) -> RTCIceParameters:
        return self._gatherer.getLocalParameters()

    def getRemoteCandidates(self) -> list[RTCIceCandidate]:
        """Those that the peer told."""
        return self._candidates(self._facts.remote_candidates if self._facts is not None else ())

    def getRemoteParameters(self) -> RTCIceParameters | None:
        """None until the peer is known."""
        remote = self._negotiated.remote if self._negotiated is not None else None
        return RTCIceParameters(remote.ice_ufrag, remote.ice_pwd, remote.ice_lite) if remote is not None else None

    def getSelectedCandidatePair(self) -> RTCIceCandidatePair | None:
        """What it sends by, None while there is no way."""
        facts = self._facts
        if facts is None or facts.pair is None:
            return None
        local, remote = self._candidates(facts.pair)
        return RTCIceCandidatePair(local, remote)


class RTCDtlsTransport(_Shown):
    """Agrees on keys with the peer. `state` as RTCDtlsTransportState; event "statechange"."""

    def __init__(self, peer: RTCPeerConnection, id: int, states: tuple[str, str, str]) -> None:
        super().__init__(peer, id, states[0])
        self._ice = RTCIceTransport(peer, id, states[1:])

    @property
    def transport(self) -> RTCIceTransport:
        """aiortc's name for `iceTransport`."""
        return self._ice

    @property
    def iceTransport(self) -> RTCIceTransport:
        return self._ice

    def getLocalParameters(self) -> RTCDtlsParameters:
        now = self._negotiated
        role = now.role if now is not None else None
        names = {None: "auto", DtlsRole.CLIENT: "client", DtlsRole.SERVER: "server"}
        prints = [RTCDtlsFingerprint(f.algorithm, f.value.lower()) for f in self._peer.driver.fingerprints]
        return RTCDtlsParameters(prints, names[role])

    def getRemoteCertificates(self) -> list[bytes]:
        """What the peer showed, DER, its own first; empty before the handshake is over."""
        return list(self._facts.remote_certificates) if self._facts is not None else []


class Transports:
    """Those of one connection, made when somebody looks, and kept."""

    def __init__(self, peer: RTCPeerConnection) -> None:
        self._peer = peer
        self._made: dict[int, RTCDtlsTransport] = {}
        self._dtls: dict[int, str] = {}
        self._ice: dict[int, str] = {}
        self._gathering: dict[int, str] = {}

    def of_section(self, mid: str | None) -> RTCDtlsTransport | None:
        """None before a description gives the section one."""
        id = self._peer.jsep.state.transport_of.get(mid) if mid is not None else None
        return self.get(id) if id is not None else None

    def get(self, id: int) -> RTCDtlsTransport:
        if id not in self._made:
            states = (self._dtls.get(id, "new"), self._ice.get(id, "new"), self._gathering.get(id, "new"))
            self._made[id] = RTCDtlsTransport(self._peer, id, states)
        return self._made[id]

    def on_dtls(self, id: int, state: str) -> None:
        self._dtls[id] = state
        if id in self._made and self._made[id]._show(state):
            self._peer.fire_at(self._made[id], "statechange")

    def on_ice(self, id: int, state: str) -> None:
        self._ice[id] = state
        if id in self._made and self._made[id].iceTransport._show(state):
            self._peer.fire_at(self._made[id].iceTransport, "statechange")

    def on_gathering(self, id: int, state: str) -> None:
        self._gathering[id] = state
        if id in self._made and self._made[id].iceTransport.iceGatherer._show(state):
            self._peer.fire_at(self._made[id].iceTransport.iceGatherer, "statechange")
            self._peer.fire_at(self._made[id].iceTransport, "gatheringstatechange")

    def states(self, live: Collection[int]) -> tuple[list[str], list[str], list[str]]:
        """Of DTLS, ICE and gathering."""
        return tuple([known.get(id, "new") for id in live] for known in (self._dtls, self._ice, self._gathering))  # type: ignore[return-value]

    def keep(self, live: Collection[int]) -> None:
        """The others have been closed."""
        for id in [id for id in self._made if id not in live]:
            gone = self._made.pop(id)
            self._end(gone)

    def close(self) -> None:
        """All at once, without an event, as the W3C has it; who holds one sees its last state."""
        for one in self._made.values():
            self._end(one)

    @staticmethod
    def _end(one: RTCDtlsTransport) -> None:
        for shown in (one, one.iceTransport, one.iceTransport.iceGatherer):
            shown._show("closed")
            shown.remove_all_listeners()
