"""`rtcengine relay`: serves the page, WHIP and WHEP, with a synthetic publisher unless told otherwise."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
import sys

from ..relay.config import RelayConfig, valid_room
from ..relay.relay import Relay
from ..relay.server import Server
from .demo import Demo
from .errors import WrongCommand
from .terminal import Terminal

LINGER_S = 1.0
"""How long the closing relay goes on answering by HTTP: whoever was told goodbye and comes back at once shall read 503 and
Retry-After, not find the port closed."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    p = commands.add_parser(
        "relay",
        help="relay (SFU): browsers publish by WHIP and watch by WHEP",
        description="Serves a page, WHIP (/<room>/whip) and WHEP (/<room>/whep); all media goes over one UDP port.",
    )
    p.add_argument("--host", default="127.0.0.1", help="address of the page; 0.0.0.0 for every one (default %(default)s)")
    p.add_argument("--port", type=int, default=8889, help="port of the page, 0 for a free one (default %(default)s)")
    p.add_argument("--udp-port", type=int, default=8189, help="port of the media, 0 for a free one (default %(default)s)")
    p.add_argument(
        "--public-ip", action="append", default=[], metavar="ADDRESS", help="address to tell clients instead of the interfaces'"
    )
    p.add_argument("--token", default="", help="who publishes must send it as bearer token")
    p.add_argument("--watch-token", default="", help="who watches must send it as bearer token")
    p.add_argument("--tls", action="store_true", help="https with a self-signed certificate, kept between runs")
    p.add_argument("--cert", default="", metavar="FILE", help="https with this certificate (PEM)")
    p.add_argument("--key", default="", metavar="FILE", help="private key of --cert (PEM)")
    p.add_argument("--no-demo", action="store_true", help="without the synthetic publisher")
    p.add_argument("--demo-room", default="demo", metavar="ROOM", help="room of the synthetic publisher (default %(default)s)")
    p.add_argument("--json", action="store_true", help="one JSON object a line instead of text")
    p.add_argument("--quiet", action="store_true", help="only the line that says it is ready")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    try:
        config = _config(args)
    except ValueError as error:
        raise WrongCommand(str(error)) from error
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(name)s %(message)s")
    return asyncio.run(_serve(config, args))


def _config(args: argparse.Namespace) -> RelayConfig:
    if not valid_room(args.demo_room):
        raise ValueError(f"{args.demo_room!r} is no name for a room: 1 to 64 of A-Z a-z 0-9 _ -")
    return RelayConfig(
        host=args.host,
        port=args.port,
        udp_port=args.udp_port,
        public_ips=tuple(args.public_ip),
        token=args.token,
        watch_token=args.watch_token,
        cert_file=args.cert,
        key_file=args.key,
        self_signed=args.tls,
    )


async def _serve(config: RelayConfig, args: argparse.Namespace) -> int:
    stop, hurry = _signals()
    async with Relay(config) as relay, Server(relay) as server:
        terminal = Terminal(relay, server, json=args.json, quiet=args.quiet)
        demo = None if args.no_demo else Demo(server, args.demo_room, config.token)
        terminal.ready(args.demo_room if demo else None)
        refresh = asyncio.create_task(terminal.refresh())
        try:
            if demo is not None:
                demo.start()
            await stop.wait()
        finally:
            terminal.closing()
            refresh.cancel()
            await _drain(relay, demo, hurry)
            await asyncio.gather(refresh, return_exceptions=True)
    return 0


def _signals() -> tuple[asyncio.Event, asyncio.Event]:
    """Events that the first SIGTERM or SIGINT sets, and the second."""
    loop = asyncio.get_running_loop()
    stop, hurry = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, lambda: (hurry if stop.is_set() else stop).set())
    return stop, hurry


async def _drain(relay: Relay, demo: Demo | None, hurry: asyncio.Event) -> None:
    """Nobody new from now on, and goodbye to all; then a moment for those who come back, unless there were none or a second
    signal says to hurry."""
    relay.draining = True
    if demo is not None:
        await demo.close()
    told = bool(relay.sessions)
    await relay.drain()
    if told:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(hurry.wait(), LINGER_S)
