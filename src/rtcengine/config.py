"""What the engine is told of a transport and its streams. Values only; whoever negotiates fills them in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from .certificate import Certificate

# Lengths of the digests that a peer's certificate may be named by (RFC 8122 §5), in bits. SHA-1's is 160.
DIGEST_BITS = {"sha-1": 1, "sha-256": 256, "sha-384": 384, "sha-512": 512}
ICE_ROLES = ("lite", "controlling", "controlled")
CANDIDATE_TYPES = ("host", "srflx", "prflx", "relay")
CODECS = ("opus", "VP8", "VP9", "H264", "AV1", "PCMU", "PCMA", "G722", "H265")
_CODECS = frozenset(name.lower() for name in CODECS)


@dataclass(frozen=True, slots=True)
class IceConfig:
    """User names and passwords of both sides (RFC 8445 §5.3). An answerer in the lite role may not know the other's."""

    local_ufrag: str
    local_pwd: str = field(repr=False)
    remote_ufrag: str = ""
    remote_pwd: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class IceCandidate:
    """One address of ours or of the peer. `priority` as RFC 8445 §5.1.2 counts it, below 2^31; `foundation`: any text
    that is equal for equal foundations. `base`, of ours only: the (IP, port) bound that it is reached by. `tcp` (RFC 6544):
    what listens, or the end of a connection."""

    address: tuple[str, int]
    type: str
    priority: int
    foundation: str = ""
    base: tuple[str, int] | None = None
    tcp: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsConfig:
    """Whom a TLS client expects: `server_name`, a DNS name or an IP address, by the system's authorities or those in `ca_pem`.
    `insecure`: whoever it is; for tests."""

    server_name: str
    ca_pem: bytes = b""
    insecure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportConfig:
    """One DTLS association and the path below it.

    `ice_role`: lite answers checks and sends none; controlling and controlled are a full agent, which checks what
    `Batch.path` or the candidates say. `ice_survives` (full agents): failed ICE and lost consent do not close it, a restart
    may bring it back. A full agent may be made before the peer is known: without its credentials and fingerprints, which
    `Batch.meet` tells later; until then its checks are answered.
    `fingerprints`: pairs like ("sha-256", digest bytes) that the peer's certificate must all match. `extensions`: ids
    of the whole BUNDLE group to URIs; unknown URIs are passed over. `two_byte`: extmap-allow-mixed was agreed (RFC 8285
    §6). `reduced_rtcp`: rtcp-rsize was agreed (RFC 5506). `ssrc`: ours in reports when no sender's fits, 0 for a random
    one.
    `certificate`: ours, None for the engine's; transports with equal ones share what DTLS makes of it.
    `remote_certificates`: what the peer showed is kept, as `Transport.remote_certificates`.
    `verify`: asked with the transport, on the asyncio loop, once its handshake is over and the fingerprints were right;
    until then the transport is "held" and has no keys: no media passes in either direction. It gives, at once or as an
    awaitable, True to accept the peer, False to refuse it, or None when `Batch.accept` or `Batch.close` will say so; an
    exception refuses. Whom nobody has accepted after `verify_timeout` seconds is refused.
    """

    ice: IceConfig
    ice_role: str = "lite"
    ice_survives: bool = False
    dtls_client: bool = False
    fingerprints: tuple[tuple[str, bytes], ...] = ()
    extensions: Mapping[int, str] = field(default_factory=dict)
    two_byte: bool = False
    reduced_rtcp: bool = False
    ssrc: int = 0
    cname: str = ""
    certificate: Certificate | None = None
    remote_certificates: bool = True
    verify: Callable[[Any], bool | Awaitable[bool | None] | None] | None = None
    verify_timeout: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadType:
    """One codec under its number, and the number of its repairs."""

    codec: str
    pt: int
    rtx_pt: int | None = None
    clock_rate: int


@dataclass(frozen=True, slots=True)
class TonePayload:
    """The number of telephone events (RFC 4733) in a stream of sound, and units of their duration a second."""

    pt: int
    rate: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecvConfig:
    """One stream that the peer sends. `codec`: opus, VP8, VP9, H264, H265, AV1, PCMU, PCMA or G722. `ssrc` and `rtx_ssrc` as
    declared; 0: found by MID, RID or payload type. `clock_rate` in Hz. `nack`, `pli`, `fir`, `twcc`: feedback that was
    agreed. `frames`: Python gets its frames (`Receiver.frames`); `Batch.frames` changes that later. `others`: what the peer may
    change to whenever it likes, 15 at most. `tones`: its telephone events (`Receiver.on_tone`), of 4 payload types at most;
    they are not forwarded. `red_pt`: of packets of sound that repeat earlier ones (RFC 2198); what they repeat stands in for
    frames whose own packets are lost."""

    video: bool
    codec: str
    pt: int
    rtx_pt: int | None = None
    clock_rate: int
    mid: str = ""
    rid: str = ""
    ssrc: int = 0
    rtx_ssrc: int = 0
    nack: bool = False
    pli: bool = False
    fir: bool = False
    twcc: bool = False
    frames: bool = False
    others: tuple[PayloadType, ...] = ()
    tones: tuple[TonePayload, ...] = ()
    red_pt: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SendConfig:
    """One stream that we send, under this SSRC. `rtx_ssrc` 0: no repair by RTX (RFC 4588). `extensions`: the URIs
    agreed for its section; their ids are the transport's. `rid`: its name among the streams of a simulcast (RFC 8853).
    `tones`: for `Batch.tone`. `single_units`: H.264 in packetization-mode 0; a frame with a unit that does not fit into a
    packet is not sent. `red_pt`: a packet of sound repeats the frames before its own (RFC 2198), `red_levels` of them, 1 or 2;
    0: one, and two from 5 % loss on, as the peer reports it. What a linked receiver's packets repeat goes on where `pt` is the
    same on both sides."""

    video: bool
    codec: str
    pt: int
    rtx_pt: int | None = None
    clock_rate: int
    ssrc: int
    rtx_ssrc: int = 0
    mid: str = ""
    rid: str = ""
    extensions: frozenset[str] = frozenset()
    nack: bool = False
    tones: TonePayload | None = None
    single_units: bool = False
    red_pt: int | None = None
    red_levels: int = 0


class Feedback(TypedDict):
    """Of a RecvConfig."""

    nack: bool
    pli: bool
    fir: bool
    twcc: bool


def feedback(agreed: Collection[str]) -> Feedback:
    """From the a=rtcp-fb values that were agreed (RFC 4585 §4.2)."""
    return Feedback(nack="nack" in agreed, pli="nack pli" in agreed, fir="ccm fir" in agreed, twcc="transport-cc" in agreed)


def check_transport(config: TransportConfig) -> None:
    """ValueError that names the field which the engine could not use."""
    ice = config.ice
    if config.ice_role not in ICE_ROLES:
        raise ValueError(f"ICE role {config.ice_role!r}: {', '.join(ICE_ROLES)} are known")
    if config.ice_survives and config.ice_role == "lite":
        raise ValueError("a lite agent ends with its consent")
    check_credentials("local", ice.local_ufrag, ice.local_pwd)
    unknown = not ice.remote_ufrag and not ice.remote_pwd
    if not unknown or (config.ice_role != "lite" and config.fingerprints):
        check_credentials("remote", ice.remote_ufrag, ice.remote_pwd)
    if not unknown or config.ice_role == "lite":
        check_fingerprints(config.fingerprints)
    for number in config.extensions:
        if not 1 <= number <= 255:
            raise ValueError(f"extension id {number} is not in 1..255")
    check_number("ssrc", config.ssrc, 0, 0xFFFFFFFF)
    if not 0.001 <= config.verify_timeout <= 86400:
        raise ValueError(f"verify_timeout is {config.verify_timeout}: 0.001 to 86400 seconds are allowed")


def check_fingerprints(fingerprints: tuple[tuple[str, bytes], ...]) -> None:
    if not any(algorithm.lower() != "sha-1" for algorithm, _ in fingerprints):
        raise ValueError("a transport needs a fingerprint of the peer's certificate other than by SHA-1")
    for algorithm, digest in fingerprints:
        bits = DIGEST_BITS.get(algorithm.lower())
        if bits is None:
            raise ValueError(f"fingerprint by {algorithm!r}: {', '.join(DIGEST_BITS)} are known")
        if len(digest) != (20 if bits == 1 else bits // 8):
            raise ValueError(f"a {algorithm} fingerprint of {len(digest)} bytes")


def check_candidate(candidate: IceCandidate) -> None:
    """ValueError that names the field which the engine could not use."""
    if candidate.type not in CANDIDATE_TYPES:
        raise ValueError(f"candidate type {candidate.type!r}: {', '.join(CANDIDATE_TYPES)} are known")
    check_number("priority", candidate.priority, 1, 0x7FFFFFFF)


def check_credentials(side: str, ufrag: str, pwd: str) -> None:
    """The lengths of RFC 8839 §5.4; our own user name may have 32 characters."""
    most = 32 if side == "local" else 256
    if not 4 <= len(ufrag) <= most or not ufrag.isascii():
        raise ValueError(f"{side} ICE user name: 4 to {most} characters are allowed")
    if not 22 <= len(pwd) <= 256 or not pwd.isascii():
        raise ValueError(f"{side} ICE password: 22 to 256 characters are allowed")


def check_stream(config: RecvConfig | SendConfig) -> None:
    """ValueError that names the field which the engine could not use."""
    check_payload_type(config)
    for other in config.others if isinstance(config, RecvConfig) else ():
        check_payload_type(other)
    for tone in config.tones if isinstance(config, RecvConfig) else (config.tones,) if config.tones is not None else ():
        check_number("pt of telephone events", tone.pt, 0, 127)
        check_number("rate of telephone events", tone.rate, 1, 1_000_000)
    if config.red_pt is not None:
        if config.video:
            raise ValueError("red_pt is of sound alone")
        check_number("red_pt", config.red_pt, 0, 127)
    if isinstance(config, SendConfig):
        check_number("red_levels", config.red_levels, 0, 2)
    check_number("ssrc", config.ssrc, 1 if isinstance(config, SendConfig) else 0, 0xFFFFFFFF)
    check_number("rtx_ssrc", config.rtx_ssrc, 0, 0xFFFFFFFF)


def check_payload_type(config: RecvConfig | SendConfig | PayloadType) -> None:
    if config.codec not in CODECS and config.codec.lower() not in _CODECS:
        raise ValueError(f"codec {config.codec!r}: {', '.join(CODECS)} are known")
    check_number("pt", config.pt, 0, 127)
    if config.rtx_pt is not None:
        check_number("rtx_pt", config.rtx_pt, 0, 127)
    check_number("clock_rate", config.clock_rate, 1, 0xFFFFFFFF)


def check_number(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ValueError(f"{name} is {value}: {least} to {most} is allowed")
