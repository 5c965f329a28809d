"""Each tests/c/X_test.c is built against the whole of csrc and run, under the sanitizers unless RTC_C_VARIANT says
otherwise (asan, tsan, plain)."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VARIANT = os.environ.get("RTC_C_VARIANT", "asan")
# Seconds each, by the number of packets: not in the inner loop.
SLOW = {"soak_test", "model_test", "batch_test", "dtls_test", "dtls_hostile_test", "srtp_index_test", "out_test"}
NAMES = sorted(p.stem for p in (ROOT / "tests" / "c").glob("*_test.c"))
OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1",
}
# The thread sanitizer's fixed memory map collides with the address randomisation of recent kernels.
PREFIX = ["setarch", platform.machine(), "-R"] if VARIANT == "tsan" and shutil.which("setarch") else []

pytestmark = pytest.mark.timeout(900)  # the first test builds


@pytest.fixture(scope="session")
def build_output() -> str:
    """What make said. It goes on after a test that does not build: that test finds no program and shows this."""
    command = ["make", "-s", "-k", f"-j{os.cpu_count()}", f"c-tests-{VARIANT}"]
    done = subprocess.run(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.stdout


def test_there_are_c_tests() -> None:
    assert NAMES


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in NAMES])
def test_c(name: str, build_output: str) -> None:
    make = ["make", "-s", "-q", f"build/c/{VARIANT}/tests/{name}"]
    assert subprocess.run(make, cwd=ROOT).returncode == 0, f"not built:\n{build_output[:4000]}"
    program = ROOT / "build" / "c" / VARIANT / "tests" / name
    env = os.environ | OPTIONS
    done = subprocess.run([*PREFIX, program], env=env, text=True, errors="replace", capture_output=True, timeout=300)
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-8000:]}"
    assert " checks, 0 failed" in done.stdout
