"""Every fuzz target for some seconds by each engine that is here: no input may end it, and it must cover the edges that its
`edges` file asks for. `make fuzz T=stun SECONDS=600` runs longer."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fuzz import runner
from tests.fuzz.runner import FuzzError, Result

BEST, OTHER = 7, 2
"""Seconds a target by the best engine, and by each other one."""

CASES = [(target, engine) for target in runner.TARGETS for engine in runner.engines_of(target)]
Runs = dict[tuple[str, str], Future[Result]]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # the first test builds, and a run waits for those before it


@pytest.fixture(scope="session")
def runs(request: pytest.FixtureRequest) -> Iterator[Runs]:
    """The runs of all tests that were chosen, two at a time; a test waits for its own."""
    chosen = {item.name for item in request.session.items}
    cases = [(target, engine) for target, engine in CASES if f"test_fuzz[{target}-{engine}]" in chosen]
    for engine in dict.fromkeys(engine for target, engine in cases if target in runner.C_TARGETS):
        runner.build(engine)
    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        futures = {}
        for target, engine in cases:
            seconds = BEST if engine == runner.engines_of(target)[0] else OTHER
            futures[target, engine] = pool.submit(runner.run, target, engine, seconds, fresh=True)
        yield futures
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize(("target", "engine"), CASES)
def test_fuzz(target: str, engine: str, runs: Runs, capfd: pytest.CaptureFixture[str]) -> None:
    result = runs[target, engine].result()
    with capfd.disabled():
        print(f"\n{result} ", end="")
    assert result.enough, str(result)


def test_seeds_are_small() -> None:
    files = [f for target in runner.TARGETS for f in (runner.HERE / target / "seeds").iterdir()]
    assert {f.parent.parent.name for f in files} == set(runner.TARGETS)
    assert sum(f.stat().st_size for f in files) < 300_000


def test_too_few_edges_fail() -> None:
    result = Result(target="x", engine="gcc", executions=1, edges=99, least=100, seconds=1.0)
    assert not result.enough and replace(result, edges=100).enough
    assert not replace(result, edges=100, executions=0).enough


PLANTED = {"bad": "MUST(p[2] != 'd') failed", "bsl": "slow input", "blo": "heap-buffer-overflow"}


@pytest.mark.parametrize("start", PLANTED)
@pytest.mark.parametrize("engine", [e for e in ("clang", "gcc") if e in runner.engines_of(runner.C_TARGETS[0])])
def test_planted_faults_are_found(engine: str, start: str, tmp_path: Path) -> None:
    """The search gets from a seed one step away to the input that ends the program, and leaves it as a file."""
    runner.build(engine, f"build/fuzz/{engine}/planted")
    program = runner.BUILD / engine / "planted"
    seeds, crash = tmp_path / "seeds", tmp_path / "crash"
    seeds.mkdir()
    (seeds / "near").write_bytes(start[:2].encode() + b"..")
    if engine == "clang":
        command = [program, "-max_total_time=60", "-seed=1", f"-exact_artifact_path={crash}", seeds]
    else:
        command = [program, seeds, "60", "1", crash]
    env = os.environ | runner.OPTIONS
    found = subprocess.run(command, env=env, capture_output=True, text=True, errors="replace", timeout=120)
    assert found.returncode != 0
    assert crash.read_bytes().startswith(start[:1].encode())
    again = subprocess.run([program, crash], env=env, capture_output=True, text=True, errors="replace", timeout=60)
    assert again.returncode != 0
    assert any(said in found.stderr and said in again.stderr for said in PLANTED.values())


def test_a_run_that_ends_early_says_how_to_repeat_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The runner itself, on a target whose only seed is at fault."""
    runner.build("gcc", "build/fuzz/gcc/planted")
    (tmp_path / "planted" / "seeds").mkdir(parents=True)
    (tmp_path / "planted" / "seeds" / "fault").write_bytes(b"bad!")
    monkeypatch.setattr(runner, "HERE", tmp_path)
    with pytest.raises(FuzzError, match="to repeat: .*build/fuzz/gcc/planted .*planted-gcc-crash"):
        runner.run("planted", "gcc", 5, fresh=True)
    assert (runner.BUILD / "planted-gcc-crash").read_bytes() == b"bad!"
