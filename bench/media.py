"""What live media costs beside aiortc: delay from capture to decoded, payload formats, frames as arrays, a sender's CPU.

    python bench/media.py [--rounds 4] [--seconds 6]

Delay: two processes of one implementation, each on a core of its own, a camera of 1280 x 720 at 30 a second and a microphone,
VP8 and Opus as both encode them; the time from a frame's capture to its decoded self in a program's hands. Payload formats:
frames of 100 kB in C, where the engine has them, through `rtcengine.payload`, and through what aiortc's encoders and receivers
do, in packets a second of one thread. Arrays: a decoded picture of 1280 x 720. A sender of 1920 x 1080 at 30 a second: CPU of
its process, that of its encoding threads apart. Rate steps: encoders that are told 2 Mb/s, 300 kb/s and 1 Mb/s while they run.
Writes results/media.json and media.md.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import kit
from aiortc.codecs import h264 as their_h264
from aiortc.codecs import vpx as their_vpx
from kit.sides import LOAD_CORE, RELAY_CORE, Lines
from peer import ask, in_turn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rtcengine import payload
from rtcengine.media import arrays
from rtcengine.media.pattern import Pattern
from tests.unit.test_rates import Run, demanding

PICTURES = demanding()
STEPS = (2000, 300, 1000)
PROGRAM = Path(__file__).with_name("kit") / "live.py"
KINDS = ("engine", "aiortc")
FRAME_BYTES, MOST = 100_000, 1200
SETTLE_S = 3.0


class Call:
    """Two processes of one kind with a live call between them."""

    def __init__(self, sender: Lines, taker: Lines) -> None:
        self.sender, self.taker = sender, taker

    @classmethod
    async def start(cls, kind: str, width: int, height: int, pictures: int = 0) -> Call:
        sender = await Lines.start(RELAY_CORE, sys.executable, PROGRAM, kind, "send", width, height, pictures)
        self = cls(sender, await Lines.start(LOAD_CORE, sys.executable, PROGRAM, kind, "take"))
        offer = await ask(self.sender, do="offer")
        made = await ask(self.taker, do="answer", sdp=offer["sdp"])
        await ask(self.sender, do="accept", sdp=made["sdp"])
        await asyncio.sleep(SETTLE_S)
        return self

    async def close(self) -> None:
        await asyncio.gather(self.sender.close(), self.taker.close())


async def delays(rounds: int, seconds: float) -> list[dict[str, Any]]:
    """By kind what came late by so many ms; a call of each at a time."""
    found = []
    for number in range(rounds):
        row: dict[str, Any] = {}
        for kind in in_turn(number):
            call = await Call.start(kind, 1280, 720)
            await ask(call.taker, do="delays")
            await asyncio.sleep(seconds)
            row[kind] = late = await ask(call.taker, do="delays")
            await call.close()
            video, audio = (kit.spread(late[name], 1) for name in ("video", "audio"))
            print(f"  {kind:6} {len(late['video'])} pictures {video} ms, {len(late['audio'])} clicks {audio} ms", flush=True)
        found.append(row)
    return found


async def costs(rounds: int, seconds: float) -> list[dict[str, Any]]:
    found = []
    for number in range(rounds):
        row: dict[str, Any] = {}
        for kind in in_turn(number):
            call = await Call.start(kind, 1920, 1080, pictures=30)
            before = await ask(call.sender, do="used")
            await asyncio.sleep(seconds)
            after = await ask(call.sender, do="used")
            await call.close()
            all_, encoding = (after[name] - before[name] for name in ("all", "encoding"))
            pictures = after["pictures"] - before["pictures"]
            row[kind] = run = {"rest_ms": (all_ - encoding) / pictures * 1e3, "encoding_ms": encoding / pictures * 1e3}
            row[kind]["fps"] = pictures / seconds
            print(f"  {kind:6} {run['rest_ms']:.2f} ms a picture beside {run['encoding_ms']:.1f} of encoding", flush=True)
        found.append(row)
    return found


def rate(run: Callable[[], int], seconds: float = 0.3) -> float:
    """Packets a second of this thread."""
    count, start = 0, time.thread_time()
    while (passed := time.thread_time() - start) < seconds:
        count += run()
    return count / passed


def annexb(size: int) -> bytes:
    """Units of random bytes that hold no start code."""
    rng = random.Random(1)
    unit = bytes(rng.randrange(1, 256) for _ in range(size // 4 - 5))
    return b"".join(b"\0\0\0\1\x65" + unit for _ in range(4))


def in_c() -> dict[str, float]:
    """The engine's own, by codec and way."""
    program = kit.build("payload_bench", ["bench/c/payload_bench.c"], core=True)
    done = subprocess.run([program, str(FRAME_BYTES), str(MOST), "0.3"], capture_output=True, text=True, check=True)
    return {f"{codec} {way}": float(n) for codec, way, n in (line.split() for line in done.stdout.splitlines())}


def formats(rounds: int) -> list[dict[str, Any]]:
    vp8, h264 = random.Random(2).randbytes(FRAME_BYTES), annexb(FRAME_BYTES)
    encoder = their_vpx.Vp8Encoder()
    encoder.picture_id = 1
    pieces = {"VP8": payload.split("VP8", vp8, MOST, 1), "H264": payload.split("H264", h264, MOST)}

    def their_split() -> int:
        return len(their_h264.H264Encoder._packetize(their_h264.H264Encoder._split_bitstream(h264)))

    ways: dict[str, tuple[Callable[[], int], Callable[[], int]]] = {
        "VP8 split": (lambda: len(payload.split("VP8", vp8, MOST, 1)), lambda: len(encoder._packetize(vp8, 1))),
        "H264 split": (lambda: len(payload.split("H264", h264, MOST)), their_split),
        "VP8 join": (lambda: joined("VP8", pieces["VP8"]), lambda: depayloaded(their_vpx.vp8_depayload, pieces["VP8"])),
        "H264 join": (lambda: joined("H264", pieces["H264"]), lambda: depayloaded(their_h264.h264_depayload, pieces["H264"])),
    }
    found = []
    for number in range(rounds):
        row: dict[str, Any] = {}
        c = in_c()
        for name, both in ways.items():
            row[name] = {kind: rate(both[KINDS.index(kind)]) for kind in in_turn(number)} | {"c": c[name]}
        found.append(row)
    for name in ways:
        less = [kit.spread((row[name][one] / row[name]["aiortc"] for row in found), 1) for one in ("c", "engine")]
        print(f"  {name}: {less[0]} times aiortc's in C, {less[1]} from Python")
    return found


def joined(codec: str, pieces: list[bytes]) -> int:
    payload.join(codec, pieces)
    return len(pieces)


def depayloaded(take: Callable[[bytes], bytes], pieces: list[bytes]) -> int:
    b"".join([take(piece) for piece in pieces])
    return len(pieces)


def numpy(rounds: int) -> dict[str, list[float]]:
    """µs a call."""
    frame = Pattern(1280, 720).video_frame(1, 0)
    ways: dict[str, Callable[[], Any]] = {
        "planes, views": lambda: arrays.planes(frame),
        "one array, rgb24": lambda: arrays.image(frame),
        "one array, gray": lambda: arrays.image(frame, "gray"),
        "PyAV's to_ndarray, rgb24": lambda: frame.to_ndarray(format="rgb24"),
        "PyAV's to_ndarray, yuv420p": lambda: frame.to_ndarray(),
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            found[name].append(1e6 / rate(lambda way=way: 1 if way() is not None else 0, 0.1))  # type: ignore[misc]
    for name, values in found.items():
        print(f"  {name}: {kit.spread(values, 1)} µs")
    return found


class Theirs:
    """aiortc's encoder of a codec as Run is one of ours."""

    def __init__(self, codec: str) -> None:
        self.encoder: Any = {"VP8": their_vpx.Vp8Encoder, "H264": their_h264.H264Encoder}[codec]()
        self.is_key = {"VP8": lambda p: payload.look("VP8", p).key, "H264": lambda p: payload.look("H264", p).key}[codec]
        self.count = self.keys = 0

    def second(self) -> float:
        size = 0
        for _ in range(30):
            frame = av.VideoFrame.from_ndarray(PICTURES[self.count % len(PICTURES)], format="yuv420p")
            frame.pts, frame.time_base = 3000 * self.count, Fraction(1, 90_000)
            payloads, _ = self.encoder.encode(frame, self.count == 0)
            size += sum(map(len, payloads))
            self.keys += any(map(self.is_key, payloads))
            self.count += 1
        return size * 8 / 1000


def steps() -> dict[str, Any]:
    """By codec and kind: kb/s in the first and the second second after each step, and the key frames."""
    found: dict[str, Any] = {}
    for codec in ("VP8", "VP9", "H264"):
        found[codec] = {}
        for kind in KINDS:
            if (codec, kind) == ("VP9", "aiortc"):
                continue  # it has none
            run: Any = Run(codec, PICTURES) if kind == "engine" else Theirs(codec)
            took = []
            for kbps in STEPS:
                if kind == "engine":
                    run.encoder.set_bitrate(kbps * 1000)
                else:
                    run.encoder.target_bitrate = kbps * 1000
                took.append([round(run.second()) for _ in range(2)])
            found[codec][kind] = {"kbps": took, "keys": run.keys}
            print(f"  {codec} {kind}: {took} kb/s, {run.keys} key frames", flush=True)
    return found


def report(found: dict[str, Any], info: dict[str, str]) -> str:
    parts = ["# Live media", f"`{kit.command()}`", kit.facts(info), "## From capture to decoded"]
    rows = []
    for name, what in (("video", "picture, 1280 x 720 at 30"), ("audio", "sound, 20 ms a packet")):
        middles = [[kit.middle(row[kind][name])[0] for row in found["delays"]] for kind in KINDS]
        less = [b - a for a, b in zip(*middles, strict=True)]
        target = "≥ 33.3" if name == "video" else "≥ 60"
        rows.append([what, *(kit.spread(m, 1) for m in middles), kit.spread(less, 1), target])
    parts += [
        "Medians of each round's frames, ms; both ends decode and hand over, nothing is shown or played.",
        kit.table(["", "engine", "aiortc", "less by", "target"], rows),
        "## Payload formats",
        f"Frames of {FRAME_BYTES // 1000} kB, payloads of {MOST} bytes at most; packets a second of one thread. In C is the "
        "engine's way, from Python each payload is a bytes object.",
        kit.table(
            ["", "in C", "from Python", "aiortc", "in C / aiortc (target ≥ 20)", "from Python / aiortc"],
            [
                [
                    name,
                    *(kit.spread(row[name][kind] for row in found["formats"]) for kind in ("c", *KINDS)),
                    *(kit.spread((row[name][k] / row[name]["aiortc"] for row in found["formats"]), 1) for k in ("c", "engine")),
                ]
                for name in found["formats"][0]
            ],
        ),
        "## A picture as arrays",
        kit.table(["1280 x 720, yuv420p", "µs"], [[name, kit.spread(v, 1)] for name, v in found["numpy"].items()]),
        "## A sender of 1920 x 1080 at 30 a second",
        "CPU of its process a picture, sound beside it, ms. What encodes is set up differently on either side.",
        kit.table(
            ["", "all but encoding", "encoding", "pictures a second"],
            [
                [kind, *(kit.spread((row[kind][n] for row in found["costs"]), 2) for n in ("rest_ms", "encoding_ms", "fps"))]
                for kind in KINDS
            ],
        ),
        "## Rate steps",
        "640 x 360 at 30, motion under noise; kb/s in the first and the second second of the frames after each step.",
        kit.table(
            ["", *(f"{kbps} kb/s" for kbps in STEPS), "key frames"],
            [
                [f"{codec}, {kind}", *(f"{first}, {second}" for first, second in run["kbps"]), str(run["keys"])]
                for codec, both in found["steps"].items()
                for kind, run in both.items()
            ],
        ),
    ]
    return "\n\n".join(parts)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=6, help="of each call")
    args = parser.parse_args()
    info = kit.machine()
    found: dict[str, Any] = {"command": kit.command(), "machine": info}
    found["delays"] = await delays(args.rounds, args.seconds)
    found["costs"] = await costs(args.rounds, args.seconds)
    found["formats"] = formats(args.rounds)
    found["numpy"] = numpy(args.rounds)
    found["steps"] = steps()
    kit.store("media", found, report(found, info))
    print(report(found, info))


if __name__ == "__main__":
    asyncio.run(main())
