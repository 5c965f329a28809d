"""Waiting helpers that every test shares: tests wait for conditions, never for an amount of time."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

import aiohttp

T = TypeVar("T")


@overload
async def until(cond: Callable[[], Awaitable[T | None]], timeout: float = ..., interval: float = ..., what: str = ...) -> T: ...


@overload
async def until(cond: Callable[[], T | None], timeout: float = ..., interval: float = ..., what: str = ...) -> T: ...


async def until(
    cond: Callable[[], Any],
    timeout: float = 10.0,
    interval: float = 0.05,
    what: str = "",
) -> Any:
    """Call ``cond`` (plain or async) until it returns something true, and return that.

    ``timeout`` and ``interval`` are seconds. When time is up an AssertionError shows the last value seen, so that a
    failed wait tells how far things got. Exceptions of ``cond`` are not swallowed. One slow call of ``cond`` ends at
    the timeout too.
    """

    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    last: object = "no call of the condition returned"
    while True:
        try:
            async with asyncio.timeout_at(deadline) as scope:
                value = cond()
                if inspect.isawaitable(value):
                    value = await value
        except TimeoutError:
            if not scope.expired():
                raise
        else:
            if value:
                return value
            last = value
        if loop.time() >= deadline:
            name = what or getattr(cond, "__name__", "condition")
            raise AssertionError(f"{name} was not met in {timeout:g} s; last value: {last!r}")
        await asyncio.sleep(min(interval, max(0.0, deadline - loop.time())))


async def served(url: str, timeout: float = 30.0) -> None:
    """Waits until a GET of this address is answered 200."""
    async with aiohttp.ClientSession() as http:

        async def answers() -> bool:
            try:
                async with http.get(url) as reply:
                    return reply.status == 200
            except aiohttp.ClientConnectionError:
                return False

        await until(answers, timeout=timeout, what=f"{url} is served")
