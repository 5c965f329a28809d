"""The transport half of an answer: what we bring, what the offer brings, and whether both may be joined."""

from __future__ import annotations

from dataclasses import dataclass

from ..types import Candidate, DtlsRole, Fingerprint
from .description import Connection, MediaSection, SessionDescription, Setup
from .errors import NegotiationError

STRONG_HASHES = frozenset({"sha-256", "sha-384", "sha-512"})
NOWHERE = (9, Connection())
"""Port and address of a section without a candidate that could stand in its m-line (RFC 8839 §4.3.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalTransport:
    """Our side of one BUNDLE transport. Random values come from the caller: `session_id` is a number below 2^63,
    `ice_ufrag` and `ice_pwd` hold at least 24 and 128 random bits (RFC 8839 §5.4), `tls_id` is used only when offered
    (RFC 8842 §5.2). With `ice_lite` the candidates are all there will be.
    """

    session_id: int
    session_version: int = 1
    ice_ufrag: str
    ice_pwd: str
    fingerprints: tuple[Fingerprint, ...]
    candidates: tuple[Candidate, ...] = ()
    end_of_candidates: bool = True
    ice_lite: bool = True
    ice_options: tuple[str, ...] = ("trickle", "ice2")
    dtls_role: DtlsRole = DtlsRole.SERVER
    """Taken when the offer leaves the choice (setup:actpass). The server picks the SRTP profile."""
    tls_id: str | None = None

    @property
    def default_destination(self) -> tuple[int, Connection]:
        """Port and address for m= and c=: the first candidate over UDP that is a literal address."""
        for candidate in self.candidates:
            if candidate.protocol == "udp" and candidate.component == 1 and (ip := candidate.ip) is not None:
                return candidate.port, Connection(candidate.address, f"IP{ip.version}")
        return NOWHERE


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteTransport:
    """The offerer's side, checked. `dtls_role` is ours. `fingerprints` holds only hashes strong enough to trust;
    `candidates` only component 1, since RTCP is multiplexed."""

    ice_ufrag: str
    ice_pwd: str
    ice_lite: bool
    ice_options: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    end_of_candidates: bool
    fingerprints: tuple[Fingerprint, ...]
    dtls_role: DtlsRole
    tls_id: str | None


def check_bundle(offer: SessionDescription, sections: list[MediaSection]) -> None:
    """All accepted sections must share one transport, told apart by mid (RFC 9143, max-bundle)."""
    if len(sections) > 1:
        group = offer.bundle_of(sections[0])
        for section in sections:
            if section.mid is None:
                raise NegotiationError("every section needs a=mid to be bundled")
            if group is None or section.mid not in group.mids:
                raise NegotiationError("not in the BUNDLE group: all media must share one transport", mid=section.mid)
    for section in sections:
        if not offer.rtcp_mux_of(section):
            raise NegotiationError("a=rtcp-mux is required", mid=section.mid)


def check_security(offer: SessionDescription, sections: list[MediaSection]) -> None:
    """Only keys from DTLS: no plain RTP, no SDES (RFC 8827 §6.5)."""
    if offer.attribute("crypto") is not None or any(section.has_crypto for section in offer.media):
        raise NegotiationError("a=crypto (SDES) is not accepted, keys come from DTLS only")
    for section in sections:
        if not section.is_secure_rtp:
            raise NegotiationError(f"{section.protocol} is not accepted, use UDP/TLS/RTP/SAVPF", mid=section.mid)


def remote_transport(offer: SessionDescription, sections: list[MediaSection], local: LocalTransport) -> RemoteTransport:
    """The transport that the offer describes for the accepted sections.

    It is that of the offer's tagged section when that is accepted, else of the first accepted one (RFC 9143 §7.3.1).
    """
    tagged = offer.tagged_of(sections[0])
    section = tagged if any(tagged is s for s in sections) else sections[0]
    ice = offer.ice_of(section)
    if ice is None:
        raise NegotiationError("a=ice-ufrag and a=ice-pwd are required", mid=section.mid)
    if offer.ice_lite and local.ice_lite:
        raise NegotiationError("the offer is ICE-lite and so is this server: neither would send connectivity checks")
    fingerprints = tuple(f for f in offer.fingerprints_of(section) if f.algorithm in STRONG_HASHES)
    if not fingerprints:
        raise NegotiationError("an a=fingerprint with sha-256, sha-384 or sha-512 is required", mid=section.mid)
    candidates, complete = offer.candidates_of(section)
    return RemoteTransport(
        ice_ufrag=ice[0],
        ice_pwd=ice[1],
        ice_lite=offer.ice_lite,
        ice_options=tuple(offer.ice_options_of(section)),
        candidates=tuple(c for c in candidates if c.component == 1),
        end_of_candidates=complete,
        fingerprints=fingerprints,
        dtls_role=_our_role(offer.setup_of(section), local, section),
        tls_id=offer.tls_id_of(section),
    )


def _our_role(setup: Setup | None, local: LocalTransport, section: MediaSection) -> DtlsRole:
    """RFC 8842 §5.3. An offer without a=setup is read as actpass: the offerer must wait for either (RFC 5763 §5)."""
    if setup is Setup.ACTIVE:
        return DtlsRole.SERVER
    if setup is Setup.PASSIVE:
        return DtlsRole.CLIENT
    if setup is Setup.HOLDCONN:
        raise NegotiationError("setup:holdconn is not for DTLS", mid=section.mid)
    return local.dtls_role


def write_transport(section: MediaSection, local: LocalTransport, remote: RemoteTransport, *, first: bool) -> None:
    """Puts our transport into a section of the answer. Every section repeats credentials, as browsers do and webrtcbin
    demands, although RFC 9143 §7.1.3 would leave them to the first; candidates stand in the first alone.
    """
    section.port, section.connection = local.default_destination
    section.ice_ufrag, section.ice_pwd = local.ice_ufrag, local.ice_pwd
    section.fingerprints = list(local.fingerprints)
    section.setup = Setup.ACTIVE if remote.dtls_role is DtlsRole.CLIENT else Setup.PASSIVE
    if remote.tls_id is not None:
        section.tls_id = local.tls_id
    section.rtcp_mux = True
    if first:
        section.candidates = list(local.candidates)
        section.end_of_candidates = local.end_of_candidates
