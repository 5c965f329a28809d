"""Attacks on the C core. Every case of a tests/attack/X_test.c is a test here, in a process of its own:
`keys_test::b1_short_packets`. A case's first word is its row in the table of threats, as tests/attack/mutants has it.
`make long` runs them again, each with what it counts ten times as large."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests import figures, programs

SOURCES = sorted((programs.ROOT / "tests" / "attack").glob("*_test.c"))
CASES = [(source.stem, case) for source in SOURCES for case in programs.cases(source)]
IDS = [f"{program}::{case}" for program, case in CASES]
Runs = dict[tuple[str, str], Future[subprocess.CompletedProcess[str]]]

pytestmark = pytest.mark.timeout(900)  # the first test builds, and a case waits for those before it


@pytest.fixture(scope="session")
def runs(request: pytest.FixtureRequest) -> Iterator[Runs]:
    """The runs of all cases that were chosen, two at a time; a test waits for its own."""
    chosen = {item.name for item in request.session.items}
    output = programs.build(f"c-attacks-{programs.VARIANT}")
    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        futures = {}
        for (name, case), id_ in zip(CASES, IDS, strict=True):
            program = programs.path("attack", name)
            if f"test_attack[{id_}]" in chosen:
                assert programs.built(program), f"not built:\n{output[:4000]}"
                futures[name, case] = pool.submit(programs.run, program, case, timeout=300)
        yield futures
        pool.shutdown(cancel_futures=True)


def judge(case: str, done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, programs.said(done)
    lines = done.stdout.splitlines()
    assert f"ok {case}" in lines
    for line in lines:
        if line.startswith("figure "):
            _, name, value = line.split()
            figures.note(f"{case}: {name}", value=float(value))


@pytest.mark.parametrize(("name", "case"), CASES, ids=IDS)
def test_attack(name: str, case: str, runs: Runs) -> None:
    judge(case, runs[name, case].result())


@pytest.mark.long
@pytest.mark.parametrize(("name", "case"), CASES, ids=IDS)
def test_attack_ten_times(name: str, case: str) -> None:
    program = programs.path("attack", name)
    output = programs.build(program)
    assert programs.built(program), f"not built:\n{output[:4000]}"
    judge(case, programs.run(program, case, timeout=3600, scale=10))
