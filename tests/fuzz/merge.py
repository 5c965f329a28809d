"""Takes over as seeds what former runs have found: `python -m tests.fuzz.merge [TARGET ..]`, after `make fuzz`. Only inputs
that reach edges which no seed reaches are copied, the smallest first. Then it prints what X/edges may say: the seeds' own edges
less a margin.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .runner import BUILD, C_TARGETS, HERE, build, run

INPUT_MAX = 1024
MARGIN = 0.9
"""Other versions of a compiler and of the libraries draw edges a little differently."""


def merge(target: str, found: Path) -> None:
    seeds = HERE / target / "seeds"
    # Without counters an input is worth keeping for its edges alone, not for how often it takes them.
    command = [BUILD / "clang" / target, "-merge=1", "-use_counters=0", f"-max_len={INPUT_MAX}", seeds, found]
    subprocess.run(command, check=True, capture_output=True)


def main(targets: list[str]) -> None:
    for engine in ("clang", "gcc"):
        build(engine)
    for target in targets or C_TARGETS:
        found = BUILD / "corpus" / target
        if found.is_dir():
            merge(target, found)
        files = list((HERE / target / "seeds").iterdir())
        lines = []
        for engine in ("clang", "gcc"):
            edges = run(target, engine, 1, fresh=True, least=0).edges
            lines.append(f"{engine} {int(edges * MARGIN)}")
        print(f"{target}: {len(files)} seeds, {sum(f.stat().st_size for f in files)} bytes, edges: {', '.join(lines)}")


if __name__ == "__main__":
    main(sys.argv[1:])
