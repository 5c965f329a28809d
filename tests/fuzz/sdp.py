"""sdp: session descriptions, fragments and candidates, by seeded mutations; those that reach new edges are mutated further.

    python -m tests.fuzz.sdp SEEDS_DIR SECONDS RANDOM_SEED CRASH_FILE    searches, like driver.c
    python -m tests.fuzz.sdp FILE ..                                     runs files

An edge is a pair of lines of rtcengine.sdp that ran one after the other in one call. No input may raise anything but the
errors that are documented, or take longer than 50 ms of this thread's time.
"""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import rtcengine.sdp as sdp
from rtcengine.types import Fingerprint

PACKAGE = str(Path(sdp.__file__).parent)
VECTORS = Path(__file__).resolve().parents[1] / "vectors" / "sdp"
SLOW = 0.05
TRACED = 4
"""One input of so many is traced, since that takes several times as long."""
INPUT_MAX = 65536 + 16
LOCAL = sdp.LocalTransport(session_id=1, ice_ufrag="abcd", ice_pwd="p" * 24, fingerprints=(Fingerprint("sha-256", b"x" * 32),))
STREAMS = {kind: sdp.LocalStream(1, 2, "c", "s", "t") for kind in ("audio", "video")}
SCRAPS = b"""
a= m= : / ; = * -1 0 1 127 128 65535 65536 4294967295 4294967296 99999999999999999999 BUNDLE a=crypto:x pt=
max-br= a=rtpmap:96 a=fmtp:96 a=rtcp-fb:96 a=rtcp-fb:* a=extmap:1/sendonly a=extmap-allow-mixed a=ssrc:1
a=ssrc-group:FID a=ssrc-group:SIM a=rid:x a=simulcast:send a=candidate:1 a=end-of-candidates
a=ice-options:trickle a=ice-lite a=setup:actpass a=fingerprint:sha-256 a=sendrecv a=inactive a=mid:0
a=group:BUNDLE a=msid:- a=tls-id: a=identity:QUJD a=rtcp-mux a=bundle-only c=IN b=AS:1 t=0 r= k= typ raddr rport tcptype
apt=96 profile-level-id=42e01f packetization-mode=1 level-asymmetry-allowed=1 useinbandfec=1 VP8/90000
opus/48000/2 H264/90000 rtx/90000 nack pli ccm fir transport-cc goog-remb UDP/TLS/RTP/SAVPF UDP/DTLS/SCTP
webrtc-datachannel sctp-port
""".split()
SCRAPS += [b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b"\xff", b"\xc3\xa9", b"\xe2\x80\xa8", b"\xef\xbb\xbf"]

Edge = tuple[CodeType, int, int]


class Slow(Exception):
    """An input took too long."""


def check(data: bytes) -> None:
    """Everything that is done with a peer's text."""
    try:
        fragment = sdp.parse_fragment(data)
        assert sdp.parse_fragment(sdp.write_fragment(fragment)) == fragment
        _ = fragment.credentials, fragment.ufrag, fragment.all_candidates(), fragment.complete
    except sdp.SdpError as e:
        assert e.line >= 1 and len(str(e)) < 1000
    first = data.partition(b"\n")[0].decode("utf-8", "replace")
    try:
        candidate = sdp.parse_candidate(first)
        assert sdp.parse_candidate(sdp.format_candidate(candidate)) == candidate
    except ValueError:
        pass
    try:
        offer = sdp.parse(data)
    except sdp.SdpError as e:
        assert e.line >= 1 and f"line {e.line} " in str(e) and len(str(e)) < 1000
        return
    assert sdp.parse(sdp.write(offer)) == offer
    tracks: dict[str, sdp.PublishedTrack] = {}
    try:
        publisher = sdp.answer_publisher(offer, LOCAL)
        assert sdp.parse(sdp.write(publisher.description)) == publisher.description
        tracks = {s.kind: sdp.PublishedTrack(s.codec, s.extensions) for s in publisher.sections if s.codec}
    except sdp.NegotiationError as e:
        assert e.status == 422
    try:
        viewer = sdp.answer_viewer(offer, LOCAL, tracks or PUBLISHED, STREAMS)
        assert sdp.parse(sdp.write(viewer.description)) == viewer.description
    except sdp.NegotiationError as e:
        assert e.status in (406, 422)


def published() -> dict[str, sdp.PublishedTrack]:
    """What viewers' offers are answered with."""
    offer = sdp.parse((VECTORS / "chromium_offer.sdp").read_bytes())
    sections = sdp.answer_publisher(offer, LOCAL).sections
    return {s.kind: sdp.PublishedTrack(s.codec, s.extensions) for s in sections if s.codec}


PUBLISHED = published()


def timed(data: bytes) -> None:
    """Three tries, since the collector may have its turn in one."""
    best = SLOW + 1
    for _ in range(3):
        start = time.thread_time()
        check(data)
        best = min(best, time.thread_time() - start)
        if best <= SLOW:
            return
    raise Slow(f"{best * 1000:.0f} ms, {SLOW * 1000:.0f} are allowed")


def traced(data: bytes) -> set[Edge]:
    edges: set[Edge] = set()

    def call(frame: FrameType, event: str, arg: Any) -> Any:
        code = frame.f_code
        if not code.co_filename.startswith(PACKAGE):
            return None
        last = 0

        def line(frame: FrameType, event: str, arg: Any) -> Any:
            nonlocal last
            if event == "line":
                edges.add((code, last, frame.f_lineno))
                last = frame.f_lineno
            return line

        return line

    before = sys.gettrace()
    sys.settrace(call)
    try:
        check(data)
    finally:
        sys.settrace(before)
    return edges


class Mutator:
    def __init__(self, rng: random.Random, corpus: list[bytes]) -> None:
        self.rng = rng
        self.corpus = corpus

    def next(self) -> bytes:
        data = bytearray(self.rng.choice(self.corpus))
        for _ in range(self.rng.choice((1, 1, 2, 3, 5, 12))):
            data = self.change(data)
        return bytes(data[:INPUT_MAX])

    def change(self, data: bytearray) -> bytearray:
        rng = self.rng
        at = rng.randrange(len(data) + 1)
        match rng.randrange(8):
            case 0:
                data[at : at + 1] = bytes((rng.randrange(256),))
            case 1:
                del data[at : at + rng.choice((1, 1, 2, 10, 300))]
            case 2:
                data[at:at] = rng.choice(SCRAPS)
            case 3:
                end = at
                while end < len(data) and chr(data[end]).isalnum():
                    end += 1
                data[at:end] = rng.choice(SCRAPS)
            case 4:
                data[at : at + 1] *= rng.choice((2, 3, 40, 300))
            case _:
                return self.change_lines(data)
        return data

    def change_lines(self, data: bytearray) -> bytearray:
        """Whole lines: left out, doubled, moved, taken from another description."""
        rng = self.rng
        lines = bytes(data).split(b"\r\n")
        line = lines.pop(rng.randrange(len(lines)))
        match rng.randrange(4):
            case 1:
                lines.insert(rng.randrange(len(lines) + 1), line)
            case 2:
                lines[:0] = [line] * 2
                rng.shuffle(lines)
            case 3:
                other = rng.choice(self.corpus).split(b"\r\n")
                lines.insert(rng.randrange(len(lines) + 1), rng.choice(other))
                lines.insert(rng.randrange(len(lines) + 1), line)
        return bytearray(b"\r\n".join(lines))


def search(seeds: Path, seconds: float, random_seed: int, crash: Path) -> int:
    end = time.monotonic() + seconds
    rng = random.Random(random_seed)
    corpus: list[bytes] = []
    mutator = Mutator(rng, corpus)
    edges: set[Edge] = set()
    executions = 0
    waiting = [path.read_bytes() for folder in (seeds, VECTORS) for path in sorted(folder.iterdir())]
    first = len(waiting)
    while waiting or time.monotonic() < end:
        seed = bool(waiting)
        data = waiting.pop(0) if seed else mutator.next()
        executions += 1
        try:
            timed(data)
            news = traced(data) - edges if seed or rng.randrange(TRACED) == 0 else set()
        except Exception:
            crash.write_bytes(data)
            raise
        edges |= news
        if seed or news:
            corpus.append(data)
    print(f"executions {executions}, edges {len(edges)}, seeds {first}, kept {len(corpus) - first}")
    return 0


def main(args: list[str]) -> int:
    if len(args) == 4 and Path(args[0]).is_dir():
        return search(Path(args[0]), float(args[1]), int(args[2]), Path(args[3]))
    for name in args:
        timed(Path(name).read_bytes())
    return 0 if args else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
