"""rtcengine.run: signals end the main coroutine, whose `finally` runs."""

from __future__ import annotations

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

PROGRAM = """
import asyncio, rtcengine, sys
async def main():
    print("ready", flush=True)
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(0)
        print("closed", flush=True)
print(rtcengine.run(main()))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it(number: signal.Signals) -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "closed\nNone\n", "")


def test_what_main_returns_and_raises() -> None:
    import rtcengine

    async def fine() -> int:
        return 7

    async def fails() -> None:
        raise KeyError("x")

    assert rtcengine.run(fine()) == 7
    with ThreadPoolExecutor(1) as another:
        assert another.submit(lambda: rtcengine.run(fine())).result(30) == 7
    with pytest.raises(KeyError):
        rtcengine.run(fails())
