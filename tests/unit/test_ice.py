"""Candidates' priorities, and addresses that are refused however they are spelled."""

from __future__ import annotations

import pytest

from rtcengine.ice.deny import why_denied
from rtcengine.ice.priority import foundation, priority

DENIED = {
    "no host": "0.0.0.0 0.1.2.3 :: ::ffff:0.0.0.0 64:ff9b::0.0.0.0 2002:0000:0000:: 224.0.0.1 255.255.255.255 ff02::1",
    "loopback": "127.0.0.1 127.255.255.254 ::1 ::1%lo ::ffff:127.0.0.1 ::ffff:7f00:1 ::FFFF:7F00:0001"
    " 0:0:0:0:0:ffff:127.0.0.1 ::127.0.0.1 ::7f00:1 2002:7f00:1:: 2002:7f00:0001:1::1 64:ff9b::127.0.0.1 64:ff9b::7f00:1"
    " 64:ff9b:1::7f00:1 ::ffff:0:127.0.0.1 2001:0:7f00:1:: 2001:0:808:808:0:0:80ff:fffe fe80::5efe:127.0.0.1%2"
    " 2001:db8::200:5efe:7f00:1",
    "metadata": "169.254.169.254 ::ffff:169.254.169.254 64:ff9b::a9fe:a9fe 2002:a9fe:a9fe:: 100.100.100.200 fd00:ec2::254"
    " fd00:0ec2:0:0::254 ::169.254.169.254 168.63.129.16 ::ffff:0:169.254.169.254",
    "link-local": "169.254.1.1 fe80::1 fe80::1%eth0 febf::1 ::ffff:169.254.1.1",
    "private": "10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 ::ffff:10.0.0.1 2002:c0a8:101:: 64:ff9b::10.0.0.1"
    " fc00::1 fdff::1 fec0::1 198.18.0.1 ::10.1.2.3 2001:db8::5efe:10.0.0.1",
    "no address": "localhost metadata.google.internal 127.1 0x7f000001 2130706433 0177.0.0.1 127.000.000.001 1.2.3.4.5 [::1]"
    " 127.0.0.1:80 host.local ::ffff:127.1 :::1",
}
CASES = [(text, why) for why, texts in DENIED.items() for text in texts.split()]


@pytest.mark.parametrize(("address", "why"), CASES)
def test_denied(address: str, why: str) -> None:
    assert why_denied(address) in ({"link-local", "loopback"} if address.startswith("fe80::5efe") else {why})


def test_no_address_at_all() -> None:
    assert why_denied("") == why_denied(" 10.0.0.1") == why_denied("1.2.3.4\n") == "no address"


@pytest.mark.parametrize(
    "address",
    "8.8.8.8 1.1.1.1 172.15.255.255 172.32.0.1 192.167.1.1 100.63.255.255 100.128.0.1 169.253.1.1 203.0.113.5 223.255.255.1"
    " 2606:4700::1111 2001:4860:4860::8888 64:ff9b::8.8.8.8 2002:808:808::1 ::ffff:8.8.8.8".split(),
)
def test_open(address: str) -> None:
    assert why_denied(address) == ""


def test_priority() -> None:
    assert priority("host", 65535) == 2130706431  # as browsers write it
    assert priority("srflx", 65535) == 1694498815
    assert priority("relay", 0, 256) == 0
    types = ("host", "prflx", "srflx", "relay")
    assert sorted(types, key=lambda t: -priority(t, 0)) == list(types)
    for preference, component in ((-1, 1), (65536, 1), (0, 0), (0, 257)):
        with pytest.raises(ValueError, match="is not"):
            priority("host", preference, component)


def test_foundation() -> None:
    one = foundation("srflx", "10.0.0.1", "192.0.2.1")
    others = [
        foundation("host", "10.0.0.1"),
        foundation("srflx", "10.0.0.2", "192.0.2.1"),
        foundation("srflx", "10.0.0.1", "192.0.2.2"),
    ]
    assert one == foundation("srflx", "10.0.0.1", "192.0.2.1")
    assert len({one, *others}) == 4
    assert one.isdigit()
    assert len(one) <= 32  # RFC 8839 §5.1
