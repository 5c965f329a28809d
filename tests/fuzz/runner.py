"""Builds and runs the fuzz targets: `python -m tests.fuzz.runner [--seconds N] [--engine clang|gcc] [TARGET ..]`.

A target is X_fuzz.c (for libFuzzer and, without clang, for driver.c) or sdp.py. Beside it X/seeds/ holds its seeds, all run
first, and X/edges the edges that must be covered at least, one line an engine. What a run finds stays in build/fuzz.
"""

from __future__ import annotations

import argparse
import functools
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build" / "fuzz"
C_TARGETS = sorted(p.name.removesuffix("_fuzz.c") for p in HERE.glob("*_fuzz.c") if p.name != "planted_fuzz.c")
PYTHON_TARGETS = ["sdp"]
TARGETS = C_TARGETS + PYTHON_TARGETS
INPUT_MAX = 4096
OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=1:handle_abort=1:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}


class FuzzError(Exception):
    """A target that does not build, or that an input has ended; the message says how to repeat it."""


@dataclass(frozen=True)
class Result:
    target: str
    engine: str
    executions: int
    edges: int
    least: int
    seconds: float

    @property
    def enough(self) -> bool:
        return self.executions > 0 and self.edges >= self.least

    def __str__(self) -> str:
        return (
            f"fuzz {self.target} ({self.engine}): {self.executions} executions in {self.seconds:.0f} s, "
            f"{self.edges} edges, at least {self.least} wanted"
        )


@functools.cache
def has_clang() -> bool:
    """Whether clang can build for libFuzzer; its runtime is a package of its own."""
    BUILD.mkdir(parents=True, exist_ok=True)
    source = "#include <stddef.h>\nint LLVMFuzzerTestOneInput(const unsigned char *p, size_t n) { return p && n ? 0 : 0; }\n"
    clang = os.environ.get("FUZZ_CLANG", "clang")
    command = [clang, "-fsanitize=fuzzer,address,undefined", "-x", "c", "-", "-o", BUILD / "probe"]
    try:
        return subprocess.run(command, input=source, text=True, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def engines_of(target: str) -> list[str]:
    """The engines that can run a target here, the best one first."""
    if target in PYTHON_TARGETS:
        return ["python"]
    return ["clang", "gcc"] if has_clang() else ["gcc"]


def build(engine: str, what: str | None = None) -> None:
    goal = what or f"fuzz-{engine}"
    command = ["make", "-s", f"-j{os.cpu_count()}", goal]
    done = subprocess.run(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise FuzzError(f"{goal} does not build:\n{done.stdout[-4000:]}")


def least_edges(target: str, engine: str) -> int:
    lines = (HERE / target / "edges").read_text().splitlines()
    return {name: int(edges) for name, edges in (line.split() for line in lines)}[engine]


def run(target: str, engine: str, seconds: float, *, fresh: bool, random_seed: int = 1, least: int | None = None) -> Result:
    """Runs a target that is built. With `fresh` it starts from the seeds alone, without what former runs have found;
    `least` is for those that ask for other edges than the file says. FuzzError when an input ended it."""
    corpus = BUILD / "corpus" / target
    if fresh:
        corpus = BUILD / "fresh" / f"{target}-{engine}"  # two engines may run one target side by side
        shutil.rmtree(corpus, ignore_errors=True)
    corpus.mkdir(parents=True, exist_ok=True)
    crash = BUILD / f"{target}-{engine}-crash"
    crash.unlink(missing_ok=True)
    seeds = HERE / target / "seeds"
    start = time.monotonic()
    if engine == "clang":
        program = BUILD / "clang" / target
        command: list[str | Path] = [
            *(program, f"-max_total_time={max(1, round(seconds))}", f"-seed={random_seed}", f"-max_len={INPUT_MAX}"),
            *("-print_final_stats=1", "-timeout=60", "-len_control=20", f"-exact_artifact_path={crash}", corpus, seeds),
        ]
    else:
        command = [BUILD / "gcc" / target] if engine == "gcc" else [sys.executable, "-m", f"tests.fuzz.{target}"]
        command += [seeds, str(seconds), str(random_seed), crash]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | OPTIONS,
        text=True,
        errors="replace",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=seconds * 2 + 300,
    )
    if done.returncode:
        again = " ".join(str(c) for c in command[: -4 if engine != "clang" else 1])
        raise FuzzError(f"{target} ({engine}): exit {done.returncode}; to repeat: {again} {crash}\n{done.stdout[-6000:]}")
    if engine == "clang":
        executions = re.search(r"number_of_executed_units: (\d+)", done.stdout)
        edges = re.search(r"DONE +cov: (\d+)", done.stdout)
    else:
        executions = re.search(r"executions (\d+)", done.stdout)
        edges = re.search(r"edges (\d+)", done.stdout)
    if not executions or not edges:
        raise FuzzError(f"{target} ({engine}) does not say what it did:\n{done.stdout[-2000:]}")
    if least is None:
        least = least_edges(target, engine)
    return Result(target, engine, int(executions[1]), int(edges[1]), least, time.monotonic() - start)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"one of {', '.join(TARGETS)}; all without")
    parser.add_argument("--seconds", type=float, default=60, help="for each target")
    parser.add_argument("--engine", choices=["clang", "gcc"], help="clang's libFuzzer where it is, else the gcc driver")
    parser.add_argument("--random-seed", type=int, default=int(time.time()), help="repeats a run of the gcc driver")
    args = parser.parse_args()
    targets = args.targets or TARGETS
    if unknown := [t for t in targets if t not in TARGETS]:
        parser.error(f"no target {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    chosen = {t: args.engine if args.engine and t in C_TARGETS else engines_of(t)[0] for t in targets}

    def one(target: str) -> bool:
        try:
            result = run(target, chosen[target], args.seconds, fresh=False, random_seed=args.random_seed)
        except FuzzError as e:
            print(e, flush=True)
            return False
        print(result, "" if result.enough else "TOO FEW", flush=True)
        return result.enough

    try:
        for engine in {chosen[t] for t in targets if t in C_TARGETS}:
            build(engine)
    except FuzzError as e:
        print(e)
        return 1
    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        return 0 if all(list(pool.map(one, targets))) else 1


if __name__ == "__main__":
    sys.exit(main())
