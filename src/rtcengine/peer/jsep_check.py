"""Whether a peer's description can be applied at all (RFC 9429 §5.8): what fails here fails before anything changes."""

from __future__ import annotations

from ..sdp import MediaSection, SdpError, SessionDescription, parse
from ..sdp.codecs import by_meaning, is_tones
from ..sdp.description import Setup
from ..sdp.transport import STRONG_HASHES
from .errors import InvalidAccessError, RTCError
from .jsep_section import new_mid
from .state import Described, State

# A relay's clients have a section a kind; a conference has one or two for everybody in it, a hundred lines each.
MAX_BYTES = 1024 * 1024
MAX_LINES = 32 * 1024
MAX_SECTIONS = 256


def parsed(sdp: str) -> SessionDescription:
    """What a peer's text says. RTCError names the line that cannot be read."""
    if not isinstance(sdp, str):
        raise TypeError("sdp is not text")
    try:
        return parse(sdp, max_bytes=MAX_BYTES, max_lines=MAX_LINES, max_sections=MAX_SECTIONS)
    except SdpError as e:
        raise RTCError(str(e), "sdp-syntax-error", e.line) from None


def read(sdp: str, type: str, state: State) -> Described:
    """The description that a peer sent, with a mid for every section. RTCError as `parsed` says."""
    description = parsed(sdp)
    base = state.local if type != "offer" else state.remote
    taken = {section.mid for section in description.media if section.mid is not None}
    mids = []
    for i, section in enumerate(description.media):
        if type != "offer" and section.port == 0:
            section.bundle_only = False  # has no meaning in answers (RFC 9143 §6): port 0 rejects
        mid = section.mid
        if mid is None:
            # Without a=mid a section is known by its place.
            mid = base.mids[i] if base is not None and i < len(base.mids) and base.mids[i] not in taken else None
            mid = mid if mid is not None else new_mid(state, taken)
            taken.add(mid)
        mids.append(mid)
    return Described(type, description, tuple(mids), sdp)


def check(described: Described, state: State) -> None:
    """Raises InvalidAccessError for what no negotiation allows."""
    sdp = described.sdp
    _check_bundle(described)
    for section, mid in zip(sdp.media, described.mids, strict=True):
        if section.is_rejected:
            continue
        if section.has_crypto or sdp.attribute("crypto") is not None:
            raise InvalidAccessError(f'section "{mid}": a=crypto (SDES) is not accepted, keys come from DTLS only')
        if section.kind in ("audio", "video") and not section.is_rtp:
            raise InvalidAccessError(f'section "{mid}": {section.protocol} carries no {section.kind}')
        if sdp.ice_of(section) is None:
            raise InvalidAccessError(f'section "{mid}": no a=ice-ufrag and a=ice-pwd')
        if not any(f.algorithm in STRONG_HASHES for f in sdp.fingerprints_of(section)):
            raise InvalidAccessError(f'section "{mid}": no a=fingerprint with sha-256, sha-384 or sha-512')
        if sdp.setup_of(section) is Setup.HOLDCONN:
            raise InvalidAccessError(f'section "{mid}": setup:holdconn is not for DTLS')
        _check_renewal(described, section, mid, state)
    if described.type == "offer":
        _check_offer(described, state)
    else:
        _check_answer(described, state)


def _check_bundle(described: Described) -> None:
    grouped: set[str] = set()
    sections = {m.mid: m for m in described.sdp.media if m.mid is not None}
    for group in described.sdp.groups:
        if group.semantics != "BUNDLE":
            continue
        for mid in group.mids:
            if mid in grouped:
                raise InvalidAccessError(f'section "{mid}" is in the BUNDLE groups twice')
            grouped.add(mid)
            if mid not in sections:
                raise InvalidAccessError(f'BUNDLE names a section "{mid}" that is not there')
    for section, mid in zip(described.sdp.media, described.mids, strict=True):
        if section.bundle_only and section.port == 0 and mid not in grouped and described.type == "offer":
            raise InvalidAccessError(f'section "{mid}" is bundle-only and in no BUNDLE group')


def _check_renewal(described: Described, section: MediaSection, mid: str, state: State) -> None:
    """Another certificate is another DTLS association, which needs other ICE credentials (RFC 8842 §5.5)."""
    id = state.transport_of.get(mid)
    old = state.transports[id].remote if id is not None else None
    sdp = described.sdp
    if old is None or sdp.ice_of(section) != (old.ice_ufrag, old.ice_pwd):
        return
    fingerprints = tuple(f for f in sdp.fingerprints_of(section) if f.algorithm in STRONG_HASHES)
    if set(fingerprints) != set(old.fingerprints):
        raise InvalidAccessError(f'section "{mid}": another fingerprint without an ICE restart')


def _check_offer(described: Described, state: State) -> None:
    """A later offer keeps the sections of before in their places; only rejected ones may become others."""
    base = state.current_remote
    if base is None:
        return
    if len(described.sdp.media) < len(base.sdp.media):
        raise InvalidAccessError(f"the offer has {len(described.sdp.media)} sections, there were {len(base.sdp.media)}")
    for i, (old, mid) in enumerate(zip(base.sdp.media, base.mids, strict=True)):
        new, gone = described.sdp.media[i], old.is_rejected
        ours = state.current_local
        gone = gone or (ours is not None and ours.sdp.media[i].is_rejected)
        if gone:
            continue
        if new.kind != old.kind:
            raise InvalidAccessError(f"section {i} was {old.kind} and is now {new.kind}")
        if described.mids[i] != mid:
            raise InvalidAccessError(f'section {i} was "{mid}" and is now "{described.mids[i]}"')
    if len(set(described.mids)) != len(described.mids):
        raise InvalidAccessError("two sections have one mid")


def _check_answer(described: Described, state: State) -> None:
    offer = state.pending_local
    assert offer is not None
    if len(described.sdp.media) != len(offer.sdp.media):
        raise InvalidAccessError(f"the answer has {len(described.sdp.media)} sections, the offer {len(offer.sdp.media)}")
    for ours, theirs, mid, answered in zip(offer.sdp.media, described.sdp.media, offer.mids, described.mids, strict=True):
        if theirs.kind != ours.kind:
            raise InvalidAccessError(f'section "{mid}" is offered as {ours.kind} and answered as {theirs.kind}')
        if answered != mid:
            raise InvalidAccessError(f'section "{mid}" is answered as "{answered}"')
        if theirs.is_rejected:
            continue
        if ours.is_rejected:
            raise InvalidAccessError(f'section "{mid}" is not offered but accepted')
        if ours.bundle_only and described.sdp.bundle_of(theirs) is None:
            raise InvalidAccessError(f'section "{mid}" lives only in a bundle, the answer has it outside')
        if described.sdp.setup_of(theirs) is Setup.ACTPASS:
            raise InvalidAccessError(f'section "{mid}": an answer decides who is active')
        if theirs.is_rtp:
            _check_answered_media(described.sdp, ours, theirs, mid)
    for group in described.sdp.groups:
        first = offer.sdp.section(group.mids[0]) if group.mids else None
        offered = offer.sdp.bundle_of(first) if first is not None else None
        if group.semantics == "BUNDLE" and group.mids and (offered is None or not set(group.mids) <= set(offered.mids)):
            raise InvalidAccessError("the answer bundles what the offer does not")
        off = [mid for mid in group.mids if (section := described.sdp.section(mid)) is None or section.is_rejected]
        if group.semantics == "BUNDLE" and off:
            raise InvalidAccessError(f'the answer bundles the section "{off[0]}" that it rejects')


def _check_answered_media(sdp: SessionDescription, ours: MediaSection, theirs: MediaSection, mid: str) -> None:
    if not sdp.rtcp_mux_of(theirs):
        raise InvalidAccessError(f'section "{mid}" is answered without the a=rtcp-mux that is required')
    known = by_meaning(ours.codecs)
    if all(is_tones(known[means]) for means in by_meaning(theirs.codecs) if means in known):
        raise InvalidAccessError(f'section "{mid}" is accepted with no codec of the offer')
