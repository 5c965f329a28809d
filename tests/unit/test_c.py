"""Each tests/c/X_test.c is built against the whole of csrc and run."""

from __future__ import annotations

import pytest

from tests import programs

# Seconds each, by the number of packets: not in the inner loop.
SLOW = {
    "aom_test",
    "batch_test",
    "dtls_hostile_test",
    "dtls_test",
    "loop_random_test",
    "model_test",
    "out_test",
    "soak_test",
    "vpx_test",
}
NAMES = sorted(p.stem for p in (programs.ROOT / "tests" / "c").glob("*_test.c"))

pytestmark = pytest.mark.timeout(900)  # the first test builds


@pytest.fixture(scope="session")
def build_output() -> str:
    """A test that was not built finds no program and shows this."""
    return programs.build(f"c-tests-{programs.VARIANT}")


def test_there_are_c_tests() -> None:
    assert NAMES


CODECS = ("test_frame_rate", "test_keys", "test_layers", "test_settings", "test_rows_and_drops", "test_wrong")
QUICK = {"aom_test": CODECS, "vpx_test": CODECS}
"""Cases of programs that are run whole by `make long` alone. What the others ask is asked in test_rates.py too, of less."""


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in NAMES])
def test_c(name: str, build_output: str) -> None:
    program = programs.path("tests", name)
    assert programs.built(program), f"not built:\n{build_output[:4000]}"
    for case in QUICK.get(name, ("",)):
        passes(program, *([case] if case else []))


@pytest.mark.long
@pytest.mark.parametrize("name", QUICK)
def test_the_whole_program(name: str, build_output: str) -> None:
    program = programs.path("tests", name)
    assert programs.built(program), f"not built:\n{build_output[:4000]}"
    passes(program)


@pytest.mark.long
def test_a_thousand_calls(build_output: str) -> None:
    program = programs.path("tests", "calls_test")
    assert programs.built(program), f"not built:\n{build_output[:4000]}"
    passes(program, scale=5)


def passes(program: str, *case: str, scale: int = 1) -> None:
    done = programs.run(program, *case, timeout=300, scale=scale)
    assert done.returncode == 0, programs.said(done)
    assert " checks, 0 failed" in done.stdout


def commands_at_random(scale: int) -> None:
    program = programs.path("tests", "loop_random_test", "tsan")
    output = programs.build(program)
    assert programs.built(program), f"not built:\n{output[:4000]}"
    done = programs.run(program, timeout=3600 if scale > 1 else 300, scale=scale)
    assert done.returncode == 0, programs.said(done)
    assert " checks, 0 failed" in done.stdout


@pytest.mark.slow
def test_no_race_in_50_000_operations() -> None:
    """Whatever the other tests run under, this one needs the thread sanitizer: owners, loops and their helpers at once."""
    commands_at_random(1)


@pytest.mark.long
def test_no_race_in_1_000_000_operations() -> None:
    commands_at_random(20)
