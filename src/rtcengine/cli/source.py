"""What `--source` names, as tracks."""

from __future__ import annotations

import argparse
import asyncio
import re
from typing import Any

from ..codecs.packet import NAMES

OPEN_S = 10.0
"""So long an address may take to be opened."""


class Source:
    """`tracks` of `name`; `codecs`: the only ones that they can be sent as, none for any."""

    def __init__(self, name: str, tracks: list[Any], codecs: tuple[str, ...] = ()) -> None:
        if not tracks:
            raise ValueError(f"{name} has nothing that can be sent")
        self.name, self.tracks, self.codecs = name, tracks, codecs

    async def ended(self) -> None:
        """Returns when the last of the tracks has ended."""
        waits = []
        for track in self.tracks:
            if track.readyState == "live":
                done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                track.on("ended", lambda done=done: done.done() or done.set_result(None))
                waits.append(done)
        await asyncio.gather(*waits)

    def close(self) -> None:
        for track in self.tracks:
            track.stop()


async def open_source(args: argparse.Namespace) -> Source:
    """ValueError for what makes no sense, OSError for what cannot be opened."""
    width, height = _size(args.size)
    if args.fps < 0:
        raise ValueError("--fps is not below 0")
    if args.no_audio and args.no_video:
        raise ValueError("--no-audio and --no-video leave nothing")
    if args.source == "test":
        return _test(args, width, height)
    if args.source in ("camera", "screen"):
        return await _device(args, width, height)
    return await _file(args)


def _size(text: str) -> tuple[int, int]:
    if not text:
        return 0, 0
    found = re.fullmatch(r"(\d{2,5})x(\d{2,5})", text)
    if found is None:
        raise ValueError(f"--size {text} is not like 1280x720")
    return int(found[1]), int(found[2])


def _wanted(args: argparse.Namespace, audio: Any, video: Any) -> list[Any]:
    found = [None if args.no_audio else audio, None if args.no_video else video]
    for track, refused in ((audio, args.no_audio), (video, args.no_video)):
        if track is not None and refused:
            track.stop()
    return [track for track in found if track is not None]


def _test(args: argparse.Namespace, width: int, height: int) -> Source:
    from ..media.synthetic import SyntheticCamera, SyntheticMicrophone

    camera = SyntheticCamera(width or 640, height or 360, round(args.fps) or 30)
    return Source("the test", _wanted(args, SyntheticMicrophone(), camera))


async def _device(args: argparse.Namespace, width: int, height: int) -> Source:
    """What is asked for is wished, not required: a camera gives what it has. The first camera and microphone that there are."""
    from ..media.devices.errors import MediaDeviceError
    from ..media.devices.media_devices import mediaDevices

    wishes = {"width": width, "height": height, "frameRate": args.fps}
    video = {name: value for name, value in wishes.items() if value} or True
    try:
        if args.source == "screen":
            if args.no_video:
                raise ValueError("a screen has no sound: --no-video leaves nothing")
            stream = await mediaDevices.getDisplayMedia({"video": video})
        else:
            stream = await mediaDevices.getUserMedia({"video": not args.no_video and video, "audio": not args.no_audio})
    except MediaDeviceError as error:
        raise OSError(f"no {args.source}: {error}") from error
    tracks = stream.getTracks()
    return Source(", ".join(track.label for track in tracks if track.label) or args.source, tracks)


async def _file(args: argparse.Namespace) -> Source:
    import av

    from ..media.player import MediaPlayer

    def play() -> MediaPlayer:
        return MediaPlayer(args.source, timeout=(OPEN_S, None), loop=args.loop, decode=not args.copy)

    try:
        player = await asyncio.to_thread(play)  # an address may take its time
    except av.FFmpegError as error:
        raise OSError(f"{args.source} cannot be played: {error.strerror or error}") from error
    codecs = tuple(NAMES[name] for name in player.codecs if name in NAMES) if args.copy else ()
    return Source(args.source, _wanted(args, player.audio, player.video), codecs)
