"""Calls that are made and closed leave nothing: memory stays flat, descriptors and threads are those of the beginning."""

from __future__ import annotations

import asyncio
import json
import sys

import pytest

from tests.figures import note


@pytest.mark.parametrize("calls", [100, pytest.param(1000, marks=[pytest.mark.long, pytest.mark.timeout(900)])])
async def test_nothing_is_left(calls: int) -> None:
    command = [sys.executable, "-m", "tests.interop.many_calls", str(calls)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    seen = [json.loads(line) for line in out.splitlines()]
    assert process.returncode == 0 and [line["calls"] for line in seen] == [calls // 10 * n for n in range(1, 11)]
    first, last = seen[1], seen[-1]
    made = last["calls"] - first["calls"]
    each = {what: round((last[what] - first[what]) / made, 2) for what in ("python", "heap", "rss")}
    note("calls made and closed", calls=calls, first=first, last=last, each=each)
    assert (last["files"], last["threads"]) == (first["files"], first["threads"]) == (seen[0]["files"], seen[0]["threads"])
    # Of malloc's bytes 30,000 come once, at some time; 80 of a leaked sender or receiver would be more.
    assert each["python"] < 0.5 and last["heap"] - first["heap"] < 80_000, seen
