"""Makes calls and closes them, both sides in this process, and tells in lines of JSON what is left after each tenth of them.

python -m tests.interop.many_calls COUNT

A line: calls; files, threads; python: blocks that Python's allocator has out; heap: bytes that malloc has out; rss: KiB.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rtcengine import NetworkOptions, RTCPeerConnection, SyntheticCamera, SyntheticMicrophone
from tests.util import until

HERE = NetworkOptions(addresses=("127.0.0.1",))


class Mallinfo(ctypes.Structure):
    """glibc's struct mallinfo2."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")
    ]


def heap() -> int:
    libc = ctypes.CDLL(None)
    libc.mallinfo2.restype = Mallinfo
    found = libc.mallinfo2()
    return int(found.uordblks + found.hblkhd)


def left() -> dict[str, int]:
    gc.collect()
    sys._clear_type_cache()  # match statements leave names in it, up to some thousands
    return {
        "files": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "python": sys.getallocatedblocks(),
        "heap": heap(),
        "rss": int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024,
    }


async def call() -> None:
    """Sound and pictures one way, sound the other; each is read."""
    a, b = RTCPeerConnection(network=HERE), RTCPeerConnection(network=HERE)
    tracks: list[Any] = []
    for pc in (a, b):
        pc.on("track", tracks.append)
        pc.addTrack(SyntheticMicrophone())
    a.addTrack(SyntheticCamera(160, 120, 30))
    await a.setLocalDescription()
    await b.setRemoteDescription(a.localDescription)  # type: ignore[arg-type]
    await b.setLocalDescription()
    await a.setRemoteDescription(b.localDescription)  # type: ignore[arg-type]
    await asyncio.gather(*(asyncio.wait_for(track.recv(), 20) for track in tracks))
    assert len(tracks) == 3 and a.connectionState == b.connectionState == "connected"
    await a.close()
    await b.close()


async def main(count: int) -> None:
    # One thread from the beginning: a second would come whenever two tasks happen to meet.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    await asyncio.to_thread(gc.collect)
    for number in range(count):
        await call()
        if (number + 1) % (count // 10) == 0:
            await until(lambda: not [t for t in threading.enumerate() if t.name.startswith("rtc-")], what="codecs' threads end")
            print(json.dumps({"calls": number + 1, **left()}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
