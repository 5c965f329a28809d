"""C test programs: built by make, run under the sanitizers unless RTC_C_VARIANT says otherwise (asan, tsan, plain)."""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VARIANT = os.environ.get("RTC_C_VARIANT", "asan")
OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1",
}


def build(goal: str, root: Path = ROOT) -> str:
    """What make said. It goes on after a program that does not build: `built` tells of each."""
    command = ["make", "-s", "-k", f"-j{os.cpu_count()}", goal]
    with one_at_a_time(root):
        return subprocess.run(command, cwd=root, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout


@contextlib.contextmanager
def one_at_a_time(root: Path = ROOT) -> Iterator[None]:
    """Two of make that write the same files would spoil them; tests run in several processes."""
    (root / "build").mkdir(exist_ok=True)
    with (root / "build" / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def path(kind: str, name: str, variant: str = VARIANT) -> str:
    """A program's place below the root; kind is "tests", "attack" or "sim"."""
    return f"build/c/{variant}/{kind}/{name}"


def built(program: str, root: Path = ROOT) -> bool:
    return subprocess.run(["make", "-s", "-q", program], cwd=root, capture_output=True).returncode == 0


def prefix(program: str) -> list[str]:
    """The thread sanitizer's fixed memory map collides with the address randomisation of recent kernels."""
    needed = program.startswith("build/c/tsan/") and shutil.which("setarch")
    return ["setarch", platform.machine(), "-R"] if needed else []


def run(program: str, *args: str, timeout: float, root: Path = ROOT, scale: int = 1) -> subprocess.CompletedProcess[str]:
    env = os.environ | OPTIONS | {"RTC_SCALE": str(scale)}
    command = [*prefix(program), str(root / program), *args]
    return subprocess.run(command, cwd=root, env=env, text=True, errors="replace", capture_output=True, timeout=timeout)


def said(done: subprocess.CompletedProcess[str]) -> str:
    """For the message of a test that failed."""
    return f"exit {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-8000:]}"


def cases(source: Path) -> list[str]:
    """What the program's main runs."""
    return re.findall(r"^\s*RUN\((\w+)\);", source.read_text(), re.MULTILINE)
