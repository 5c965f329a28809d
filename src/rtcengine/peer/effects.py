"""What a negotiation asks of the engine: a plan of all that should exist, and the steps from one plan to the next.

The state machine never acts. After each call it computes the `Plan` its descriptions amount to; `steps` compares it with
the plan before and gives effects in the order in which they may be carried out: transports are opened before anything
uses them and closed after nothing does. A driver carries them out one by one and remembers nothing: each effect
holds all it needs and replaces what the one before said about the same thing. Rollback is no case of its own: the plan
is that of before, so the effects undo what the rolled-back description did.

Transports are named by numbers that are never used twice, senders, receivers and data by the mid of their section.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..sdp import RemoteTransport
from ..types import Candidate, DtlsRole


@dataclass(frozen=True, slots=True)
class CodecUse:
    """A payload type and the one that repeats it; `fmtp` is the peer's word for what is sent, ours for what comes. `red`: the
    type of packets that repeat earlier frames (RFC 2198); `red_first`: it stands before the codec's own, and so is wanted."""

    payload_type: int
    name: str
    clock_rate: int
    channels: int | None
    fmtp: str | None
    feedback: tuple[str, ...]
    rtx_payload_type: int | None
    red: int | None = None
    red_first: bool = False


@dataclass(frozen=True, slots=True)
class Encoding:
    """One stream of a sender. A `rid` of None is the only stream. Limits of None are none. `temporal_layers` of None: nobody
    has asked for a number, one is made. `ptime_ms`: what the program wishes a packet to hold. `redundancy`: how many frames
    it shall repeat, where that is agreed."""

    ssrc: int
    rtx_ssrc: int
    rid: str | None = None
    active: bool = True
    max_bitrate_bps: int | None = None
    max_framerate: float | None = None
    scale_down_by: float | None = None
    temporal_layers: int | None = None
    ptime_ms: int | None = None
    redundancy: int | None = None


@dataclass(frozen=True, slots=True)
class DeclaredSource:
    """A source that the peer announces, and the one that repeats it."""

    ssrc: int
    rtx_ssrc: int | None
    cname: str | None


@dataclass(frozen=True, slots=True)
class TransportPlan:
    """One transport: ICE with DTLS. `remote` is None until the peer's answer (or our answer) made it known; its
    candidates are in `candidates`, where later ones are added. `role` is ours in DTLS, `controlling` in ICE."""

    id: int
    ice_ufrag: str
    ice_pwd: str
    controlling: bool
    remote: RemoteTransport | None = None
    role: DtlsRole | None = None
    candidates: tuple[Candidate, ...] = ()
    complete: bool = False


@dataclass(frozen=True, slots=True)
class MediaPlan:
    """A sender or receiver. `codecs` come in order of preference, a sender uses the first that it can encode.
    `bandwidth_bps` is the peer's b= limit, for all streams of the section together. `offered`, of a receiver: what we offered
    besides and the answer left out; browsers send it all the same. `tones`: the payload types of telephone events. `ptime_ms`
    and `max_ptime_ms`: how much sound the peer wants in a packet, and takes. `degradation`: the program's
    degradationPreference."""

    mid: str
    kind: str
    transport: int
    codecs: tuple[CodecUse, ...]
    extensions: tuple[tuple[str, int], ...]
    reduced_rtcp: bool
    encodings: tuple[Encoding, ...] = ()
    cname: str = ""
    bandwidth_bps: int | None = None
    sources: tuple[DeclaredSource, ...] = ()
    rids: tuple[str, ...] = ()
    offered: tuple[CodecUse, ...] = ()
    tones: tuple[CodecUse, ...] = ()
    ptime_ms: float | None = None
    max_ptime_ms: float | None = None
    degradation: str | None = None


@dataclass(frozen=True, slots=True)
class DataPlan:
    """SCTP over a transport. `remote_port` is None until the peer's description is known."""

    mid: str
    transport: int
    remote_port: int | None = None
    max_message_size: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """All that should exist."""

    transports: dict[int, TransportPlan] = field(default_factory=dict)
    receivers: dict[str, MediaPlan] = field(default_factory=dict)
    senders: dict[str, MediaPlan] = field(default_factory=dict)
    data: DataPlan | None = None


@dataclass(frozen=True, slots=True)
class OpenTransport:
    """Gather with these credentials."""

    transport: TransportPlan


@dataclass(frozen=True, slots=True)
class RestartIce:
    """Gather anew with other credentials; the running pair serves until the new one does (RFC 8445 §2.4)."""

    id: int
    ice_ufrag: str
    ice_pwd: str


@dataclass(frozen=True, slots=True)
class ConnectTransport:
    """The peer's side is known, or changed: its credentials, fingerprints, and our roles."""

    id: int
    remote: RemoteTransport
    role: DtlsRole
    controlling: bool


@dataclass(frozen=True, slots=True)
class AddRemoteCandidate:
    """A candidate of the peer; None when there are no more."""

    id: int
    candidate: Candidate | None


@dataclass(frozen=True, slots=True)
class CloseTransport:
    """Nothing uses it any more."""

    id: int


@dataclass(frozen=True, slots=True)
class Receive:
    """Take the media of this section; replaces what was said of it before."""

    media: MediaPlan


@dataclass(frozen=True, slots=True)
class StopReceiving:
    """The section brings nothing any more."""

    mid: str


@dataclass(frozen=True, slots=True)
class Send:
    """Send media by this section; replaces what was said of it before."""

    media: MediaPlan


@dataclass(frozen=True, slots=True)
class StopSending:
    """Nothing is sent by the section any more."""

    mid: str


@dataclass(frozen=True, slots=True)
class OpenData:
    """SCTP should run, or run with other numbers."""

    data: DataPlan


@dataclass(frozen=True, slots=True)
class CloseData:
    """SCTP should end."""

    mid: str


Effect = (
    OpenTransport
    | RestartIce
    | ConnectTransport
    | AddRemoteCandidate
    | CloseTransport
    | Receive
    | StopReceiving
    | Send
    | StopSending
    | OpenData
    | CloseData
)


def steps(before: Plan, after: Plan) -> tuple[Effect, ...]:
    """Effects that turn one plan into the other, none where nothing differs."""
    found: list[Effect] = []
    found += [StopSending(mid) for mid in before.senders if mid not in after.senders]
    found += [StopReceiving(mid) for mid in before.receivers if mid not in after.receivers]
    if before.data is not None and (after.data is None or after.data.mid != before.data.mid):
        found.append(CloseData(before.data.mid))
    for new in after.transports.values():
        found += _transport_steps(before.transports.get(new.id), new)
    # Receivers first: the peer may answer a sender at once.
    found += [Receive(media) for mid, media in after.receivers.items() if before.receivers.get(mid) != media]
    found += [Send(media) for mid, media in after.senders.items() if before.senders.get(mid) != media]
    if after.data is not None and after.data != before.data:
        found.append(OpenData(after.data))
    found += [CloseTransport(id) for id in before.transports if id not in after.transports]
    return tuple(found)


def _transport_steps(old: TransportPlan | None, new: TransportPlan) -> list[Effect]:
    found: list[Effect] = []
    if old is None:
        found.append(OpenTransport(new))
    elif (old.ice_ufrag, old.ice_pwd) != (new.ice_ufrag, new.ice_pwd):
        found.append(RestartIce(new.id, new.ice_ufrag, new.ice_pwd))
    if new.remote is None or new.role is None:
        return found
    same_peer = old is not None and old.remote is not None and _credentials(old.remote) == _credentials(new.remote)
    known = old.candidates if old is not None and same_peer else ()
    if old is None or not same_peer or (old.remote, old.role, old.controlling) != (new.remote, new.role, new.controlling):
        found.append(ConnectTransport(new.id, new.remote, new.role, new.controlling))
    found += [AddRemoteCandidate(new.id, candidate) for candidate in new.candidates if candidate not in known]
    if new.complete and not (old is not None and same_peer and old.complete):
        found.append(AddRemoteCandidate(new.id, None))
    return found


def _credentials(remote: RemoteTransport) -> tuple[str, str]:
    return remote.ice_ufrag, remote.ice_pwd
