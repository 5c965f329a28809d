"""What `publish` and `watch` have in common: options of the address, and how they end."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Awaitable
from typing import Any

from ..whip.client import Client
from .progress import Progress


def add_address(p: argparse.ArgumentParser, example: str) -> None:
    p.add_argument("url", metavar="URL", help=f"address, such as {example}")
    p.add_argument("--token", default="", help="bearer token that the server wants")
    p.add_argument("--insecure", action="store_true", help="take any certificate of the HTTP server")
    p.add_argument("--seconds", type=float, default=0.0, metavar="S", help="end after so long, 0 for never (default)")
    p.add_argument("--patience", type=float, default=60.0, metavar="S", help="try so long to come back (default %(default)g)")
    p.add_argument("--json", action="store_true", help="one JSON object a line on standard output instead of text")
    p.add_argument("--quiet", action="store_true", help="nothing but errors")


def options(args: argparse.Namespace) -> dict[str, Any]:
    """For the client."""
    if args.seconds < 0 or args.patience < 0:
        raise ValueError("--seconds and --patience are not below 0")
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(name)s %(message)s")
    return {"token": args.token, "verify": not args.insecure, "patience_s": args.patience}


def on_signal() -> asyncio.Event:
    """Set by SIGINT and SIGTERM, the first time; the second ends the program as ever."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def told() -> None:
        stop.set()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told)
    return stop


async def until_over(client: Client, progress: Progress, stop: asyncio.Event, seconds: float, *others: Awaitable[Any]) -> None:
    """Returns when told to stop, when the time is over or when one of `others` is; raises what the client gave up for."""
    shown = asyncio.ensure_future(progress.run())
    ends = [asyncio.ensure_future(one) for one in (client.closed(), stop.wait(), *others)]
    try:
        done, _ = await asyncio.wait(ends, timeout=seconds or None, return_when=asyncio.FIRST_COMPLETED)
        for one in done:
            one.result()
    finally:
        for task in (shown, *ends):
            task.cancel()
        await asyncio.gather(shown, *ends, return_exceptions=True)
        progress.close()
