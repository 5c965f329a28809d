"""Hostile input: whatever comes in, the only outcomes are a description or an error, and soon."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rtcengine.sdp import (
    LocalStream,
    LocalTransport,
    NegotiationError,
    PublishedTrack,
    SdpError,
    answer_publisher,
    answer_viewer,
    parse,
    parse_fragment,
    write,
)
from rtcengine.types import Fingerprint

OFFERS = [path.read_bytes() for path in sorted((Path(__file__).parents[1] / "vectors" / "sdp").glob("*.sdp"))]
LOCAL = LocalTransport(session_id=1, ice_ufrag="abcd", ice_pwd="p" * 24, fingerprints=(Fingerprint("sha-256", b"x" * 32),))
STREAMS = {kind: LocalStream(1, 2, "c", "s", "t") for kind in ("audio", "video")}
SCRAPS = b"a= m= : / ; = * -1 128 65536 4294967296 999999999999999999999999 BUNDLE a=crypto:x pt=".split(b" ")
SCRAPS += [b"\r\n", b"\n", b"\r", b"\0", b" ", b"\xff", b"\xc3\xa9", b"\xe2\x80\xa8"]
MUTATIONS = 20_000


def mutate(rng: random.Random) -> bytes:
    data = bytearray(rng.choice(OFFERS))
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(7):
            case 0:
                data[at : at + 1] = bytes((rng.randrange(256),))
            case 1:
                del data[at : at + rng.choice((1, 2, 10, 300))]
            case 2:
                data[at:at] = rng.choice(SCRAPS)
            case 3:
                other = rng.choice(OFFERS)
                start = rng.randrange(len(other))
                data[at:at] = other[start : start + rng.randrange(200)]
            case 4 | 5 | 6 as kind:  # whole lines: leave out, double, move
                lines = bytes(data).split(b"\r\n")
                line = lines.pop(rng.randrange(len(lines)))
                if kind > 4:
                    lines.insert(rng.randrange(len(lines) + 1), line)
                if kind > 5:
                    lines.insert(rng.randrange(len(lines) + 1), line)
                data = bytearray(b"\r\n".join(lines))
        if not data:
            return b""
    return bytes(data)


def loop_s() -> float:
    """CPU seconds of a loop of 10^5 steps, as this machine is now; times below are told in it."""
    start = time.thread_time()
    for _ in range(100_000):
        pass
    return time.thread_time() - start


def time_of(read: Callable[[Any], object], data: bytes | str) -> float:
    """The best of three, in CPU seconds."""
    spent = []
    for _ in range(3):
        start = time.thread_time()
        with contextlib.suppress(SdpError):
            read(data)
        spent.append(time.thread_time() - start)
    return min(spent)


@pytest.mark.slow
def test_mutated_offers() -> None:
    """Seeded, so that a failure repeats. Time is this thread's own, other work on the machine does not count."""
    rng = random.Random(8866)
    slow: list[bytes] = []
    limit = 20 * loop_s()
    read = refused = answered = 0
    for _ in range(MUTATIONS):
        data = mutate(rng)
        lines = data.decode("utf-8", "replace").count("\n") + 1
        start = time.thread_time()
        try:
            offer = parse(data)
        except SdpError as e:
            assert 1 <= e.line <= lines and f"line {e.line} " in str(e)
            refused += 1
            offer = None
        if time.thread_time() - start > limit:
            slow.append(data)
        if offer is None:
            continue
        read += 1
        if read % 4 == 0:  # reading again and answering cost three times as much
            assert parse(write(offer)) == offer
            try:
                publisher = answer_publisher(offer, LOCAL)
                assert parse(write(publisher.description)) == publisher.description
                tracks = {s.kind: PublishedTrack(s.codec, s.extensions) for s in publisher.sections if s.codec}
                answered += 1
            except NegotiationError:
                tracks = {}
            try:
                answer_viewer(offer, LOCAL, tracks, STREAMS)
            except NegotiationError as e:
                assert e.status in (406, 422)
    # What is slow for its text is so each time; a collection of garbage is not.
    assert not [data for data in slow if time_of(parse, data) > 20 * loop_s()]
    assert read > MUTATIONS // 10 and refused > MUTATIONS // 10 and answered > MUTATIONS // 100


def test_mutated_fragments() -> None:
    rng = random.Random(8840)
    outcomes = set()
    for _ in range(2000):
        data = mutate(rng)
        try:
            parse_fragment(data)
            outcomes.add("read")
        except SdpError as e:
            assert e.line >= 1
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


HEAD = b"v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n"
MEGABYTE = {
    "one line": HEAD + b"a=x:" + b"y" * 2**20,
    "empty attributes": HEAD + b"a=x\r\n" * (2**20 // 5),
    "sections": HEAD + b"m=video 9 UDP/TLS/RTP/SAVPF 96\r\n" * (2**20 // 32),
    "line feeds": b"\n" * 2**20,
    "NUL": b"\0" * 2**20,
    "not UTF-8": b"\xff" * 2**20,
    "candidates": HEAD + b"a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\n" * (2**20 // 45),
}


@pytest.mark.parametrize("case", MEGABYTE)
@pytest.mark.parametrize("kind", [bytes, str])
def test_a_megabyte_is_refused_at_once(case: str, kind: type) -> None:
    data: bytes | str = MEGABYTE[case]
    if kind is str:
        data = MEGABYTE[case].decode("latin-1")
    for read in (parse, parse_fragment):
        with pytest.raises(SdpError) as e:
            read(data)
        assert len(str(e.value)) < 1000
        assert time_of(read, data) < 3 * loop_s()


def full(line: bytes) -> bytes:
    """As many repetitions as the limits allow."""
    return HEAD + b"".join([line % i if b"%" in line else line for i in range(min(1990, 65000 // (len(line) + 4)))])


FULL = {
    "ssrc": full(b"a=ssrc:%d cname:x\r\n"),
    "ssrc-group": full(b"a=ssrc-group:FID %d 1 2 3\r\n"),
    "fmtp": full(b"a=fmtp:96 a=%d;b=c\r\n"),
    "rtcp-fb": full(b"a=rtcp-fb:96 nack x%d\r\n"),
    "extmap": full(b"a=extmap:4096 urn:%d\r\n"),
    "rid": full(b"a=rid:r%d send\r\n"),
    "ice-options": HEAD + b"a=ice-options:" + b" o" * 4000 + b"\r\n",
    "simulcast": HEAD + b"a=simulcast:send " + b";".join([b"a"] * 4000) + b"\r\n",
    "spaces": HEAD + b"a=rid:1" + b" " * 8000 + b"send\r\n",
    "semicolons": HEAD + b"a=rtpmap:96 VP8/90000\r\na=fmtp:96 " + b";" * 8000 + b"\r\n",
    "m-line": b"v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\nm=video 9 UDP/TLS/RTP/SAVPF" + b" 96" * 2600 + b"\r\n",
    "groups": HEAD.replace(b"m=", b"a=group:BUNDLE" + b" x" * 4000 + b"\r\nm=", 1),
    "bundles": HEAD.replace(b"m=video", b"a=group:BUNDLE a b\r\n" * 1900 + b"m=video", 1),
}


@pytest.mark.parametrize("case", FULL)
def test_time_within_the_limits_is_bounded(case: str) -> None:
    data = FULL[case]
    assert len(data) <= 65536

    def all_of_it(data: bytes) -> None:
        offer = parse(data)
        assert parse(write(offer)) == offer
        with pytest.raises(NegotiationError):
            answer_publisher(offer, LOCAL)

    before = loop_s()
    assert time_of(all_of_it, data) < 100 * max(before, loop_s())


def test_parameters_do_not_grow_beyond_a_line() -> None:
    data = full(b"a=fmtp:96 a=%d;b=c\r\n") + b"a=rtpmap:96 VP8/90000\r\n"
    with pytest.raises(SdpError, match="payload type 96"):
        parse(data)
    assert time_of(parse, data) < 25 * loop_s()
