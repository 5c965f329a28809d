"""A program's Python is blocked for ten seconds while it is in a call with a browser: the call stays, whoever offered."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from tests.browser import media
from tests.browser.call import functions
from tests.browser.chromium import ChromiumPage
from tests.browser.relay import Pages
from tests.browser.test_relay_blocked import all_answered, program
from tests.figures import note
from tests.util import until

# Every run has it between two programs: tests/interop/test_pc_blocked.py.
pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.long]


async def call_while_blocked(how: str, we_offer: bool, chrome: ChromiumPage, pages: Pages) -> None:
    page = await pages.open(chrome)
    call = await functions(page)
    await call("open", {})
    await call("add", {"video": media.CAMERA, "audio": True})
    async with program("blocked_call") as url, aiohttp.ClientSession() as http:

        async def get(path: str, **params: str) -> Any:
            async with http.get(f"{url}/{path}", params=params) as response:
                return await response.json()

        async def take(kind: str) -> Any:
            sdp = await call("describe", {"type": kind, "gather": True})
            async with http.post(f"{url}/take", json={"type": kind, "sdp": sdp}) as response:
                return await response.json()

        if we_offer:
            await call("hear", await get("offer"))
            await take("answer")
        else:
            await call("hear", await take("offer"))
        await media.wait_frames(page, 30)

        async def seen() -> bool:
            return bool((await get("state"))["pictures"] > 10)

        await until(seen, what="the program sees the page")
        before = (await get("state"))["states"]
        states, answered = await page.evaluate("call.states"), await all_answered(page)

        blocked = await get("block", how=how)

        after = await get("state")
        checks = await all_answered(page) - answered
        note("python blocked in a call", how=how, we_offer=we_offer, blocked_s=round(blocked, 2), checks_answered=checks)
        assert blocked > 9.9 and checks >= 3, how  # a check every 2.5 s
        assert (after["state"], after["states"]) == ("connected", before), how
        assert await page.evaluate("[call.pc.connectionState, call.states]") == ["connected", states], how
        await media.wait_frames(page, 30)

        async def goes_on() -> bool:
            return bool((await get("state"))["pictures"] > after["pictures"] + 10)

        await until(goes_on, what="the program sees the page again")
        await page.evaluate("call.pc.close()")


@pytest.mark.parametrize("sleeper_offers", [True, False])
async def test_python_blocked_for_10_seconds(sleeper_offers: bool, chrome: ChromiumPage, pages: Pages) -> None:
    """By time.sleep in a handler and with the GIL held: side by side, in programs of their own."""
    await asyncio.gather(
        call_while_blocked("sleep", sleeper_offers, chrome, pages),
        call_while_blocked("gil", not sleeper_offers, chrome, pages),
    )
