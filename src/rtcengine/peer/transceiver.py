"""RTCRtpTransceiver, RTCRtpSender and RTCRtpReceiver: the W3C's view of the state machine's transceivers."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..codecs.loudness import linear
from ..engine import csrc_rows
from ..media.stream import MediaStream
from ..media.track import Done
from ..media.transform import Transform
from ..sdp.description import fmtp_parameters
from ..types import Direction
from . import capabilities
from .dtmf import RTCDTMFSender
from .effects import CodecUse, MediaPlan
from .errors import InvalidModificationError, InvalidStateError
from .media import stream_ids
from .parameters import (
    RTCRtcpFeedback,
    RTCRtcpParameters,
    RTCRtpCapabilities,
    RTCRtpCodecCapability,
    RTCRtpCodecParameters,
    RTCRtpContributingSource,
    RTCRtpDecodingParameters,
    RTCRtpEncodingParameters,
    RTCRtpHeaderExtensionParameters,
    RTCRtpReceiveParameters,
    RTCRtpRtxParameters,
    RTCRtpSendParameters,
    RTCRtpSynchronizationSource,
)
from .state import CLOSED, Transceiver
from .stats_types import wall_ms
from .streams import sendable
from .transports import RTCDtlsTransport

if TYPE_CHECKING:
    from .connection import RTCPeerConnection


SOURCE_S = 10.0
"""How long a source counts after its last packet."""
NO_LAYERS: Mapping[str, Any] = MappingProxyType({})
SINCE_1900 = 2_208_988_800
"""NTP's time at 1970."""


class _Half:
    """What a sender and a receiver both are: one direction of a section."""

    def __init__(self, peer: RTCPeerConnection, state: Transceiver) -> None:
        self._peer, self._state = peer, state
        self._transport: RTCDtlsTransport | None = None

    @classmethod
    def getCapabilities(cls, kind: str) -> RTCRtpCapabilities:
        """What can be sent and received of "audio" or "video"."""
        return capabilities.DEFAULT.of(kind)

    @property
    def kind(self) -> str:
        return self._state.kind

    @property
    def mid(self) -> str | None:
        """Of its section."""
        return self._state.mid

    @property
    def transport(self) -> RTCDtlsTransport | None:
        """What it goes over, None before it is negotiated; the last one once the connection is closed."""
        self._transport = self._peer.transports.of_section(self._state.mid) or self._transport
        return self._transport

    async def getStats(self) -> Any:
        return await self._peer.driver.get_stats(self)


class RTCRtpSender(_Half):
    """Sends a track, or nothing."""

    def __init__(self, peer: RTCPeerConnection, state: Transceiver) -> None:
        super().__init__(peer, state)
        self._transaction: str | None = None
        self._transform: Transform | None = None
        self._dtmf: RTCDTMFSender | None = None

    @property
    def dtmf(self) -> RTCDTMFSender | None:
        """Sends keys of a telephone; None of video."""
        if self._dtmf is None and self.kind == "audio":
            self._dtmf = RTCDTMFSender(self)
        return self._dtmf

    @property
    def may_send_tones(self) -> bool:
        """Whether telephone events would reach the peer now."""
        state, plan = self._state, self._peer.jsep.plan.senders.get(self._state.mid or "")
        open_, sends = self._peer.connectionState == "connected", state.current is not None and state.current.sends
        agreed = plan is not None and bool(plan.tones) and sendable(plan) is not None
        return open_ and sends and not state.stopping and state.encodings[0].active and agreed

    def send_tone(self, code: int, ms: float) -> None:
        """One telephone event (RFC 4733 §3.2), at once."""
        self._peer.driver.send_tone(self, code, ms)

    @property
    def track(self) -> Any:
        return self._state.track

    @property
    def transform(self) -> Transform | None:
        """What encoded frames go through before they are sent (W3C's RTCRtpScriptTransform, as a callable, which may be
        awaitable): from the next frame on. ValueError for one that encrypts what the negotiated codec needs to read."""
        return self._transform

    @transform.setter
    def transform(self, transform: Transform | None) -> None:
        check_transform(transform)
        self._peer.driver.set_transform(self, transform)
        self._transform = transform

    def replaceTrack(self, track: Any) -> Done:
        """Another track of the kind, or None, at once and without negotiation."""
        if track is not None and track.kind != self.kind:
            raise TypeError(f"the track's kind is {track.kind}, the sender's {self.kind}")
        if self._state.stopping or self._peer.signalingState == CLOSED:
            raise InvalidStateError("the transceiver is stopped")
        self._state.track = track
        self._peer.driver.set_track(self, track)
        return Done()

    def setStreams(self, *streams: MediaStream | str) -> None:
        """The streams that the peer is told; it learns them by negotiation."""
        ids = stream_ids(streams)
        self._peer.jsep.set_streams(self._state, ids)
        self._peer.update_negotiation_needed()

    def getParameters(self) -> RTCRtpSendParameters:
        """What was negotiated, and the encodings to change with setParameters."""
        plan = self._peer.jsep.plan.senders.get(self._state.mid or "")
        self._transaction = secrets.token_hex(8)
        parameters = RTCRtpSendParameters(transactionId=self._transaction, degradationPreference=self._state.degradation)
        _fill(parameters, plan)
        parameters.rtcp.cname = self._peer.jsep.cname
        number = plan.codecs[0].payload_type if plan is not None and plan.codecs else 0
        for e in self._state.encodings:
            encoding = RTCRtpEncodingParameters(e.ssrc, number, RTCRtpRtxParameters(e.rtx_ssrc), e.rid, e.active)
            encoding.maxBitrate, encoding.maxFramerate = e.max_bitrate_bps, e.max_framerate
            encoding.scaleResolutionDownBy, encoding.ptime = e.scale_down_by, e.ptime_ms
            encoding.redundancy = e.redundancy
            if e.temporal_layers is not None:
                encoding.scalabilityMode = f"L1T{e.temporal_layers}"
            parameters.encodings.append(encoding)
        return parameters

    async def setParameters(self, parameters: RTCRtpSendParameters) -> None:
        """Takes what getParameters gave, with other limits, once."""
        if self._state.stopping or self._peer.signalingState == CLOSED:
            raise InvalidStateError("the transceiver is stopped")
        if self._transaction is None:
            raise InvalidStateError("setParameters without getParameters before it")
        if parameters.transactionId != self._transaction:
            raise InvalidModificationError("transactionId is not that of the last getParameters")
        negotiated = RTCRtpSendParameters()
        _fill(negotiated, self._peer.jsep.plan.senders.get(self._state.mid or ""))
        if (parameters.codecs, parameters.headerExtensions) != (negotiated.codecs, negotiated.headerExtensions):
            raise InvalidModificationError("codecs and header extensions are read-only")
        effects = self._peer.jsep.set_encodings(self._state, parameters.encodings, parameters.degradationPreference)
        self._transaction = None
        self._peer.driver.apply(effects)


class RTCRtpReceiver(_Half):
    """Receives a track."""

    def __init__(self, peer: RTCPeerConnection, state: Transceiver) -> None:
        super().__init__(peer, state)
        id = state.remote_track or secrets.token_hex(8)
        self._track = peer.driver.remote_track(state.kind, id)
        self._layers: Mapping[str, Any] = NO_LAYERS
        self._layer = ""

    @property
    def track(self) -> Any:
        """What the peer sends; of a simulcast the `layer` that is chosen."""
        return self._track

    @property
    def layers(self) -> Mapping[str, Any]:
        """Of a simulcast (`RTCConfiguration.receive_simulcast`): a track for each layer, by its rid, in the peer's order, from
        our answer on; empty else. None is decoded that nobody reads. Each has a `transform` of its own."""
        return self._layers

    @property
    def layer(self) -> str:
        """The rid of what `track` reads; "" without a simulcast. Of its layers the first, until it is set to another's, which
        begins at a key frame. ValueError for one that there is not."""
        return self._layer

    @layer.setter
    def layer(self, rid: str) -> None:
        if rid not in self._layers:
            raise ValueError(f"there is no layer {rid!r} among {', '.join(map(repr, self._layers)) or 'none'}")
        self._layer = rid
        self._peer.driver.choose_layer(self)

    def set_layers(self, rids: tuple[str, ...]) -> Mapping[str, Any]:
        """For the driver: those that were agreed on."""
        had, driver = self._layers, self._peer.driver
        made = {rid: had.get(rid) or driver.remote_track(self.kind, secrets.token_hex(8)) for rid in rids}
        self._layers = MappingProxyType(made) if made else NO_LAYERS
        for rid, track in had.items():
            if rid not in made:
                track.stop()
        if self._layer not in made:
            self._layer = rids[0] if rids else ""
        return self._layers

    @property
    def transform(self) -> Transform | None:
        """What encoded frames go through before they are decoded, recorded or read: `RemoteTrack.transform`."""
        transform: Transform | None = self._track.transform
        return transform

    @transform.setter
    def transform(self, transform: Transform | None) -> None:
        check_transform(transform)
        self._track.transform = transform

    def getSynchronizationSources(self) -> list[RTCRtpSynchronizationSource]:
        """The source of what was decoded in the last ten seconds (W3C webrtc §5.3)."""
        counts, ssrc = self._track.counts, self._peer.driver.source_of(self)
        if counts.arrived is None or not ssrc or time.monotonic() - counts.arrived > SOURCE_S:
            return []
        level = linear(counts.level) if counts.level is not None else None
        at = wall_ms(counts.arrived)
        captured = None if counts.capture_time is None else 1000 * (counts.capture_time + SINCE_1900)
        return [RTCRtpSynchronizationSource(at, ssrc, counts.timestamp & 0xFFFFFFFF, level, captured, counts.voice)]

    def getContributingSources(self) -> list[RTCRtpContributingSource]:
        """Whose media a mixer put into what was decoded in the last ten seconds, the latest first (W3C webrtc §5.3)."""
        now, found = time.monotonic(), []
        for at_us, source, timestamp, level in csrc_rows(self._track.counts.csrcs):
            if now - at_us / 1e6 <= SOURCE_S:
                loud = linear(-level) if level >= 0 else None
                found.append(RTCRtpContributingSource(wall_ms(at_us / 1e6), source, timestamp, loud))
        return found

    def getParameters(self) -> RTCRtpReceiveParameters:
        plan = self._peer.jsep.plan.receivers.get(self._state.mid or "")
        parameters = RTCRtpReceiveParameters()
        _fill(parameters, plan)
        number = plan.codecs[0].payload_type if plan is not None and plan.codecs else 0
        for rid in plan.rids if plan is not None else ():
            parameters.encodings.append(RTCRtpDecodingParameters(rid=rid))
        for source in plan.sources if plan is not None and not plan.rids else ():
            rtx = RTCRtpRtxParameters(source.rtx_ssrc) if source.rtx_ssrc is not None else None
            parameters.encodings.append(RTCRtpDecodingParameters(source.ssrc, number, rtx))
        return parameters


class RTCRtpTransceiver:
    """A sender and a receiver that share a section."""

    def __init__(self, peer: RTCPeerConnection, state: Transceiver) -> None:
        self._peer, self._state = peer, state
        self._sender, self._receiver = RTCRtpSender(peer, state), RTCRtpReceiver(peer, state)

    @property
    def kind(self) -> str:
        return self._state.kind

    @property
    def mid(self) -> str | None:
        return self._state.mid

    @property
    def sender(self) -> RTCRtpSender:
        return self._sender

    @property
    def receiver(self) -> RTCRtpReceiver:
        return self._receiver

    @property
    def stopped(self) -> bool:
        return self._state.stopped

    @property
    def direction(self) -> str:
        """What is wanted: "stopped" once stop() was called."""
        return "stopped" if self._state.stopping else self._state.direction.value

    @direction.setter
    def direction(self, value: str) -> None:
        wanted = to_direction(value)
        if self._state.stopping:
            raise InvalidStateError("the transceiver is stopped")
        if wanted is not self._state.direction:
            self._peer.jsep.set_direction(self._state, wanted)
            self._peer.update_negotiation_needed()

    @property
    def currentDirection(self) -> str | None:
        """What was negotiated last."""
        if self._state.stopped:
            return "stopped"
        return self._state.current.value if self._state.current is not None else None

    def setCodecPreferences(self, codecs: Sequence[RTCRtpCodecCapability]) -> None:
        """Codecs to negotiate from now on, the best first; none for the default."""
        self._peer.jsep.set_codec_preferences(self._state, codecs)

    def stop(self) -> Done:
        """Ends both directions at once."""
        self._peer.stop_transceiver(self._state)
        return Done()


def check_transform(transform: Transform | None) -> None:
    if transform is not None and not callable(transform):
        raise TypeError(f"a transform is called with each frame: {transform!r} cannot be")


def to_direction(value: str) -> Direction:
    try:
        return Direction(value)
    except ValueError:
        raise TypeError(f"direction is none of {', '.join(d.value for d in Direction)}: {value!r}") from None


def _fill(parameters: RTCRtpSendParameters | RTCRtpReceiveParameters, plan: MediaPlan | None) -> None:
    if plan is None:
        return
    parameters.codecs = [codec for use in (*plan.codecs, *plan.tones) for codec in _codecs(plan.kind, use)]
    parameters.headerExtensions = [RTCRtpHeaderExtensionParameters(id, uri) for uri, id in plan.extensions]
    parameters.muxId = plan.mid
    parameters.rtcp = RTCRtcpParameters(mux=True, reducedSize=plan.reduced_rtcp)


def _codecs(kind: str, use: CodecUse) -> list[RTCRtpCodecParameters]:
    parameters = capabilities.typed(fmtp_parameters(use.fmtp))
    feedback = [RTCRtcpFeedback(*(text.split(" ", 1))) for text in use.feedback]
    codecs = [RTCRtpCodecParameters(f"{kind}/{use.name}", use.clock_rate, use.channels, use.payload_type, feedback, parameters)]
    if use.rtx_payload_type is not None:
        rtx = RTCRtpCodecParameters(f"{kind}/rtx", use.clock_rate, None, use.rtx_payload_type)
        rtx.parameters = {"apt": use.payload_type}
        codecs.append(rtx)
    if use.red is not None:
        red = RTCRtpCodecParameters(f"{kind}/red", use.clock_rate, use.channels, use.red)
        red.parameters = {f"{use.payload_type}/{use.payload_type}": None}
        codecs.insert(0 if use.red_first else len(codecs), red)
    return codecs
