"""Records every call into a file of its own, as the browser encodes it: nothing is decoded.

FOLDER=calls python examples/record_call.py
"""

from __future__ import annotations

import asyncio
import itertools
import os
from pathlib import Path

from page import serve

from rtcengine import Recorder, RecordError, RTCPeerConnection

FOLDER = Path(os.environ.get("FOLDER", "."))
numbers = itertools.count(1)
running: set[asyncio.Task[None]] = set()


async def record(path: Path, pc: RTCPeerConnection) -> None:
    recorder = Recorder(str(path), *(t.receiver.track for t in pc.getTransceivers()))
    try:
        async with recorder:  # whatever ends this, the file is ended
            await recorder.ended()
    except RecordError as error:
        print(f"{path}: {error}", flush=True)
    print(f"{path}: {recorder.frames} frames", flush=True)


def on_call(pc: RTCPeerConnection) -> None:
    task = asyncio.ensure_future(record(FOLDER / f"call{next(numbers)}.mkv", pc))
    running.add(task)
    task.add_done_callback(running.discard)


if __name__ == "__main__":
    serve("Recorder", on_call, sends=True)
