"""What setting a description does (W3C §4.4.1.5, RFC 9429 §5.9 to §5.11). The description is known to be good."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ..sdp import MediaSection, RemoteTransport
from ..sdp.description import Setup
from ..sdp.transport import STRONG_HASHES
from ..types import Direction, DtlsRole
from .effects import Effect, Encoding
from .errors import InvalidAccessError
from .jsep_answer import transport_id
from .jsep_section import above_mids, intersect, text
from .state import (
    HAVE_LOCAL_OFFER,
    HAVE_LOCAL_PRANSWER,
    HAVE_REMOTE_OFFER,
    HAVE_REMOTE_PRANSWER,
    STABLE,
    Created,
    Described,
    JsepConfig,
    State,
    Transceiver,
    TransportState,
)

Maker = Callable[[str], Transceiver]


@dataclass(slots=True)
class Outcome:
    """What a call did, in the order in which the W3C tells it: state, muted, streams changed, tracks, and the effects."""

    signaling_changed: bool = False
    muted: list[Transceiver] = field(default_factory=list)
    removed: list[tuple[str, Transceiver]] = field(default_factory=list)
    added: list[tuple[str, Transceiver]] = field(default_factory=list)
    tracks: list[tuple[Transceiver, tuple[str, ...]]] = field(default_factory=list)
    stopped: list[Transceiver] = field(default_factory=list)
    effects: tuple[Effect, ...] = ()


def apply_local(state: State, config: JsepConfig, type: str, created: Created, out: Outcome) -> None:
    described = Described(type, created.sdp, created.mids)
    if type == "offer":
        for i, (owner, section, mid) in enumerate(zip(created.owners, created.sdp.media, created.mids, strict=True)):
            if owner is not None and owner in state.transceivers:
                owner.mid, owner.index = mid, i
            elif owner is None and section.kind == "application" and not section.is_rejected:
                state.data_mid = mid
        state.pending_local, state.signaling = described, HAVE_LOCAL_OFFER
        _open_transports(state, described)
    else:
        state.pending_local, state.signaling = described, HAVE_LOCAL_PRANSWER
        offer = state.pending_remote
        assert offer is not None
        _answered(state, offer=offer, answer=described, local=described, remote=offer)
    for section, mid in zip(described.sdp.media, described.mids, strict=True):
        transceiver = state.by_mid(mid)
        if transceiver is None:
            continue
        if section.is_rejected:
            if type == "answer":
                _stop(transceiver, out)
            transceiver.receptive = False
            continue
        direction = section.direction or Direction.SENDRECV
        transceiver.receptive = direction.receives
        if type != "offer":
            if not direction.receives and transceiver.fired is not None and transceiver.fired.receives:
                set_streams(transceiver, (), out)
                out.muted.append(transceiver)
            transceiver.current = transceiver.fired = direction
    if type == "answer":
        _settle(state, described, state.pending_remote, out)


def apply_remote(state: State, config: JsepConfig, described: Described, make: Maker, out: Outcome) -> None:
    type = described.type
    if type == "offer":
        _dissociate(state, described, out)
        _associate(state, config, described, make)
        state.pending_remote, state.signaling = described, HAVE_REMOTE_OFFER
    else:
        state.pending_remote, state.signaling = described, HAVE_REMOTE_PRANSWER
        offer = state.pending_local
        assert offer is not None
        _answered(state, offer=offer, answer=described, local=offer, remote=described)
    for section, mid in zip(described.sdp.media, described.mids, strict=True):
        transceiver = state.by_mid(mid)
        if transceiver is None or transceiver.stopped:
            continue
        direction = described.sdp.direction_of(section).reversed
        rejected = section.is_rejected
        if rejected:
            direction = Direction.INACTIVE
        elif type != "offer":
            ours = state.pending_local.section(mid) if state.pending_local is not None else None
            if ours is not None:
                # An answer may not widen the offer (RFC 3264 §6.1).
                direction = intersect(direction, ours.direction or Direction.SENDRECV)
        _remote_media(state, config, described, section, transceiver, direction, out)
        if rejected:
            _stop(transceiver, out)
    if type == "answer":
        _settle(state, state.pending_local, described, out)


def _dissociate(state: State, offer: Described, out: Outcome) -> None:
    """Takes back what an offer that this one replaces had made, as far as this one does not say it again."""
    agreed: set[str] = set()
    local, remote = state.current_local, state.current_remote
    if local is not None and remote is not None:
        pairs = zip(local.mids, local.sdp.media, remote.sdp.media, strict=True)
        agreed = {mid for mid, ours, theirs in pairs if not ours.is_rejected and not theirs.is_rejected}
    kinds = {mid: section.kind for mid, section in zip(offer.mids, offer.sdp.media, strict=True)}
    for transceiver in state.transceivers:
        mid = transceiver.mid
        if mid is None or mid in agreed or kinds.get(mid) == transceiver.kind:
            continue
        set_streams(transceiver, (), out)
        if transceiver.fired is not None and transceiver.fired.receives:
            out.muted.append(transceiver)
        transceiver.mid = transceiver.index = transceiver.fired = transceiver.remote_track = None
        transceiver.receptive = False
        if transceiver.by_remote and not transceiver.by_add_track:
            transceiver.stopping = transceiver.stopped = True
            out.stopped.append(transceiver)
            state.transceivers = tuple(t for t in state.transceivers if t is not transceiver)
    if state.data_mid is not None and state.data_mid not in agreed and kinds.get(state.data_mid) != "application":
        state.data_mid = None


def _associate(state: State, config: JsepConfig, described: Described, make: Maker) -> None:
    """Finds or makes a transceiver for each section of a remote offer (RFC 9429 §5.10)."""
    for i, (section, mid) in enumerate(zip(described.sdp.media, described.mids, strict=True)):
        if section.is_rejected:
            continue
        if section.is_sctp:
            if state.data_mid is None:
                state.data_mid = mid
            continue
        if section.kind not in config.capabilities.codecs:
            continue
        transceiver = state.by_mid(mid)
        if transceiver is None:
            if described.sdp.direction_of(section).receives:
                transceiver = next(
                    (
                        t
                        for t in state.transceivers
                        if t.by_add_track and t.mid is None and not t.stopping and t.kind == section.kind
                    ),
                    None,
                )
            if transceiver is None:
                transceiver = make(section.kind)
                transceiver.by_remote, transceiver.direction = True, Direction.RECVONLY
                state.transceivers = (*state.transceivers, transceiver)
            transceiver.mid, transceiver.index = mid, i
            _propose_encodings(section, transceiver, config)
        elif transceiver.kind != section.kind:
            raise InvalidAccessError(f'section "{mid}" was {transceiver.kind} and is now {section.kind}')


def _propose_encodings(section: MediaSection, transceiver: Transceiver, config: JsepConfig) -> None:
    """An offer to receive simulcast says which layers we send, unless the program said so before."""
    layers = section.simulcast.recv if section.simulcast is not None else ()
    if len(layers) < 2 or len(transceiver.encodings) > 1 or transceiver.kind != "video":
        return
    ssrcs = [(encoding_ssrc(config), encoding_ssrc(config)) for _ in layers]
    transceiver.encodings = tuple(
        Encoding(a, b, layer[0].id, not layer[0].paused, scale_down_by=float(2 ** (len(layers) - 1 - i)))
        for i, (layer, (a, b)) in enumerate(zip(layers, ssrcs, strict=True))
    )


def encoding_ssrc(config: JsepConfig) -> int:
    """Never 0, which some take for none."""
    return int.from_bytes(config.random(4), "big") or 1


def _remote_media(
    state: State,
    config: JsepConfig,
    described: Described,
    section: MediaSection,
    transceiver: Transceiver,
    direction: Direction,
    out: Outcome,
) -> None:
    streams: tuple[str, ...] = ()
    if direction.receives:
        streams, track = _msids(state, config, section)
        transceiver.remote_track = transceiver.remote_track or track
    before = len(out.added)
    set_streams(transceiver, streams, out)
    fired = transceiver.fired is not None and transceiver.fired.receives
    if direction.receives and (not fired or len(out.added) > before):
        out.tracks.append((transceiver, streams))
    if not direction.receives:
        transceiver.receptive = False
        if fired:
            out.muted.append(transceiver)
    transceiver.fired = direction
    if described.type != "offer":
        transceiver.current = direction
        transceiver.receptive = direction.receives
        if len(transceiver.encodings) > 1:
            _narrow_encodings(section, transceiver)


def _narrow_encodings(section: MediaSection, transceiver: Transceiver) -> None:
    """Layers the answer leaves out are not sent; those it pauses are inactive (RFC 8853 §5.3.3)."""
    if section.is_rejected:
        return
    taken = {layer[0].id: layer[0] for layer in section.simulcast.recv} if section.simulcast is not None else {}
    kept = tuple(replace(e, active=e.active and not taken[e.rid].paused) for e in transceiver.encodings if e.rid in taken)
    transceiver.encodings = kept or transceiver.encodings[:1]


def _msids(state: State, config: JsepConfig, section: MediaSection) -> tuple[tuple[str, ...], str | None]:
    """Stream ids and track id; peers without a=msid may say it by a=ssrc (RFC 5576), else there is one default stream."""
    found: list[tuple[str, str | None]] = [(msid.stream, msid.track) for msid in section.msids]
    if not found:
        for source in section.ssrcs:
            for attribute, value in source.attributes:
                if attribute == "msid" and value:
                    stream, _, name = value.partition(" ")
                    found.append((stream, name or None))
    if not found:
        if state.default_stream is None:
            state.default_stream = text(config, 12)
        found = [(state.default_stream, None)]
    track_id = next((track for _, track in found if track), None)
    return tuple(dict.fromkeys(stream for stream, _ in found if stream != "-")), track_id


def set_streams(transceiver: Transceiver, streams: tuple[str, ...], out: Outcome) -> None:
    out.removed += [(s, transceiver) for s in transceiver.remote_streams if s not in streams]
    out.added += [(s, transceiver) for s in streams if s not in transceiver.remote_streams]
    transceiver.remote_streams = streams


def _stop(transceiver: Transceiver, out: Outcome) -> None:
    if not transceiver.stopped:
        if not transceiver.stopping:
            out.stopped.append(transceiver)
        transceiver.stopping = transceiver.stopped = True
        transceiver.direction = Direction.INACTIVE
        transceiver.current, transceiver.receptive = None, False


def _open_transports(state: State, offer: Described) -> None:
    """A transport for each section of our offer that needs one; other credentials restart the one there is."""
    seen: set[int] = set()
    for section, mid in zip(offer.sdp.media, offer.mids, strict=True):
        if section.is_rejected:
            continue
        ice = offer.sdp.ice_of(section)
        assert ice is not None
        id = state.transport_of.get(mid)
        if id is None and section.bundle_only:
            group = offer.sdp.bundle_of(section)
            assert group is not None
            id = next(state.transport_of[m] for m in group.mids if m in state.transport_of)
        # The first of those that share it counts.
        seen.add(_use(state, mid, id, state.transports[id].ice if id is not None and id in seen else ice))
    if state.controlling is None:
        state.controlling = True


def _use(state: State, mid: str, id: int | None, ice: tuple[str, str]) -> int:
    if id is None:
        state.transports_made += 1
        id = state.transports_made
        state.transports = state.transports | {id: TransportState(id, ice)}
    elif state.transports[id].ice != ice:
        restarted = replace(state.transports[id], ice=ice, candidates=(), complete=False)
        state.transports = state.transports | {id: restarted}
    state.transport_of = state.transport_of | {mid: id}
    return id


def _answered(state: State, *, offer: Described, answer: Described, local: Described, remote: Described) -> None:
    """Transports as offer and answer agree: one a bundle, in which the answer's first section counts (RFC 9143 §7.3)."""
    joined: dict[str, int] = {}
    for section, mid in zip(answer.sdp.media, answer.mids, strict=True):
        if section.is_rejected:
            state.transport_of = {m: t for m, t in state.transport_of.items() if m != mid}
            continue
        ours, theirs = local.section(mid), remote.section(mid)
        assert ours is not None and theirs is not None
        group = answer.sdp.bundle_of(section)
        tag = group.mids[0] if group is not None else mid
        if tag in joined:
            state.transport_of = state.transport_of | {mid: joined[tag]}
            continue
        tagged_ours, tagged_theirs = local.section(tag) or ours, remote.section(tag) or theirs
        id = state.transport_of.get(tag)
        if id is None:
            id = transport_id(offer, tagged_theirs if local is answer else tagged_ours, tag, state)
        ice = local.sdp.ice_of(tagged_ours)
        assert ice is not None
        id = joined[tag] = _use(state, tag, id, ice)
        state.transport_of = state.transport_of | {mid: id}
        _connect(state, id, answer, local, remote, tagged_ours, tagged_theirs)
    used = set(state.transport_of.values())
    state.transports = {id: t for id, t in state.transports.items() if id in used}
    lite = remote.sdp.ice_lite
    if state.controlling is None or lite:
        state.controlling = lite


def _connect(
    state: State,
    id: int,
    answer: Described,
    local: Described,
    remote: Described,
    ours: MediaSection,
    theirs: MediaSection,
) -> None:
    sdp = remote.sdp
    setup = answer.sdp.setup_of(ours if local is answer else theirs)
    # RFC 4145 §4: who says nothing is active.
    active = setup in (Setup.ACTIVE, None)
    role = DtlsRole.CLIENT if active == (local is answer) else DtlsRole.SERVER
    ice = sdp.ice_of(theirs)
    assert ice is not None
    candidates, complete = sdp.candidates_of(theirs)
    known = RemoteTransport(
        ice_ufrag=ice[0],
        ice_pwd=ice[1],
        ice_lite=sdp.ice_lite,
        ice_options=tuple(sdp.ice_options_of(theirs)),
        candidates=tuple(c for c in candidates if c.component == 1),
        end_of_candidates=complete,
        fingerprints=tuple(f for f in sdp.fingerprints_of(theirs) if f.algorithm in STRONG_HASHES),
        dtls_role=role,
        tls_id=sdp.tls_id_of(theirs),
    )
    old = state.transports[id]
    if old.remote is not None and (old.remote.ice_ufrag, old.remote.ice_pwd) == ice:
        if old.role is not role and set(old.remote.fingerprints) == set(known.fingerprints):
            raise InvalidAccessError("the DTLS role of a running transport cannot change")
        # What was trickled stays known although a later description does not repeat it.
        more = tuple(c for c in old.remote.candidates if c not in known.candidates)
        known = replace(
            known,
            candidates=more + known.candidates,
            end_of_candidates=known.end_of_candidates or old.remote.end_of_candidates,
        )
    state.transports = state.transports | {id: replace(old, remote=known, role=role)}


def _settle(state: State, local: Described | None, remote: Described | None, out: Outcome) -> None:
    """The round is over: what was pending is current, what was rejected is gone."""
    assert local is not None and remote is not None
    state.current_local, state.current_remote = local, remote
    state.pending_local = state.pending_remote = None
    state.next_mid = above_mids((*local.mids, *remote.mids), state.next_mid)
    state.signaling = STABLE
    state.last_offer = state.last_answer = None
    state.fresh_ice = None
    credentials = {state.transports[id].ice for id in state.transport_of.values()}
    if not credentials & state.stale_ice:
        state.stale_ice = frozenset()
    data = state.data_mid
    if data is not None and data not in state.transport_of:
        state.data_mid, state.data_wanted = None, False
    kept = []
    for transceiver in state.transceivers:
        mid = transceiver.mid
        if mid is not None and mid not in state.transport_of and mid in local.mids:
            _stop(transceiver, out)
        if transceiver.stopping and (mid is None or mid not in state.transport_of):
            transceiver.stopped = True
            transceiver.mid = transceiver.index = None
        else:
            kept.append(transceiver)
    state.transceivers = tuple(kept)
