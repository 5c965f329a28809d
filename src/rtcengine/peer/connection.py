"""RTCPeerConnection: the W3C's object over the state machine of jsep.py and a driver.

It adds what the machine lacks: the operations chain, events in the W3C's order, objects with identity (senders,
receivers, streams), and aiortc's habits where its users rely on them: candidates before a remote description are kept,
setLocalDescription waits for gathering unless somebody listens to "icecandidate", "track" brings the bare track (the
W3C's event, with streams and transceiver, is "track_event"), close() acts at once and returns an awaitable. Where aiortc
is behind the standard, the standard holds: a section without a common codec is rejected, not the whole description, and a
local description that was edited is an InvalidModificationError.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from pyee.asyncio import AsyncIOEventEmitter

from ..engine import Capture
from ..media.stream import MediaStream
from ..types import Candidate
from .certificate import RTCCertificate, generate
from .chain import OperationsChain
from .configuration import RTCConfiguration, checked, checked_change, checked_new
from .description import RTCIceCandidate, RTCSessionDescription
from .driver import Driver, DriverFactory, RTCDataChannelParameters
from .engine_driver import EngineDriver
from .errors import InvalidAccessError, InvalidStateError, OperationError
from .identity import Identities, IdentityProvider, PeerIdentity, RTCIdentityAssertion, WrongPeerError
from .journal import Journal, Moment
from .jsep import Jsep
from .jsep_apply import Outcome
from .legacy import (
    Handlers,
    LegacyStreams,
    as_candidate,
    as_configuration,
    as_description,
    channel_options,
    with_callbacks,
)
from .media import RTCTrackEvent, stream_ids
from .network import NetworkOptions
from .parameters import RTCRtpEncodingParameters
from .report import ConnectionReport, said, why_of
from .state import CLOSED, STABLE, Described, JsepConfig, Transceiver
from .states import connection_state, gathering_state, ice_connection_state
from .transceiver import RTCRtpReceiver, RTCRtpSender, RTCRtpTransceiver, to_direction
from .transports import Transports

MAX_EARLY_CANDIDATES = 256
"""Candidates kept until there is a remote description."""

TURNS = 4
"""Of the event loop, until who awaited setLocalDescription, be it in a task of its own or with a time limit, has gone on."""


class RTCPeerConnection(Handlers, LegacyStreams, AsyncIOEventEmitter):
    """A connection to a peer. Listeners are called in the order of the W3C's algorithms, before the call returns.
    Configuration, descriptions and candidates may be dicts, as JSON has them.

    Any thread may read its states and descriptions, `id`, `timeline` and `failure`; all else is for the thread of its event
    loop, from another one by `asyncio.run_coroutine_threadsafe(pc.close(), loop)` (docs/media.md, "Threads")."""

    def __init__(
        self,
        configuration: RTCConfiguration | Mapping[str, Any] | None = None,
        *,
        network: NetworkOptions | None = None,
        driver: DriverFactory | None = None,
    ) -> None:
        super().__init__()
        self._configuration = checked_new(as_configuration(configuration))
        self.driver: Driver = (driver or partial(EngineDriver, network=network))(self, self._configuration)
        self.jsep = Jsep(
            JsepConfig(
                random=secrets.token_bytes,
                fingerprints=self.driver.fingerprints,
                bundle_policy=self._configuration.bundlePolicy,
                always_data=self._configuration.alwaysNegotiateDataChannels,
                receive_simulcast=self._configuration.receive_simulcast,
            )
        )
        self._journal = Journal()
        self._explaining: asyncio.Task[None] | None = None
        self._identities = Identities(lambda: self.jsep.config.fingerprints, self._configuration.peerIdentity)
        self._chain = OperationsChain(self._chain_is_empty)
        self._update_on_empty = False
        self._needed = False
        self._transceivers: dict[Transceiver, RTCRtpTransceiver] = {}
        self._streams: dict[str, MediaStream] = {}
        self._default_stream = str(uuid.uuid4())  # of what is sent without saying which
        self._early: list[RTCIceCandidate | None] = []
        self._setting = 0
        self._held: list[Callable[[], None]] = []
        self.transports = Transports(self)
        self._shown = {"connection": "new", "iceconnection": "new", "icegathering": "new"}
        self._closing: Awaitable[None] | None = None
        self._gather_ahead()

    # --- what there is

    @property
    def signalingState(self) -> str:
        return self.jsep.signaling_state

    @property
    def connectionState(self) -> str:
        return self._shown["connection"]

    @property
    def iceConnectionState(self) -> str:
        return self._shown["iceconnection"]

    @property
    def iceGatheringState(self) -> str:
        return self._shown["icegathering"]

    @property
    def localDescription(self) -> RTCSessionDescription | None:
        return self._local(self.jsep.state.local)

    @property
    def currentLocalDescription(self) -> RTCSessionDescription | None:
        return self._local(self.jsep.state.current_local)

    @property
    def pendingLocalDescription(self) -> RTCSessionDescription | None:
        return self._local(self.jsep.state.pending_local)

    @property
    def remoteDescription(self) -> RTCSessionDescription | None:
        return _remote(self.jsep.state.remote)

    @property
    def currentRemoteDescription(self) -> RTCSessionDescription | None:
        return _remote(self.jsep.state.current_remote)

    @property
    def pendingRemoteDescription(self) -> RTCSessionDescription | None:
        return _remote(self.jsep.state.pending_remote)

    @property
    def canTrickleIceCandidates(self) -> bool | None:
        return self.jsep.can_trickle

    @property
    def sctp(self) -> Any:
        return self.driver.sctp

    @property
    def peerIdentity(self) -> PeerIdentity:
        """Awaitable: the peer's RTCIdentityAssertion, once a description proved it."""
        return self._identities.peer

    def setIdentityProvider(self, provider: IdentityProvider, *, origin: str = "") -> None:
        """Descriptions made from now on assert who we are, by this provider (identity.py), which also validates peers of its
        own. Unlike a browser's it is an object, not a domain to load code from. `origin` is what its validate is told."""
        self._assert_open()
        self._identities.use(provider, origin)

    def trustIdentityProvider(self, provider: IdentityProvider) -> None:
        """Validates peers' assertions of this provider. Once there is any, an assertion that none validates is refused, and so
        is its description; that there is one at all is what `peerIdentity` of the configuration asks for."""
        self._assert_open()
        self._identities.trust(provider)

    async def getIdentityAssertion(self) -> str | None:
        """A new assertion, as a=identity has it."""
        self._assert_open()
        return await self._identities.attribute(fresh=True)

    def getConfiguration(self) -> RTCConfiguration:
        return checked(self._configuration)

    def setConfiguration(self, configuration: RTCConfiguration | Mapping[str, Any] | None = None) -> None:
        self._assert_open()
        described = self.jsep.state.local is not None
        wanted = checked_change(self._configuration, as_configuration(configuration) or RTCConfiguration(), described=described)
        self._configuration = wanted
        self.jsep.config = replace(self.jsep.config, receive_simulcast=wanted.receive_simulcast)
        self.driver.configure(wanted)
        self._gather_ahead()

    def getTransceivers(self) -> list[RTCRtpTransceiver]:
        return [self._wrap(t) for t in self.jsep.transceivers]

    def getSenders(self) -> list[RTCRtpSender]:
        return [t.sender for t in self.getTransceivers() if not t.stopped]

    def getReceivers(self) -> list[RTCRtpReceiver]:
        return [t.receiver for t in self.getTransceivers() if not t.stopped]

    def transceiver_of(self, mid: str) -> RTCRtpTransceiver | None:
        """The transceiver of a section, for a driver."""
        found = self.jsep.state.by_mid(mid)
        return self._wrap(found) if found is not None else None

    # --- tracks and channels

    def addTrack(self, track: Any, *streams: MediaStream | str) -> RTCRtpSender:
        """Without streams it is in one with all others that have none, as in aiortc: pages go by "track" events' streams[0].
        The W3C's none is `sender.setStreams()`."""
        self._assert_open()
        _check_track(track)
        state = self.jsep.add_track(track, stream_ids(streams) or [self._default_stream])
        sender = self._wrap(state).sender
        self.driver.set_track(sender, track)
        self.update_negotiation_needed()
        return sender

    def removeTrack(self, sender: RTCRtpSender) -> None:
        self._assert_open()
        if not isinstance(sender, RTCRtpSender):
            raise TypeError("sender is not an RTCRtpSender")
        state = next((s for s, t in self._transceivers.items() if t.sender is sender), None)
        if state is None:
            raise InvalidAccessError("the sender is not of this connection")
        if self.jsep.remove_track(state):
            self.driver.set_track(sender, None)
            self.update_negotiation_needed()

    def addTransceiver(
        self,
        trackOrKind: Any,
        direction: str = "sendrecv",
        *,
        streams: Sequence[MediaStream | str] = (),
        sendEncodings: Sequence[RTCRtpEncodingParameters] = (),
        receive_layers: Sequence[str] = (),
    ) -> RTCRtpTransceiver:
        """`receive_layers`, which the W3C has not: the rids of a simulcast that the peer shall send (RFC 8853), as
        `receiver.layers` tells them once it has agreed."""
        kind, track = (trackOrKind, None) if isinstance(trackOrKind, str) else (None, trackOrKind)
        if track is not None:
            _check_track(track)
            kind = track.kind
        wanted = to_direction(direction)
        ids = stream_ids(streams) or [self._default_stream]
        state = self.jsep.add_transceiver(
            kind or "", track=track, direction=wanted, streams=ids, encodings=sendEncodings, receive_layers=receive_layers
        )
        transceiver = self._wrap(state)
        if track is not None:
            self.driver.set_track(transceiver.sender, track)
        self.update_negotiation_needed()
        return transceiver

    def createDataChannel(
        self,
        label: str,
        maxPacketLifeTime: int | Mapping[str, Any] | None = None,
        maxRetransmits: int | None = None,
        ordered: bool = True,
        protocol: str = "",
        negotiated: bool = False,
        id: int | None = None,
    ) -> Any:
        """Options as arguments, as in aiortc, or all in one dict after the label, as the W3C's RTCDataChannelInit."""
        if isinstance(maxPacketLifeTime, Mapping):
            return self.createDataChannel(label, **channel_options(maxPacketLifeTime))
        self._assert_open()
        if maxPacketLifeTime is not None and maxRetransmits is not None:
            raise TypeError("maxPacketLifeTime and maxRetransmits exclude each other")
        for name, value in (("maxPacketLifeTime", maxPacketLifeTime), ("maxRetransmits", maxRetransmits), ("id", id)):
            if value is not None and not (isinstance(value, int) and 0 <= value <= 65535):
                raise TypeError(f"{name} is not a number from 0 to 65535")
        for name, text in (("label", label), ("protocol", protocol)):
            if len(text.encode()) > 65535:
                raise TypeError(f"{name} is longer than 65535 bytes")
        if negotiated and id is None:
            raise TypeError("a negotiated channel needs an id")
        if id == 65535 and negotiated:
            raise TypeError("65535 is no id of a channel")
        parameters = RTCDataChannelParameters(
            label, maxPacketLifeTime, maxRetransmits, ordered, protocol, negotiated, id if negotiated else None
        )
        channel = self.driver.create_data_channel(parameters)
        self.jsep.want_data()
        self.update_negotiation_needed()
        return channel

    def restartIce(self) -> None:
        if self.signalingState != CLOSED:
            self.jsep.restart_ice()
            self.update_negotiation_needed()

    def stop_transceiver(self, state: Transceiver) -> None:
        """For RTCRtpTransceiver.stop()."""
        before = state.stopping
        effects = self.jsep.stop(state)
        if not before:
            self.driver.set_track(self._wrap(state).sender, None)
            self.driver.apply(effects)
            _end(self._wrap(state))
            self.update_negotiation_needed()

    # --- negotiation

    @with_callbacks
    async def createOffer(self, *, iceRestart: bool = False) -> RTCSessionDescription:
        async with self._chain.turn():
            self._gather_ahead()  # had no loop run before
            self.jsep.state.identity = await self._identities.attribute(fresh=True)
            return RTCSessionDescription(self.jsep.create_offer(ice_restart=iceRestart), "offer")

    @with_callbacks
    async def createAnswer(self) -> RTCSessionDescription:
        async with self._chain.turn():
            self.jsep.state.identity = await self._identities.attribute(fresh=True)
            return RTCSessionDescription(self.jsep.create_answer(), "answer")

    @with_callbacks
    async def setLocalDescription(self, description: RTCSessionDescription | Mapping[str, Any] | None = None) -> None:
        given: RTCSessionDescription | None = as_description(description)
        async with self._chain.turn():
            if given is None or (not given.sdp and given.type != "rollback"):
                self.jsep.state.identity = await self._identities.attribute(fresh=False)
            if given is None:
                outcome = self.jsep.set_local()
            else:
                outcome = self.jsep.set_local(given.type, given.sdp)
            self._identities.spend()
            self._setting += 1
            try:
                await self._tell(outcome)
            finally:
                self._let_go(TURNS if self.listeners("icecandidate") else 0)
        if not self.listeners("icecandidate") and self.signalingState != CLOSED:
            await self.driver.gathered()

    @with_callbacks
    async def setRemoteDescription(self, description: RTCSessionDescription | Mapping[str, Any]) -> None:
        given: RTCSessionDescription = as_description(description)
        if not isinstance(getattr(given, "sdp", None), str):
            raise TypeError("description is not an RTCSessionDescription")
        async with self._chain.turn():
            proved = await self._prove(given)
            outcome = self.jsep.set_remote(given.type, given.sdp)
            self._identities.settle(proved)
            await self._tell(outcome)
            if self.jsep.state.remote is not None:
                early, self._early = self._early, []
                for candidate in early:
                    try:
                        self._add(candidate)
                    except (OperationError, InvalidStateError):
                        continue  # of a description that never came

    @with_callbacks
    async def addIceCandidate(self, candidate: RTCIceCandidate | Mapping[str, Any] | None = None) -> None:
        """Before there is a remote description candidates are kept for it."""
        given: RTCIceCandidate | None = as_candidate(candidate)
        if given is not None and given.ip and given.sdpMid is None and given.sdpMLineIndex is None:
            raise TypeError("a candidate needs sdpMid or sdpMLineIndex")
        async with self._chain.turn():
            if self.jsep.state.remote is None:
                if len(self._early) >= MAX_EARLY_CANDIDATES:
                    raise OperationError(f"{MAX_EARLY_CANDIDATES} candidates wait for a remote description already")
                self._early.append(given)
            else:
                self._add(given)

    def close(self) -> Awaitable[None]:
        """Closed when it returns; await it for the engine's side. Called where no event loop runs it closes when it is awaited,
        as in `loop.run_until_complete(pc.close())`."""
        if self._closing is None:
            if not _loop_runs():
                return self._close()
            self._chain.close()
            effects = self.jsep.close()
            for transceiver in self._transceivers.values():
                _end(transceiver)
            self._identities.close()
            self._journal.note("closed")
            self._shown.update(connection="closed", iceconnection="closed")
            self.transports.close()
            self.driver.apply(effects)
            self._closing = asyncio.ensure_future(self.driver.close())
            self.remove_all_listeners()
        return self._closing

    async def _close(self) -> None:
        await self.close()

    @staticmethod
    async def generateCertificate(keygenAlgorithm: str | Mapping[str, Any] = "ECDSA") -> RTCCertificate:
        return await generate(keygenAlgorithm)

    # --- what became of it

    @property
    def id(self) -> str:
        """As the log (rtcengine.peer) calls it."""
        return self._journal.id

    def __repr__(self) -> str:
        return f"<RTCPeerConnection {self.id} {self.connectionState}>"

    @property
    def timeline(self) -> tuple[Moment, ...]:
        """What it went through: gathering, checks, DTLS, first media, each with its time."""
        return self._journal.moments

    @property
    def failure(self) -> str:
        """Why it failed last, "" when it did not; it is known a moment after connectionState says so."""
        return self._journal.failure

    async def report(self) -> ConnectionReport:
        """Where it stands now, pair by pair; as text all of it."""
        transports = await self.driver.report()
        return ConnectionReport(
            id=self.id, state=self.connectionState, failure=self.failure, timeline=self.timeline, transports=transports
        )

    async def capture(self, path: str | os.PathLike[str], *, wire: bool = False, limit: int = 0) -> Capture:
        """Writes what is sent and received from now on into a pcapng file, for Wireshark: RTP and RTCP without SRTP, and with
        `wire` STUN and DTLS as they are; behind a DTLS handshake Wireshark takes media for SRTP, unless told
        `--disable-protocol dtls`. `await capture.stop()` or the connection's end completes it; one at a time. `limit`: bytes
        that it may have, 0 for any. OSError when the file cannot be opened."""
        self._assert_open()
        capture: Capture = await self.driver.capture(path, wire, limit)
        return capture

    def _explain(self) -> None:
        """Asks at once why it failed, as the program may close it next."""
        asked = self.driver.report()

        async def tell() -> None:
            self._journal.fail(why_of(await asked) or "a transport failed")

        self._explaining = asyncio.ensure_future(tell())

    async def getStats(self, selector: Any = None) -> Any:
        return await self.driver.get_stats(selector)

    # --- what the driver tells

    def on_local_candidate(self, transport: int, candidate: Candidate | None, ufrag: str) -> None:
        place = self.jsep.on_local_candidate(transport, candidate, ufrag)
        if candidate is not None:
            line = f"our candidate {candidate.type} {candidate.address} port {candidate.port} {candidate.protocol}"
            self._journal.note(line, transport=transport, level=logging.DEBUG)
        if place is None:
            return
        mid, index = place
        if candidate is None:
            told = RTCIceCandidate.end_of_candidates(mid, index, ufrag)
        else:
            told = RTCIceCandidate.from_wire(candidate, mid=mid, index=index, ufrag=ufrag)
        self._hold(partial(self._fire, "icecandidate", told))

    def on_candidate_error(self, transport: int, error: Any) -> None:
        self._journal.note(said(error), transport=transport)
        if self.signalingState != CLOSED:
            self._fire("icecandidateerror", error)

    def on_ice_state(self, transport: int, state: str) -> None:
        self._journal.note(f"ICE {state}", transport=transport)
        self.transports.on_ice(transport, state)
        self._show_states()

    def on_dtls_state(self, transport: int, state: str) -> None:
        self._journal.note(f"DTLS {state}", transport=transport)
        self.transports.on_dtls(transport, state)
        self._show_states()

    def on_gathering_state(self, transport: int, state: str) -> None:
        self._journal.note(f"gathering {state}", transport=transport)
        self._hold(partial(self._show_gathering, transport, state))

    def _show_gathering(self, transport: int, state: str) -> None:
        self.transports.on_gathering(transport, state)
        self._show_states()

    def _hold(self, tell: Callable[[], None]) -> None:
        """What is gathered is told when the program has the description: else the peer might hear of a candidate before it
        knows the credentials, and refuse it."""
        if self._setting:
            self._held.append(tell)
        else:
            tell()

    def _let_go(self, turns: int) -> None:
        if turns:
            asyncio.get_running_loop().call_soon(self._let_go, turns - 1)
            return
        self._setting -= 1
        while self._held and not self._setting and self.signalingState != CLOSED:
            self._held.pop(0)()

    def on_moment(self, transport: int, what: str, at: float | None = None) -> None:
        self._journal.note(what, transport=transport, at=at)

    def on_data_channel(self, channel: Any) -> None:
        if self.signalingState != CLOSED:
            self._fire("datachannel", channel)

    def on_address_lost(self) -> None:
        self.restartIce()

    # --- negotiationneeded (W3C §4.7.3)

    def update_negotiation_needed(self) -> None:
        if not self._chain.empty:
            self._update_on_empty = True
            return
        try:
            asyncio.get_running_loop().call_soon(self._check_negotiation_needed)
        except RuntimeError:  # no loop runs yet: the first operation will ask again
            self._update_on_empty = True

    def _chain_is_empty(self) -> None:
        if self._update_on_empty:
            self._update_on_empty = False
            self.update_negotiation_needed()

    def _check_negotiation_needed(self) -> None:
        if self.signalingState == CLOSED:
            return
        if not self._chain.empty:
            self._update_on_empty = True
            return
        if self.signalingState != STABLE:
            return
        if not self.jsep.negotiation_needed:
            self._needed = False
        elif not self._needed:
            self._needed = True
            self._fire("negotiationneeded")

    # --- within

    def _assert_open(self) -> None:
        if self.signalingState == CLOSED:
            raise InvalidStateError("the connection is closed")

    def _gather_ahead(self) -> None:
        if self.jsep.state.local is None and _loop_runs():
            size = self._configuration.iceCandidatePoolSize
            self.driver.gather_ahead(size, self.jsep.first_ice() if size else ("", ""))

    def _wrap(self, state: Transceiver) -> RTCRtpTransceiver:
        if state not in self._transceivers:
            self._transceivers[state] = RTCRtpTransceiver(self, state)
        return self._transceivers[state]

    async def _prove(self, description: RTCSessionDescription) -> RTCIdentityAssertion | None:
        """Whose description it is. IdentityError before anything is done with it."""
        if description.type == "rollback":
            return None
        try:
            return await self._identities.check(description.sdp)
        except WrongPeerError:
            self.close()
            raise

    def _local(self, described: Described | None) -> RTCSessionDescription | None:
        text = self.jsep.local_text(described)
        return RTCSessionDescription(text, described.type) if described is not None and text is not None else None

    def _add(self, candidate: RTCIceCandidate | None) -> None:
        if candidate is None:
            effects = self.jsep.add_remote_candidate(None)
        else:
            effects = self.jsep.add_remote_candidate(
                candidate.to_wire() if candidate.ip else None,
                mid=candidate.sdpMid,
                index=candidate.sdpMLineIndex,
                ufrag=candidate.usernameFragment,
            )
        self.driver.apply(effects)

    async def _tell(self, outcome: Outcome) -> None:
        """Effects, then events in the order of W3C §4.4.1.5; a listener may close the connection between them."""
        wrapped = {t: self._wrap(t) for t in self.jsep.transceivers}
        wrapped |= {t: self._wrap(t) for t in outcome.stopped}
        self.driver.apply(outcome.effects)
        self.transports.keep(self.jsep.state.transports)
        if self.signalingState == STABLE:
            if self.jsep.state.local is not None:  # the pool is for the first round (RFC 9429 §3.5.4)
                self.driver.gather_ahead(0, ("", ""))
            self._needed = False
            self.update_negotiation_needed()
        for event in self._told(outcome):
            if self.signalingState == CLOSED:
                break
            self._fire(*event)
        # Listeners that are coroutines have been started; now they run up to their first wait.
        await asyncio.sleep(0)
        live = set(self.jsep.transceivers)
        self._transceivers = {t: w for t, w in self._transceivers.items() if t in live or not t.stopped}

    def _told(self, outcome: Outcome) -> Iterator[tuple[Any, ...]]:
        for state in outcome.stopped:
            _end(self._wrap(state))
        known = set(self._streams)
        removed = [(self._stream(id), self._wrap(t).receiver.track) for id, t in outcome.removed]
        added = [(self._stream(id), self._wrap(t).receiver.track) for id, t in outcome.added]
        muted = [self._wrap(t).receiver.track for t in outcome.muted]
        tracks = [(self._wrap(t), tuple(self._stream(id) for id in ids)) for t, ids in outcome.tracks]
        # Membership is right before the first listener looks (the sets change, then events fire).
        for stream, track in removed:
            stream.removeTrack(track)
        for stream, track in added:
            stream.addTrack(track)
        if outcome.signaling_changed:
            yield ("signalingstatechange",)
        for track in muted:
            _emit(track, "mute")
        for stream, track in removed:
            _emit(stream, "removetrack", track)
        for stream, track in added:
            _emit(stream, "addtrack", track)
        for id, _ in outcome.removed:
            if id in self._streams and not self._streams[id].getTracks():
                yield "removestream", self._streams.pop(id)
        for transceiver, streams in tracks:
            receiver = transceiver.receiver
            yield "track_event", RTCTrackEvent(receiver.track, receiver, streams, transceiver)
            yield "track", receiver.track
        for id, stream in list(self._streams.items()):
            if id not in known:
                yield "addstream", stream

    def _stream(self, id: str) -> MediaStream:
        if id not in self._streams:
            self._streams[id] = MediaStream(id=id)
        return self._streams[id]

    def _show_states(self) -> None:
        if self.signalingState == CLOSED:
            return
        dtls, ice, gathering = self.transports.states(self.jsep.state.transports)
        now = {
            "icegathering": gathering_state(gathering),
            "iceconnection": ice_connection_state(ice),
            "connection": connection_state(ice, dtls),
        }
        if now["connection"] == "failed" != self._shown["connection"]:
            self._explain()
        for name, state in now.items():
            if self._shown[name] != state and self.signalingState != CLOSED:
                self._shown[name] = state
                self._fire(f"{name}statechange")

    def _fire(self, event: str, *args: Any) -> None:
        _emit(self, event, *args)

    def fire_at(self, target: Any, event: str, *args: Any) -> None:
        """An event of something of this connection, unless that is closed."""
        if self.signalingState != CLOSED:
            _emit(target, event, *args)


def _loop_runs() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _emit(target: Any, event: str, *args: Any) -> None:
    """A listener that fails is its program's affair: it is told to the loop, and the negotiation goes on."""
    if not hasattr(target, "emit"):
        return
    try:
        target.emit(event, *args)
    except Exception as e:
        message = f'a listener of "{event}" failed'
        asyncio.get_running_loop().call_exception_handler({"message": message, "exception": e})


def _end(transceiver: RTCRtpTransceiver) -> None:
    receiver = transceiver.receiver
    for track in (receiver.track, *receiver.layers.values()):
        end = getattr(track, "lost", None) or getattr(track, "stop", None)
        if end is not None:
            end()


def _check_track(track: Any) -> None:
    if getattr(track, "kind", None) not in ("audio", "video") or not isinstance(getattr(track, "id", None), str):
        raise TypeError("a track has kind audio or video, and an id")


def _remote(described: Described | None) -> RTCSessionDescription | None:
    return RTCSessionDescription(described.written, described.type) if described is not None else None
