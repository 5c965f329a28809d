"""The addresses that peers are told: all of this machine's that they might reach, and none that they cannot."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from rtcengine.ice import addresses
from rtcengine.ice.addresses import by_preference, local_addresses, local_networks
from rtcengine.relay import Relay, RelayConfig

linux = pytest.mark.skipif(sys.platform != "linux", reason="netlink is Linux's")


def by_ip_command() -> set[str]:
    """The same by iproute2's eyes."""
    listed: list[dict[str, Any]] = json.loads(subprocess.run(["ip", "-j", "addr"], capture_output=True, check=True).stdout)
    return {
        info["local"]
        for link in listed
        if {"UP", "LOWER_UP"} <= set(link["flags"])
        for info in link["addr_info"]
        if info["scope"] == "global" and not info.get("deprecated") and not info.get("tentative")
    }


@linux
@pytest.mark.skipif(shutil.which("ip") is None, reason="needs iproute2")
def test_as_ip_says() -> None:
    assert {str(a) for a in local_addresses()} == by_ip_command()


def test_usable_and_sorted() -> None:
    found = local_addresses()
    assert len(set(found)) == len(found)
    assert found == by_preference(found)
    assert not any(a.is_loopback or a.is_link_local or a.is_unspecified for a in found)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("192.0.2.1 192.0.2.2 2001:db8::1", "2001:db8::1 192.0.2.1 192.0.2.2"),
        ("192.0.2.1 2001:db8::1 2001:db8::2 192.0.2.2", "2001:db8::1 192.0.2.1 2001:db8::2 192.0.2.2"),
        ("2001:db8::1 2001:db8::2 2001:db8::3 192.0.2.1", "2001:db8::1 192.0.2.1 2001:db8::2 2001:db8::3"),
        ("fd00::1 192.0.2.1 2002:c000:201::1 2001:db8::1", "2001:db8::1 192.0.2.1 fd00::1 2002:c000:201::1"),
        ("2001::1 10.0.0.1 10.0.0.2", "10.0.0.1 10.0.0.2 2001::1"),
        ("", ""),
    ],
)
def test_families_by_turns(given: str, wanted: str) -> None:
    """Neither family's checks wait for all of the other's (RFC 8421)."""
    assert by_preference([ipaddress.ip_address(a) for a in given.split()]) == [ipaddress.ip_address(a) for a in wanted.split()]


def message(kind: int, interface: int, family: int, flags: int, *attributes: tuple[int, bytes]) -> bytes:
    """A netlink message as rtnetlink(7) has it."""
    body = struct.pack("=BBBBI", family, 24, flags & 0xFF, 0, interface)
    for number, value in attributes:
        body += struct.pack("=HH", 4 + len(value), number) + value + bytes(-len(value) % 4)
    return struct.pack("=IHHII", 16 + len(body), kind, 2, 1, 0) + body


def packed(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


V4, V6 = socket.AF_INET, socket.AF_INET6
DONE = message(3, 0, 0, 0)
LISTED = [
    message(20, 1, V4, 0x80, (1, packed("127.0.0.1")), (2, packed("127.0.0.1"))),
    message(20, 2, V6, 0x80, (1, packed("2001:db8::1"))),
    message(20, 2, V4, 0x80, (1, packed("192.0.2.1")), (2, packed("192.0.2.1")), (3, b"eth0:0\0")),
    message(20, 2, V4, 0x81, (1, packed("192.0.2.2")), (2, packed("192.0.2.2"))),  # a secondary one
    message(20, 3, V4, 0x80, (1, packed("10.0.0.2")), (2, packed("10.0.0.1"))),  # a tunnel: 10.0.0.2 is the other end
    message(20, 4, V4, 0x80, (1, packed("198.51.100.1")), (2, packed("198.51.100.1"))),  # of an interface that is down
    message(20, 2, V6, 0, (1, packed("2001:db8::2")), (8, struct.pack("=I", 0x120))),  # deprecated
    message(20, 2, V6, 0, (1, packed("2001:db8::3")), (8, struct.pack("=I", 0x40))),  # tentative
    message(20, 2, V6, 0x08, (1, packed("2001:db8::4"))),  # somebody else has it
    message(20, 2, V6, 0x80, (1, packed("fe80::1"))),
    message(20, 2, V4, 0x80),
    message(20, 2, 17, 0x80, (1, b"\x02\x00\x00\x00\x00\x01")),
]


class Netlink:
    """Answers a dump in these datagrams."""

    def __init__(self, *datagrams: bytes) -> None:
        self.datagrams = list(datagrams)

    def __call__(self, family: int, *args: int) -> Netlink:
        return self

    def __enter__(self) -> Netlink:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def settimeout(self, seconds: float) -> None:
        pass

    def send(self, data: bytes) -> None:
        length, kind, flags, _, _ = struct.unpack_from("=IHHII", data)
        assert (length, kind, flags) == (len(data), 22, 0x301)

    def recv(self, size: int) -> bytes:
        if not self.datagrams:
            raise TimeoutError
        return self.datagrams.pop(0)


@contextlib.contextmanager
def kernel_says(monkeypatch: pytest.MonkeyPatch, *datagrams: bytes) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(addresses, "_interfaces_up", lambda: {1, 2, 3})
        patch.setattr(addresses, "_by_route", lambda: iter([ipaddress.ip_address("203.0.113.1")]))
        patch.setattr("rtcengine.ice.addresses.socket.socket", Netlink(*datagrams))
        yield


@linux
@pytest.mark.parametrize("cut", [0, 1, 5, len(LISTED)], ids=lambda n: f"after-{n}")
def test_netlink(monkeypatch: pytest.MonkeyPatch, cut: int) -> None:
    """However the kernel cuts its answer into datagrams."""
    datagrams = [d for d in (b"".join(LISTED[:cut]), b"".join([*LISTED[cut:], DONE])) if d]
    with kernel_says(monkeypatch, *datagrams):
        found = [str(a) for a in local_addresses()]
    assert found == ["2001:db8::1", "192.0.2.1", "192.0.2.2", "10.0.0.1"]


@linux
@pytest.mark.parametrize("answer", [[], [message(2, 0, 0, 0)], LISTED[:3]], ids=["silence", "refused", "no-end"])
def test_without_netlink(monkeypatch: pytest.MonkeyPatch, answer: list[bytes]) -> None:
    """Sandboxes forbid it: then the way to the default route says one address."""
    with kernel_says(monkeypatch, *answer):
        assert [str(a) for a in local_addresses()] == ["203.0.113.1"]


def test_by_route_needs_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*args: object) -> socket.socket:
        raise OSError("Address family not supported by protocol")

    monkeypatch.setattr("rtcengine.ice.addresses.socket.socket", none)
    assert list(addresses._by_route()) == []


# What the relay tells of them


def told(**settings: Any) -> list[str]:
    return Relay(RelayConfig(udp_port=0, **settings)).advertised()


def test_public_addresses_replace_all() -> None:
    assert told(public_ips=("192.0.2.1", "2001:db8::1")) == ["192.0.2.1", "2001:db8::1"]


async def test_ipv4_is_written_first_and_preferred_second() -> None:
    """Clients that take the first candidate they read may have no IPv6."""
    async with Relay(RelayConfig(udp_port=0, public_ips=("2001:db8::1", "192.0.2.1", "2001:db8::2"))) as relay:
        found = relay.candidates()
    assert [c.address for c in found] == ["192.0.2.1", "2001:db8::1", "2001:db8::2"]
    assert [c.address for c in sorted(found, key=lambda c: -c.priority)] == ["2001:db8::1", "192.0.2.1", "2001:db8::2"]


def test_loopback_only_where_the_page_is_there_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rtcengine.relay.relay.local_addresses", lambda: [ipaddress.ip_address("192.0.2.1")])
    for host in ("127.0.0.1", "::1", "localhost"):
        assert told(host=host) == ["127.0.0.1", "192.0.2.1"]
    assert told(host="0.0.0.0") == ["192.0.2.1"]
    monkeypatch.setattr("rtcengine.relay.relay.local_addresses", list)
    assert told(host="0.0.0.0") == ["127.0.0.1"], "no network: this machine at least"


@pytest.mark.parametrize("address", ["", "host.example", "0.0.0.0", "::", "224.0.0.1", "fe80::1%eth0", "192.0.2.1:80"])
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(ValueError):
        RelayConfig(public_ips=(address,))


@linux
def test_networks_that_we_have_a_link_to() -> None:
    listed = json.loads(subprocess.run(["ip", "-j", "addr"], capture_output=True, check=True).stdout)
    known = {
        ipaddress.ip_interface(f"{info['local']}/{info['prefixlen']}").network for link in listed for info in link["addr_info"]
    }
    assert set(local_networks()) <= known and ipaddress.ip_network("127.0.0.0/8") in local_networks()
    assert all(any(address in network for network in local_networks()) for address in local_addresses())


def test_networks_without_netlink(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Iterator[Any]:
        raise OSError("no netlink")

    monkeypatch.setattr(addresses, "_netlink", refuse)
    assert ipaddress.ip_network("192.168.0.0/16") in local_networks()
    assert not any(ipaddress.ip_address("192.0.2.1") in network for network in local_networks())
