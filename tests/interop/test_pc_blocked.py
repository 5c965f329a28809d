"""In a call between two programs one's Python is blocked for ten seconds: the call stays, for packets, consent and RTCP
belong to a thread that needs no Python."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

from tests.figures import note
from tests.interop import peers
from tests.interop.pipe_peer import connect
from tests.util import until

BLOCKED_S = 10
PROGRAM = [sys.executable, "-m", "tests.interop.blocked_peer"]


async def counted(peer: peers.PeerProgram) -> dict[str, Any]:
    before = sum(e["event"] == "counted" for e in peer.events)
    peer.tell(do="count")

    def found() -> dict[str, Any] | None:
        all_ = [e for e in peer.events if e["event"] == "counted"]
        return all_[-1] if len(all_) > before else None

    event: dict[str, Any] = await until(found, timeout=30, what=f"counts after {peer.errors}")
    return event


def states(peer: peers.PeerProgram) -> list[str]:
    return [event["value"] for event in peer.events if event["event"] == "state"]


async def call_while_blocked(how: str, offers: bool) -> None:
    async with peers.program(PROGRAM, commands=True) as blocked, peers.program(PROGRAM, commands=True) as other:
        async with connect(*((blocked, other) if offers else (other, blocked))):
            both = (blocked, other)
            for one in both:
                await one.wait_frames(video=30, audio=0)
            seen, before = [states(one) for one in both], [await counted(one) for one in both]
            assert [s[-1] for s in seen] == ["connected", "connected"]

            blocked.tell(do="block", how=how, seconds=BLOCKED_S)
            took = (await blocked.wait("blocked"))["seconds"]

            after = [await counted(one) for one in both]
            checks = [b["checks"] - a["checks"] for a, b in zip(before, after, strict=True)]
            sent, received = after[1]["sent"] - before[1]["sent"], after[0]["received"] - before[0]["received"]
            note("python blocked in a call of two", how=how, offers=offers, blocked_s=round(took, 2), checks=checks, sent=sent,
                 received=received)  # fmt: skip
            assert took >= BLOCKED_S
            assert min(checks) >= 1, checks  # consent is asked for every 4 to 6 s (RFC 7675 §5.1), by both sides
            assert sent >= 25 * BLOCKED_S and received >= 0.99 * sent and after[1]["lost"] <= 0
            assert [states(one) for one in both] == seen
            for one in both:
                await one.wait_frames(video=one.counts["video"] + 10, audio=0)


async def test_python_blocked_for_10_seconds() -> None:
    """By time.sleep and with the GIL held, each as offerer or answerer: side by side."""
    await asyncio.gather(call_while_blocked("sleep", True), call_while_blocked("gil", False))


@pytest.mark.long
async def test_python_blocked_for_10_seconds_the_other_way_round() -> None:
    await asyncio.gather(call_while_blocked("sleep", False), call_while_blocked("gil", True))
