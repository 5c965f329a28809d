"""Network namespaces and packet loss for tests. Needs root, iproute2 and nftables; nothing is skipped without them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

_PREFIX = "rtctest"
_serial = itertools.count()


class CommandError(Exception):
    """A command ended with an exit status other than 0."""


async def run(*argv: str, timeout: float = 30.0) -> str:
    """Run a command to its end and return its standard output; CommandError with its standard error when it fails."""
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(timeout):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise CommandError(f"{' '.join(argv)}: exit status {process.returncode}: {err.decode(errors='replace').strip()}")
    return out.decode(errors="replace")


@dataclass(frozen=True)
class Namespace:
    """A network namespace: ``host_address`` is our end of its only link, ``address`` its own."""

    name: str
    host_address: str
    address: str
    link: str
    number: int

    def command(self, *argv: str) -> list[str]:
        """The command line that runs ``argv`` inside."""
        return ["ip", "netns", "exec", self.name, *argv]

    async def run(self, *argv: str, timeout: float = 30.0) -> str:
        """Run a command inside to its end; as the function of this module."""
        return await run(*self.command(*argv), timeout=timeout)


@asynccontextmanager
async def namespace(prefix_length: int = 24) -> AsyncIterator[Namespace]:
    """Make a network namespace with a veth pair to ours, 10.99.N.1 here and 10.99.N.2 there; removed at the end."""
    if os.geteuid() != 0:
        raise PermissionError("network namespaces need root")
    await _remove_stale()
    ns = await _create(prefix_length)
    try:
        yield ns
    finally:
        await _remove(ns.name, ns.link)


async def _create(prefix_length: int) -> Namespace:
    for number in range(1, 255):
        name, link = f"{_PREFIX}-{number}-{os.getpid()}", f"{_PREFIX}{number}"
        try:
            # The kernel refuses a second link of that name: this reserves the number among processes.
            await run("ip", "link", "add", link, "type", "veth", "peer", "name", f"{link}p")
        except CommandError as e:
            if "File exists" in str(e):
                continue
            raise
        ns = Namespace(name, f"10.99.{number}.1", f"10.99.{number}.2", link, number)
        try:
            await run("ip", "netns", "add", name)
            await run("ip", "link", "set", f"{link}p", "netns", name, "name", "eth0")
            await _no_late_addresses(link)
            await _no_late_addresses("eth0", ns)
            await run("ip", "address", "add", f"{ns.host_address}/{prefix_length}", "dev", link)
            await run("ip", "link", "set", link, "up")
            await ns.run("ip", "address", "add", f"{ns.address}/{prefix_length}", "dev", "eth0")
            await ns.run("ip", "link", "set", "eth0", "up")
            await ns.run("ip", "link", "set", "lo", "up")
        except BaseException:
            await _remove(name, link)
            raise
        return ns
    raise CommandError("all 254 test networks are in use")


async def _no_late_addresses(interface: str, ns: Namespace | None = None) -> None:
    """Without duplicate address detection an interface's IPv6 address is there at once. A second later it would be a change of
    network to a browser, which then fails what it is loading. Nothing to do where there is no IPv6."""
    setting = f"/proc/sys/net/ipv6/conf/{interface}/accept_dad"
    command = ("sh", "-c", f"if [ -e {setting} ]; then echo 0 > {setting}; fi")
    await (ns.run(*command) if ns is not None else run(*command))


async def _remove(name: str, link: str) -> None:
    # The pair goes first: a namespace lives on while a process is inside, and would keep the link.
    for command in (("link", "delete", link), ("netns", "delete", name)):
        with contextlib.suppress(CommandError):
            await run("ip", *command)


async def _remove_stale() -> None:
    """Remove what test processes that were killed have left: the name holds the maker's process id."""
    for line in (await run("ip", "netns", "list")).splitlines():
        found = re.match(rf"{_PREFIX}-(\d+)-(\d+)\b", line)
        if found and not process_exists(int(found[2])):
            await _remove(found[0], f"{_PREFIX}{found[1]}")
    for item in json.loads(await run("nft", "--json", "list", "tables"))["nftables"]:
        table = item.get("table", {}).get("name", "")
        found = re.fullmatch(rf"{_PREFIX}_(\d+)_\d+", table)
        if found and not process_exists(int(found[1])):
            with contextlib.suppress(CommandError):
                await run("nft", "delete", "table", "inet", table)


def process_exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


class Loss:
    """Loss in force; ``dropped`` counts."""

    def __init__(self, table: str, prefix: Sequence[str]) -> None:
        self._table = table
        self._prefix = prefix

    async def dropped(self) -> int:
        """How many packets have been dropped until now."""
        text = await run(*self._prefix, "nft", "--json", "list", "table", "inet", self._table)
        rules = [item["rule"]["expr"] for item in json.loads(text)["nftables"] if "rule" in item]
        return sum(part["counter"]["packets"] for expr in rules for part in expr if "counter" in part)


@asynccontextmanager
async def drop_udp(percent: float, port: int, netns: Namespace | None = None) -> AsyncIterator[Loss]:
    """Drop arriving UDP packets from or to ``port`` at random, ``percent`` of a hundred, while in the context.

    Works where packets arrive, so that senders see nothing: on loopback this covers both directions; between namespaces
    each direction is lost where it arrives (``netns`` names the other side). A run of packets sent as one (UDP GSO)
    crosses loopback as one and is lost as one.
    """
    if not 0 <= percent <= 100:
        raise ValueError(f"not a percentage: {percent}")
    if not 0 < port < 65536:
        raise ValueError(f"not a port: {port}")
    table = f"{_PREFIX}_{os.getpid()}_{next(_serial)}"
    share = round(percent * 100)
    # nft refuses a comparison that always holds.
    drop = f"numgen random mod 10000 < {share} counter drop" if share < 10000 else "counter drop"
    rules = (
        f"table inet {table} {{ chain input {{ type filter hook input priority 0; policy accept; "
        f"udp dport {port} {drop}; udp sport {port} {drop}; }}; }}"
    )
    prefix = netns.command() if netns is not None else []
    await run(*prefix, "nft", rules)
    try:
        yield Loss(table, prefix)
    finally:
        with contextlib.suppress(CommandError):
            await run(*prefix, "nft", "delete", "table", "inet", table)
