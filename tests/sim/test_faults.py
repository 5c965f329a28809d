"""The fault matrix: tests/sim/faults_test.c has a table of faults with what has to hold; here each of their strengths is a
test of 20 seeds, each run twice. One seed runs under the sanitizers as well."""

from __future__ import annotations

import subprocess

import pytest

from tests import figures, programs

FAULTS = [
    "loss",
    "burst",
    "one_way_loss",
    "duplicate",
    "reorder",
    "jitter",
    "corrupt",
    "outage",
    "rate",
    "mtu",
    "rebind",
    "wall_clock",
]
STRENGTHS = range(3)

pytestmark = pytest.mark.timeout(900)  # the first test builds


def built(variant: str) -> str:
    program = programs.path("sim", "faults_test", variant)
    output = programs.build(program)
    assert programs.built(program), f"not built:\n{output[:4000]}"
    return program


@pytest.fixture(scope="session")
def plain() -> str:
    return built("plain")


@pytest.fixture(scope="session")
def sanitized() -> str:
    return built(programs.VARIANT)


def judge(done: subprocess.CompletedProcess[str], name: str = "") -> None:
    assert done.returncode == 0, programs.said(done)
    assert " checks, 0 failed" in done.stdout
    found = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("figure ")]
    assert found
    if name:
        figures.note(name, **{figure: float(value) for figure, value in found})


def test_every_fault_is_run(plain: str) -> None:
    assert programs.run(plain, "--list", timeout=10).stdout.split() == FAULTS


@pytest.mark.parametrize("strength", STRENGTHS)
@pytest.mark.parametrize("fault", FAULTS)
def test_fault(fault: str, strength: int, plain: str) -> None:
    judge(programs.run(plain, fault, str(strength), "1", "20", timeout=300), f"fault {fault} {strength}")


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_sanitized(fault: str, sanitized: str) -> None:
    for strength in STRENGTHS:
        judge(programs.run(sanitized, fault, str(strength), "1", "1", timeout=300))


@pytest.mark.long
@pytest.mark.parametrize("strength", STRENGTHS)
@pytest.mark.parametrize("fault", FAULTS)
def test_fault_of_more_seeds(fault: str, strength: int, plain: str) -> None:
    judge(programs.run(plain, fault, str(strength), "21", "200", timeout=3600), f"fault {fault} {strength}, 200 seeds")


def test_set_up_through_loss() -> None:
    """30 % lost each way: 2,000 of 2,000 within 10 s."""
    program = programs.path("tests", "connect_test", "plain")
    output = programs.build(program)
    assert programs.built(program), f"not built:\n{output[:4000]}"
    judge(programs.run(program, "connects_through_loss", timeout=300, scale=20), "set-up at 30 % loss")
    judge(programs.run(program, "full_agents_connect_through_loss", timeout=300, scale=20), "full agents at 30 % loss")
