"""What should exist, read from the descriptions: the plan that effects lead to."""

from __future__ import annotations

import functools
from dataclasses import replace

from ..sdp import MediaSection, h264
from ..sdp.answer import declared_streams
from ..sdp.codecs import by_meaning, feedback_of, is_repair, is_tones, meaning, red_of, rtx_of
from ..sdp.description import Codecs
from .effects import CodecUse, DataPlan, DeclaredSource, Encoding, MediaPlan, Plan, TransportPlan
from .state import STABLE, Described, JsepConfig, State, Transceiver


def plan_of(state: State, config: JsepConfig, cname: str) -> Plan:
    plan = Plan()
    local, remote = _applied(state)
    for id, transport in state.transports.items():
        known = transport.remote
        plan.transports[id] = TransportPlan(
            id,
            *transport.ice,
            controlling=bool(state.controlling),
            remote=replace(known, candidates=(), end_of_candidates=False) if known is not None else None,
            role=transport.role,
            candidates=known.candidates if known is not None else (),
            complete=known.end_of_candidates if known is not None else False,
        )
    for transceiver in state.transceivers:
        mid = transceiver.mid
        if mid is None or transceiver.stopping or mid not in state.transport_of or local is None:
            continue
        ours = local.section(mid)
        theirs = remote.section(mid) if remote is not None else None
        if ours is None or ours.is_rejected:
            continue
        if transceiver.receptive:
            plan.receivers[mid] = _receiver(state, transceiver, local, remote, ours, theirs, config)
        sends = transceiver.current is not None and transceiver.current.sends
        if sends and theirs is not None and not theirs.is_rejected and remote is not None:
            plan.senders[mid] = _sender(state, transceiver, remote, ours, theirs, cname)
    mid = state.data_mid
    if mid is not None and mid in state.transport_of and local is not None:
        theirs = remote.section(mid) if remote is not None else None
        id = state.transport_of[mid]
        if theirs is None or theirs.is_rejected:
            data = DataPlan(mid, id)
        else:
            # RFC 8841 §6: no word means 65536; 0 means no limit of the peer's.
            size = 65536 if theirs.max_message_size is None else theirs.max_message_size
            data = DataPlan(mid, id, theirs.sctp_port or config.sctp_port, size)
        plan = replace(plan, data=data)
    return plan


def _applied(state: State) -> tuple[Described | None, Described | None]:
    """A remote offer counts once it is answered; a local one at once, since media may come before the answer."""
    answered = state.pending_local is not None and state.pending_local.type != "offer"
    remote = state.pending_remote
    if state.signaling != STABLE and remote is not None and remote.type == "offer" and not answered:
        remote = None
    return state.local, remote or state.current_remote


def _uses(section: MediaSection, other: MediaSection | None) -> tuple[CodecUse, ...]:
    """The section's codecs that the other side has too, with the section's numbers."""
    short = section.is_short and (other is None or other.is_short)
    use = _codec_uses if short else _codec_uses.__wrapped__
    theirs = (other.codecs, other.wildcard_feedback) if other is not None else (None, ())
    return use(section.codecs, section.wildcard_feedback, *theirs)


# All connections to one kind of peer use the same few, with the same extensions: they share them.
@functools.lru_cache(maxsize=128)
def _codec_uses(
    codecs: Codecs, wildcard: tuple[str, ...], others: Codecs | None, others_wildcard: tuple[str, ...]
) -> tuple[CodecUse, ...]:
    found = []
    repairs, theirs = rtx_of(codecs), rtx_of(others) if others is not None else {}
    known = by_meaning(others) if others is not None else {}
    reds, their_reds = red_of(codecs), red_of(others) if others is not None else {}
    for codec in codecs:
        if is_repair(codec):
            continue
        feedback, match = feedback_of(codec, wildcard), None
        if others is not None:
            match = known.get(meaning(codec))
            if match is None:
                continue
            both = feedback_of(match, others_wildcard)
            feedback = tuple([name for name in feedback if name in both])
        rtx = repairs.get(codec.payload_type)
        if rtx is not None and match is not None and match.payload_type not in theirs:
            rtx = None
        number = rtx.payload_type if rtx is not None else None
        fmtp = h264.agreed(codec, match) if match is not None and codec.name.lower() == "h264" else codec.fmtp
        about = (codec.payload_type, codec.name, codec.clock_rate, codec.channels, fmtp)
        red = reds.get(codec.payload_type)
        if red is None or (match is not None and match.payload_type not in their_reds):
            found.append(CodecUse(*about, feedback, number))
        else:
            found.append(CodecUse(*about, feedback, number, red.codec.payload_type, red.first))
    return tuple(found)


@functools.lru_cache(maxsize=128)
def _sound_of(codecs: tuple[CodecUse, ...]) -> tuple[CodecUse, ...]:
    """Those that a stream is made of."""
    return tuple([use for use in codecs if not is_tones(use)])


@functools.lru_cache(maxsize=128)
def _tones_of(codecs: tuple[CodecUse, ...]) -> tuple[CodecUse, ...]:
    """Those that go between its packets."""
    return tuple([use for use in codecs if is_tones(use)])


def _left_out(section: MediaSection, used: tuple[CodecUse, ...]) -> tuple[CodecUse, ...]:
    """The section's codecs that are not among these."""
    numbers = {use.payload_type for use in used}
    return tuple([use for use in _uses(section, None) if use.payload_type not in numbers])


def _extensions(
    described: Described, section: MediaSection, other: Described | None, theirs: MediaSection | None
) -> tuple[tuple[str, int], ...]:
    common = {e.uri for e in other.sdp.extmaps_of(theirs)} if other is not None and theirs is not None else None
    entries = {e.uri: e.id for e in described.sdp.extmaps_of(section) if common is None or e.uri in common}
    return _shared(tuple(entries.items()))


@functools.lru_cache(maxsize=128)
def _shared(entries: tuple[tuple[str, int], ...]) -> tuple[tuple[str, int], ...]:
    return entries


def _receiver(
    state: State,
    transceiver: Transceiver,
    local: Described,
    remote: Described | None,
    ours: MediaSection,
    theirs: MediaSection | None,
    config: JsepConfig,
) -> MediaPlan:
    # An offer of ours that is not answered: whatever it lists may come.
    answered = theirs if theirs is not None and not theirs.is_rejected and state.signaling != "have-local-offer" else None
    mid = transceiver.mid or ""
    # Until it is answered, layers go on as they were.
    agreed = [one.section(mid) if one is not None else None for one in (state.current_local, state.current_remote)]
    rids = _layers(ours, answered) if answered is not None else _layers(*agreed)
    codecs = _uses(ours, answered)
    offered: tuple[CodecUse, ...] = ()
    if local.type == "offer" and answered is not None:
        offered = _sound_of(_left_out(ours, codecs))
    return MediaPlan(
        mid=mid,
        kind=transceiver.kind,
        transport=state.transport_of[mid],
        codecs=_sound_of(codecs),
        offered=offered,
        tones=_tones_of(codecs),
        extensions=_extensions(local, ours, remote, answered),
        reduced_rtcp=theirs is not None and theirs.rtcp_rsize,
        sources=tuple(DeclaredSource(s.ssrc, s.rtx_ssrc, s.cname) for s in declared_streams(theirs)) if theirs else (),
        rids=rids,
    )


def _layers(ours: MediaSection | None, theirs: MediaSection | None) -> tuple[str, ...]:
    """The rids that we take and the peer sends."""
    if ours is None or theirs is None or ours.simulcast is None or theirs.simulcast is None:
        return ()
    sent = {rid.id for stream in theirs.simulcast.send for rid in stream}
    return tuple([stream[0].id for stream in ours.simulcast.recv if stream[0].id in sent])


def _sender(
    state: State, transceiver: Transceiver, remote: Described, ours: MediaSection, theirs: MediaSection, cname: str
) -> MediaPlan:
    encodings: tuple[Encoding, ...] = transceiver.encodings
    layered = ours.simulcast is not None and theirs.simulcast is not None
    if not (layered and ours.simulcast and ours.simulcast.send and theirs.simulcast and theirs.simulcast.recv):
        encodings = (replace(encodings[0], rid=None),) if encodings[0].rid is not None else encodings[:1]
    codecs = _uses(theirs, ours)
    return MediaPlan(
        mid=transceiver.mid or "",
        kind=transceiver.kind,
        transport=state.transport_of[transceiver.mid or ""],
        codecs=_sound_of(codecs),
        tones=_tones_of(codecs),
        ptime_ms=theirs.ptime,
        max_ptime_ms=theirs.maxptime,
        extensions=_extensions(remote, theirs, state.local, ours),
        reduced_rtcp=theirs.rtcp_rsize,
        encodings=encodings,
        cname=cname,
        bandwidth_bps=bandwidth_of(remote, theirs),
        degradation=transceiver.degradation,
    )


def bandwidth_of(described: Described, section: MediaSection) -> int | None:
    """b=TIAS in bit/s (RFC 3890), else b=AS in kbit/s (RFC 8866 §5.8), of the section or of the whole session."""
    for lines in (section.bandwidth, described.sdp.bandwidth):
        found = {line.type.upper(): line.value for line in lines}
        if "TIAS" in found:
            return found["TIAS"]
        if "AS" in found:
            return found["AS"] * 1000
    return None
