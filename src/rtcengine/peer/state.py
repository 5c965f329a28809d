"""The memory of a negotiation: transceivers, descriptions, transports. Values are replaced, never changed in place, so
that a shallow copy is a snapshot: a failing call leaves all as it was, and rollback finds what it goes back to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ..sdp import MediaSection, RemoteTransport, SessionDescription, write
from ..types import Candidate, Direction, DtlsRole, Fingerprint
from .capabilities import DEFAULT, Capabilities
from .configuration import RTCBundlePolicy
from .effects import Encoding, Plan
from .parameters import RTCRtpCodecCapability

STABLE = "stable"
HAVE_LOCAL_OFFER = "have-local-offer"
HAVE_REMOTE_OFFER = "have-remote-offer"
HAVE_LOCAL_PRANSWER = "have-local-pranswer"
HAVE_REMOTE_PRANSWER = "have-remote-pranswer"
CLOSED = "closed"
MAX_MESSAGE_SIZE = 262144
"""Of data channels, in bytes: what we take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JsepConfig:
    """What the machine is made with. `random` gives bytes, from the caller as all that is not computed."""

    random: Callable[[int], bytes]
    fingerprints: tuple[Fingerprint, ...]
    capabilities: Capabilities = DEFAULT
    bundle_policy: RTCBundlePolicy = RTCBundlePolicy.BALANCED
    always_data: bool = False
    """alwaysNegotiateDataChannels."""
    receive_simulcast: bool = False
    """Whether a peer's simulcast is answered with all its layers, as a relay wants, or with one stream."""
    max_message_size: int = MAX_MESSAGE_SIZE
    sctp_port: int = 5000


@dataclass(eq=False)
class Transceiver:
    """One of W3C's transceivers, without its objects. `track` is opaque here: only its id is written."""

    kind: str
    number: int
    direction: Direction
    msid_track: str
    track: Any = None
    streams: tuple[str, ...] = ()
    encodings: tuple[Encoding, ...] = ()
    preferences: tuple[RTCRtpCodecCapability, ...] = ()
    degradation: str | None = None
    receive_layers: tuple[str, ...] = ()
    by_add_track: bool = False
    by_remote: bool = False
    has_sent: bool = False
    stopping: bool = False
    stopped: bool = False
    # What descriptions made of it: rollback takes this back.
    mid: str | None = None
    index: int | None = None
    current: Direction | None = None
    fired: Direction | None = None
    receptive: bool = False
    remote_streams: tuple[str, ...] = ()
    remote_track: str | None = None


NEGOTIATED = ("mid", "index", "current", "fired", "receptive", "remote_streams", "remote_track", "encodings")


@dataclass(frozen=True, slots=True)
class Described:
    """A description that was set. `mids` has one for each section, made up where the peer gave none."""

    type: str
    sdp: SessionDescription
    mids: tuple[str, ...]
    text: str | None = None

    def section(self, mid: str) -> MediaSection | None:
        return self.sdp.media[self.mids.index(mid)] if mid in self.mids else None

    @property
    def written(self) -> str:
        return self.text if self.text is not None else write(self.sdp)


@dataclass(frozen=True, slots=True)
class Created:
    """The last offer or answer made: what setLocalDescription will be given. `owners` are the sections' transceivers."""

    text: str
    sdp: SessionDescription
    mids: tuple[str, ...]
    owners: tuple[Transceiver | None, ...]


@dataclass(frozen=True, slots=True)
class TransportState:
    id: int
    ice: tuple[str, str]
    candidates: tuple[Candidate, ...] = ()
    complete: bool = False
    remote: RemoteTransport | None = None
    role: DtlsRole | None = None


@dataclass
class State:
    signaling: str = STABLE
    current_local: Described | None = None
    current_remote: Described | None = None
    pending_local: Described | None = None
    pending_remote: Described | None = None
    transceivers: tuple[Transceiver, ...] = ()
    made: int = 0
    data_wanted: bool = False
    data_mid: str | None = None
    next_mid: int = 0
    """Above every number that a section was called in the rounds that are over: one used again has another name."""
    transports: dict[int, TransportState] = field(default_factory=dict)
    transport_of: dict[str, int] = field(default_factory=dict)
    transports_made: int = 0
    controlling: bool | None = None
    last_offer: Created | None = None
    last_answer: Created | None = None
    fresh_ice: tuple[str, str] | None = None
    """Credentials for what this round opens or restarts."""
    stale_ice: frozenset[tuple[str, str]] = frozenset()
    """LocalIceCredentialsToReplace."""
    default_stream: str | None = None
    identity: str | None = None
    """Assertion for what is made next (identity.py)."""
    version: int = 0
    plan: Plan = field(default_factory=Plan)

    @property
    def local(self) -> Described | None:
        return self.pending_local or self.current_local

    @property
    def remote(self) -> Described | None:
        return self.pending_remote or self.current_remote

    def described(self) -> list[Described]:
        found = (self.current_local, self.current_remote, self.pending_local, self.pending_remote)
        return [d for d in found if d is not None]

    def by_mid(self, mid: str) -> Transceiver | None:
        return next((t for t in self.transceivers if t.mid == mid), None)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All of a state; `apply` puts it back, transceivers included."""

    values: dict[str, Any]
    transceivers: tuple[tuple[Transceiver, dict[str, Any]], ...]

    @classmethod
    def of(cls, state: State) -> Snapshot:
        return cls(dict(vars(state)), tuple((t, dict(vars(t))) for t in state.transceivers))

    def apply(self, state: State) -> None:
        vars(state).update(self.values)
        for transceiver, values in self.transceivers:
            vars(transceiver).update(values)


def roll_back(state: State, to: Snapshot) -> list[Transceiver]:
    """To the stable state `to`, less what the program did since (W3C §4.4.1.5): its transceivers, tracks and directions
    stay. Returns the transceivers that go with the description."""
    before = dict(to.transceivers)
    gone = []
    for transceiver in state.transceivers:
        if transceiver in before:
            old = before[transceiver]
            limits = {e.rid: e for e in transceiver.encodings}
            vars(transceiver).update({name: old[name] for name in NEGOTIATED})
            # Limits set since stay where the encoding does.
            transceiver.encodings = tuple(limits.get(e.rid, e) for e in transceiver.encodings)
        elif transceiver.by_remote and not transceiver.by_add_track:
            transceiver.stopping = transceiver.stopped = True
            transceiver.mid = transceiver.index = None
            gone.append(transceiver)
        else:
            transceiver.mid = transceiver.index = transceiver.fired = transceiver.remote_track = None
            transceiver.receptive, transceiver.remote_streams = False, ()
    kept = {"transceivers": tuple(t for t in state.transceivers if t not in gone)}
    for name in ("made", "data_wanted", "transports_made", "last_offer", "last_answer", "stale_ice", "version", "plan"):
        kept[name] = getattr(state, name)
    # Candidates that were gathered meanwhile stay with their transports.
    candidates = state.transports
    vars(state).update(to.values | kept)
    state.transports = {
        id: replace(t, candidates=candidates[id].candidates, complete=candidates[id].complete)
        if id in candidates and candidates[id].ice == t.ice
        else t
        for id, t in state.transports.items()
    }
    return gone
