"""What joining costs: handshakes a second, a storm of 1,000 joins beside running viewers, memory a subscriber.

    python bench/joins.py [--viewers 1000] [--rounds 6] [--subscribers 1000,10000]

Three parts. From C and in memory (c/joins_bench.c): the server's CPU for a DTLS handshake alone, and for a whole join of a
viewer (ICE, DTLS, keys, two senders) by the thread that has it, the loop's or the helper's; heap bytes a viewer. Over UDP: an
engine relays to 20 viewers while 1,000 others join at the same moment; forwarding delay beside the same without a storm, in
turn. RSS of the process with 1,000 and 10,000 subscribers. Writes results/joins.json and joins.md.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import gc
import json
import os
import subprocess
import tempfile
import tracemalloc
from pathlib import Path
from typing import Any

import kit
from kit.sides import EXTENSIONS, LOAD_CORE, RELAY_CORE, EngineSide, Lines, sender

from rtcengine.certificate import Certificate
from rtcengine.engine import IceConfig, Sender, Transport, TransportConfig

RATE = 250  # packets a second of the stream: video of about 2.4 Mb/s
WATCHING = 20
PAYLOAD = 1150
STORM_S = 60  # longest that a storm may take


def program(name: str, *arguments: object) -> dict[str, Any]:
    """Its one line of JSON. On the relay's core, so that the load's does not matter."""
    command = ["taskset", "-c", str(RELAY_CORE), str(kit.BUILT / name), *map(str, arguments)]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def from_c(rounds: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        own = Certificate.generate()
        identity = [Path(folder, name) for name in ("cert.pem", "key.pem")]
        identity[0].write_bytes(own.cert_pem)
        identity[1].write_bytes(own.key_pem)
        return measure_c(identity, rounds)


def measure_c(identity: list[Path], rounds: int) -> dict[str, Any]:
    """Handshakes and joins in turn, after one of each that does not count; then memory."""
    found: dict[str, Any] = {"handshakes": [], "joins": []}
    for number in range(rounds + 1):
        alone, join = program("joins_bench", "handshakes", 1, *identity), program("joins_bench", "joins", 500, *identity)
        print(
            f"  handshake {alone['server_us']:.0f} µs (arithmetic {alone['arithmetic_us']:.0f})   "
            f"join: loop {join['loop_us']:.0f} µs, helper {join['helper_us']:.0f} µs",
            flush=True,
        )
        if number:
            found["handshakes"].append(alone)
            found["joins"].append(join)
    found["memory"] = program("joins_memory", "memory", 1000, *identity)
    found["steady"] = program("joins_memory", "steady", 50, 30, *identity)
    return found


def threads() -> dict[str, int]:
    """The process's threads by name."""
    return {(task / "comm").read_text().strip(): int(task.name) for task in Path("/proc/self/task").iterdir()}


def rss() -> int:
    """Bytes of this process in memory, after free ones have been given back."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Crowd:
    """Viewers that join the engine of `side` together: a program of their own, behind all others on the load's core."""

    def __init__(self, side: EngineSide, count: int, first: int = 1000) -> None:
        """`first`: their names begin here; those before are the side's own."""
        self.side, self.count, self.first = side, count, first
        self.transports: list[Transport] = []
        self.load: Lines

    async def start(self) -> None:
        side, engine = self.side, self.side.engine
        digest = engine.certificate.digest().hex()
        command = [side.program, str(self.count), str(PAYLOAD), "v", *side.write_certificate(), digest]
        self.load = await Lines.start(LOAD_CORE, *command)
        os.setpriority(os.PRIO_PROCESS, self.load.process.pid, 10)
        await self.load.answer()
        self.load.tell(f"names {self.first}\n")
        for who in range(1, self.count + 1):
            self.load.tell(f"peer {who} {engine.port}\n")
        # The engine is told of them before: the storm is one of packets.
        for first in range(1, self.count + 1, 50):
            batch = engine.batch()
            for who in range(first, min(first + 50, self.count + 1)):
                transport = batch.transport(side.config(self.first + who))
                batch.send(transport, sender(WATCHING + who))
                self.transports.append(transport)
            await batch.commit()

    def join(self, at_once: int = 0) -> asyncio.Task[dict[str, Any]]:
        self.load.tell(f"connect {at_once or self.count}\n")
        return asyncio.ensure_future(self.load.answer(STORM_S + 5))

    async def leave(self) -> None:
        await self.load.close()
        batch = self.side.engine.batch()
        for transport in self.transports:
            batch.close(transport)
        await batch.commit()


def place(side: EngineSide) -> str:
    """The loop has a core of its own; how the load's is shared out."""
    for name, thread in threads().items():
        os.sched_setaffinity(thread, {RELAY_CORE if name == "rtc-loop" else LOAD_CORE})
    try:  # its own waiting for the core would count as the relay's delay
        os.sched_setscheduler(side.load.process.pid, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        return "the measuring load program shares its core as any other"
    return "the measuring load program goes before all others on its core (SCHED_RR)"


async def storm(programs: dict[str, Path], viewers: int, rounds: int) -> dict[str, Any]:
    """Rounds of a quiet run and one beside a storm, equally long, in changing order; the first round is left out."""
    side = EngineSide(programs["viewers"], WATCHING, PAYLOAD)
    found: dict[str, Any] = {"viewers": viewers, "quiet": [], "storm": []}
    seconds = 1.0
    try:
        await side.start()
        found["place"] = place(side)
        await side.run(RATE, 1)
        for number in range(rounds + 1):
            for kind in ("quiet", "storm") if number % 2 else ("storm", "quiet"):
                crowd = Crowd(side, viewers)
                joined: dict[str, Any] = {}
                if kind == "storm":
                    await crowd.start()
                    await asyncio.sleep(0.3)
                    before = (await side.engine.stats()).hub
                    task = crowd.join()
                    result = await side.run(RATE, seconds)
                    joined = await task
                    after = (await side.engine.stats()).hub
                    result["queue_drops"] = after["drops"]["dtls_queue"] - before["drops"]["dtls_queue"]
                    await crowd.leave()
                    await asyncio.sleep(0.3)
                else:
                    result = await side.run(RATE, seconds)
                result["joined"] = joined
                delays = f"p50 {result['p50_us']:6.0f} µs  p99 {result['p99_us']:6.0f} µs"
                says = f"{joined['connected']} joined, the slowest in {joined['slowest_ms']:.0f} ms" if joined else ""
                print(f"  {kind:6} {delays}  lost {result['lost']:.3%}  {says}", flush=True)
                if number:
                    found[kind].append(result)
                elif joined:
                    seconds = max(0.5, 0.9 * joined["seconds"])  # a run is inside the storm
    finally:
        await side.close()
    found["seconds"] = seconds
    return found


async def memory(programs: dict[str, Path], count: int) -> dict[str, Any]:
    """What `count` subscribers add to the process, Python's objects among it. They come by the thousand, 64 under way."""
    side = EngineSide(programs["viewers"], WATCHING, PAYLOAD)
    crowds: list[Crowd] = []
    connected = 0
    try:
        await side.start()
        place(side)
        await side.run(RATE, 1)
        warm = Crowd(side, 100)
        await warm.start()
        await warm.join(64)
        await warm.leave()
        await asyncio.sleep(1)
        before = rss()
        for first in range(0, count, 1000):
            crowds.append(Crowd(side, min(1000, count - first), first + 1000))
            await crowds[-1].start()
            connected += (await crowds[-1].join(64))["connected"]
        await asyncio.sleep(4)  # reports have been exchanged, records handed over
        settled = rss()
        for crowd in crowds:
            await crowd.leave()
        await asyncio.sleep(2)
        left = rss()
    finally:
        await side.close()
    each, after = (settled - before) / count, (left - before) / count
    print(f"  {count}: {each:.0f} bytes each, {after:.0f} after they left; process {settled / 1e6:.0f} MB", flush=True)
    return {"subscribers": count, "connected": connected, "each": each, "left": after, "base": before, "rss": settled}


def of_python() -> float:
    """Bytes of Python's objects for one transport with its sender, a part of what RSS shows."""
    ice = IceConfig("a" * 8, "b" * 32, "c" * 8, "d" * 32)
    kept: list[object] = []
    tracemalloc.start()
    for number in range(1000):
        config = TransportConfig(ice=ice, fingerprints=(("sha-256", bytes(32)),), extensions=EXTENSIONS)
        transport = Transport(None, number, config, None)  # type: ignore[arg-type]
        kept += [transport, Sender(number, transport, sender(number))]
    cost = tracemalloc.get_traced_memory()[0] / 1000
    tracemalloc.stop()
    return cost


def report(found: dict[str, Any], info: dict[str, str]) -> str:
    c, parts = found["c"], ["# Joins", f"`{kit.command()}`", kit.facts(info)]
    pure, least = [h["server_us"] for h in c["handshakes"]], [h["arithmetic_us"] for h in c["handshakes"]]
    loop, helper = [j["loop_us"] for j in c["joins"]], [j["helper_us"] for j in c["joins"]]
    both = [a + b for a, b in zip(loop, helper, strict=True)]
    parts += [
        "## From C, in memory",
        "CPU of the server's calls by the thread's clock; the client's calls are left out. A join is ICE, the handshake, "
        "SRTP's and the records' keys, a transport and two senders; OpenSSL's session is freed later, by the helper. ECDSA "
        "P-256 certificates, X25519.",
        kit.table(
            ["what", "CPU µs", "a second and core"],
            [
                ["DTLS handshake, server alone (target ≥ 2,500)", kit.spread(pure), kit.spread(1e6 / v for v in pure)],
                ["its public-key arithmetic alone", kit.spread(least), kit.spread(1e6 / v for v in least)],
                ["join, by the loop's thread", kit.spread(loop), kit.spread(1e6 / v for v in loop)],
                ["join, by the helper's thread", kit.spread(helper), kit.spread(1e6 / v for v in helper)],
                ["join, both threads (target ≥ 2,500)", kit.spread(both), kit.spread(1e6 / v for v in both)],
            ],
        ),
        "## A storm",
    ]
    if st := found.get("storm"):
        ratios = [a["p99_us"] / b["p99_us"] for a, b in zip(st["storm"], st["quiet"], strict=True)]
        joined = [r["joined"] for r in st["storm"]]
        parts += [
            f"{st['viewers']} viewers send their first check at the same moment while {WATCHING} watch a stream of {RATE} "
            "packets a second. The loop's thread has core 0; the helper's, Python and all viewers share core 1; "
            f"{st['place']}. Those who join are not sent the stream. A run is {st['seconds']:.2f} s long and inside the storm.",
            kit.table(
                ["", "p50 µs", "p99 µs", "lost"],
                [
                    [
                        kind,
                        kit.spread(r["p50_us"] for r in st[kind]),
                        kit.spread(r["p99_us"] for r in st[kind]),
                        f"{kit.middle(r['lost'] for r in st[kind])[0]:.3%}",
                    ]
                    for kind in ("quiet", "storm")
                ],
            ),
            f"p99 beside the storm / quiet, round by round (target ≤ 2): {kit.spread(ratios, 2)}. Connected: "
            f"{min(j['connected'] for j in joined)} of {st['viewers']} in the worst round (target: all), the last after "
            f"{kit.spread((j['slowest_ms'] for j in joined), 0)} ms. Datagrams dropped because 256 handshakes were waiting: "
            f"{kit.spread((r['queue_drops'] for r in st['storm']), 0)}.",
        ]
    m, calm = c["memory"], c["steady"]
    parts += [
        "## Memory",
        "Heap of the server, from C: bytes a viewer with a sender of video and one of sound, as glibc takes them, without "
        "packet slots.",
        kit.table(
            ["stage", "bytes a viewer"],
            [
                ["told of, not there yet", f"{m['transport'] + m['senders']:.0f}"],
                ["connected a moment ago (OpenSSL's session is there)", f"{m['connecting']:.0f}"],
                ["settled, media flows (target ≤ 16384)", f"{m['settled']:.0f}"],
                ["after leaving (tables that all share, not yet reused)", f"{m['after_leaving']:.0f}"],
            ],
        ),
        "Of it: " + ", ".join(f"{name} {n}" for name, n in m["sizes"].items()) + " (the map comes with the first repair).",
        f"Allocations while {calm['viewers']} viewers watch for {calm['seconds']} s ({calm['packets']} packets out, "
        f"{calm['rtcp']} of RTCP, {calm['checks']} checks answered; target 0): {calm['allocations']}.",
    ]
    if found["rss"]:
        rows = [
            [str(r["subscribers"]), str(r["connected"]), f"{r['each']:.0f}", f"{r['left']:.0f}", f"{r['rss'] / 1e6:.0f}"]
            for r in found["rss"]
        ]
        head = ["subscribers", "connected", "bytes each (target ≤ 16384)", "after leaving", "process MB (target 10,000: < 150)"]
        parts += [
            "RSS of the whole process, Python with the engine, one sender of video a subscriber; malloc_trim before each look.",
            kit.table(head, rows),
            f"Python's objects are {found['of_python']:.0f} bytes of each.",
        ]
    return "\n\n".join(parts)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--viewers", type=int, default=1000, help="in the storm")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--subscribers", default="1000,10000", help="numbers for RSS, with commas between them; 0: none")
    args = parser.parse_args()
    if (os.cpu_count() or 1) < 2:
        raise SystemExit("two cores are needed: one for the relay, one for the load")
    programs = {
        "viewers": kit.build("viewers", ["bench/c/viewers.c"], core=True),
        "joins_bench": kit.build("joins_bench", ["bench/c/joins_bench.c"], core=True),
        "joins_memory": kit.build("joins_memory", ["bench/c/joins_bench.c", "bench/c/own_heap.c"], core=True),
    }
    info = kit.machine()
    found: dict[str, Any] = {"rss": [], "of_python": of_python()}
    print("from C", flush=True)
    found["c"] = from_c(args.rounds)
    print("storm", flush=True)
    found["storm"] = await storm(programs, args.viewers, args.rounds)
    print("memory", flush=True)
    for count in filter(None, map(int, args.subscribers.split(","))):
        found["rss"].append(await memory(programs, count))
    kit.store("joins", {"machine": info, "command": kit.command(), **found}, report(found, info))
    print(report(found, info))


if __name__ == "__main__":
    asyncio.run(main())
