"""Gathering: what addresses of ours a peer may try, found one after the other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from ..config import IceCandidate
from ..engine import Address, Socket, Transport
from ..ice.priority import foundation, priority
from ..types import Candidate
from .network import NetworkOptions


@dataclass(frozen=True, slots=True)
class Gathered:
    """A candidate for the agent, and what the peer is told of it: None where nothing."""

    local: IceCandidate
    told: Candidate | None


class Gatherer:
    """One round. Host candidates come first, at once."""

    def __init__(self, network: NetworkOptions, *, relay_only: bool = False) -> None:
        self._network = network
        self._relay_only = relay_only

    async def run(self, transport: Transport, sockets: Mapping[str, Socket]) -> AsyncIterator[Gathered]:
        """Candidates of the sockets, which are given by their IP addresses."""
        network = self._network
        bases: list[Address] = [s.address for s in sockets.values()]
        if network.shared_port and network.engine is not None:
            bases = [(ip, port) for ip in network.to_bind() for _, port in network.engine.addresses[:1]]
        for i, base in enumerate(bases):
            if not self._relay_only:
                yield host_candidate(base, 65535 - i, network.announce.get(base[0], base[0]))


def host_candidate(base: Address, preference: int, told: str) -> Gathered:
    """`told`: the address that the peer hears."""
    number, name = priority("host", preference), foundation("host", base[0])
    local = IceCandidate(address=(told, base[1]), type="host", priority=number, foundation=name, base=base)
    return Gathered(local, Candidate(name, 1, "udp", number, told, base[1], "host"))
