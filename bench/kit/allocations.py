"""Counts the heap allocations of one thread of this process, by c/count_alloc.c in front of the C library."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

from kit import BUILT, C_FLAGS, ROOT

LIBRARY = BUILT / "count_alloc.so"


def start_again() -> None:
    """Runs this program anew with the counter loaded; returns at once when it is, or when it cannot be built here."""
    if os.environ.get("LD_PRELOAD") == str(LIBRARY):
        del os.environ["LD_PRELOAD"]  # not for the programs that are started
        return
    BUILT.mkdir(parents=True, exist_ok=True)
    command = ["cc", *C_FLAGS, "-fPIC", "-shared", "bench/c/count_alloc.c", "-o", str(LIBRARY)]
    if sys.platform != "linux" or subprocess.run(command, cwd=ROOT, capture_output=True).returncode:
        return
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "LD_PRELOAD": str(LIBRARY)})


def watch(thread: str) -> bool:
    """Counts the thread of this name from now on. False when there is no counter or no such thread."""
    if not hasattr(program := ctypes.CDLL(None), "count_alloc_watch"):
        return False
    for comm in Path("/proc/self/task").glob("*/comm"):
        if comm.read_text().strip() == thread:
            program.count_alloc_watch(int(comm.parent.name))
            return True
    return False


def total() -> int:
    """How often the watched thread has asked for memory; -1: there is no counter."""
    program = ctypes.CDLL(None)
    if not hasattr(program, "count_alloc_total"):
        return -1
    program.count_alloc_total.restype = ctypes.c_ulong
    return int(program.count_alloc_total())
