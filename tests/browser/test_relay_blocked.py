"""A program that blocks Python delays signalling, never packets: they belong to a thread that needs no Python."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.browser import media
from tests.browser.chromium import ChromiumPage
from tests.browser.drivers import Page
from tests.browser.relay import Pages, Stats, join, longest_gap, time_pictures
from tests.figures import note
from tests.util import until

pytestmark = pytest.mark.asyncio(loop_scope="session")


@asynccontextmanager
async def program(name: str) -> AsyncIterator[str]:
    """Starts the program of this folder; gives its URL."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"tests.browser.{name}"),
        cwd=Path(__file__).parents[2],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        async with asyncio.timeout(20):
            port = int(await process.stdout.readline())
        yield f"http://127.0.0.1:{port}"
    finally:
        process.stdin.close()
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
    assert process.returncode == 0


async def sending(page: Page, on: bool) -> None:
    """Stop all that the publisher sends, or go on."""
    await page.evaluate(
        "const track = (kind) => rtc.stream.getTracks().find((t) => t.kind === kind);"
        "await Promise.all(rtc.pc.getTransceivers().map("
        "  (t) => t.sender.replaceTrack(arg ? track(t.receiver.track.kind) : null)));",
        on,
    )


async def note_states(page: Page) -> None:
    """Keep what states the page's connection passes through from now on."""
    await page.evaluate(
        "window.states = []; for (const kind of ['connection', 'iceConnection'])"
        "  rtc.pc.addEventListener(`${kind}statechange`.toLowerCase(), () => states.push(rtc.pc[`${kind}State`]));"
    )


async def all_answered(page: Page) -> int:
    """Wait until every check that the page has sent is answered, consent's among them; returns how many."""

    async def answered() -> int:
        pair = (await media.stats(page))["pair"]
        return pair["responsesReceived"] if pair["responsesReceived"] == pair["requestsSent"] else 0

    count: int = await until(answered, what="an answer to every check")
    return count


def packets(stats: Stats) -> int:
    """Media packets, of both kinds: first transmissions sent, or all that came."""
    return sum(
        s["packetsSent"] - s.get("retransmittedPacketsSent", 0) if "packetsSent" in s else s["packetsReceived"]
        for kind in ("audio", "video")
        for s in [stats["outbound"].get(kind) or stats["inbound"][kind]]
    )


async def settled(publisher: Page, viewer: Page) -> tuple[Stats, Stats]:
    """The counts of both, once nothing more is sent and nothing more arrives."""
    counts: list[tuple[int, int]] = []
    latest: list[Stats] = []

    async def still() -> bool:
        latest[:] = await asyncio.gather(media.stats(publisher), media.stats(viewer))
        counts.append((packets(latest[0]), packets(latest[1])))
        return len(counts) >= 4 and len(set(counts[-4:])) == 1

    await until(still, timeout=15, interval=0.2)
    return latest[0], latest[1]


async def play_while_blocked(how: str, chrome: ChromiumPage, pages: Pages) -> None:
    publisher, viewer = await pages.open(chrome), await pages.open(chrome)
    both = (publisher, viewer)
    async with program("blocked_relay") as url, aiohttp.ClientSession() as http:
        await join(publisher, f"{url}/live/room", viewer, max_bitrate=1_500_000)
        await media.wait_frames(viewer, 60)  # the rate has settled
        # Quiet moments before and after make the two counts those of the same packets.
        await sending(publisher, False)
        before = await settled(publisher, viewer)
        await sending(publisher, True)
        await media.wait_frames(viewer, 60)
        await asyncio.gather(*map(note_states, both))
        checks = await asyncio.gather(*map(all_answered, both))
        await time_pictures(viewer)
        async with http.get(f"{url}/block", params={"how": how}) as response:
            blocked = await response.json()
        gap = await longest_gap(viewer)
        await sending(publisher, False)
        after = await settled(publisher, viewer)

        assert blocked > 9.9, how
        sent, received = (packets(b) - packets(a) for a, b in zip(before, after, strict=True))
        note("python blocked", how=how, blocked_s=round(blocked, 2), sent=sent, received=received, longest_gap_s=round(gap, 3))
        assert sent > 1000 and received >= 0.999 * sent, f"{how}: {received} of {sent} packets"
        for page, answered in zip(both, checks, strict=True):
            assert await all_answered(page) >= answered + 3, how  # a check every 2.5 s
            assert await page.evaluate("[states, rtc.pc.connectionState]") == [[], "connected"], how
        assert gap < 0.5, f"{how}: longest gap {gap:.2f} s"  # a busy browser's own are of 0.2 s
        assert await media.hang_up(viewer) == await media.hang_up(publisher) == 200


# A handler that sleeps stops asyncio; one that holds the GIL stops every thread of Python's besides.
@pytest.mark.parametrize("how", ["gil", pytest.param("sleep", marks=pytest.mark.long)])
async def test_python_blocked_for_10_seconds(noisy_chrome: ChromiumPage, pages: Pages, how: str) -> None:
    await play_while_blocked(how, noisy_chrome, pages)
