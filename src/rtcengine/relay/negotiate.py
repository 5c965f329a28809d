"""From an offer and its answer to what the engine is told: one transport and its receivers or senders."""

from __future__ import annotations

import secrets

from ..config import feedback
from ..engine import IceConfig, RecvConfig, SendConfig, TransportConfig
from ..sdp import AcceptedSection, Answer, LocalStream, SessionDescription
from ..types import DtlsRole


def new_ssrc() -> int:
    """A random SSRC; 0 means "none" to the engine."""
    return secrets.randbelow(0xFFFFFFFE) + 1


def new_stream(kind: str, cname: str, stream_id: str) -> LocalStream:
    """A source of ours toward a viewer, with one for its retransmissions when it is video."""
    return LocalStream(
        ssrc=new_ssrc(),
        rtx_ssrc=new_ssrc() if kind == "video" else None,
        cname=cname,
        stream_id=stream_id,
        track_id=kind,
    )


def transport_config(offer: SessionDescription, answer: Answer, ice: tuple[str, str], cname: str) -> TransportConfig:
    """What all sections of the BUNDLE group share."""
    remote = answer.remote
    extensions = {number: uri for section in answer.sections for uri, number in section.extensions.items()}
    served = [offer.media[section.index] for section in answer.sections]
    return TransportConfig(
        ice=IceConfig(ice[0], ice[1], remote.ice_ufrag, remote.ice_pwd),
        dtls_client=remote.dtls_role is DtlsRole.CLIENT,
        fingerprints=tuple((f.algorithm, f.digest) for f in remote.fingerprints),
        extensions=extensions,
        two_byte=all(offer.allows_mixed_extensions(section) for section in served),
        reduced_rtcp=all(section.rtcp_rsize for section in served),
        cname=cname,
        remote_certificates=False,
    )


def recv_config(section: AcceptedSection, rid: str = "") -> RecvConfig:
    """A publisher's section, or one layer of it: what it sends and which feedback it takes. The section has a codec."""
    codec = section.codec
    assert codec is not None
    declared = section.streams[0] if len(section.streams) == 1 else None
    return RecvConfig(
        video=section.kind == "video",
        codec=codec.name,
        pt=codec.payload_type,
        rtx_pt=section.rtx_payload_type,
        clock_rate=codec.clock_rate,
        mid=section.mid or "",
        rid=rid,
        ssrc=declared.ssrc if declared else 0,
        rtx_ssrc=(declared.rtx_ssrc or 0) if declared else 0,
        **feedback(section.feedback),
        red_pt=section.red_payload_type,
    )


def send_config(section: AcceptedSection) -> SendConfig:
    """A viewer's section: what it gets, under its own payload types and ids. The section has a codec and a stream."""
    codec, stream = section.codec, section.stream
    assert codec is not None and stream is not None
    return SendConfig(
        video=section.kind == "video",
        codec=codec.name,
        pt=codec.payload_type,
        rtx_pt=section.rtx_payload_type,
        clock_rate=codec.clock_rate,
        ssrc=stream.ssrc,
        rtx_ssrc=(stream.rtx_ssrc or 0) if section.rtx_payload_type is not None else 0,
        mid=section.mid or "",
        extensions=frozenset(section.extensions),
        nack="nack" in section.feedback,
        red_pt=section.red_payload_type,
    )
