"""Hooks of a program that decide who may publish and who may join."""

from __future__ import annotations

import asyncio

import pytest

from rtcengine.relay import Joining, Refused, Relay
from tests.unit.whip_kit import CLIENT, PUBLISHER, VIEWER, ask, location, post, publish, watch


def sync_true(joining: Joining) -> bool:
    return True


def sync_none(joining: Joining) -> None:
    return None


async def async_true(joining: Joining) -> bool:
    await asyncio.sleep(0)
    return True


async def async_none(joining: Joining) -> None:
    await asyncio.sleep(0)


def sync_false(joining: Joining) -> bool:
    return False


async def async_false(joining: Joining) -> bool:
    await asyncio.sleep(0)
    return False


def sync_refused(joining: Joining) -> bool:
    raise Refused("pay first", 402)


async def async_refused(joining: Joining) -> bool:
    await asyncio.sleep(0)
    raise Refused("banned")


def faulty(joining: Joining) -> bool:
    raise KeyError("secret")


@pytest.mark.parametrize("hook", [sync_true, sync_none, async_true, async_none])
async def test_allowed(hook: object) -> None:
    async with Relay(udp_port=0, on_publish=hook, on_join=hook) as relay:  # type: ignore[arg-type]
        await publish(relay)
        await watch(relay)


@pytest.mark.parametrize(
    ("hook", "status", "text"),
    [
        (sync_false, 403, b"refused\n"),
        (async_false, 403, b"refused\n"),
        (sync_refused, 402, b"pay first\n"),
        (async_refused, 403, b"banned\n"),
        (faulty, 500, b"the relay failed; its log says why\n"),
    ],
)
async def test_refused(hook: object, status: int, text: bytes) -> None:
    async with Relay(udp_port=0, on_publish=hook) as relay:  # type: ignore[arg-type]
        response = await post(relay, "/r/whip", PUBLISHER)
        assert (response.status, response.body) == (status, text)
        assert (relay.sessions, relay.rooms) == ([], {})
    async with Relay(udp_port=0, on_join=hook) as relay:  # type: ignore[arg-type]
        await publish(relay)
        response = await post(relay, "/r/whep", VIEWER)
        assert (response.status, response.body) == (status, text)
        assert len(relay.sessions) == 1


async def test_what_a_hook_sees() -> None:
    seen: list[Joining] = []
    async with Relay(udp_port=0, on_publish=seen.append, on_join=seen.append) as relay:
        await post(relay, "/r/whip", PUBLISHER, authorization="Bearer of-the-program", user_agent="OBS")
        await post(relay, "/r/whep", VIEWER)
    assert seen == [
        Joining("r", "publish", CLIENT, "OBS", "Bearer of-the-program"),
        Joining("r", "watch", CLIENT, "", ""),
    ]


async def test_hooks_come_after_token_and_offer() -> None:
    """Who has no token, or no offer that can be read, is not worth a question to a data base."""
    asked: list[Joining] = []
    async with Relay(udp_port=0, token="t", on_publish=asked.append) as relay:
        assert (await post(relay, "/r/whip", PUBLISHER)).status == 401
        assert (await post(relay, "/r/whip", b"hello", authorization="Bearer t")).status == 400
        assert asked == []
        assert (await post(relay, "/r/whip", PUBLISHER, authorization="Bearer t")).status == 201
        assert len(asked) == 1


async def test_a_slow_hook_holds_up_nobody_else() -> None:
    go = asyncio.Event()

    async def slow(joining: Joining) -> None:
        if joining.room == "slow":
            await go.wait()

    async with Relay(udp_port=0, on_publish=slow) as relay:
        waiting = asyncio.ensure_future(post(relay, "/slow/whip", PUBLISHER))
        await publish(relay, "quick")
        assert not waiting.done()
        go.set()
        assert (await waiting).status == 201


async def test_listeners() -> None:
    heard: list[tuple[str, str]] = []
    async with Relay(udp_port=0) as relay:
        relay.listen(lambda what, session: heard.append((what, session.role)))
        path = location(await publish(relay))
        await ask(relay, "DELETE", path)
    assert heard == [("join", "publish"), ("leave", "publish")]
