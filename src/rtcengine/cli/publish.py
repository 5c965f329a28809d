"""`rtcengine publish`: sends a test picture, a camera, the screen or a file to a WHIP address."""

from __future__ import annotations

import argparse
import asyncio

from ..whip import WhipClient
from .errors import WrongCommand
from .progress import Progress
from .session import add_address, on_signal, options, until_over
from .source import Source, open_source


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    p = commands.add_parser(
        "publish",
        help="send a camera, the screen, a file or a test picture by WHIP",
        description="Sends to a WHIP address until it is ended (Ctrl-C), or the file is.",
    )
    add_address(p, "http://127.0.0.1:8889/live/whip")
    p.add_argument(
        "--source", default="test", metavar="WHAT", help="test, camera, screen, or a file or address (default %(default)s)"
    )
    p.add_argument("--loop", action="store_true", help="begin the file again at its end")
    p.add_argument("--copy", action="store_true", help="send what the file holds as it is, without encoding it anew")
    p.add_argument("--size", default="", metavar="WxH", help="of pictures, such as 1280x720")
    p.add_argument("--fps", type=float, default=0.0, help="pictures a second")
    p.add_argument("--codec", action="append", default=[], metavar="NAME", help="codec to offer, best first; repeatable")
    p.add_argument("--bitrate", type=int, default=0, metavar="KBPS", help="of pictures, at most")
    p.add_argument("--layers", type=int, default=1, metavar="N", help="sizes to send, up to 3; viewers choose by ?layer=m")
    p.add_argument("--no-audio", action="store_true", help="without sound")
    p.add_argument("--no-video", action="store_true", help="without pictures")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    try:
        return asyncio.run(_publish(args))
    except ValueError as error:
        raise WrongCommand(str(error)) from error


async def _publish(args: argparse.Namespace) -> int:
    stop = on_signal()
    client = WhipClient(args.url, **options(args))
    source: Source = await open_source(args)
    try:
        progress = Progress(client, json=args.json, quiet=args.quiet)
        codecs = args.codec or source.codecs
        async with client:
            await client.publish(*source.tracks, codecs=codecs, max_bitrate=1000 * args.bitrate or None, layers=args.layers)
            progress.say("publishing", ", ".join(f"{track.kind} of {track.label or source.name}" for track in source.tracks))
            await until_over(client, progress, stop, args.seconds, source.ended())
    finally:
        source.close()
    return 0
