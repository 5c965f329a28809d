"""Proves the attack tests: takes one defence at a time out of a copy of the tree and expects its test to fail.

`python -m tests.attack.mutants [ROW ..]` (`make mutants`). The mutants stand in mutants/*.toml:

    [[mutant]]
    row = "B5"                                what it attacks
    what = "the result of the tag's check is ignored"
    file = "csrc/proto/srtp.c"
    old = "text that stands there once"
    new = "what stands there instead"
    test = "keys_test::b5_flipped_bits"       or "tests/attack/test_x.py::test_b6_y" for a file below src

    [[missing]]                               a part of a row that the engine does not have
    row = "A6"
    what = "..."
    until = "csrc/proto/x.c"                  the file whose coming ends this

A mutant is killed when its test fails: a check, a sanitizer's finding, an endless loop. One that does not build is a
mistake in the mutant. The copy in build/mutants is kept, so only what a mutant touches is compiled.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import programs

ROOT = programs.ROOT
HERE = ROOT / "tests" / "attack"
COPY = ROOT / "build" / "mutants"
# What a test needs; the extension is taken as it is built.
PARTS = ["Makefile", "pyproject.toml", "csrc", "tools", "tests", "src"]
LEAST_SECONDS = 30


@dataclass(frozen=True)
class Mutant:
    row: str
    what: str
    file: str
    old: str
    new: str
    test: str

    @property
    def in_c(self) -> bool:
        return not self.test.startswith("tests/")

    @property
    def goal(self) -> str:
        return programs.path("attack", self.test.partition("::")[0])


@dataclass(frozen=True)
class Missing:
    row: str
    what: str
    until: str


class MutantError(Exception):
    """The mutant or its test is at fault, not the engine."""


def entries(kind: str) -> Iterator[dict[str, str]]:
    for file in sorted((HERE / "mutants").glob("*.toml")):
        yield from tomllib.loads(file.read_text()).get(kind, [])


def mutants() -> list[Mutant]:
    return [Mutant(**entry) for entry in entries("mutant")]


def missing() -> list[Missing]:
    return [Missing(**entry) for entry in entries("missing")]


def stale(parts: Iterable[Missing]) -> list[Missing]:
    """Those that are not missing any more."""
    return [part for part in parts if (ROOT / part.until).exists()]


def files(root: Path) -> dict[str, Path]:
    paths: list[Path] = []
    for part in PARTS:
        paths += [root / part] if (root / part).is_file() else (root / part).rglob("*")
    made = {".pyc", ".html"}
    return {str(p.relative_to(root)): p for p in paths if p.is_file() and p.suffix not in made}


def copy_tree() -> None:
    """Writes only what differs: make goes by the times of files."""
    have, want = files(COPY), files(ROOT)
    for name in have.keys() - want.keys():
        have[name].unlink()
    for name, source in want.items():
        goal = COPY / name
        if not goal.exists() or goal.read_bytes() != source.read_bytes():
            goal.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, goal)


@contextmanager
def applied(mutant: Mutant) -> Iterator[None]:
    file = COPY / mutant.file
    text = file.read_text()
    if text.count(mutant.old) != 1:
        raise MutantError(f"{mutant.file} has {text.count(mutant.old)} of the text to replace, and should have one")
    file.write_text(text.replace(mutant.old, mutant.new))
    try:
        yield
    finally:
        file.write_text(text)


def run(mutant: Mutant, timeout: float) -> subprocess.CompletedProcess[str]:
    """Its test alone, in the copy as that stands now."""
    if mutant.in_c:
        output = programs.build(mutant.goal, COPY)
        if not programs.built(mutant.goal, COPY):
            raise MutantError(f"does not build:\n{output[:4000]}")
        return programs.run(mutant.goal, mutant.test.partition("::")[2], timeout=timeout, root=COPY)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", mutant.test]
    env = os.environ | {"PYTHONPATH": str(COPY / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=COPY, env=env, text=True, capture_output=True, timeout=timeout)
    if done.returncode not in (0, 1):  # 1: tests ran, and one failed
        raise MutantError(f"pytest did not get to the test:\n{done.stdout[-4000:]}")
    return done


def reason(done: subprocess.CompletedProcess[str]) -> str:
    """The first line that says why a test failed."""
    marks = ("CHECK", " == ", "differs from", "ERROR: ", "runtime error", "rig: ", "house: ", "E   ")
    lines = (done.stderr + done.stdout).splitlines()
    return next((line.strip() for line in lines if any(m in line for m in marks)), f"exit {done.returncode}")


def attempt(mutant: Mutant, timeout: float) -> str | None:
    """Why the test failed under this mutant; None when it passed."""
    with applied(mutant):
        try:
            done = run(mutant, timeout)
        except subprocess.TimeoutExpired:
            return f"no end within {timeout:.0f} s"
        return reason(done) if done.returncode else None


def prove(rows: Iterable[str], say: Callable[[str], None]) -> list[str]:
    """Tries the mutants of these rows (all when there are none) and says a line of each; what went wrong comes back."""
    wanted = set(rows)
    chosen = [m for m in mutants() if not wanted or m.row in wanted]
    faults = [f"{row}: no mutant" for row in sorted(wanted - {m.row for m in chosen})]
    copy_tree()
    seconds: dict[str, float] = {}
    for mutant in chosen:
        name = f"{mutant.row:6}{mutant.what}"
        try:
            if mutant.test not in seconds:  # a test that fails anyway proves nothing
                start = time.monotonic()
                done = run(mutant, timeout=900)
                if done.returncode:
                    raise MutantError(f"{mutant.test} fails on the tree as it is:\n{programs.said(done)}")
                seconds[mutant.test] = time.monotonic() - start
            why = attempt(mutant, LEAST_SECONDS + 10 * seconds[mutant.test])
        except MutantError as e:
            say(f"{name}: MISTAKE: {e}")
            faults.append(f"{mutant.row} {mutant.what}: {e}")
            continue
        say(f"{name}: {f'killed: {why}' if why else 'SURVIVES'}")
        if not why:
            faults.append(f"{mutant.row} {mutant.what}: survives {mutant.test}")
    say(f"{len(chosen)} mutants, {len(faults)} not killed")
    return faults


if __name__ == "__main__":
    sys.exit(1 if prove(sys.argv[1:], lambda line: print(line, flush=True)) else 0)
