"""Where a peer connection may be reached: which addresses and ports it binds, and what it tells of them."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ..engine import Engine
from ..ice.addresses import Address, local_addresses


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkOptions:
    """All of it may be left out.

    `addresses`: IP addresses to bind instead of those of the machine's interfaces; `use` keeps of these what it returns
    True for. `ports`: from which a free one is taken for each address. `announce`: by bound IP address, the one that the
    peer is told instead (NAT 1:1). `engine`: a started `Engine` to run on instead of the one that all connections of the
    event loop share; with `shared_port` its own sockets serve the connection, whose peers then all meet at one UDP port, and
    by TCP at what `Engine.listen_tcp` has opened. `tcp`: ICE over TCP (RFC 6544) besides: we listen, and connect to what the
    peer listens on; without `udp` nothing but that, and TURN servers over TCP and TLS.
    `deny`: gets an IP address of the peer, returns why nothing may be sent there, "" when it may (`rtcengine.ice.deny`
    has a list for servers). `mdns`: names ending in .local that the peer tells are looked up. `hide`:
    instead of our addresses, but for announced ones, the peer is told such names, which we answer for on our links: it reaches
    us if it is there, or by what servers say.
    `follow`: when the machine's addresses change and the one in use is gone, the connection asks for an ICE restart by
    "negotiationneeded", as if the program had called `restartIce`.
    `turn_ca_pem`: authorities that vouch for TURN servers over TLS, b"" for the system's; `turn_insecure`: nobody has to.
    """

    addresses: tuple[str, ...] | None = None
    use: Callable[[Address], bool] | None = None
    ports: range | None = None
    announce: Mapping[str, str] = field(default_factory=dict)
    engine: Engine | None = None
    shared_port: bool = False
    tcp: bool = False
    udp: bool = True
    deny: Callable[[str], str] | None = None
    mdns: bool = True
    follow: bool = True
    hide: bool = False
    turn_ca_pem: bytes = b""
    turn_insecure: bool = False

    def __post_init__(self) -> None:
        for address in (*(self.addresses or ()), *self.announce, *self.announce.values()):
            ipaddress.ip_address(address)
        if self.ports is not None and not (self.ports and all(0 < p < 65536 for p in (self.ports[0], self.ports[-1]))):
            raise ValueError(f"ports {self.ports} are not of 1 to 65535")
        if self.shared_port and self.engine is None:
            raise ValueError("shared_port needs an engine with sockets of its own")

    @property
    def follows(self) -> bool:
        """Whether another address of the machine means anything to it."""
        return self.follow and self.addresses is None and not self.shared_port

    def present(self) -> list[str]:
        """Addresses that a peer may reach, the best first."""
        if self.addresses is not None:
            return list(self.addresses)
        return [str(a) for a in local_addresses() if self.use is None or self.use(a)]

    def to_bind(self) -> list[str]:
        """The same; but a machine that is reached by nobody talks to itself."""
        return self.present() or ["127.0.0.1"]
