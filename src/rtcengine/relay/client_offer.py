"""The offer of a WHIP publisher of ours: one audio and one video section, fixed payload types, everything declared."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from ..certificate import Certificate
from ..engine import IceConfig, SendConfig, TransportConfig
from ..sdp import MediaSection, NegotiationError, SessionDescription, parse
from ..sdp.description import Setup
from ..sdp.extensions import ABS_SEND_TIME, MID, TRANSPORT_CC
from ..types import DtlsRole, Fingerprint
from .negotiate import new_ssrc
from .session import new_credentials

_EXTENSIONS = {2: ABS_SEND_TIME, 3: TRANSPORT_CC, 4: MID}


@dataclass(frozen=True, slots=True)
class Media:
    """One section: its codec's name, clock rate and payload types, and its sources."""

    kind: str
    mid: str
    rtpmap: str
    pt: int
    rtx_pt: int | None
    clock_rate: int
    ssrc: int
    rtx_ssrc: int

    @property
    def codec(self) -> str:
        return self.rtpmap.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Offer:
    """What was offered, kept to understand the answer."""

    sdp: str
    ice: tuple[str, str]
    cname: str
    media: tuple[Media, ...]


def make_offer(certificate: Certificate) -> Offer:
    """Opus and VP8, sendonly, BUNDLE, DTLS roles left to the server."""
    ice, cname, stream = new_credentials(), secrets.token_urlsafe(12), secrets.token_hex(8)
    media = (
        Media("audio", "0", "opus/48000/2", 111, None, 48000, new_ssrc(), 0),
        Media("video", "1", "VP8/90000", 96, 97, 90000, new_ssrc(), new_ssrc()),
    )
    lines = [
        "v=0",
        f"o=- {secrets.randbits(62)} 1 IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE " + " ".join(m.mid for m in media),
        "a=extmap-allow-mixed",
        f"a=fingerprint:sha-256 {certificate.fingerprint('sha-256')}",
        "a=setup:actpass",
        f"a=ice-ufrag:{ice[0]}",
        f"a=ice-pwd:{ice[1]}",
        "a=ice-options:trickle",
    ]
    for m in media:
        lines += _section(m, cname, stream)
    return Offer("\r\n".join(lines) + "\r\n", ice, cname, media)


def _section(m: Media, cname: str, stream: str) -> list[str]:
    types = [m.pt] if m.rtx_pt is None else [m.pt, m.rtx_pt]
    lines = [
        f"m={m.kind} 9 UDP/TLS/RTP/SAVPF {' '.join(map(str, types))}",
        "c=IN IP4 0.0.0.0",
        f"a=mid:{m.mid}",
        "a=sendonly",
        "a=rtcp-mux",
        "a=rtcp-rsize",
        f"a=msid:{stream} {m.kind}",
        *(f"a=extmap:{number} {uri}" for number, uri in _EXTENSIONS.items()),
        f"a=rtpmap:{m.pt} {m.rtpmap}",
        f"a=rtcp-fb:{m.pt} transport-cc",
        f"a=ssrc:{m.ssrc} cname:{cname}",
    ]
    if m.kind == "audio":
        return [*lines, f"a=fmtp:{m.pt} minptime=10;useinbandfec=1"]
    return [
        *lines,
        f"a=rtcp-fb:{m.pt} nack",
        f"a=rtcp-fb:{m.pt} nack pli",
        f"a=rtcp-fb:{m.pt} ccm fir",
        f"a=rtpmap:{m.rtx_pt} rtx/90000",
        f"a=fmtp:{m.rtx_pt} apt={m.pt}",
        f"a=ssrc:{m.rtx_ssrc} cname:{cname}",
        f"a=ssrc-group:FID {m.ssrc} {m.rtx_ssrc}",
    ]


@dataclass(frozen=True, slots=True)
class Agreed:
    """What the answer settles: our transport, the addresses to check, and a sender for each section it takes."""

    transport: TransportConfig
    addresses: tuple[tuple[str, int], ...]
    senders: dict[str, SendConfig]


def understand(offer: Offer, sdp: str) -> Agreed:
    """Reads the answer. Raises SdpError, or NegotiationError when it cannot be worked with."""
    answer = parse(sdp)
    if len(answer.media) != len(offer.media):
        raise NegotiationError("the answer has another number of sections than the offer")
    taken = [(m, s) for m, s in zip(offer.media, answer.media, strict=True) if not s.is_rejected]
    if not taken:
        raise NegotiationError("the answer takes no section")
    first = taken[0][1]
    ice = answer.ice_of(first)
    if ice is None:
        raise NegotiationError("the answer has no ICE credentials")
    candidates, _ = answer.candidates_of(first)
    addresses = tuple((str(c.ip), c.port) for c in candidates if c.protocol == "udp" and c.ip is not None)
    if not addresses:
        raise NegotiationError("the answer names no address over UDP")
    fingerprints: list[Fingerprint] = answer.fingerprints_of(first)
    if not fingerprints:
        raise NegotiationError("the answer has no fingerprint")
    transport = TransportConfig(
        ice=IceConfig(offer.ice[0], offer.ice[1], ice[0], ice[1]),
        ice_role="controlling",
        dtls_client=_role(answer, taken[0][1]) is DtlsRole.CLIENT,
        fingerprints=tuple((f.algorithm, f.digest) for f in fingerprints),
        extensions=dict(_EXTENSIONS),
        two_byte=answer.allows_mixed_extensions(first),
        reduced_rtcp=first.rtcp_rsize,
        cname=offer.cname,
    )
    senders: dict[str, SendConfig] = {}
    for m, section in taken:
        kinds = {c.name.lower() for c in section.codecs}
        if m.codec.lower() not in kinds:
            raise NegotiationError(f"the answer does not take {m.codec}", mid=m.mid)
        rtx = m.rtx_pt if "rtx" in kinds else None
        senders[m.kind] = SendConfig(
            video=m.kind == "video",
            codec=m.codec,
            pt=m.pt,
            rtx_pt=rtx,
            clock_rate=m.clock_rate,
            ssrc=m.ssrc,
            rtx_ssrc=m.rtx_ssrc if rtx is not None else 0,
            mid=m.mid,
            extensions=frozenset(e.uri for e in answer.extmaps_of(section)),
            nack=any("nack" in c.feedback for c in section.codecs),
        )
    return Agreed(transport, addresses, senders)


def _role(answer: SessionDescription, section: MediaSection) -> DtlsRole:
    """Ours: an answer says active or passive (RFC 8842 §5.3); we offered both."""
    return DtlsRole.SERVER if answer.setup_of(section) is Setup.ACTIVE else DtlsRole.CLIENT
