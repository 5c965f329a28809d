"""What the benchmarks share: building C programs, facts of the machine, medians, tables, results."""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "bench" / "results"
BUILT = ROOT / "build" / "bench"

C_FLAGS = ["-std=c11", "-O2", "-g", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror", "-Icsrc"]


def has_ipsec_mb() -> bool:
    """Whether C programs here are built with intel-ipsec-mb."""
    probe = ["cc", "-fsyntax-only", "tools/ipsec_mb.c"]
    return subprocess.run(probe, cwd=ROOT, capture_output=True).returncode == 0


def build(name: str, sources: Sequence[str], *, core: bool = False, flags: Sequence[str] = ()) -> Path:
    """The program `name` from sources relative to the repository; `core`: with all of csrc behind it."""
    BUILT.mkdir(parents=True, exist_ok=True)
    command = ["cc", *C_FLAGS, *sources]
    if core:
        library = "build/c/plain/libcore.a"
        subprocess.run(["make", library], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        command.append(library)
    if has_ipsec_mb():
        command += ["-DRTC_HAVE_IPSEC_MB=1", "-lIPSec_MB"]
    out = BUILT / name
    subprocess.run([*command, "-o", str(out), *flags, "-lssl", "-lcrypto", "-pthread", "-lm"], cwd=ROOT, check=True)
    return out


def machine(**more: str) -> dict[str, str]:
    """What a reader needs to judge figures by; nothing that names the machine itself."""
    cpu = "unknown CPU"
    flags: set[str] = set()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.split(":", 1)[1].strip()
        elif line.startswith("flags"):
            flags = set(line.split(":", 1)[1].split())
    known = [f for f in ("avx2", "avx512f", "vaes", "sha_ni") if f in flags]
    openssl = shutil.which("openssl")
    version = subprocess.run([openssl, "version"], capture_output=True, text=True).stdout if openssl else ""
    return {
        "cpu": f"{cpu} ({', '.join(known)})",
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "openssl": " ".join(version.split()[:2]),
        "load average at the start": f"{os.getloadavg()[0]:.1f}",
        **more,
    }


def command() -> str:
    """How this program was called, without its place."""
    return " ".join(["python", f"bench/{Path(sys.argv[0]).name}", *sys.argv[1:]])


def middle(values: Iterable[float]) -> tuple[float, float, float]:
    """Median, first and third quartile."""
    v = sorted(values)
    if not v:
        return (float("nan"),) * 3
    if len(v) == 1:
        return (v[0],) * 3
    q = statistics.quantiles(v, n=4, method="inclusive")
    return q[1], q[0], q[2]


def spread(values: Iterable[float], digits: int = 0) -> str:
    """A median and its quartiles, as tables show it."""
    m, low, high = middle(values)
    return f"{m:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def store(name: str, data: dict[str, Any], text: str) -> None:
    """Writes results/NAME.json and NAME.md."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(data, indent=1) + "\n")
    (RESULTS / f"{name}.md").write_text(text.rstrip() + "\n")


def facts(values: dict[str, str]) -> str:
    """The machine as one paragraph."""
    return "; ".join(f"{name}: {value}" for name, value in values.items()) + "."
