"""What a relay is told: addresses, tokens, limits."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field

ROOM = re.compile(r"[A-Za-z0-9_-]{1,64}")
RESERVED = frozenset({"healthz", "metrics", "static"})

_ICE_URL = re.compile(r"(?:stuns?|turns?):[^\s<>]+")
_TOKEN = re.compile(r"[!-~]+")  # more than RFC 6750 §2.1 has, but no more than a header carries as it is


def valid_room(name: str) -> bool:
    """Whether a room may be called this: 1 to 64 of A-Z a-z 0-9 _ -, and no address of the relay's own."""
    return ROOM.fullmatch(name) is not None and name not in RESERVED


@dataclass(frozen=True, slots=True)
class IceServer:
    """A STUN or TURN server that clients are told of by Link headers (RFC 9725 §4.6)."""

    url: str
    username: str = ""
    credential: str = ""

    def __post_init__(self) -> None:
        if _ICE_URL.fullmatch(self.url) is None:
            raise ValueError(f"an ICE server's address is like stun:HOST:PORT or turn:HOST:PORT, not {self.url!r}")
        texts = self.url + self.username + self.credential
        if not (texts.isascii() and texts.isprintable()):
            raise ValueError("an ICE server's address, user name and credential must be of printable ASCII characters")

    def link(self) -> str:
        """The value of a Link header (RFC 8288 §3)."""
        parts = [f"<{self.url}>", 'rel="ice-server"']
        if self.username:
            name, secret = _quoted(self.username), _quoted(self.credential)
            parts += [f"username={name}", f"credential={secret}", 'credential-type="password"']
        return "; ".join(parts)


def _quoted(text: str) -> str:
    """A quoted-string (RFC 9110 §5.6.4)."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@dataclass(frozen=True, slots=True)
class RelayConfig:
    """`host` and `port` are of HTTP, `udp_port` is of all media; port 0 takes a free one. `public_ips` replaces what the
    interfaces say. Empty tokens let everybody in. `lenient_etag` takes a PATCH without If-Match, which RFC 9725 forbids and
    some clients send. `requests_per_second` of WHIP and WHEP is for one address, 0 for no limit. Raises ValueError when a
    value makes no sense."""

    host: str = "127.0.0.1"
    port: int = 8889
    udp_port: int = 8189
    public_ips: tuple[str, ...] = ()
    token: str = ""
    watch_token: str = ""
    cert_file: str = ""
    key_file: str = ""
    self_signed: bool = False
    ice_servers: tuple[IceServer, ...] = field(default=())
    max_sessions: int = 10_000
    lenient_etag: bool = False
    requests_per_second: float = 100.0

    def __post_init__(self) -> None:
        for name, port in (("port", self.port), ("udp_port", self.udp_port)):
            if not 0 <= port <= 65535:
                raise ValueError(f"{name} must be 0 to 65535, not {port}")
        for address in self.public_ips:
            ip = ipaddress.ip_address(address)
            if ip.is_unspecified or ip.is_multicast or "%" in address:
                raise ValueError(f"{address} is no address that a peer could send to")
        for name, token in (("token", self.token), ("watch_token", self.watch_token)):
            if token and _TOKEN.fullmatch(token) is None:
                raise ValueError(f"{name} must be of printable ASCII characters without spaces")
        if bool(self.cert_file) != bool(self.key_file):
            raise ValueError("a certificate needs its key: give both files")
        if self.self_signed and self.cert_file:
            raise ValueError("choose one: a certificate of your own or a self-signed one")
        if self.max_sessions < 1:
            raise ValueError("max_sessions must be at least 1")
        if self.requests_per_second < 0:
            raise ValueError("requests_per_second must not be below 0")

    @property
    def tls(self) -> bool:
        return self.self_signed or bool(self.cert_file)
