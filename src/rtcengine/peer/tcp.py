"""ICE over TCP (RFC 6544): what a link listens on, and its connections to what its peer listens on."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from ..config import IceCandidate
from ..engine import Address, Batch, Engine, Socket, Transport
from ..ice.priority import foundation, tcp_priority
from ..types import Candidate
from .network import NetworkOptions

log = logging.getLogger("rtcengine.peer")

MAX_CONNECTIONS = 16
"""To a peer, before an ICE restart; each takes one of the agent's places for candidates of ours."""

DISCARD = 9
"""The port told by who connects (RFC 6544 §4.5)."""

BEST = 8191

Offered = tuple[IceCandidate | None, Candidate, Socket | None]
"""A candidate for the agent and the socket that it is reached by, neither for who connects; and what the peer is told."""


class TcpSide:
    """Of one link. Peers meet at its listeners, or at those of a shared engine, which their owner has opened."""

    def __init__(self, engine: Engine, network: NetworkOptions) -> None:
        self._engine = engine
        self._network = network
        self._listeners: dict[str, Socket] = {}
        self._connections: dict[tuple[str, Address], Socket] = {}

    def listen(self, addresses: list[str]) -> None:
        """A listener an address; those of addresses that are gone are closed."""
        if self._network.shared_port:
            return
        batch = self._engine.batch()
        for address in [a for a in self._listeners if a not in addresses]:
            batch.close_socket(self._listeners.pop(address))
        batch.submit()
        for address in addresses:
            if address not in self._listeners:
                try:
                    self._listeners[address] = self._engine.listen_tcp((address, 0), ports=self._network.ports)
                except OSError as error:  # an address that has just gone, or no free port: the others may do
                    log.warning("no TCP candidate for %s: %s", address, error)

    def offered(self) -> Iterator[Offered]:
        """What the peer is told: of each address one that listens and one that connects."""
        found = [(ip, socket) for ip, socket in self._listeners.items()]
        if self._network.shared_port:
            found = [(ip, s) for s in self._engine.listeners for ip in self._network.to_bind() if _serves(s, ip)]
        for i, (ip, socket) in enumerate(found):
            base, told = (ip, socket.address[1]), self._network.announce.get(ip, ip)
            number, name = tcp_priority("passive", BEST - i), foundation("host", ip, protocol="tcp passive")
            ours = IceCandidate(address=(told, base[1]), type="host", priority=number, foundation=name, base=base, tcp=True)
            yield ours, Candidate(name, 1, "tcp", number, told, base[1], "host", tcp_type="passive"), socket
        for i, ip in enumerate(self._network.to_bind()):
            number, name = tcp_priority("active", BEST - i), foundation("host", ip, protocol="tcp active")
            told = self._network.announce.get(ip, ip)
            yield None, Candidate(name, 1, "tcp", number, told, DISCARD, "host", tcp_type="active"), None

    def connect(self, transport: Transport, theirs: IceCandidate) -> None:
        """To what the peer listens on, from each address of ours."""
        batch = self._engine.batch()
        near = [ip for ip in self._network.to_bind() if (":" in ip) == (":" in theirs.address[0])]
        for i, ip in enumerate(near):
            had = self._connections.get((ip, theirs.address))
            if had is not None:  # of before a restart: it carries what flows
                batch.remote_candidate(transport, theirs)
            elif len(self._connections) >= MAX_CONNECTIONS:
                log.info("no connection to %s: the peer has %d", theirs.address, MAX_CONNECTIONS)
            else:
                try:
                    socket = batch.tcp_connect(transport, theirs, ip, preference=BEST - i)
                except OSError as error:
                    log.info("no connection from %s to %s: %s", ip, theirs.address, error)
                else:
                    self._connections[ip, theirs.address] = socket
        batch.submit()

    def restart(self, batch: Batch, transport: Transport) -> None:
        """Connections begin anew; the one in use stays."""
        for key, socket in list(self._connections.items()):
            if not (transport.tcp and transport.local == socket.address) or socket.closed:
                batch.close_socket(self._connections.pop(key))

    def close(self, batch: Batch) -> None:
        for socket in (*self._listeners.values(), *self._connections.values()):
            batch.close_socket(socket)
        self._listeners.clear()
        self._connections.clear()


def _serves(listener: Socket, ip: str) -> bool:
    return listener.address[0] in (ip, "::" if ":" in ip else "0.0.0.0")
