"""What ffprobe, of another FFmpeg than ours, says of a file after it has decoded all of it."""

from __future__ import annotations

import asyncio
import json
import os
from asyncio.subprocess import PIPE
from dataclasses import dataclass
from typing import Any

COMMAND = ["ffprobe", "-v", "warning", "-count_frames", "-show_format", "-show_streams", "-show_packets", "-of", "json"]


@dataclass(frozen=True)
class Stream:
    """`times` of its packets in seconds; `frames` were decoded, `keys` of the packets are key frames."""

    codec: str
    frames: int
    times: list[float]
    keys: int
    size: tuple[int, int]


@dataclass(frozen=True)
class Probed:
    """`streams` by their kind, video or audio."""

    format: str
    duration: float
    streams: dict[str, Stream]


async def ffprobe(path: str | os.PathLike[str]) -> Probed:
    """AssertionError where it complains of anything."""
    process = await asyncio.create_subprocess_exec(*COMMAND, os.fspath(path), stdout=PIPE, stderr=PIPE)
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0 and not err, err.decode()
    found = json.loads(out)
    streams = {one["codec_type"]: _stream(one, found["packets"]) for one in found["streams"]}
    return Probed(found["format"]["format_name"], float(found["format"]["duration"]), streams)


def _stream(found: dict[str, Any], of_all: list[dict[str, Any]]) -> Stream:
    packets = [packet for packet in of_all if packet["stream_index"] == found["index"]]
    return Stream(
        codec=found["codec_name"],
        frames=int(found["nb_read_frames"]),
        times=[float(packet["pts_time"]) for packet in packets],
        keys=sum(packet["flags"].startswith("K") for packet in packets),
        size=(int(found.get("width", 0)), int(found.get("height", 0))),
    )
