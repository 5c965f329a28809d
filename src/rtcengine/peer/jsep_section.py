"""Parts that the sections of offers and answers are made of (RFC 9429 §5.2.1, §5.3.1)."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import replace

from ..sdp import MediaSection, SessionDescription
from ..sdp.description import (
    Connection,
    Group,
    Identity,
    Msid,
    Origin,
    Rid,
    Setup,
    Simulcast,
    SimulcastRid,
    Ssrc,
    SsrcGroup,
)
from ..types import Candidate, Direction
from .state import JsepConfig, State, Transceiver

RTP = "UDP/TLS/RTP/SAVPF"
SCTP = "UDP/DTLS/SCTP"


def intersect(a: Direction, b: Direction) -> Direction:
    sends, receives = a.sends and b.sends, a.receives and b.receives
    if sends:
        return Direction.SENDRECV if receives else Direction.SENDONLY
    return Direction.RECVONLY if receives else Direction.INACTIVE


def text(config: JsepConfig, size: int) -> str:
    """Random letters and digits, with + and / as ICE allows."""
    return base64.b64encode(config.random(size)).decode().rstrip("=")


def own_ice(state: State, config: JsepConfig, ids: Iterable[int], *, anew: bool = False) -> tuple[str, str]:
    """Our credentials for a section in the transports `ids`: those that they have, or without any, all transports. It is one
    pair for all that a description tells of, as browsers have it and GStreamer wants of sections that may be bundled; several
    transports by one name, for a peer that does not bundle, are allowed (RFC 8839 §5.4). Where they have different ones, or
    some that the program wants replaced, and `anew`, this round's take their place: an ICE restart."""
    had = {state.transports[id].ice for id in ids} or {transport.ice for transport in state.transports.values()}
    if anew or len(had) != 1 or had & state.stale_ice:
        if state.fresh_ice is None or state.fresh_ice in state.stale_ice:
            state.fresh_ice = (text(config, 3), text(config, 18))  # RFC 8839 §5.4 asks for 24 and 128 random bits
        return state.fresh_ice
    return had.pop()


def above_mids(mids: Iterable[str], number: int) -> int:
    """The least that is above all of these, as far as they are numbers, and not below `number`."""
    return max([number, *(int(mid) + 1 for mid in mids if mid.isascii() and mid.isdecimal() and len(mid) < 10)])


def new_mid(state: State, taken: set[str]) -> str:
    """The smallest number above all that something was called, and that nothing is called; adds it to `taken`."""
    used = taken | {mid for d in state.described() for mid in d.mids} | {t.mid for t in state.transceivers if t.mid}
    number = state.next_mid
    while str(number) in used:
        number += 1
    taken.add(str(number))
    return str(number)


def frame(state: State, session_id: int, media: list[MediaSection], bundle: list[str] | None) -> SessionDescription:
    description = SessionDescription(
        origin=Origin("-", str(session_id), str(state.version)),
        ice_options=["trickle", "ice2"],
        extmap_allow_mixed=True,
        msid_semantic="WMS *",  # no part of JSEP any more; aiortc takes track ids only where it stands
        media=media,
        identity=Identity(state.identity) if state.identity is not None else None,
    )
    if bundle:
        description.groups.append(Group("BUNDLE", tuple(bundle)))
    return description


def rejected(kind: str, protocol: str, formats: tuple[str, ...], mid: str | None) -> MediaSection:
    section = MediaSection(kind=kind, port=0, protocol=protocol, formats=formats, connection=Connection(), mid=mid)
    if section.is_rtp:
        section.direction = Direction.INACTIVE
    return section


def add_transport(section: MediaSection, config: JsepConfig, ice: tuple[str, str], setup: Setup) -> None:
    section.port, section.connection = 9, Connection()
    section.ice_ufrag, section.ice_pwd = ice
    section.fingerprints = list(config.fingerprints)
    section.setup = setup
    if section.is_rtp:
        section.rtcp_mux = True
        section.rtcp_rsize = True


def add_sending(section: MediaSection, transceiver: Transceiver, cname: str, direction: Direction) -> None:
    """Stream names, and sources where there is one stream: several are told apart by rid (RFC 9429 §5.2.1)."""
    if not direction.sends:
        return
    track = transceiver.msid_track
    section.msids = [Msid(stream, track) for stream in transceiver.streams] or [Msid("-", track)]
    layers = transceiver.encodings
    if len(layers) > 1:
        section.rids = [Rid(e.rid or "", "send") for e in layers]
        section.simulcast = Simulcast(send=tuple((SimulcastRid(e.rid or "", not e.active),) for e in layers))
        return
    ssrc, rtx = layers[0].ssrc, layers[0].rtx_ssrc
    section.ssrcs = [Ssrc(ssrc, [("cname", cname)])]
    if any(codec.name.lower() == "rtx" for codec in section.codecs):
        section.ssrcs.append(Ssrc(rtx, [("cname", cname)]))
        section.ssrc_groups = [SsrcGroup("FID", (ssrc, rtx))]


def with_candidates(state: State, sdp: SessionDescription, mids: tuple[str, ...]) -> SessionDescription:
    """The description with what was gathered so far, in the first section of each transport."""
    seen: set[int] = set()
    if not state.transports:
        return sdp
    media = []
    for section, mid in zip(sdp.media, mids, strict=True):
        id = state.transport_of.get(mid)
        transport = state.transports.get(id) if id is not None else None
        same = transport is not None and transport.ice == (section.ice_ufrag, section.ice_pwd)
        if transport is not None and same and transport.id not in seen:
            seen.add(transport.id)
            section = replace(section, candidates=list(transport.candidates), end_of_candidates=transport.complete)
            if section.port:
                section.port, section.connection = _destination(transport.candidates)
        media.append(section)
    return replace(sdp, media=media)


def _destination(candidates: tuple[Candidate, ...]) -> tuple[int, Connection]:
    for candidate in candidates:
        if candidate.protocol == "udp" and candidate.component == 1 and (ip := candidate.ip) is not None:
            return candidate.port, Connection(candidate.address, f"IP{ip.version}")
    return 9, Connection()
