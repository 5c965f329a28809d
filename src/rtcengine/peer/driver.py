"""What a peer connection needs below it, and what it is told from there. No more than this ties it to the engine."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ..types import Candidate, Fingerprint
from .configuration import RTCConfiguration
from .effects import Effect
from .report import TransportReport

if TYPE_CHECKING:
    from ..media.transform import Transform


@dataclass
class RTCDataChannelParameters:
    """How a data channel is opened; one of the two limits at most."""

    label: str = ""
    maxPacketLifeTime: int | None = None
    maxRetransmits: int | None = None
    ordered: bool = True
    protocol: str = ""
    negotiated: bool = False
    id: int | None = None


@dataclass(frozen=True, slots=True)
class TransportFacts:
    """What a driver knows of one of its transports. `pair`: the candidates of ours and the peer's that it sends by;
    `remote_certificates` are DER."""

    controlling: bool
    remote_candidates: tuple[Candidate, ...] = ()
    remote_certificates: tuple[bytes, ...] = ()
    pair: tuple[Candidate, Candidate] | None = None


class Driver(Protocol):
    """Carries out effects. All but `gathered`, `close` and `get_stats` return at once; none raises for a bad network,
    which is told by states."""

    @property
    def fingerprints(self) -> tuple[Fingerprint, ...]:
        """Of the certificate that DTLS shows; the first stands for it."""

    def apply(self, effects: Sequence[Effect]) -> None:
        """Carries the effects out, in their order."""

    def configure(self, configuration: RTCConfiguration) -> None:
        """Other servers or another policy, for what is gathered from now on."""

    def gather_ahead(self, size: int, ice: tuple[str, str]) -> None:
        """So many transports that come later, with these credentials, gather now. What was gathered ahead and is more than
        that is given up."""

    def remote_track(self, kind: str, id: str) -> Any:
        """The track that a receiver has from its beginning, with `kind` and `id`."""

    def set_track(self, sender: Any, track: Any) -> None:
        """What an RTCRtpSender sends from now on, or None. Its `mid` says where; it is None before negotiation."""

    def set_transform(self, sender: Any, transform: Transform | None) -> None:
        """What frames of an RTCRtpSender go through from now on, or None. ValueError when its codec cannot go out so."""

    def choose_layer(self, receiver: Any) -> None:
        """Another `layer` of an RTCRtpReceiver is what its track reads."""

    def send_tone(self, sender: Any, code: int, ms: float) -> None:
        """A telephone event in place of what an RTCRtpSender sends, where it has a payload type for them."""

    def create_data_channel(self, parameters: RTCDataChannelParameters) -> Any:
        """An RTCDataChannel, which may have to wait for its transport."""

    @property
    def sctp(self) -> Any:
        """The RTCSctpTransport, None without data."""

    def facts(self, transport: int) -> TransportFacts | None:
        """None of one that is not open."""

    def source_of(self, receiver: Any) -> int:
        """SSRC of what an RTCRtpReceiver gets now, 0 before anything came."""

    async def gathered(self) -> None:
        """Waits until every open transport has gathered, or its servers had their time."""

    async def capture(self, path: str | os.PathLike[str], wire: bool, limit: int) -> Any:
        """Writes down what all transports send and receive, those that come later too: Capture."""

    def report(self) -> Awaitable[tuple[TransportReport, ...]]:
        """Where each transport stands; asked for before this returns, so that one that is closed next is still told."""

    async def get_stats(self, selector: Any = None) -> Any:
        """Statistics of everything, or of one track, sender or receiver."""

    async def close(self) -> None:
        """Frees all there is. The effects before it ended every transport."""


class PeerEvents(Protocol):
    """What a driver tells. Transports have the numbers of the effects."""

    def on_local_candidate(self, transport: int, candidate: Candidate | None, ufrag: str) -> None:
        """Gathered for these credentials; None when there are no more."""

    def on_candidate_error(self, transport: int, error: Any) -> None:
        """A server gave no candidate: RTCIceCandidateError."""

    def on_ice_state(self, transport: int, state: str) -> None:
        """RTCIceTransportState."""

    def on_gathering_state(self, transport: int, state: str) -> None:
        """RTCIceGathererState."""

    def on_dtls_state(self, transport: int, state: str) -> None:
        """RTCDtlsTransportState."""

    def on_moment(self, transport: int, what: str, at: float | None = None) -> None:
        """Something worth a line of the journal; `at`: of time.monotonic(), where that is not now."""

    def on_data_channel(self, channel: Any) -> None:
        """The peer opened one."""

    def on_address_lost(self) -> None:
        """An address of ours that was in use is gone: an ICE restart would help."""


DriverFactory = Callable[[PeerEvents, RTCConfiguration], Driver]
