"""One stream relayed to 1 to 500 viewers: this engine beside a bare loop of sendmmsg, one of GSO, and aiortc.

    python bench/relay.py [--viewers 1,20,100,500] [--rounds 6] [--seconds 1] [--no-aiortc]

The relay's core is 0, publisher and viewers (c/viewers.c, which counts) have core 1. First each relay's rate rises until more
than 0.1 % is lost at the viewers. Then all are measured in turn at the same rate, half of what the engine reached, round after
round; the first round is thrown away: once with packets that come one by one, once in frames of 8 that come together, as
browsers send them. Ratios are of figures from the same round. Writes results/relay.json and relay.md.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
from typing import Any

import kit
import kit.allocations
from kit.sides import GSO_RUNS, RELAY_CORE, AiortcSide, BareSide, EngineSide, Side

LOST = 0.001
LEAST = 500  # packets a second: where the search ends downwards
TAIL = 0.02  # seconds after the last packet was published: what comes later had piled up in buffers, which hide an overload
TRIES = 3
PAYLOAD = 1150  # bytes of RTP payload: about 1200 of SRTP, as browsers send
AIORTC_VIEWERS = 20
FRAME = 8  # packets that come together in the second part
LATE = 0.1  # of a run's time: more, and the load side could not keep up with the rate


def fits(result: dict[str, Any]) -> bool:
    return bool(result["lost"] <= LOST and result["tail"] <= TAIL and not result["forged"])


def offered(result: dict[str, Any], rate: float) -> bool:
    """Whether the load side kept up with the rate."""
    return bool(result["rate"] >= 0.8 * rate and result["late"] <= LATE)


def says(result: dict[str, Any], viewers: int) -> str:
    return (
        f"{result['rate'] * viewers:9.0f} packets/s  lost {result['lost']:8.3%}  {result['cpu_ns']:6.0f} ns"
        f"  p50 {result['p50_us']:7.0f} µs  p99 {result['p99_us']:7.0f} µs  runs of {result['run']:.1f}"
    )


async def attempt(side: Side, rate: float, seconds: float, burst: int = 1) -> dict[str, Any]:
    """A run at this rate; when it loses, or comes short of the rate, again: the machine may have been away."""
    for _ in range(TRIES):
        result = await side.run(rate, seconds, burst)
        if fits(result) and offered(result, rate):
            break
    print(f"  {side.name:14} {says(result, side.viewers)}", flush=True)
    return result


async def climb(side: Side, start: float, seconds: float) -> dict[str, Any]:
    """The fastest run that loses no more than 0.1 %, and why none was faster."""
    await side.run(max(50.0, start / 4), 0.5)
    good: dict[str, Any] | None = None
    rate, low, bad, limit = start, 0.0, 0.0, ""
    while rate * side.viewers >= LEAST and not (bad and low and bad / low < 1.1):
        result = await attempt(side, rate, seconds)
        if fits(result) and (good is None or result["rate"] > good["rate"]):
            good = result
        if fits(result) and offered(result, rate):
            low = rate
            rate = (rate + bad) / 2 if bad else rate * 1.4
            continue
        short = not offered(result, rate)
        limit = "load side (its core is shared)" if short else "viewers' core" if result["viewer_drops"] else "relay"
        bad = rate
        rate = (low + bad) / 2 if low else rate / 2
    if good is None:
        raise RuntimeError(f"{side.name}: loses at every rate")
    return {**good, "limit": limit}


async def compare(
    sides: list[Side], rate: float, rounds: int, seconds: float, burst: int = 1
) -> dict[str, list[dict[str, Any]]]:
    """All sides at one rate in turn, the first round left out."""
    found: dict[str, list[dict[str, Any]]] = {side.name: [] for side in sides}
    for number in range(rounds + 1):
        # Their order changes, so that none always follows the same other.
        for side in sides if number % 2 else sides[::-1]:
            result = await attempt(side, rate, seconds, burst)
            if number:
                found[side.name].append(result)
    return found


async def measure(viewers: int, programs: dict[str, Any], args: argparse.Namespace) -> dict[str, Any]:
    print(f"{viewers} viewers", flush=True)
    engine = EngineSide(programs["viewers"], viewers, PAYLOAD)
    sides: list[Side] = [engine]
    try:
        await engine.start()
        first = await engine.run(200, 0.5)
        kit.allocations.watch("rtc-loop")
        wire = round(first["wire"])
        bare = [BareSide(programs["viewers"], viewers, PAYLOAD, programs["bare"], length, wire) for length in (1, *GSO_RUNS)]
        plain = EngineSide(programs["viewers"], viewers, PAYLOAD, openssl=True)
        sides += [plain, *bare]
        if viewers == AIORTC_VIEWERS and not args.no_aiortc:
            sides.append(AiortcSide(programs["viewers"], viewers, PAYLOAD))
        for side in sides[1:]:
            await side.start()
        gc.collect()
        climbing = [engine, bare[0], bare[-1], *sides[2 + len(bare) :]]
        tops = {side.name: await climb(side, max(50.0, side.start_rate / viewers), args.seconds) for side in climbing}
        half = tops["engine"]["rate"] / 2
        rounds = await compare([engine, plain, bare[0]], half, args.rounds, args.seconds)
        print("  in frames", flush=True)
        frames = await compare([engine, plain, *bare], half, args.rounds, args.seconds, FRAME)
        if "aiortc" in tops:  # what it can do is too little for the others' rate; the engine is measured beside it
            pair: list[Side] = [engine, climbing[-1]]
            for part, burst in ((rounds, 1), (frames, FRAME)):
                found = await compare(pair, tops["aiortc"]["rate"] / 2, args.rounds, args.seconds, burst)
                part["aiortc"], part["engine at aiortc's rate"] = found["aiortc"], found["engine"]
        setup = {"gso": engine.engine.features["gso"], "profile": engine.profile, "connects_per_s": viewers / engine.setup_s}
        return {"viewers": viewers, "wire": wire, "half": half, "tops": tops, "rounds": rounds, "frames": frames, **setup}
    finally:
        for side in sides:
            if hasattr(side, "load"):
                await side.close()


def ratio(rounds: dict[str, list[dict[str, Any]]], a: str, b: str, key: str = "cpu_ns") -> list[float]:
    return [x[key] / y[key] for x, y in zip(rounds[a], rounds[b], strict=True)]


def beside(frames: dict[str, list[dict[str, Any]]]) -> str:
    """The bare loop whose runs are as long as the engine's, or the next longer one: the cheaper it is, the harder."""
    length = kit.middle(r["run"] for r in frames["engine"])[0]
    return f"bare GSO {next((n for n in GSO_RUNS if n >= length - 0.25), GSO_RUNS[-1])}"


def part_table(found: list[dict[str, Any]], part: str) -> str:
    rows = []
    for f in found:
        for name, runs in f[part].items():
            rows.append(
                [
                    str(f["viewers"]),
                    name,
                    f"{kit.middle(r['rate'] * f['viewers'] for r in runs)[0]:.0f}",
                    kit.spread(r["cpu_ns"] for r in runs),
                    f"{kit.middle(r['run'] for r in runs)[0]:.1f}",
                    f"{kit.middle(r['calls'] for r in runs)[0]:.3f}" if runs[0]["calls"] else "–",
                    f"{max(r['allocations'] for r in runs):.6f}" if runs[0]["allocations"] >= 0 else "–",
                    kit.spread(r["p50_us"] for r in runs),
                    kit.spread(r["p99_us"] for r in runs),
                    f"{min(r['p99_us'] for r in runs):.0f}",
                    f"{kit.middle(r['lost'] for r in runs)[0]:.3%}",
                ]
            )
    head = ["viewers", "relay", "packets/s", "CPU ns a packet", "packets a message", "calls a packet", "allocations a packet"]
    return kit.table([*head, "p50 µs", "p99 µs", "p99, best round", "lost"], rows)


def ratio_table(found: list[dict[str, Any]]) -> str:
    rows = []
    for f in found:
        one, many = f["rounds"], f["frames"]
        gso = beside(many)
        aiortc = "aiortc" in one
        rows.append(
            [
                str(f["viewers"]),
                kit.spread(ratio(one, "engine", "bare sendmmsg"), 2),
                kit.spread(ratio(many, "engine", "bare sendmmsg"), 2),
                f"{kit.spread(ratio(many, 'engine', gso), 2)} ({gso})",
                kit.spread(ratio(one, "engine", "bare sendmmsg", "p99_us"), 2),
                kit.spread(ratio(one, "aiortc", "engine at aiortc's rate"), 1) if aiortc else "–",
                kit.spread(ratio(many, "aiortc", "engine at aiortc's rate"), 1) if aiortc else "–",
            ]
        )
    head = [
        "viewers",
        "CPU, engine / sendmmsg, one by one (target ≤ 1.18)",
        "the same, in frames of 8 (≤ 1.18)",
        "CPU, engine / GSO, in frames of 8 (≤ 1.33)",
        "p99, engine / sendmmsg, one by one (≤ 1.3 at 500)",
        "CPU, aiortc / engine, one by one (≥ 5)",
        "the same, in frames of 8 (≥ 15)",
    ]
    return kit.table(head, rows)


def top_table(found: list[dict[str, Any]]) -> str:
    rows = [
        [
            str(f["viewers"]),
            name,
            f"{top['rate'] * f['viewers']:.0f}",
            f"{top['cpu_ns']:.0f}",
            f"{top['cpu_ns'] / f['tops']['bare sendmmsg']['cpu_ns']:.2f}",
            f"{top['run']:.1f}",
            f"{top['calls']:.3f}" if top["calls"] else "–",
            f"{top['p99_us']:.0f}",
            f"{top['load_cpu']:.0%}",
            top["limit"],
        ]
        for f in found
        for name, top in f["tops"].items()
    ]
    head = ["viewers", "relay", "packets/s", "CPU ns a packet", "of bare sendmmsg's", "packets a message", "calls a packet"]
    return kit.table([*head, "p99 µs", "load side's core", "limited by"], rows)


def report(found: list[dict[str, Any]], info: dict[str, str]) -> str:
    made = ", ".join(f"{f['viewers']} viewers {f['connects_per_s']:.0f}/s ({f['profile']})" for f in found)
    parts = [
        "# Relay of one stream",
        f"`{kit.command()}`",
        kit.facts(info),
        "One publisher, N viewers, SRTP both ways, VP8 in datagrams of about 1200 bytes; MID, abs-send-time and TWCC "
        "written for each viewer, RTX and NACK agreed. Relay pinned to core 0, load to core 1. CPU: of the thread that "
        "forwards, a packet sent (the bare loops' share of receiving is in it, as is the engine's). Delay: the kernel's "
        "receive stamp at the viewer minus the publisher's. System calls: recvmmsg, sendmmsg and ppoll. Medians with "
        "quartiles. What else runs on the machine shows in p99 and in the highest rates; ratios of CPU within a round "
        "depend on it least. Cache misses are not counted: a virtual machine has no counters for them.",
        "## Ratios, round by round",
        ratio_table(found),
        "The GSO loop beside the engine is the one whose runs are as long as the engine's or longer.",
        "## One by one, at half of the engine's highest rate",
        part_table(found, "rounds"),
        "## In frames of 8, at the same rate",
        part_table(found, "frames"),
        "(The bare GSO loops wait for as many packets as they send together: their delay is not a figure of merit.)",
        "## Highest rate with at most 0.1 % lost, one by one",
        top_table(found),
        f"Connecting (ICE and DTLS, both sides on this machine, 32 under way): {made}.",
    ]
    return "\n\n".join(parts)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--viewers", default="1,20,100,500", help="numbers, with commas between them")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=1.0, help="of one run")
    parser.add_argument("--no-aiortc", action="store_true")
    args = parser.parse_args()
    if (os.cpu_count() or 1) < 2:
        raise SystemExit("two cores are needed: one for the relay, one for the load")
    kit.allocations.start_again()
    programs = {
        "viewers": kit.build("viewers", ["bench/c/viewers.c"], core=True),
        "bare": kit.build("bare", ["bench/c/bare.c"]),
    }
    os.sched_setaffinity(0, {RELAY_CORE})
    info = kit.machine()
    found: list[dict[str, Any]] = []
    for viewers in map(int, args.viewers.split(",")):
        found.append(await measure(viewers, programs, args))
        info["GSO in the engine"] = "yes" if found[-1]["gso"] else "no"
        kit.store("relay", {"machine": info, "command": kit.command(), "found": found}, report(found, info))
    print(report(found, info))


if __name__ == "__main__":
    asyncio.run(main())
