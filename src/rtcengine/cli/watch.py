"""`rtcengine watch`: receives from a WHEP address, into a file or to look whether it comes."""

from __future__ import annotations

import argparse
import asyncio
import os
from contextlib import AsyncExitStack

from ..media.window import WindowError
from ..whip import WhepClient
from .errors import WrongCommand
from .progress import Progress
from .session import add_address, on_signal, options, until_over


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    p = commands.add_parser(
        "watch",
        help="receive by WHEP, and record as it comes",
        description="Receives from a WHEP address until it is ended (Ctrl-C). What is recorded is not encoded anew.",
    )
    add_address(p, "http://127.0.0.1:8889/live/whep")
    p.add_argument("--record", default="", metavar="FILE", help="write to FILE (.webm .mkv .mp4 .mov .ogg)")
    p.add_argument("--show", action="store_true", help="show the picture in a window; its end is this command's")
    p.add_argument("--overwrite", action="store_true", help="even if there is one")
    p.add_argument("--no-audio", action="store_true", help="without sound")
    p.add_argument("--no-video", action="store_true", help="without pictures")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    if args.no_audio and args.no_video:
        raise WrongCommand("--no-audio and --no-video leave nothing")
    if args.show and args.no_video:
        raise WrongCommand("--show needs a picture, and --no-video leaves none")
    if args.record and os.path.exists(args.record) and not args.overwrite:
        raise WrongCommand(f"{args.record} is there already; --overwrite replaces it")
    if args.record:
        with open(args.record, "wb"):
            pass  # that it can be written is known before anybody is asked for anything
    try:
        return asyncio.run(_watch(args))
    except (ValueError, WindowError) as error:
        raise WrongCommand(str(error)) from error


async def _watch(args: argparse.Namespace) -> int:
    stop = on_signal()
    client = WhepClient(args.url, **options(args))
    progress = Progress(client, json=args.json, quiet=args.quiet, more=lambda: _recorded(args.record))
    async with client:
        stream = await client.watch(audio=not args.no_audio, video=not args.no_video)
        async with AsyncExitStack() as stack:
            ends, recorder = [], None
            if args.record:
                from ..media.record import Recorder

                recorder = await stack.enter_async_context(Recorder(args.record, *stream.getTracks()))
                ends.append(recorder.ended())
            if args.show:
                from ..media.window import Window

                ends.append((await stack.enter_async_context(Window(stream.getVideoTracks()[0], args.url))).closed())
            await until_over(client, progress, stop, args.seconds, *ends)
    if recorder is None:
        return 0
    progress.say("recorded", f"{args.record}  {recorder.frames} frames  {_recorded(args.record)}", frames=recorder.frames)
    return 0


def _recorded(path: str) -> str:
    try:
        return f"{os.path.getsize(path) / 1e6:.1f} MB" if path else ""
    except OSError:
        return ""
