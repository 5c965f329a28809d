"""Offers (RFC 9429 §5.2): every section so far in its place, then what is new, in the places of what was rejected."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

from ..sdp import Codec, ExtMap, MediaSection, write
from ..sdp.codecs import formats_of, meaning
from ..sdp.description import Codecs, Rid, Setup, Simulcast, SimulcastRid
from .capabilities import Capability
from .configuration import RTCBundlePolicy
from .jsep_section import (
    RTP,
    SCTP,
    add_sending,
    add_transport,
    frame,
    new_mid,
    own_ice,
    rejected,
    with_candidates,
)
from .numbers import ExtensionIds, PayloadTypes, meanings
from .state import Created, Described, JsepConfig, State, Transceiver


@dataclass(slots=True)
class _Slot:
    mid: str
    owner: Transceiver | None = None
    data: bool = False
    before: MediaSection | None = None


def create_offer(state: State, config: JsepConfig, session_id: int, cname: str) -> Created:
    """The offer for what there is now. Nothing of the negotiation changes but the version and fresh credentials."""
    slots = _slots(state, config)
    history = _history(state)
    payload_types = PayloadTypes(history)
    ids = ExtensionIds([(e.uri, e.id) for e in d.sdp.extmaps_of(s)] for d, s in _with_description(state))
    ice = own_ice(state, config, ())
    media = []
    for slot in slots:
        if slot.owner is not None and not slot.owner.stopping:
            media.append(_media(slot, state, config, payload_types, ids, ice, cname))
        elif slot.data:
            media.append(_data(slot, config, ice))
        else:
            old = slot.before
            kind, protocol = (old.kind, old.protocol) if old is not None else ("audio", RTP)
            media.append(rejected(kind, protocol, old.formats if old is not None else ("0",), slot.mid))
    active = [section for section in media if section.port]
    _bundle_only(state, config, active)
    state.version += 1
    mids = tuple(slot.mid for slot in slots)
    sdp = frame(state, session_id, media, [section.mid or "" for section in active])
    sdp = with_candidates(state, sdp, mids)
    return Created(write(sdp), sdp, mids, tuple(slot.owner for slot in slots))


def _slots(state: State, config: JsepConfig) -> list[_Slot]:
    base = state.local
    slots: list[_Slot] = []
    free: list[int] = []
    if base is not None:
        for i, (section, mid) in enumerate(zip(base.sdp.media, base.mids, strict=True)):
            owner = state.by_mid(mid)
            slot = _Slot(mid, owner, mid == state.data_mid, section)
            slots.append(slot)
            if owner is None and not slot.data and _recyclable(state, i):
                free.append(i)
    taken = {slot.mid for slot in slots}

    def place(owner: Transceiver | None) -> None:
        slot = _Slot(new_mid(state, taken), owner, owner is None)
        if free:
            slots[free.pop(0)] = slot
        else:
            slots.append(slot)

    data = state.data_mid is None and (state.data_wanted or config.always_data)
    if data and config.always_data:
        place(None)  # before media, which is rejected more often (webrtc-extensions, alwaysNegotiateDataChannels)
    for transceiver in state.transceivers:
        if transceiver.mid is None and not transceiver.stopping:
            place(transceiver)
    if data and not config.always_data:
        place(None)
    return slots


def _recyclable(state: State, index: int) -> bool:
    """Rejected in what both agreed on, not only in an offer under way (RFC 9429 §5.2.2)."""
    for described in (state.current_local, state.current_remote):
        if described is not None and index < len(described.sdp.media) and described.sdp.media[index].is_rejected:
            return True
    return False


def _with_description(state: State) -> list[tuple[Described, MediaSection]]:
    newest = [state.pending_remote, state.pending_local, state.current_remote, state.current_local]
    return [(d, s) for d in newest if d is not None for s in d.sdp.media if s.is_rtp and not s.is_rejected]


def _history(state: State) -> list[MediaSection]:
    return [section for _, section in _with_description(state)]


def _media(
    slot: _Slot,
    state: State,
    config: JsepConfig,
    payload_types: PayloadTypes,
    ids: ExtensionIds,
    ice: tuple[str, str],
    cname: str,
) -> MediaSection:
    transceiver = slot.owner
    assert transceiver is not None
    kind = transceiver.kind
    remote = state.remote.section(slot.mid) if state.remote is not None else None
    known = remote if remote is not None and not remote.is_rejected else slot.before
    own = meanings(known) if known is not None else {}
    chosen = config.capabilities.chosen(kind, transceiver.preferences)
    numbers: list[int] = []
    for entry in chosen:
        means = meaning(entry.codec)
        numbers.append(payload_types.give((kind, means, False), entry.codec.payload_type, own))
        if entry.rtx is not None:
            numbers.append(payload_types.give((kind, means, True), entry.rtx, own))
    codecs = _numbered(chosen, tuple(numbers))
    section = MediaSection(
        kind=kind, port=9, protocol=RTP, formats=formats_of(codecs), mid=slot.mid, direction=transceiver.direction
    )
    section.codecs = codecs
    section.extmaps = _extmaps(config.capabilities.extensions[kind], tuple(map(ids.give, config.capabilities.extensions[kind])))
    add_transport(section, config, ice, Setup.ACTPASS)
    section.rtcp_mux_only = True  # the one policy there is (RFC 9429 §5.2.1); answers have a=rtcp-mux alone (RFC 8858)
    add_sending(section, transceiver, cname, transceiver.direction)
    _add_layers(section, transceiver, slot.before)
    return section


def _add_layers(section: MediaSection, transceiver: Transceiver, before: MediaSection | None) -> None:
    """Layers that we take: those that the program wants, else those that were agreed on before."""
    wanted: list[tuple[SimulcastRid, ...]] = [(SimulcastRid(rid),) for rid in transceiver.receive_layers]
    if not wanted and before is not None and before.simulcast is not None:
        wanted = list(before.simulcast.recv)
    sent = {rid.id for rid in section.rids}  # a rid has one meaning in a section (RFC 8851 §4)
    wanted = [stream for stream in wanted if stream[0].id not in sent]
    if not wanted or not transceiver.direction.receives:
        return
    section.rids += [Rid(stream[0].id, "recv") for stream in wanted]
    send = section.simulcast.send if section.simulcast is not None else ()
    section.simulcast = Simulcast(send, tuple(wanted))


# Most connections of a program offer the same: they share it.
@functools.lru_cache(maxsize=64)
def _numbered(chosen: tuple[Capability, ...], numbers: tuple[int, ...]) -> Codecs:
    """The capabilities as codecs with these numbers, each followed by that of its retransmissions where it has any."""
    codecs: list[Codec] = []
    given = iter(numbers)
    for entry in chosen:
        codec = replace(entry.codec, payload_type=next(given))
        codecs.append(codec)
        if entry.rtx is not None:
            codecs.append(Codec(next(given), "rtx", codec.clock_rate, None, f"apt={codec.payload_type}"))
    return Codecs(_with_red(codecs))


def _with_red(codecs: list[Codec]) -> list[Codec]:
    """RED says what it repeats, and is not offered without."""
    opus = next((codec.payload_type for codec in codecs if codec.name.lower() == "opus"), None)
    told = [replace(codec, fmtp=f"{opus}/{opus}") if codec.name == "red" else codec for codec in codecs]
    return told if opus is not None else [codec for codec in told if codec.name != "red"]


@functools.lru_cache(maxsize=64)
def _extmaps(uris: tuple[str, ...], ids: tuple[int, ...]) -> tuple[ExtMap, ...]:
    return tuple(map(ExtMap, ids, uris))


def _data(slot: _Slot, config: JsepConfig, ice: tuple[str, str]) -> MediaSection:
    section = MediaSection(kind="application", port=9, protocol=SCTP, formats=("webrtc-datachannel",), mid=slot.mid)
    section.sctp_port = config.sctp_port
    section.max_message_size = config.max_message_size
    add_transport(section, config, ice, Setup.ACTPASS)
    return section


def _bundle_only(state: State, config: JsepConfig, active: list[MediaSection]) -> None:
    """Sections that the policy gives no transport of their own (RFC 9429 §4.1.1). What has a transport keeps it."""
    seen: set[str] = set()
    for i, section in enumerate(active):
        first = section.kind not in seen
        seen.add(section.kind)
        if i == 0 or section.mid in state.transport_of:
            continue
        # What joins an agreed bundle needs nothing of its own either.
        agreed = state.current_remote is not None and any(g.semantics == "BUNDLE" for g in state.current_remote.sdp.groups)
        alone = config.bundle_policy is RTCBundlePolicy.MAX_COMPAT or (
            config.bundle_policy is RTCBundlePolicy.BALANCED and first
        )
        if agreed or not alone:
            section.port, section.bundle_only = 0, True
