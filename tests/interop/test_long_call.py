"""A call that lasts: sound and picture stay together, memory stays what it was."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from tests.figures import note

PROGRAM = Path(__file__).with_name("long_call.py")
AHEAD_MS, BEHIND_MS = 45, 125
"""What nobody sees (ITU-R BT.1359): sound before its picture by so much at most, and after it."""
SETTLED_S = 60


@pytest.mark.parametrize("seconds", [8, pytest.param(600, marks=pytest.mark.long)])
async def test_sound_and_picture_stay_together(seconds: int) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, str(PROGRAM), str(seconds), stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(seconds + 60):
        out, _ = await process.communicate()
    assert process.returncode == 0
    rows = [json.loads(line) for line in out.splitlines()]
    assert len(rows) == seconds
    apart = [row["apart"] for row in rows]
    memory = [row["rss"] for row in rows[SETTLED_S:]]
    grown = max(memory) / min(memory) - 1 if memory else 0.0
    note("long call", seconds=seconds, apart_ms=[round(min(apart), 1), round(max(apart), 1)], memory=round(grown, 4))
    assert -BEHIND_MS < min(apart) and max(apart) < AHEAD_MS, apart
    assert grown <= 0.04, memory  # 2 % up or down
