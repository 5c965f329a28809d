"""Candidates and PATCH bodies (trickle-ice-sdpfrag)."""

from __future__ import annotations

import pytest

from rtcengine.sdp import Fragment, FragmentSection, SdpError, format_candidate, parse_candidate
from rtcengine.sdp import parse_fragment as parse
from rtcengine.sdp import write_fragment as write
from rtcengine.sdp.description import Group
from rtcengine.types import Candidate

CANDIDATES = [
    "candidate:3217820413 1 udp 2122260223 127.0.0.1 34372 typ host generation 0 network-id 1 network-cost 50",
    "candidate:2527763467 1 tcp 1518220031 fd99::1 9 typ host tcptype active generation 0 network-id 3",
    "candidate:1 2 UDP 2122252542 10.99.0.1 44509 typ host",
    "candidate:842163049 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr 10.0.17.1 rport 46154 ufrag EsAw",
    "candidate:1 1 udp 2113937151 2f1b0c1e-9d3e-4f38-9b52-0c5d0b1a7e5f.local 51472 typ host generation 0 ufrag aB+/",
    "candidate:r 1 udp 41885695 198.51.100.9 61000 typ relay raddr 0.0.0.0 rport 0",
    "candidate:10 1 TCP 1006827519 fe80::1%eth0 46237 typ prflx raddr :: rport 9 tcptype so x-new 1",
]


@pytest.mark.parametrize("text", CANDIDATES)
def test_both_ways(text: str) -> None:
    candidate = parse_candidate(text)
    assert format_candidate(candidate) == text
    assert parse_candidate(f"a={text}") == parse_candidate(text.removeprefix("candidate:")) == candidate


def test_fields() -> None:
    c = parse_candidate(CANDIDATES[3])
    assert c == Candidate(
        foundation="842163049",
        component=1,
        transport="udp",
        priority=1677729535,
        address="203.0.113.7",
        port=46154,
        type="srflx",
        related_address="10.0.17.1",
        related_port=46154,
        extensions=(("ufrag", "EsAw"),),
    )
    assert c.ufrag == "EsAw" and str(c.ip) == "203.0.113.7" and not c.is_mdns
    mdns = parse_candidate(CANDIDATES[4])
    assert mdns.is_mdns and mdns.ip is None
    assert parse_candidate(CANDIDATES[1]).tcp_type == "active"
    assert parse_candidate(CANDIDATES[2]).protocol == "udp"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "fields"),
        ("candidate:1 1 udp 1 192.0.2.1 5000 typ", "fields"),
        ("candidate:1 1 udp 1 192.0.2.1 5000 type host", "typ"),
        ("candidate:" + "1" * 33 + " 1 udp 1 192.0.2.1 5000 typ host", "foundation"),
        ("candidate:a:b 1 udp 1 192.0.2.1 5000 typ host", "foundation"),
        ("candidate:1 0 udp 1 192.0.2.1 5000 typ host", "component"),
        ("candidate:1 257 udp 1 192.0.2.1 5000 typ host", "component"),
        ("candidate:1 1 udp 4294967296 192.0.2.1 5000 typ host", "priority"),
        ("candidate:1 1 udp -1 192.0.2.1 5000 typ host", "priority"),
        ("candidate:1 1 udp 1 192.0.2.1 65536 typ host", "port"),
        ("candidate:1 1 udp 1 192.0.2.1/24 5000 typ host", "address"),
        ("candidate:1 1 udp 1 192.0.2.1 5000 typ host generation", "pairs"),
        ("candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype fast", "tcptype"),
        ("candidate:1 1 udp 1 192.0.2.1 5000 typ srflx raddr 1.1.1.1 rport x", "rport"),
    ],
)
def test_broken_candidates(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_candidate(text)


TRICKLE = (
    "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
    "a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1\r\n"
    "a=candidate:3471623853 1 udp 2122194687 198.51.100.2 61765 typ host generation 0 ufrag EsAw network-id 2\r\n"
    "a=end-of-candidates\r\n"
    "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:v1\r\n"
)


def test_trickle_both_ways() -> None:
    fragment = parse(TRICKLE)
    assert fragment.credentials == ("EsAw", "P2uYro0UCOQ4zxjKXaWCBui1")
    assert [(s.mid, len(s.candidates), s.end_of_candidates) for s in fragment.sections] == [
        ("0", 2, True),
        ("v1", 0, False),
    ]
    assert [c.port for c in fragment.all_candidates()] == [61764, 61765] and fragment.complete
    assert write(fragment) == TRICKLE
    assert parse(TRICKLE.replace("\r\n", "\n").encode()) == fragment


def test_restart_answer() -> None:
    fragment = Fragment(
        ice_lite=True,
        ice_options=["trickle", "ice2"],
        groups=[Group("BUNDLE", ("0", "1"))],
        sections=[
            FragmentSection(
                mid="0",
                ice_ufrag="289b31b7",
                ice_pwd="0b66f472495ef0ccac7bda653ab6be49",
                candidates=[parse_candidate("candidate:1 1 udp 2130706431 198.51.100.1 39132 typ host")],
                end_of_candidates=True,
            )
        ],
    )
    assert write(fragment) == (
        "a=ice-lite\r\na=ice-options:trickle ice2\r\na=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
        "a=ice-ufrag:289b31b7\r\na=ice-pwd:0b66f472495ef0ccac7bda653ab6be49\r\n"
        "a=candidate:1 1 udp 2130706431 198.51.100.1 39132 typ host\r\na=end-of-candidates\r\n"
    )
    assert parse(write(fragment)) == fragment
    assert fragment.credentials == ("289b31b7", "0b66f472495ef0ccac7bda653ab6be49") and fragment.ufrag == "289b31b7"


def test_what_clients_do_wrong_is_let_pass() -> None:
    bare = parse("a=candidate:1 1 udp 1 192.0.2.1 5000 typ host\r\na=end-of-candidates\r\n")
    assert not bare.sections and len(bare.all_candidates()) == 1 and bare.complete
    assert bare.credentials is None and bare.ufrag is None
    assert parse("a=ice-ufrag:abcd\r\n").ufrag == "abcd" and parse("a=ice-ufrag:abcd\r\n").credentials is None
    assert parse("a=x-new:1\r\na=sendonly\r\nm=audio 9 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n").sections[0].mid is None


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("", 1, "empty"),
        ("hello", 1, "<letter>"),
        ("a=ice-ufrag:ab\r\n", 1, "ice-ufrag"),
        ("a=ice-ufrag:abcd\r\na=ice-pwd:short\r\n", 2, "ice-pwd"),
        ("a=ice-ufrag:abcd\r\na=ice-ufrag:efgh\r\n", 2, "contradicts"),
        ("m=audio 9 RTP/AVP 0\r\na=mid:0\r\na=candidate:broken\r\n", 3, "candidate"),
        ("m=audio 9 RTP/AVP 0\r\na=mid:0\r\nm=video 9 RTP/AVP 0\r\na=mid:0\r\n", 4, "mid"),
        ("m=audio 9\r\n", 1, "media line"),
        ("x=1\r\n", 1, "no place"),
        ("m=audio 9 RTP/AVP 0\r\n" * 65, 65, "64"),
        ("a=x\r\n" * 2001, 2001, "2000"),
        ("a=x:" + "y" * 70000, 1, "65536"),
    ],
)
def test_broken_fragments(text: str, line: int, reason: str) -> None:
    with pytest.raises(SdpError) as e:
        parse(text)
    assert e.value.line == line and reason in str(e.value) and f"line {line} " in str(e.value)


def test_writing_refuses_forged_lines() -> None:
    with pytest.raises(SdpError):
        write(Fragment(ice_ufrag="abcd\r\na=ice-lite"))
