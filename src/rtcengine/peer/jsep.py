"""The state machine of a peer connection's negotiation: JSEP (RFC 9429) with the W3C's states and errors, without I/O.

It is given calls and descriptions, and says what should exist by effects (effects.py). It knows no socket, clock, event
loop or track: random bytes come from the caller, a track is an object of which only the id is written. A call either
succeeds or raises one of errors.py and leaves all as it was. Calls are not queued here: connection.py does that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from ..media.limits import PREFERENCES
from ..sdp import MediaSection, write
from ..sdp.answer import MAX_LAYERS, MAX_RID
from ..types import Candidate, Direction
from .effects import Effect, Encoding, Plan, steps
from .errors import InvalidAccessError, InvalidModificationError, InvalidStateError, OperationError, RangeError
from .jsep_answer import create_answer
from .jsep_apply import Outcome, apply_local, apply_remote, encoding_ssrc, set_streams
from .jsep_check import check, read
from .jsep_needed import negotiation_needed
from .jsep_offer import create_offer
from .jsep_plan import plan_of
from .jsep_section import own_ice, text, with_candidates
from .parameters import RTCRtpCodecCapability, RTCRtpEncodingParameters
from .state import (
    CLOSED,
    HAVE_LOCAL_OFFER,
    HAVE_LOCAL_PRANSWER,
    HAVE_REMOTE_OFFER,
    HAVE_REMOTE_PRANSWER,
    STABLE,
    Created,
    Described,
    JsepConfig,
    Snapshot,
    State,
    Transceiver,
    roll_back,
)

MAX_CANDIDATES = 256
"""Of a section of the peer's description; more are refused."""
MAX_TRANSCEIVERS = 255  # and a section for data: jsep_check.MAX_SECTIONS

_LOCAL = {
    "offer": (STABLE, HAVE_LOCAL_OFFER),
    "answer": (HAVE_REMOTE_OFFER, HAVE_LOCAL_PRANSWER),
    "pranswer": (HAVE_REMOTE_OFFER, HAVE_LOCAL_PRANSWER),
    "rollback": (HAVE_LOCAL_OFFER, HAVE_REMOTE_OFFER),
}
_REMOTE = {
    "offer": (STABLE, HAVE_REMOTE_OFFER, HAVE_LOCAL_OFFER),  # the last by implicit rollback
    "answer": (HAVE_LOCAL_OFFER, HAVE_REMOTE_PRANSWER),
    "pranswer": (HAVE_LOCAL_OFFER, HAVE_REMOTE_PRANSWER),
    "rollback": (HAVE_LOCAL_OFFER, HAVE_REMOTE_OFFER),
}
_RID = re.compile(r"[A-Za-z0-9]{1,255}")  # W3C §5.2: RFC 8851 without - and _
SCALABILITY_MODES = {None: None, "L1T1": 1, "L1T2": 2, "L1T3": 3}
"""The temporal layers that each asks for (W3C webrtc-svc §6)."""


class Jsep:
    """One side of a negotiation."""

    def __init__(self, config: JsepConfig) -> None:
        self.config = config
        self.state = State()
        self._stable: Snapshot | None = None
        self._session_id = int.from_bytes(config.random(8), "big") >> 1
        self.cname = text(config, 12)

    # --- what there is

    @property
    def signaling_state(self) -> str:
        return self.state.signaling

    @property
    def transceivers(self) -> tuple[Transceiver, ...]:
        return self.state.transceivers

    @property
    def plan(self) -> Plan:
        return self.state.plan

    @property
    def negotiation_needed(self) -> bool:
        return self.state.signaling != CLOSED and negotiation_needed(self.state, self.config)

    def local_text(self, described: Described | None) -> str | None:
        """A local description with the candidates gathered by now."""
        if described is None:
            return None
        return write(with_candidates(self.state, described.sdp, described.mids))

    @property
    def can_trickle(self) -> bool | None:
        remote = self.state.remote
        if remote is None:
            return None
        media = remote.sdp.media
        if not media:
            return "trickle" in remote.sdp.ice_options
        return all("trickle" in remote.sdp.ice_options_of(section) for section in media)

    def first_ice(self) -> tuple[str, str]:
        """Our credentials of the first description, before there is one."""
        return own_ice(self.state, self.config, ())

    # --- transceivers

    def add_transceiver(
        self,
        kind: str,
        *,
        track: Any = None,
        direction: Direction = Direction.SENDRECV,
        streams: Sequence[str] = (),
        encodings: Sequence[RTCRtpEncodingParameters] = (),
        receive_layers: Sequence[str] = (),
    ) -> Transceiver:
        self._open()
        if kind not in self.config.capabilities.codecs:
            raise TypeError(f"kind is neither audio nor video: {kind!r}")
        checked = check_encodings(kind, encodings)
        layers = check_layers(kind, receive_layers)
        transceiver = self._make(kind, max(1, len(checked)))
        transceiver.receive_layers = layers
        transceiver.direction, transceiver.track = direction, track
        transceiver.streams = tuple(dict.fromkeys(streams))
        if track is not None:
            transceiver.msid_track = track.id
        if checked:
            transceiver.encodings = tuple(
                replace(to_encoding(given, old), ssrc=old.ssrc, rtx_ssrc=old.rtx_ssrc)
                for given, old in zip(checked, transceiver.encodings, strict=True)
            )
        self.state.transceivers = (*self.state.transceivers, transceiver)
        return transceiver

    def add_track(self, track: Any, streams: Sequence[str] = ()) -> Transceiver:
        """Takes a sender that never sent, else makes one (W3C §5.1 addTrack)."""
        self._open()
        if any(t.track is track for t in self.state.transceivers if not t.stopping):
            raise InvalidAccessError("the track is being sent already")
        for transceiver in self.state.transceivers:
            if (
                transceiver.kind == track.kind
                and transceiver.track is None
                and not transceiver.stopping
                and not transceiver.has_sent
                and not (transceiver.current is not None and transceiver.current.sends)
            ):
                transceiver.track, transceiver.streams = track, tuple(dict.fromkeys(streams))
                transceiver.msid_track = track.id
                transceiver.direction = _with_sending(transceiver.direction)
                transceiver.by_add_track = True
                return transceiver
        transceiver = self.add_transceiver(track.kind, track=track, streams=streams)
        transceiver.by_add_track = True
        return transceiver

    def remove_track(self, transceiver: Transceiver) -> bool:
        """Whether anything changed."""
        self._open()
        if transceiver not in self.state.transceivers or transceiver.stopping or transceiver.track is None:
            return False
        transceiver.track = None
        if transceiver.direction is Direction.SENDRECV:
            transceiver.direction = Direction.RECVONLY
        elif transceiver.direction is Direction.SENDONLY:
            transceiver.direction = Direction.INACTIVE
        return True

    def set_direction(self, transceiver: Transceiver, direction: Direction) -> None:
        self._open()
        if transceiver.stopping:
            raise InvalidStateError("the transceiver is stopped")
        transceiver.direction = direction

    def set_streams(self, transceiver: Transceiver, streams: Sequence[str]) -> None:
        self._open()
        transceiver.streams = tuple(dict.fromkeys(streams))

    def set_codec_preferences(self, transceiver: Transceiver, codecs: Sequence[RTCRtpCodecCapability]) -> None:
        transceiver.preferences = self.config.capabilities.preferred(transceiver.kind, list(codecs))

    def set_encodings(
        self, transceiver: Transceiver, encodings: Sequence[RTCRtpEncodingParameters], degradation: str | None = None
    ) -> tuple[Effect, ...]:
        """Limits of the streams there are (W3C §5.2 setParameters); their number, rids and order stay. `degradation`: the
        degradationPreference."""
        if transceiver.stopping:
            raise InvalidStateError("the transceiver is stopped")
        before = transceiver.encodings
        if [e.rid for e in encodings] != [e.rid for e in before]:
            raise InvalidModificationError("encodings can be neither added, removed, reordered nor renamed")
        if degradation is not None and degradation not in PREFERENCES:
            raise TypeError(f"degradationPreference {degradation!r} is none of {', '.join(PREFERENCES)}")
        checked = check_encodings(transceiver.kind, encodings)
        transceiver.encodings = tuple(to_encoding(new, old) for new, old in zip(checked, before, strict=True))
        transceiver.degradation = degradation
        return self._replan()

    def stop(self, transceiver: Transceiver) -> tuple[Effect, ...]:
        """Ends sending and receiving at once; the peer learns it by the next offer."""
        self._open()
        if transceiver.stopping:
            return ()
        transceiver.stopping = True
        transceiver.direction = Direction.INACTIVE
        transceiver.track, transceiver.receptive = None, False
        return self._replan()

    def want_data(self) -> None:
        self._open()
        self.state.data_wanted = True

    def restart_ice(self) -> None:
        """Offers new credentials in place of all there are now (W3C §4.4.1.6 restartIce)."""
        found = set()
        for described in (self.state.current_local, self.state.pending_local):
            if described is not None:
                found |= {ice for s in described.sdp.media if not s.is_rejected and (ice := described.sdp.ice_of(s))}
        self.state.stale_ice |= found

    def close(self) -> tuple[Effect, ...]:
        if self.state.signaling == CLOSED:
            return ()
        self.state.signaling = CLOSED
        for transceiver in self.state.transceivers:
            transceiver.stopping = transceiver.stopped = True
            transceiver.direction, transceiver.current, transceiver.receptive = Direction.INACTIVE, None, False
        before, self.state.plan = self.state.plan, Plan()
        return steps(before, self.state.plan)

    # --- descriptions

    def create_offer(self, *, ice_restart: bool = False) -> str:
        self._open()
        if self.state.signaling not in (STABLE, HAVE_LOCAL_OFFER):
            raise InvalidStateError(f"no offer can be made in {self.state.signaling}")
        with self._all_or_nothing():
            if ice_restart:
                self.restart_ice()
            self.state.last_offer = create_offer(self.state, self.config, self._session_id, self.cname)
            return self.state.last_offer.text

    def create_answer(self) -> str:
        self._open()
        if self.state.signaling not in (HAVE_REMOTE_OFFER, HAVE_LOCAL_PRANSWER):
            raise InvalidStateError(f"no answer can be made in {self.state.signaling}")
        with self._all_or_nothing():
            self.state.last_answer = create_answer(self.state, self.config, self._session_id, self.cname)
            return self.state.last_answer.text

    def set_local(self, type: str | None = None, sdp: str | None = None) -> Outcome:
        """Without a type it is the offer or answer that the state asks for, made here if there is none."""
        self._open()
        if type is None:
            type = "offer" if self.state.signaling in (STABLE, HAVE_LOCAL_OFFER, HAVE_REMOTE_PRANSWER) else "answer"
        self._expect(_LOCAL, type, "local")
        if type == "rollback":
            return self._rollback()
        is_offer = type == "offer"
        with self._all_or_nothing():
            created = self.state.last_offer if is_offer else self.state.last_answer
            if sdp:
                if created is None or sdp != created.text:
                    raise InvalidModificationError(f"this is not the {type} that was created last")
            else:
                created = self._create(is_offer)
            assert created is not None
            self._leave_stable()
            out = Outcome()
            before = self.state.signaling
            apply_local(self.state, self.config, type, created, out)
            return self._done(out, before)

    def set_remote(self, type: str, sdp: str) -> Outcome:
        self._open()
        self._expect(_REMOTE, type, "remote")
        if type == "rollback":
            return self._rollback()
        with self._all_or_nothing():
            before, out = self.state.signaling, Outcome()
            if type == "offer" and before == HAVE_LOCAL_OFFER:
                self._roll_back(out)
            described = read(sdp, type, self.state)
            check(described, self.state)
            self._leave_stable()
            apply_remote(self.state, self.config, described, lambda kind: self._make(kind, 1), out)
            return self._done(out, before)

    # --- candidates

    def add_remote_candidate(
        self,
        candidate: Candidate | None,
        *,
        mid: str | None = None,
        index: int | None = None,
        ufrag: str | None = None,
    ) -> tuple[Effect, ...]:
        """A candidate of the peer, or None when there are no more, for all sections where none is named."""
        self._open()
        remote = self.state.remote
        if remote is None:
            raise InvalidStateError("there is no remote description yet")
        if candidate is not None and mid is None and index is None:
            raise TypeError("a candidate needs sdpMid or sdpMLineIndex")
        if mid is not None and mid not in remote.mids:
            raise OperationError("sdpMid is that of no section")
        if mid is None and index is not None and not 0 <= index < len(remote.mids):
            raise OperationError("sdpMLineIndex is beyond the last section")
        mids = remote.mids
        if mid is not None:
            mids = (mid,)
        elif index is not None:
            mids = (remote.mids[index],)
        slots = [d for d in (self.state.pending_remote, self.state.current_remote) if d is not None]
        if ufrag and not any(_has_ufrag(d, m, ufrag) for d in slots for m in mids):
            raise OperationError("usernameFragment is that of no section")
        with self._all_or_nothing():
            for name in ("pending_remote", "current_remote"):
                described = getattr(self.state, name)
                if described is not None:
                    setattr(self.state, name, _with_candidate(described, mids, candidate, ufrag))
            for m in mids:
                self._to_transport(m, candidate, ufrag)
            return self._replan()

    def on_local_candidate(self, transport: int, candidate: Candidate | None, ufrag: str) -> tuple[str, int] | None:
        """A candidate was gathered, or None: there are no more. Returns mid and index that it is told under; None when
        it belongs to what is gone."""
        state = self.state
        found = state.transports.get(transport)
        if found is None or found.ice[0] != ufrag or state.signaling == CLOSED:
            return None
        if candidate is None:
            found = replace(found, complete=True)
        else:
            found = replace(found, candidates=(*found.candidates, candidate))
        state.transports = state.transports | {transport: found}
        local = state.local
        if local is not None:
            for i, mid in enumerate(local.mids):
                if state.transport_of.get(mid) == transport:
                    return mid, i
        return None

    # --- within

    def _open(self) -> None:
        if self.state.signaling == CLOSED:
            raise InvalidStateError("the connection is closed")

    def _expect(self, table: Mapping[str, tuple[str, ...]], type: str, side: str) -> None:
        if type not in table:
            raise TypeError(f"type is none of {', '.join(table)}: {type!r}")
        if self.state.signaling not in table[type]:
            raise InvalidStateError(f"no {side} {type} can be set in {self.state.signaling}")

    @contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        before, stable = Snapshot.of(self.state), self._stable
        try:
            yield
        except BaseException:
            before.apply(self.state)
            self._stable = stable
            raise

    def _leave_stable(self) -> None:
        if self.state.signaling == STABLE:
            self._stable = Snapshot.of(self.state)

    def _rollback(self) -> Outcome:
        out, before = Outcome(), self.state.signaling
        self._roll_back(out)
        return self._done(out, before)

    def _roll_back(self, out: Outcome) -> None:
        assert self._stable is not None
        streams = {t: (t.remote_streams, t.fired) for t in self.state.transceivers}
        gone = roll_back(self.state, self._stable)
        self._stable = None
        out.stopped += gone
        for transceiver, (had, fired) in streams.items():
            now = () if transceiver in gone else transceiver.remote_streams
            transceiver.remote_streams = had
            set_streams(transceiver, now, out)
            was, receives = fired is not None and fired.receives, transceiver.fired is not None and transceiver.fired.receives
            if was and (transceiver in gone or not receives):
                out.muted.append(transceiver)

    def _done(self, out: Outcome, before: str) -> Outcome:
        if self.state.signaling == STABLE:
            self._stable = None
        for transceiver in self.state.transceivers:
            if transceiver.current is not None and transceiver.current.sends:
                transceiver.has_sent = True
        out.signaling_changed = self.state.signaling != before
        out.effects = self._replan()
        return out

    def _replan(self) -> tuple[Effect, ...]:
        before = self.state.plan
        self.state.plan = plan_of(self.state, self.config, self.cname)
        return steps(before, self.state.plan)

    def _make(self, kind: str, streams: int) -> Transceiver:
        if len(self.state.transceivers) >= MAX_TRANSCEIVERS:
            raise OperationError(f"there are {MAX_TRANSCEIVERS} transceivers already")
        ssrcs = tuple((encoding_ssrc(self.config), encoding_ssrc(self.config)) for _ in range(streams))
        self.state.made += 1
        return Transceiver(
            kind=kind,
            number=self.state.made,
            direction=Direction.SENDRECV,
            msid_track=text(self.config, 12),
            encodings=tuple(Encoding(a, b) for a, b in ssrcs),
        )

    def _create(self, is_offer: bool) -> Created:
        """What says all that there is now: the last one made where nothing changed since."""
        last = self.state.last_offer if is_offer else self.state.last_answer
        if is_offer:
            self.create_offer()
        else:
            self.create_answer()
        new = self.state.last_offer if is_offer else self.state.last_answer
        assert new is not None
        if last is not None and replace(new.sdp, origin=last.sdp.origin) == last.sdp and new.owners == last.owners:
            return last
        return new

    def _to_transport(self, mid: str, candidate: Candidate | None, ufrag: str | None) -> None:
        state = self.state
        id = state.transport_of.get(mid)
        known = state.transports[id].remote if id is not None else None
        if id is None or known is None:
            return
        # Without a fragment it is for the newest description, which may not be in use yet.
        wanted = ufrag or self._newest_ufrag(mid)
        if wanted != known.ice_ufrag:
            return
        if candidate is None:
            known = replace(known, end_of_candidates=True)
        elif candidate.component == 1 and candidate not in known.candidates:
            known = replace(known, candidates=(*known.candidates, candidate))
        state.transports = state.transports | {id: replace(state.transports[id], remote=known)}

    def _newest_ufrag(self, mid: str) -> str | None:
        remote = self.state.remote
        section = remote.section(mid) if remote is not None else None
        ice = remote.sdp.ice_of(section) if remote is not None and section is not None else None
        return ice[0] if ice is not None else None


def _with_sending(direction: Direction) -> Direction:
    return Direction.SENDRECV if direction.receives else Direction.SENDONLY


def _has_ufrag(described: Described, mid: str, ufrag: str) -> bool:
    section = described.section(mid)
    ice = described.sdp.ice_of(section) if section is not None else None
    return ice is not None and ice[0] == ufrag


def _with_candidate(described: Described, mids: tuple[str, ...], candidate: Candidate | None, ufrag: str | None) -> Described:
    media: list[MediaSection] = []
    for section, mid in zip(described.sdp.media, described.mids, strict=True):
        if mid in mids and not section.is_rejected and (not ufrag or _has_ufrag(described, mid, ufrag)):
            if candidate is None:
                section = replace(section, end_of_candidates=True)
            elif candidate not in section.candidates:
                if len(section.candidates) >= MAX_CANDIDATES:
                    raise OperationError(f"more than {MAX_CANDIDATES} candidates for a section")
                section = replace(section, candidates=[*section.candidates, candidate])
        media.append(section)
    return replace(described, sdp=replace(described.sdp, media=media), text=None)


def check_layers(kind: str, rids: Sequence[str]) -> tuple[str, ...]:
    """Those of a simulcast that a program wants to receive, by the rules for its own."""
    if isinstance(rids, str) or not all(isinstance(rid, str) and _RID.fullmatch(rid) for rid in rids):
        raise TypeError("receive_layers are rids: letters and digits")
    if rids and kind != "video":
        raise TypeError("layers are of video")
    if len(set(rids)) != len(rids):
        raise TypeError("two layers have the same rid")
    if len(rids) > MAX_LAYERS or any(len(rid) > MAX_RID for rid in rids):
        raise RangeError(f"{MAX_LAYERS} layers can be received, with names of {MAX_RID} characters")
    return tuple(rids)


def check_encodings(kind: str, encodings: Sequence[RTCRtpEncodingParameters]) -> list[RTCRtpEncodingParameters]:
    """W3C §5.2 addTransceiver sendEncodings validation steps."""
    rids = [encoding.rid for encoding in encodings]
    if len(encodings) > 1 and any(rid is None for rid in rids):
        raise TypeError("each of several encodings needs a rid")
    for encoding in encodings:
        rid = encoding.rid
        if rid is not None and not _RID.fullmatch(rid):
            raise TypeError("rid is not letters and digits")
        scale, rate, bitrate = encoding.scaleResolutionDownBy, encoding.maxFramerate, encoding.maxBitrate
        if kind == "video" and scale is not None and scale < 1:
            raise RangeError("scaleResolutionDownBy is below 1")
        if kind == "video" and rate is not None and rate < 0:
            raise RangeError("maxFramerate is below 0")
        if bitrate is not None and bitrate < 0:
            raise RangeError("maxBitrate is below 0")
        if kind == "audio" and encoding.ptime is not None and encoding.ptime <= 0:
            raise RangeError("ptime is not above 0")
        if kind == "audio" and encoding.redundancy not in (None, 1, 2):
            raise RangeError("redundancy is neither 1 nor 2")
        if kind == "video" and encoding.scalabilityMode not in SCALABILITY_MODES:
            raise OperationError(
                f"scalabilityMode {encoding.scalabilityMode!r}: {', '.join(filter(None, SCALABILITY_MODES))} are known"
            )
    if len(set(rids)) != len(rids):
        raise TypeError("two encodings have one rid")
    if kind == "audio":  # one stream, and nothing of a picture
        return [
            replace(encoding, scaleResolutionDownBy=None, maxFramerate=None, scalabilityMode=None, rid=None)
            for encoding in encodings[:1]
        ]
    encodings = [replace(encoding, ptime=None, redundancy=None) for encoding in encodings]
    if any(encoding.scaleResolutionDownBy is not None for encoding in encodings):
        return [replace(e, scaleResolutionDownBy=e.scaleResolutionDownBy or 1.0) for e in encodings]
    count = len(encodings)
    return [replace(e, scaleResolutionDownBy=float(2 ** (count - 1 - i))) for i, e in enumerate(encodings)]


def to_encoding(given: RTCRtpEncodingParameters, old: Encoding) -> Encoding:
    return replace(
        old,
        rid=given.rid,
        active=given.active,
        max_bitrate_bps=given.maxBitrate,
        max_framerate=given.maxFramerate,
        scale_down_by=given.scaleResolutionDownBy,
        temporal_layers=SCALABILITY_MODES[given.scalabilityMode],
        ptime_ms=given.ptime,
        redundancy=given.redundancy,
    )
