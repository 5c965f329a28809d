"""Hosts behind NATs, each in a network namespace of its own: what a call between two homes crosses.

One public segment (203.0.113.0/24, a bridge) carries the servers' namespace and the routers; behind each router is one
host. No link leads out of these namespaces. A kind is what RFC 5780 measures, and test_nat.py measures it (nat_probe.py):

=================  ====================  ===========================
kind               mapping               filtering
=================  ====================  ===========================
full-cone          endpoint-independent  endpoint-independent
address            endpoint-independent  address-dependent
port               endpoint-independent  address- and port-dependent
symmetric          address- and port-..  address- and port-dependent
=================  ====================  ===========================

Needs root, iproute2, nftables and conntrack; nothing is skipped without them.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import itertools
import json
import os
import re
import signal
import socket
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.interop.netns import CommandError, process_exists, run

KINDS = ("full-cone", "address", "port", "symmetric")
STUN = ("203.0.113.1", "203.0.113.2")
"""Addresses of the servers' namespace for a STUN server with two of them."""
TURN = "203.0.113.3"
"""A third address there, for a TURN server."""

_PREFIX = "rtcnat"
_CLONE_NEWNET = 0x40000000
_serial = itertools.count(1)

# What arrives unasked is dropped before it is tracked: a router that let it in to itself would remember it, and then give
# the host behind another port towards that peer, since the one wanted is taken. Home routers drop it as well.
_COMMON = """
  chain unasked {{ type filter hook input priority filter; iifname "wan" meta l4proto udp drop; }}
"""
_RULES = {
    "full-cone": """
  chain out {{ type nat hook postrouting priority srcnat; oifname "wan" snat ip to {wan}; }}
  chain in {{ type nat hook prerouting priority dstnat; iifname "wan" meta l4proto udp dnat ip to {host}; }}
""",
    "address": """
  set contacted {{ type ipv4_addr . inet_service; flags dynamic, timeout; timeout 120s; size 4096; }}
  chain out {{ type nat hook postrouting priority srcnat; oifname "wan" snat ip to {wan}; }}
  chain note {{ type filter hook postrouting priority srcnat + 10;
    oifname "wan" meta l4proto udp update @contacted {{ ip daddr . udp sport }}; }}
  chain in {{ type nat hook prerouting priority dstnat;
    iifname "wan" ip saddr . udp dport @contacted dnat ip to {host}; }}
""",
    "port": """
  chain out {{ type nat hook postrouting priority srcnat; oifname "wan" masquerade; }}
""",
    "symmetric": """
  chain out {{ type nat hook postrouting priority srcnat; oifname "wan" masquerade fully-random; }}
""",
}


@dataclass
class Node:
    """A network namespace."""

    name: str
    address: str

    def command(self, *argv: str) -> list[str]:
        """The command line that runs ``argv`` inside."""
        return ["ip", "netns", "exec", self.name, *argv]

    async def run(self, *argv: str, timeout: float = 30.0) -> str:
        """Run a command inside to its end; as `netns.run`."""
        return await run(*self.command(*argv), timeout=timeout)

    async def shell(self, script: str) -> None:
        """Run a shell script inside; CommandError when a line of it fails."""
        await self.run("sh", "-ec", script)

    async def wait_up(self, *interfaces: str) -> None:
        """The kernel makes an interface run a while after its link is there, up to a second; until then it drops packets,
        and agents that gather pass it over."""
        for interface in interfaces:
            await self.shell(f"until [ $(cat /sys/class/net/{interface}/operstate) = up ]; do sleep 0.02; done")

    def bind_udp(self, addresses: Sequence[tuple[str, int]]) -> list[socket.socket]:
        """UDP sockets of this namespace, non-blocking, for use by this process."""
        sockets: list[socket.socket] = []
        failed: list[OSError] = []

        def inside() -> None:
            # The namespace is the thread's, and this thread ends here; a socket keeps the one that it was made in.
            libc = ctypes.CDLL(None, use_errno=True)
            try:
                with open(f"/run/netns/{self.name}") as here:
                    if libc.setns(here.fileno(), _CLONE_NEWNET):
                        raise OSError(ctypes.get_errno(), f"setns to {self.name}")
                for address in addresses:
                    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
                    sockets.append(sock)
                    sock.bind(address)
            except OSError as e:
                failed.append(e)

        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        if failed:
            for sock in sockets:
                sock.close()
            raise failed[0]
        return sockets


@dataclass
class Nat(Node):
    """A router; ``address`` is its public one, ``host`` the only machine behind it."""

    kind: str
    host: Node

    async def flush(self) -> None:
        """Forget all mappings, as a router does that restarts. What comes next makes new ones."""
        await self.run("conntrack", "-F")

    async def renumber(self) -> None:
        """Another public address, as after a reconnection at home; mappings of the old one are gone."""
        old, number = self.address, int(self.address.rpartition(".")[2])
        self.address = f"203.0.113.{number + 100 if number < 100 else number - 100}"
        await self._write_rules()
        await self.shell(f"ip address delete {old}/24 dev wan; ip address add {self.address}/24 dev wan; conntrack -F 2>&1")

    async def move_host(self) -> None:
        """Another address for the host, as on a change of network; the router keeps the mappings of the old one."""
        old, number = self.host.address, int(self.host.address.rpartition(".")[2])
        network = old.rpartition(".")[0]
        self.host.address = f"{network}.{number + 1}"
        await self._write_rules()
        await self.host.shell(
            f"ip address delete {old}/24 dev eth0; ip address add {self.host.address}/24 dev eth0;"
            f" ip route replace default via {network}.1"
        )

    async def _write_rules(self) -> None:
        rules = _COMMON + _RULES[self.kind]
        text = rules.format(wan=self.address, host=self.host.address)
        # Made, then removed, then made: one transaction, whether it was there or not.
        await self.run("nft", f"table inet nat {{ }}; delete table inet nat; table inet nat {{ {text} }}")


class Network:
    """The public segment and what hangs on it."""

    def __init__(self, name: str) -> None:
        self.public = Node(f"{name}-public", STUN[0])
        self._name = name
        self._numbers = itertools.count(11)
        self._made: list[str] = []

    async def nat(self, kind: str) -> Nat:
        """A router of that kind with a host behind it."""
        number = next(self._numbers)
        inner = f"10.201.{number}"
        host = Node(f"{self._name}-host{number}", f"{inner}.2")
        nat = Nat(f"{self._name}-nat{number}", f"203.0.113.{number}", kind, host)
        for node in (nat, host):
            await self._add(node)
        await run("ip", "link", "add", "lan", "netns", nat.name, "type", "veth", "peer", "name", "eth0", "netns", host.name)
        await self._plug(nat, "wan", number)
        await nat.shell(f"ip address add {inner}.1/24 dev lan; ip link set lan up; echo 1 > /proc/sys/net/ipv4/ip_forward")
        await nat._write_rules()
        await host.shell(f"ip address add {inner}.2/24 dev eth0; ip link set eth0 up; ip route add default via {inner}.1")
        await nat.wait_up("wan", "lan")
        await host.wait_up("eth0")
        return nat

    async def open_host(self) -> Node:
        """A host on the public segment, behind nothing."""
        number = next(self._numbers)
        host = Node(f"{self._name}-open{number}", f"203.0.113.{number}")
        await self._add(host)
        await self._plug(host, "eth0", number)
        await host.wait_up("eth0")
        return host

    async def _start(self) -> None:
        await self._add(self.public)
        addresses = " ".join(f"ip address add {a}/24 dev segment;" for a in (*STUN, TURN))
        await self.public.shell(f"ip link add segment type bridge; {addresses} ip link set segment up")
        # What is sent to a private address from outside goes away and is lost. Without a way coturn ends the allocation.
        await self.public.shell(
            "ip link add nowhere type veth peer name void; ip link set void up; ip link set nowhere arp off up; "
            "ip route add default dev nowhere"
        )

    async def _add(self, node: Node) -> None:
        self._made.append(node.name)
        await run("ip", "netns", "add", node.name)
        # IPv6 is not part of this, and its announcements would be packets that nobody asked for.
        await node.shell(
            "for i in all default; do f=/proc/sys/net/ipv6/conf/$i/disable_ipv6; if [ -e $f ]; then echo 1 > $f; fi; done;"
            " ip link set lo up"
        )

    async def _plug(self, node: Node, interface: str, number: int) -> None:
        port, public = f"port{number}", self.public.name
        await run("ip", "link", "add", interface, "netns", node.name, "type", "veth", "peer", "name", port, "netns", public)
        await self.public.shell(f"ip link set {port} master segment up")
        await node.shell(f"ip address add {node.address}/24 dev {interface}; ip link set {interface} up")

    async def _remove(self) -> None:
        for name in self._made:
            await _remove(name)


@asynccontextmanager
async def network() -> AsyncIterator[Network]:
    """The public segment with the servers' namespace; all namespaces are removed at the end, and what runs in them ends."""
    if os.geteuid() != 0:
        raise PermissionError("network namespaces need root")
    await _remove_stale()
    net = Network(f"{_PREFIX}-{os.getpid()}-{next(_serial)}")
    try:
        await net._start()
        yield net
    finally:
        await asyncio.shield(net._remove())


async def _remove(name: str) -> None:
    """With the programs that still run inside: a namespace lives on with them."""
    with contextlib.suppress(CommandError):
        for pid in (await run("ip", "netns", "pids", name)).split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        await run("ip", "netns", "delete", name)


async def _remove_stale() -> None:
    """What test processes that were killed have left: the name holds the maker's process id."""
    for line in (await run("ip", "netns", "list")).splitlines():
        found = re.match(rf"{_PREFIX}-(\d+)-\d+-\w+", line)
        if found and not process_exists(int(found[1])):
            await _remove(found[0])


async def _leave() -> None:
    """Make a network with a program inside, say so and wait to be killed."""
    async with network() as net:
        nothing = asyncio.subprocess.DEVNULL
        command = net.public.command("sleep", "600")
        inside = await asyncio.create_subprocess_exec(*command, stdin=nothing, stdout=nothing, stderr=nothing)
        print(json.dumps({"event": "made", "pid": os.getpid(), "name": net.public.name, "inside": inside.pid}), flush=True)
        await inside.wait()


if __name__ == "__main__":
    asyncio.run(_leave())
