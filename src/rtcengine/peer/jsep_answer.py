"""Answers (RFC 9429 §5.3): each offered section accepted as far as both sides can, or rejected."""

from __future__ import annotations

import functools
from dataclasses import replace

from ..sdp import Codec, ExtMap, MediaSection, h264, write
from ..sdp.answer import MAX_LAYERS, MAX_RID
from ..sdp.codecs import Meaning, answer_fmtp, feedback_of, formats_of, is_repair, is_tones, meaning, red_of, rtx_of
from ..sdp.description import Codecs, Connection, Rid, Setup, Simulcast, SimulcastRid
from ..sdp.extensions import RID, answer_extensions
from ..types import Direction, DtlsRole
from .capabilities import Capability
from .configuration import RTCBundlePolicy
from .jsep_section import add_sending, add_transport, frame, intersect, own_ice, rejected, with_candidates
from .state import Created, Described, JsepConfig, State, Transceiver

_RTCP_RANGE = range(64, 96)  # RFC 5761 §4


def create_answer(state: State, config: JsepConfig, session_id: int, cname: str) -> Created:
    """The answer to the pending remote offer."""
    offer = state.pending_remote
    assert offer is not None
    anchor: MediaSection | None = None
    kinds: dict[str, MediaSection] = {}
    media: list[MediaSection] = []
    accepted: set[str] = set()
    for theirs, mid in zip(offer.sdp.media, offer.mids, strict=True):
        transceiver = state.by_mid(mid)
        section = None
        if not theirs.is_rejected and _may_share(offer, theirs, anchor, kinds, config.bundle_policy):
            if mid == state.data_mid:
                section = _data(theirs, config)
            elif transceiver is not None and not transceiver.stopping and offer.sdp.rtcp_mux_of(theirs):
                section = _media(offer, theirs, transceiver, config, cname)
        if section is None:
            section = rejected(theirs.kind, theirs.protocol, theirs.formats, theirs.mid)
        else:
            section.mid = theirs.mid
            add_transport(section, config, _ice(offer, theirs, mid, state, config), _setup(offer, theirs, mid, state))
            section.rtcp_rsize = theirs.rtcp_rsize
            if offer.sdp.tls_id_of(theirs) is not None:
                section.tls_id = config.fingerprints[0].digest.hex()  # one association a transport, so it may stay
            if anchor is None:
                anchor = theirs
            kinds.setdefault(theirs.kind, theirs)
            accepted.add(mid)
        media.append(section)
    group = next((g for g in offer.sdp.groups if g.semantics == "BUNDLE"), None)
    bundle = [mid for mid in group.mids if mid in accepted] if group is not None else []
    state.version += 1
    sdp = frame(state, session_id, media, bundle)
    sdp.extmap_allow_mixed = offer.sdp.extmap_allow_mixed or any(m.extmap_allow_mixed for m in offer.sdp.media)
    sdp = with_candidates(state, sdp, offer.mids)
    return Created(write(sdp), sdp, offer.mids, tuple(state.by_mid(mid) for mid in offer.mids))


def _may_share(
    offer: Described,
    section: MediaSection,
    anchor: MediaSection | None,
    kinds: dict[str, MediaSection],
    policy: RTCBundlePolicy,
) -> bool:
    """Whether the policy lets a section have a transport besides those before it (RFC 9429 §5.3.1)."""

    def bundled_with(other: MediaSection) -> bool:
        group = offer.sdp.bundle_of(section)
        return group is not None and group is offer.sdp.bundle_of(other)

    if policy is RTCBundlePolicy.MAX_BUNDLE:
        return anchor is None or bundled_with(anchor)
    if policy is RTCBundlePolicy.BALANCED:
        first = kinds.get(section.kind)
        return first is None or bundled_with(first) or (anchor is not None and bundled_with(anchor))
    return True


def _common(offered: Codecs, wanted: tuple[Capability, ...], preferred: bool) -> list[tuple[Codec, Capability]]:
    """Offered codecs that we have too, in the offer's order, or in ours where the program prefers some."""
    known: dict[Meaning | None, Capability] = {}
    for entry in wanted:
        known.setdefault(meaning(entry.codec), entry)
    found: list[tuple[Codec, Capability]] = []
    for theirs in offered:
        if is_repair(theirs) or theirs.payload_type in _RTCP_RANGE:
            continue
        ours = known.get(meaning(theirs))
        # A codec offered twice is answered once: its first number is as good as its second.
        if ours is not None and all(entry is not ours for _, entry in found):
            found.append((theirs, ours))
    if preferred:
        found.sort(key=lambda pair: next(i for i, entry in enumerate(wanted) if entry is pair[1]))
    return found


def answered_codecs(theirs: MediaSection, transceiver: Transceiver, config: JsepConfig) -> Codecs:
    """What our answer to the section lists."""
    wanted = config.capabilities.chosen(theirs.kind, transceiver.preferences)
    answer = _answered if theirs.is_short else _answered.__wrapped__
    return answer(theirs.codecs, theirs.wildcard_feedback, wanted, bool(transceiver.preferences), theirs.kind == "audio")


# Most offers to a program are of a few kinds: their answers share what they say.
@functools.lru_cache(maxsize=64)
def _answered(
    offered: Codecs, wildcard: tuple[str, ...], wanted: tuple[Capability, ...], preferred: bool, audio: bool
) -> Codecs:
    repairs, reds = rtx_of(offered), red_of(offered)
    ours_red = next((i for i, entry in enumerate(wanted) if entry.codec.name == "red"), None)
    codecs: list[Codec] = []
    for codec, ours in _common(offered, wanted, preferred):
        feedback = tuple([name for name in feedback_of(codec, wildcard) if name in ours.codec.feedback])
        # Opus parameters say what their writer wants; those of video say which codec it is, which is the offer's word.
        fmtp = ours.codec.fmtp if audio else answer_fmtp(codec)
        if codec.name.lower() == "h264":
            fmtp = h264.answered(fmtp, codec, ours.codec)
        red = reds.get(codec.payload_type) if ours_red is not None and ours.codec.name == "opus" else None
        at = len(codecs)
        codecs.append(replace(codec, fmtp=fmtp, feedback=feedback))
        if red is not None and ours_red is not None:
            first = ours_red < wanted.index(ours) if preferred else red.first
            codecs.insert(at if first else at + 1, replace(red.codec, feedback=()))
        rtx = repairs.get(codec.payload_type) if ours.rtx is not None else None
        if rtx is not None:
            codecs.append(replace(rtx, fmtp=f"apt={codec.payload_type}", feedback=()))
    return Codecs(codecs)


def _media(
    offer: Described, theirs: MediaSection, transceiver: Transceiver, config: JsepConfig, cname: str
) -> MediaSection | None:
    codecs = answered_codecs(theirs, transceiver, config)
    if all(is_tones(codec) for codec in codecs) or not theirs.is_secure_rtp:
        return None
    direction = intersect(transceiver.direction, offer.sdp.direction_of(theirs).reversed)
    section = MediaSection(kind=theirs.kind, port=9, protocol=theirs.protocol, formats=formats_of(codecs), direction=direction)
    section.codecs = codecs
    wanted = set(config.capabilities.extensions[theirs.kind])
    both_ways: dict[str, ExtMap] = {}
    for sending in (True, False):
        if direction.sends if sending else direction.receives or not direction.sends:
            for entry in answer_extensions(offer.sdp, theirs, wanted, sending=sending):
                both_ways.setdefault(entry.uri, entry)
    section.extmaps = tuple(both_ways.values())
    add_sending(section, transceiver, cname, direction)
    _add_simulcast(section, theirs, transceiver, config, direction)
    return section


def _add_simulcast(
    section: MediaSection, theirs: MediaSection, transceiver: Transceiver, config: JsepConfig, direction: Direction
) -> None:
    """Layers we send are those that the offer takes; those we receive are asked for if the program wants them."""
    if len(section.rids) > 1 and (theirs.simulcast is None or not theirs.simulcast.recv):
        section.rids, section.simulcast = [], None  # the offer takes one stream: it is told apart by mid
    offered = theirs.simulcast.send if theirs.simulcast is not None else ()
    if not (offered and config.receive_simulcast and direction.receives and _has(section, RID)):
        return
    known = {rid.id: rid for rid in theirs.rids if rid.direction == "send" and len(rid.id) <= MAX_RID}
    layers: list[SimulcastRid] = []
    for stream in offered:
        layers += [rid for rid in stream if rid.id in known and all(rid.id != layer.id for layer in layers)][:1]
    del layers[MAX_LAYERS:]
    section.rids += [Rid(layer.id, "recv", known[layer.id].payload_types, known[layer.id].restrictions) for layer in layers]
    if layers:
        send = section.simulcast.send if section.simulcast is not None else ()
        section.simulcast = Simulcast(send, tuple((layer,) for layer in layers))


def _has(section: MediaSection, uri: str) -> bool:
    return any(entry.uri == uri for entry in section.extmaps)


def _data(theirs: MediaSection, config: JsepConfig) -> MediaSection | None:
    if not theirs.is_sctp or "webrtc-datachannel" not in theirs.formats:
        return None
    section = MediaSection(
        kind="application", port=9, protocol=theirs.protocol, formats=("webrtc-datachannel",), connection=Connection()
    )
    section.sctp_port, section.max_message_size = config.sctp_port, config.max_message_size
    return section


def transport_id(offer: Described, section: MediaSection, mid: str, state: State) -> int | None:
    """The transport that a section will have: its own, or what its bundle has already."""
    found = state.transport_of.get(mid)
    group = offer.sdp.bundle_of(section)
    if found is None and group is not None:
        found = next((state.transport_of[m] for m in group.mids if m in state.transport_of), None)
    return found


def _ice(offer: Described, section: MediaSection, mid: str, state: State, config: JsepConfig) -> tuple[str, str]:
    """Ours stay unless the offer restarts ICE, or the program wants to (RFC 9429 §5.3.1)."""
    id = transport_id(offer, section, mid, state)
    if id is None:
        return own_ice(state, config, ())
    transport = state.transports[id]
    group = offer.sdp.bundle_of(section)
    tagged = offer.section(group.mids[0]) if group is not None and state.transport_of.get(group.mids[0]) == id else None
    offered = offer.sdp.ice_of(tagged or section)
    restarted = transport.remote is not None and offered != (transport.remote.ice_ufrag, transport.remote.ice_pwd)
    return own_ice(state, config, (id,), anew=restarted)


def _setup(offer: Described, section: MediaSection, mid: str, state: State) -> Setup:
    """The role stays where there is one (RFC 8842 §5.3); an offer that leaves it open makes us the client, which saves
    a round trip (RFC 9429 §5.3.1)."""
    id = transport_id(offer, section, mid, state)
    role = state.transports[id].role if id is not None else None
    match offer.sdp.setup_of(section):
        case Setup.ACTIVE:
            return Setup.PASSIVE
        case Setup.PASSIVE:
            return Setup.ACTIVE
    return Setup.PASSIVE if role is DtlsRole.SERVER else Setup.ACTIVE
