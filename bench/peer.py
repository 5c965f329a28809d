"""What a peer connection costs beside aiortc's: CPU a packet, time from offer to connected, memory.

    python bench/peer.py [--rounds 4] [--seconds 2] [--calls 500] [--theirs 50]

Packets: two processes with a connection between them, each on a core of its own, at 2.5, 20 and 100 Mb/s of pictures that are
encoded already; CPU of each whole process, all threads, by the packets that it sent or got. A third process reads such pictures
and sends none: what the program's own timer and track cost. Set-up: calls between two peers of
one process, one after the other, with sound and a picture both ways. Memory: calls of one process that stay, --calls of this
engine and --theirs of aiortc. Both by the API that they share (kit/peers.py). Writes results/peer.json and peer.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import kit
from kit.sides import LOAD_CORE, RELAY_CORE, Lines

PROGRAM = Path(__file__).with_name("kit") / "peers.py"
KINDS = ("engine", "aiortc")
# Mb/s, and pictures a second: aiortc's jitter buffer holds 512 packets, so that a fast stream is one of many pictures.
RATES = ((2.5, 30), (20, 30), (100, 120))
SETTLE_S = 0.7
AT_ONCE = 8


class Pair:
    """Two processes of one kind with a connection between them."""

    def __init__(self, sender: Lines, receiver: Lines) -> None:
        self.sender, self.receiver = sender, receiver

    @classmethod
    async def start(cls, kind: str) -> Pair:
        self = cls(*[await Lines.start(core, sys.executable, PROGRAM, kind, "media") for core in (RELAY_CORE, LOAD_CORE)])
        offer = await ask(self.sender, do="offer")
        made = await ask(self.receiver, do="answer", sdp=offer["sdp"])
        await ask(self.sender, do="accept", sdp=made["sdp"])
        return self

    async def run(self, mbps: float, fps: float, seconds: float) -> dict[str, float]:
        """µs a packet of either side."""
        tell(self.sender, do="pace", bps=mbps * 1e6, fps=fps)
        await asyncio.sleep(SETTLE_S)
        before = [await ask(side, do="used") for side in (self.sender, self.receiver)]
        await asyncio.sleep(seconds)
        after = [await ask(side, do="used") for side in (self.sender, self.receiver)]
        tell(self.sender, do="pace", bps=0, fps=1)
        await asyncio.sleep(0.2)
        sent, received = after[0]["sent"] - before[0]["sent"], after[1]["received"] - before[1]["received"]
        cpu = [(b["cpu_ns"] - a["cpu_ns"]) / 1e3 for a, b in zip(before, after, strict=True)]
        return {
            "sending_us": cpu[0] / max(sent, 1),
            "receiving_us": cpu[1] / max(received, 1),
            "picture_us": cpu[0] / max(after[0]["pictures"] - before[0]["pictures"], 1),
            "packets": received / seconds,
            "frames": (after[1]["frames"] - before[1]["frames"]) / seconds / fps,
            "lost": max(0.0, 1 - received / max(sent, 1)),
        }

    async def close(self) -> None:
        await asyncio.gather(self.sender.close(), self.receiver.close())


class Source:
    """A process that reads the pictures of such a pair's sender, and has no connection."""

    def __init__(self, process: Lines) -> None:
        self.process = process

    @classmethod
    async def start(cls) -> Source:
        self = cls(await Lines.start(RELAY_CORE, sys.executable, PROGRAM, "engine", "media"))
        tell(self.process, do="source")
        return self

    async def run(self, mbps: float, fps: float, seconds: float) -> float:
        """µs a picture."""
        tell(self.process, do="pace", bps=mbps * 1e6, fps=fps)
        await asyncio.sleep(SETTLE_S)
        before = await ask(self.process, do="used")
        await asyncio.sleep(seconds)
        after = await ask(self.process, do="used")
        tell(self.process, do="pace", bps=0, fps=1)
        await asyncio.sleep(0.2)
        return float(after["cpu_ns"] - before["cpu_ns"]) / 1e3 / max(after["pictures"] - before["pictures"], 1)


def tell(side: Lines, **what: Any) -> None:
    side.tell(json.dumps(what) + "\n")


async def ask(side: Lines, **what: Any) -> dict[str, Any]:
    tell(side, **what)
    return await side.answer()


async def once(kind: str, *arguments: object) -> dict[str, Any]:
    """What a program says that ends by itself."""
    lines = await Lines.start(None, sys.executable, PROGRAM, kind, *map(str, arguments))
    try:
        return await lines.answer()
    finally:
        await lines.close()


def in_turn(number: int) -> tuple[str, ...]:
    return KINDS if number % 2 else KINDS[::-1]


async def packets(rounds: int, seconds: float) -> list[dict[str, Any]]:
    """Rounds of all rates by both kinds; the first is left out."""
    pairs = {kind: await Pair.start(kind) for kind in KINDS}
    source = await Source.start()
    found = []
    try:
        for number in range(rounds + 1):
            for mbps, fps in RATES:
                row: dict[str, Any] = {"mbps": mbps, "source": await source.run(mbps, fps, seconds if number else 0.5)}
                for kind in in_turn(number):
                    row[kind] = run = await pairs[kind].run(mbps, fps, seconds if number else 0.5)
                    print(
                        f"  {mbps:5} Mb/s {kind:6} sending {run['sending_us']:6.2f} µs, "
                        f"receiving {run['receiving_us']:6.2f} µs a packet; {run['packets']:.0f} a second, "
                        f"{run['frames']:.1%} of the pictures whole; sending {run['picture_us']:.0f} µs a picture, "
                        f"{row['source']:.0f} of them the source's",
                        flush=True,
                    )
                if number:
                    found.append(row)
    finally:
        await source.process.close()
        for one in pairs.values():
            await one.close()
    return found


async def setup(rounds: int) -> list[dict[str, Any]]:
    found = []
    for number in range(rounds):
        row = {kind: await once(kind, "calls", 30) for kind in in_turn(number)}
        for kind, run in row.items():
            print(f"  {kind:6} {kit.spread(run['wall_ms'], 1)} ms, of CPU {kit.spread(run['cpu_ms'], 1)} ms", flush=True)
        found.append(row)
    return found


async def memory(rounds: int, calls: dict[str, int]) -> list[dict[str, Any]]:
    found = []
    for number in range(rounds):
        row = {kind: await once(kind, "crowd", calls[kind], AT_ONCE) for kind in in_turn(number)}
        for kind, run in row.items():
            print(
                f"  {kind:6} {run['connected']} of {2 * calls[kind]} peers connected in {run['seconds']:.1f} s, "
                f"{run['each'] / 1024:.0f} KiB each {run['error']}",
                flush=True,
            )
        found.append(row)
    return found


def ratios(rows: list[dict[str, Any]], name: str) -> str:
    return kit.spread((row["aiortc"][name] / row["engine"][name] for row in rows), 1)


def sources(rows: list[dict[str, Any]]) -> str:
    """A picture's sending, with the program's own part beside it."""
    table = []
    for mbps, _ in RATES:
        mine = [row for row in rows if row["mbps"] == mbps]
        each = [kit.spread((row[kind]["picture_us"] for row in mine), 0) for kind in KINDS]
        less = [(row["aiortc"]["picture_us"] - row["source"]) / (row["engine"]["picture_us"] - row["source"]) for row in mine]
        table.append([f"{mbps} Mb/s", *each, kit.spread((row["source"] for row in mine), 0), kit.spread(less, 1)])
    return kit.table(["sending, µs a picture", "engine", "aiortc", "the source alone", "aiortc / engine less that"], table)


def report(found: dict[str, Any], info: dict[str, str], calls: dict[str, int]) -> str:
    parts = ["# A peer connection", f"`{kit.command()}`", kit.facts(info), "## Packets"]
    rows = []
    for mbps, _ in RATES:
        mine = [row for row in found["packets"] if row["mbps"] == mbps]
        for name, way in (("sending_us", "sending"), ("receiving_us", "receiving")):
            each = [kit.spread((row[kind][name] for row in mine), 2) for kind in KINDS]
            lost = [f"{max(row[kind]['lost'] for row in mine):.1%}" for kind in KINDS]
            rows.append([f"{mbps} Mb/s, {way}", *each, ratios(mine, name), " / ".join(lost)])
    head = ["", "engine, µs a packet", "aiortc, µs a packet", "aiortc / engine (target ≥ 5)", "lost at most, engine / aiortc"]
    parts += [
        "CPU of the whole process, Python and all threads, a packet of media. aiortc's decoder is replaced by one that does "
        "nothing; of the engine encoded frames are taken.",
        kit.table(head, rows),
        "The program's own part of sending, a timer of asyncio and a track's recv, measured in a process that does only that; "
        "it is in the figures above.",
        sources(found["packets"]),
        "## From offer to connected",
    ]
    walls = {kind: [kit.middle(row[kind]["wall_ms"])[0] for row in found["setup"]] for kind in KINDS}
    cpus = {kind: [kit.middle(row[kind]["cpu_ms"])[0] for row in found["setup"]] for kind in KINDS}
    parts += [
        "Two peers of one process, from createOffer to both connected; medians of 30 calls a round.",
        kit.table(
            ["", "engine", "aiortc", "engine / aiortc"],
            [
                [
                    what,
                    *(kit.spread(of[kind], 1) for kind in KINDS),
                    kit.spread((a / b for a, b in zip(of["engine"], of["aiortc"], strict=True)), 2),
                ]
                for what, of in (("ms (target ≤ 7, ratio ≤ 0.33)", walls), ("of CPU, ms", cpus))
            ],
        ),
        "## Memory",
        f"RSS of the process, malloc_trim before each look; {AT_ONCE} calls under way at a time. Sound and a picture are "
        "negotiated both ways, none is sent.",
        kit.table(
            ["", "peers connected", "seconds", "KiB a peer", "after they left", "process MB", "CPU idle, µs a peer and s"],
            [
                [
                    kind,
                    f"{min(row[kind]['connected'] for row in found['memory'])} of {2 * calls[kind]}",
                    kit.spread((row[kind]["seconds"] for row in found["memory"]), 1),
                    kit.spread((row[kind]["each"] / 1024 for row in found["memory"]), 1),
                    kit.spread((row[kind]["left"] / 1024 for row in found["memory"]), 1),
                    kit.spread((row[kind]["rss"] / 1e6 for row in found["memory"]), 0),
                    kit.spread((row[kind]["idle"] * 1e6 / (2 * calls[kind]) for row in found["memory"]), 0),
                ]
                for kind in KINDS
            ],
        ),
        f"aiortc / engine, KiB a peer, round by round (target ≥ 5): {ratios(found['memory'], 'each')}.",
    ]
    return "\n\n".join(parts)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=2, help="of each run of packets")
    parser.add_argument("--calls", type=int, default=500, help="calls of this engine that stay")
    parser.add_argument("--theirs", type=int, default=50, help="and of aiortc")
    parser.add_argument("--parts", default="packets,setup,memory", help="less than all, with commas: nothing is written then")
    args = parser.parse_args()
    info = kit.machine()
    calls = {"engine": args.calls, "aiortc": args.theirs}
    parts = args.parts.split(",")
    found: dict[str, Any] = {"command": kit.command(), "machine": info, "calls": calls}
    if "packets" in parts:
        found["packets"] = await packets(args.rounds, args.seconds)
    if "setup" in parts:
        found["setup"] = await setup(args.rounds)
    if "memory" in parts:
        found["memory"] = await memory(2, calls)
    if len(parts) == 3:
        kit.store("peer", found, report(found, info, calls))
        print(report(found, info, calls))


if __name__ == "__main__":
    asyncio.run(main())
