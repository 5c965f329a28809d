"""A link's allocations on TURN servers. They outlive the round of gathering that made them: a restart tells them again."""

from __future__ import annotations

from dataclasses import dataclass

from ..config import TlsConfig
from ..engine import Address, Allocation, Batch, Engine, Socket, Transport
from .network import NetworkOptions
from .servers import IceServer


@dataclass(frozen=True, slots=True)
class Relay:
    """`socket`: what it alone is reached by, None when that is the socket of its base."""

    allocation: Allocation
    socket: Socket | None


class Allocations:
    """By server, address of that and base of ours."""

    def __init__(self, network: NetworkOptions) -> None:
        self._network = network
        self._made: dict[tuple[IceServer, Address, Address], Relay] = {}

    def get(self, server: IceServer, address: Address, base: Address, transport: Transport) -> Relay:
        """The one that there is, or that is being asked for, else a new one. OSError or ValueError when no socket reaches the
        server."""
        known = self._made.get((server, address, base))
        if known is not None and not known.allocation.closed:
            return known
        engine = transport.engine
        socket = self._socket(engine, server, address, base)
        batch = engine.batch()
        if known is not None:
            _end(batch, known)
        via = socket if socket is not None else base
        allocation = batch.turn(address, server.username, server.credential, base=via, transport=transport)
        batch.submit()
        made = self._made[server, address, base] = Relay(allocation, socket)
        return made

    def _socket(self, engine: Engine, server: IceServer, address: Address, base: Address) -> Socket | None:
        """One of its own, where the base's does not do: a socket has one allocation with a server (RFC 8656 §3), so what
        another user name or another connection has asked for stays."""
        network = self._network
        if server.transport == "udp":
            taken = network.shared_port or any(
                (at, near) == (address, base) and relay.socket is None and not relay.allocation.closed
                for (_, at, near), relay in self._made.items()
            )
            return engine.open_udp((base[0], 0), ports=network.ports) if taken else None
        tls = None
        if server.transport == "tls":
            tls = TlsConfig(server_name=server.host, ca_pem=network.turn_ca_pem, insecure=network.turn_insecure)
        return engine.connect_turn(address, tls=tls)

    def base_of(self, relayed: Address) -> Address | None:
        """Where the allocation with this address is based."""
        return next((key[2] for key, relay in self._made.items() if relay.allocation.relayed == relayed), None)

    def lose(self, batch: Batch, base: Address) -> list[Allocation]:
        """The base is no more, and so are the allocations that it had."""
        gone = [self._made.pop(key) for key in [key for key in self._made if key[2] == base]]
        for relay in gone:
            _end(batch, relay)
        return [relay.allocation for relay in gone]

    def close(self, batch: Batch) -> None:
        for relay in self._made.values():
            _end(batch, relay)
        self._made.clear()


def _end(batch: Batch, relay: Relay) -> None:
    batch.close_turn(relay.allocation)
    if relay.socket is not None:
        batch.close_socket(relay.socket)
