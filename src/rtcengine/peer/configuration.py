"""What a peer connection is made with, and whether it may be (W3C webrtc §4.2)."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from .certificate import RTCCertificate
from .errors import InvalidAccessError, InvalidModificationError, RangeError, UrlSyntaxError

# RFC 7064 and 7065: no query for STUN, "transport" alone for TURN.
SERVER_URL = re.compile(
    r"(stuns?|turns?):(\[[0-9A-Fa-f:.]+\]|[^\s:/?#@\[\]]+)(?::([0-9]{1,5}))?(\?transport=(?:udp|tcp))?", re.I
)
"""Scheme, host, port, and what stands behind the question mark."""
MAX_SERVERS = 32


VerifyPeer = Callable[[list[bytes]], bool | Awaitable[bool]]


class RTCIceTransportPolicy(Enum):
    """Which candidates may be used."""

    ALL = "all"
    RELAY = "relay"


class RTCBundlePolicy(Enum):
    """How many transports are offered to a peer that may not know BUNDLE."""

    BALANCED = "balanced"
    MAX_COMPAT = "max-compat"
    MAX_BUNDLE = "max-bundle"


class RTCRtcpMuxPolicy(Enum):
    """RTCP has no transport of its own here, so there is one value."""

    REQUIRE = "require"


@dataclass
class RTCIceServer:
    """A STUN or TURN server."""

    urls: str | list[str]
    username: str | None = None
    credential: str | None = None
    credentialType: str = "password"


@dataclass
class RTCConfiguration:
    """Options of a peer connection. `iceServers` of None leaves the choice to the driver, an empty list means none. Of
    `certificates` the first is shown; None: one is made. `peerIdentity`: who the peer has to prove to be (identity.py).
    `verify_peer`, which no browser has: asked with the peer's certificates (DER, its own first) after each handshake; until
    it gives True, at once or as an awaitable, no media passes, and whatever else it gives refuses the peer.
    `receive_simulcast`, likewise: answers made from now on take all layers of a simulcast that the peer offers
    (`RTCRtpReceiver.layers`), and not one stream."""

    iceServers: list[RTCIceServer] | None = None
    iceTransportPolicy: RTCIceTransportPolicy = RTCIceTransportPolicy.ALL
    bundlePolicy: RTCBundlePolicy = RTCBundlePolicy.BALANCED
    alwaysNegotiateDataChannels: bool = False
    rtcpMuxPolicy: RTCRtcpMuxPolicy = RTCRtcpMuxPolicy.REQUIRE
    certificates: list[RTCCertificate] | None = None
    iceCandidatePoolSize: int = 0
    peerIdentity: str | None = None
    verify_peer: VerifyPeer | None = None
    receive_simulcast: bool = False


def checked(configuration: RTCConfiguration | None) -> RTCConfiguration:
    """A copy whose enums are enums (their values as text are taken too), or the W3C's error."""
    given = configuration if configuration is not None else RTCConfiguration()
    if not isinstance(given, RTCConfiguration):
        raise TypeError("configuration is not an RTCConfiguration")
    pool = given.iceCandidatePoolSize
    if isinstance(pool, bool) or not isinstance(pool, int) or not 0 <= pool <= 255:
        raise TypeError("iceCandidatePoolSize is not a number from 0 to 255")
    if given.iceServers is not None:
        if not isinstance(given.iceServers, list):
            raise TypeError("iceServers is not a list")
        if len(given.iceServers) > MAX_SERVERS:
            raise RangeError(f"more than {MAX_SERVERS} ICE servers")
        for server in given.iceServers:
            _check_server(server)
    if given.certificates is not None and not (
        isinstance(given.certificates, list) and all(isinstance(c, RTCCertificate) for c in given.certificates)
    ):
        raise TypeError("certificates is not a list of RTCCertificate")
    if given.peerIdentity is not None and not (isinstance(given.peerIdentity, str) and given.peerIdentity):
        raise TypeError("peerIdentity is no text")
    if given.verify_peer is not None and not callable(given.verify_peer):
        raise TypeError("verify_peer cannot be called")
    if not isinstance(given.receive_simulcast, bool):
        raise TypeError("receive_simulcast is neither True nor False")
    return replace(
        given,
        iceTransportPolicy=_enum(RTCIceTransportPolicy, given.iceTransportPolicy, "iceTransportPolicy"),
        bundlePolicy=_enum(RTCBundlePolicy, given.bundlePolicy, "bundlePolicy"),
        rtcpMuxPolicy=_enum(RTCRtcpMuxPolicy, given.rtcpMuxPolicy, "rtcpMuxPolicy"),
        iceServers=None if given.iceServers is None else [replace(server) for server in given.iceServers],
        certificates=None if given.certificates is None else list(given.certificates),
    )


def checked_new(configuration: RTCConfiguration | None) -> RTCConfiguration:
    """As `checked`, for a new connection: InvalidAccessError for a certificate that has expired (§4.4.1.1)."""
    wanted = checked(configuration)
    for certificate in wanted.certificates or ():
        if certificate.expired:
            raise InvalidAccessError(f"{certificate!r} has expired")
    return wanted


def checked_change(before: RTCConfiguration, after: RTCConfiguration, *, described: bool) -> RTCConfiguration:
    """`after` checked and compared: what a connection is built on stays (§4.4.1.6 set the configuration)."""
    wanted = checked(after)
    for name in ("bundlePolicy", "rtcpMuxPolicy"):
        if getattr(wanted, name) is not getattr(before, name):
            raise InvalidModificationError(f"{name} cannot change")
    if wanted.certificates is None:
        wanted.certificates = before.certificates
    elif before.certificates is None or any(a is not b for a, b in zip(wanted.certificates, before.certificates, strict=False)):
        raise InvalidModificationError("certificates cannot change")
    elif len(wanted.certificates) != len(before.certificates):
        raise InvalidModificationError("certificates cannot change")
    if wanted.peerIdentity is None:
        wanted.peerIdentity = before.peerIdentity
    elif wanted.peerIdentity != before.peerIdentity:
        raise InvalidModificationError("peerIdentity cannot change")
    if wanted.verify_peer is None:
        wanted.verify_peer = before.verify_peer
    elif wanted.verify_peer is not before.verify_peer:
        raise InvalidModificationError("verify_peer cannot change")
    if described and wanted.iceCandidatePoolSize != before.iceCandidatePoolSize:
        raise InvalidModificationError("iceCandidatePoolSize cannot change after setLocalDescription")
    return wanted


def _enum(kind: type[Any], value: object, name: str) -> Any:
    try:
        return kind(value)
    except ValueError:
        raise TypeError(f"{name} is none of {', '.join(repr(member.value) for member in kind)}") from None


def _check_server(server: object) -> None:
    if not isinstance(server, RTCIceServer):
        raise TypeError("an ICE server is not an RTCIceServer")
    urls = [server.urls] if isinstance(server.urls, str) else server.urls
    if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
        raise TypeError("urls is neither text nor a list of texts")
    if not urls:
        raise UrlSyntaxError("an ICE server has no URL")
    for url in urls:
        found = SERVER_URL.fullmatch(url)
        if found is None or (found[3] is not None and not 0 < int(found[3]) < 65536):
            raise UrlSyntaxError(f"{url[:80]!a} is not the URL of a STUN or TURN server")
        turn = found[1].lower().startswith("turn")
        if found[4] and not turn:
            raise UrlSyntaxError("a STUN server's URL has no query")
        if turn and not (server.username and server.credential):
            raise InvalidAccessError("a TURN server needs username and credential")
        if turn and len(server.username or "") > 509:  # bytes of a USERNAME, RFC 8489 §14.3
            raise InvalidAccessError("username is longer than 509")
