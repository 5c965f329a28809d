"""What a description says, one field a fact. Reading and writing are in parse.py and write.py.

Nothing here is resolved: a value given at session level stays there, and the `*_of` methods of SessionDescription tell
what holds for a section once inheritance and BUNDLE are considered.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from ..types import Candidate, Direction, Fingerprint

RTP_PROTOCOLS = frozenset(
    f"{transport}RTP/{profile}"
    for transport in ("", "UDP/TLS/", "TCP/TLS/", "TCP/DTLS/")
    for profile in ("AVP", "AVPF", "SAVP", "SAVPF")
)
SECURE_RTP_PROTOCOLS = frozenset({"UDP/TLS/RTP/SAVPF", "TCP/DTLS/RTP/SAVPF"})  # RFC 5764 §8, RFC 7850
SCTP_PROTOCOLS = frozenset({"UDP/DTLS/SCTP", "TCP/DTLS/SCTP"})  # RFC 8841 §4
MAX_SHORT = 8192
"""Characters that a section says about its payload types; what says more is not remembered beyond its description."""


class Setup(StrEnum):
    """a=setup (RFC 4145, for DTLS RFC 8842)."""

    ACTIVE = "active"
    PASSIVE = "passive"
    ACTPASS = "actpass"
    HOLDCONN = "holdconn"


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute this package does not interpret, as it was; `value` is None for a=name without a colon."""

    name: str
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Connection:
    address: str = "0.0.0.0"
    address_type: str = "IP4"
    network_type: str = "IN"


@dataclass(frozen=True, slots=True)
class Origin:
    """o=. Id and version stay text: RFC 8866 bounds their size only by advice."""

    username: str
    session_id: str
    version: str
    network_type: str = "IN"
    address_type: str = "IP4"
    address: str = "0.0.0.0"


@dataclass(frozen=True, slots=True)
class Timing:
    start: int = 0
    stop: int = 0
    repeats: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """b=: AS in kb/s, TIAS in b/s, others as their RFC says."""

    type: str
    value: int


@dataclass(frozen=True, slots=True)
class Group:
    """a=group (RFC 5888); BUNDLE is RFC 9143."""

    semantics: str
    mids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ExtMap:
    """a=extmap (RFC 8285 §5). `direction` is None where none is written."""

    id: int
    uri: str
    direction: Direction | None = None
    attributes: str | None = None


@dataclass(frozen=True, slots=True)
class Codec:
    """One payload type: rtpmap, fmtp and feedback. `channels` is None where rtpmap has no third part. A value: sections share
    those that are the same, and so does what is worked out of them."""

    payload_type: int
    name: str
    clock_rate: int
    channels: int | None = None
    fmtp: str | None = None
    feedback: tuple[str, ...] = ()

    @property
    def parameters(self) -> dict[str, str]:
        """See `fmtp_parameters`."""
        return fmtp_parameters(self.fmtp)


class Codecs(tuple[Codec, ...]):
    """A section's payload types, in its order. Peers of one kind say the same ones, so that sections share the value: what is
    worked out of it is kept with it (`kept`), its hash among it."""

    def __hash__(self) -> int:
        return self._hash

    @functools.cached_property
    def _hash(self) -> int:
        return super().__hash__()

    @functools.cached_property
    def found(self) -> dict[object, Any]:
        """By what worked it out."""
        return {}

    @functools.cached_property
    def size(self) -> int:
        """Characters of its texts."""
        return sum(len(c.name) + len(c.fmtp or "") + sum(map(len, c.feedback)) for c in self)


NO_CODECS = Codecs()
Found = TypeVar("Found")


def kept(work: Callable[[Codecs], Found]) -> Callable[[Codecs], Found]:
    """Works it out once for each value. What it gives is not changed."""

    @functools.wraps(work)
    def look(codecs: Codecs) -> Found:
        if work not in codecs.found:
            codecs.found[work] = work(codecs)
        found: Found = codecs.found[work]
        return found

    return look


def fmtp_parameters(fmtp: str | None) -> dict[str, str]:
    """a=fmtp as name -> value, names in lower case; a part without "=" is a name with an empty value."""
    found: dict[str, str] = {}
    for part in (fmtp or "").split(";"):
        name, _, value = part.strip().partition("=")
        if name:
            found.setdefault(name.strip().lower(), value.strip())
    return found


@dataclass(frozen=True, slots=True)
class Msid:
    """a=msid (RFC 8830); "-" as stream means none."""

    stream: str
    track: str | None = None


@dataclass(slots=True)
class Ssrc:
    """All a=ssrc lines of one source (RFC 5576), in order."""

    ssrc: int
    attributes: list[tuple[str, str | None]] = field(default_factory=list)

    @property
    def cname(self) -> str | None:
        return next((value for name, value in self.attributes if name == "cname"), None)


@dataclass(frozen=True, slots=True)
class SsrcGroup:
    """a=ssrc-group (RFC 5576 §4.2): FID pairs a source with its retransmissions (RFC 4588)."""

    semantics: str
    ssrcs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Rid:
    """a=rid (RFC 8851). `restrictions` holds all but pt, in order; a value of None had no "="."""

    id: str
    direction: str
    payload_types: tuple[int, ...] = ()
    restrictions: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True, slots=True)
class SimulcastRid:
    id: str
    paused: bool = False


SimulcastStreams = tuple[tuple[SimulcastRid, ...], ...]
"""Streams, each a choice of alternatives in order of preference (RFC 8853 §5.1)."""


@dataclass(frozen=True, slots=True)
class Simulcast:
    send: SimulcastStreams = ()
    recv: SimulcastStreams = ()


@dataclass(frozen=True, slots=True)
class Rtcp:
    """a=rtcp (RFC 3605)."""

    port: int
    connection: Connection | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """a=identity (RFC 8827 §5): `assertion` is base64 of what peer/identity.py reads; `extensions` are kept, never used."""

    assertion: str
    extensions: str | None = None


@dataclass(slots=True, kw_only=True)
class Level:
    """What session and media level have in common."""

    information: str | None = None
    connection: Connection | None = None
    bandwidth: list[Bandwidth] = field(default_factory=list)
    encryption_key: str | None = None  # k=, obsolete since RFC 8866 §5.12; kept, never used
    direction: Direction | None = None
    ice_ufrag: str | None = None
    ice_pwd: str | None = None
    ice_options: list[str] = field(default_factory=list)
    fingerprints: list[Fingerprint] = field(default_factory=list)
    setup: Setup | None = None
    tls_id: str | None = None
    extmaps: tuple[ExtMap, ...] = ()
    extmap_allow_mixed: bool = False
    attributes: list[Attribute] = field(default_factory=list)

    def attribute(self, name: str) -> Attribute | None:
        """The first uninterpreted attribute of that name."""
        return next((a for a in self.attributes if a.name == name), None)


@dataclass(slots=True, kw_only=True)
class MediaSection(Level):
    """One m= section. `formats` is the m-line's list; `codecs` those of them that an rtpmap or RFC 3551 explains."""

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    port_count: int | None = None
    mid: str | None = None
    rtcp: Rtcp | None = None
    rtcp_mux: bool = False
    rtcp_mux_only: bool = False
    rtcp_rsize: bool = False
    bundle_only: bool = False
    candidates: list[Candidate] = field(default_factory=list)
    end_of_candidates: bool = False
    codecs: Codecs = NO_CODECS
    wildcard_feedback: tuple[str, ...] = ()
    msids: list[Msid] = field(default_factory=list)
    ssrcs: list[Ssrc] = field(default_factory=list)
    ssrc_groups: list[SsrcGroup] = field(default_factory=list)
    rids: list[Rid] = field(default_factory=list)
    simulcast: Simulcast | None = None
    sctp_port: int | None = None
    max_message_size: int | None = None
    ptime: float | None = None
    maxptime: float | None = None

    @property
    def is_rtp(self) -> bool:
        """Whether formats are payload types."""
        return self.protocol.upper() in RTP_PROTOCOLS

    @property
    def is_secure_rtp(self) -> bool:
        """Whether the keys come from DTLS and feedback is allowed: all that WebRTC lets pass."""
        return self.protocol.upper() in SECURE_RTP_PROTOCOLS

    @property
    def is_sctp(self) -> bool:
        return self.protocol.upper() in SCTP_PROTOCOLS

    @property
    def has_crypto(self) -> bool:
        """Whether SDES keys are offered (RFC 4568), which WebRTC forbids."""
        return self.attribute("crypto") is not None

    @property
    def is_rejected(self) -> bool:
        """Port 0 means off, unless the section lives only in its bundle (RFC 9143 §6)."""
        return self.port == 0 and not self.bundle_only

    @property
    def is_short(self) -> bool:
        """Whether caches may hold its codecs and feedback: longer ones are a mistake, or are to fill memory."""
        return self.codecs.size + sum(map(len, self.wildcard_feedback)) <= MAX_SHORT

    def codec(self, payload_type: int) -> Codec | None:
        return next((c for c in self.codecs if c.payload_type == payload_type), None)


@dataclass(slots=True, kw_only=True)
class SessionDescription(Level):
    """A whole description (RFC 8866, JSEP RFC 9429)."""

    origin: Origin
    version: int = 0
    name: str = "-"
    uri: str | None = None
    emails: list[str] = field(default_factory=list)
    phones: list[str] = field(default_factory=list)
    times: list[Timing] = field(default_factory=lambda: [Timing()])
    time_zones: str | None = None
    groups: list[Group] = field(default_factory=list)
    ice_lite: bool = False
    msid_semantic: str | None = None
    identity: Identity | None = None
    media: list[MediaSection] = field(default_factory=list)

    def section(self, mid: str) -> MediaSection | None:
        return next((m for m in self.media if m.mid == mid), None)

    def bundle_of(self, section: MediaSection) -> Group | None:
        """The BUNDLE group that the section is in."""
        return next((g for g in self.groups if g.semantics == "BUNDLE" and section.mid in g.mids), None)

    def tagged_of(self, section: MediaSection) -> MediaSection:
        """The section whose transport this one uses: the first of its bundle (RFC 9143 §2), or itself."""
        group = self.bundle_of(section)
        if group is None or section.mid == group.mids[0]:
            return section
        mids = {m.mid: m for m in self.media}
        return next((mids[mid] for mid in group.mids if mid in mids), section)

    def direction_of(self, section: MediaSection) -> Direction:
        return section.direction or self.direction or Direction.SENDRECV

    def extmaps_of(self, section: MediaSection) -> tuple[ExtMap, ...]:
        """The section's own come first (RFC 8285 §5 lets both levels have some)."""
        return section.extmaps + self.extmaps

    def allows_mixed_extensions(self, section: MediaSection) -> bool:
        return section.extmap_allow_mixed or self.extmap_allow_mixed

    def ice_of(self, section: MediaSection) -> tuple[str, str] | None:
        """User fragment and password that hold for the section. Never half from one level and half from another."""
        for level in self._levels(section):
            if level.ice_ufrag is not None and level.ice_pwd is not None:
                return level.ice_ufrag, level.ice_pwd
        return None

    def ice_options_of(self, section: MediaSection) -> list[str]:
        """Single options; some clients put commas where RFC 8839 has spaces."""
        found = next((level.ice_options for level in self._levels(section) if level.ice_options), [])
        return [option for entry in found for option in entry.split(",") if option]

    def fingerprints_of(self, section: MediaSection) -> list[Fingerprint]:
        return next((level.fingerprints for level in self._levels(section) if level.fingerprints), [])

    def setup_of(self, section: MediaSection) -> Setup | None:
        return next((level.setup for level in self._levels(section) if level.setup), None)

    def tls_id_of(self, section: MediaSection) -> str | None:
        return next((level.tls_id for level in self._levels(section) if level.tls_id), None)

    def rtcp_mux_of(self, section: MediaSection) -> bool:
        """Bundle-only sections leave out what the tagged one says for them (RFC 9429 §5.2.1)."""
        return section.rtcp_mux or self.tagged_of(section).rtcp_mux

    def candidates_of(self, section: MediaSection) -> tuple[list[Candidate], bool]:
        """Candidates of the section's transport and whether they are all."""
        source = section if section.candidates else self.tagged_of(section)
        return source.candidates, source.end_of_candidates

    def _levels(self, section: MediaSection) -> Iterator[Level]:
        yield section
        yield self
        yield self.tagged_of(section)
