"""setup.py: one sentence for what is missing; what the packages hold; a source package that builds elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def build_with(compiler: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Builds a copy of the project that has one C file, with another compiler."""
    for name in ("csrc/base", "src/rtcengine"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "csrc/base/one.c").write_text("int rtc_one(void) { return 1; }\n")
    (tmp_path / "src/rtcengine/_core.pyx").write_text("x = 1\n")
    (tmp_path / "setup.py").write_bytes((ROOT / "setup.py").read_bytes())
    command = [sys.executable, "setup.py", "-q", "build_ext"]
    return subprocess.run(command, cwd=tmp_path, env=os.environ | {"CC": compiler}, capture_output=True, text=True)


def compiler_without(header: str, tmp_path: Path) -> str:
    """A compiler to which a header is missing, as on a machine without its package."""
    script = tmp_path / "compiler"
    script.write_text(
        f"#!/bin/sh\nfor last; do :; done\n"
        f'if grep -q "{header}" "$last" 2>/dev/null; then echo "fatal error: {header}" >&2; exit 1; fi\n'
        f'exec cc "$@"\n'
    )
    script.chmod(0o755)
    return str(script)


@pytest.mark.parametrize(
    ("header", "package"), [("stdio.h", "gcc"), ("Python.h", "python3-dev"), ("openssl/ssl.h", "libssl-dev")]
)
def test_what_is_missing_is_named_in_one_sentence(tmp_path: Path, header: str, package: str) -> None:
    done = build_with(compiler_without(header, tmp_path), tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("error: rtcengine needs ")
    assert package in done.stderr


def test_no_compiler_at_all(tmp_path: Path) -> None:
    done = build_with(str(tmp_path / "absent"), tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    assert "apt install gcc" in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_source_package_builds_elsewhere(tmp_path: Path) -> None:
    def run(*args: str, cwd: Path) -> None:
        done = subprocess.run([sys.executable, "-m", *args], cwd=cwd, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    run("build", "--no-isolation", "--sdist", "--outdir", str(tmp_path), cwd=ROOT)
    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "elsewhere", filter="data")
    (tree,) = (tmp_path / "elsewhere").iterdir()
    sources = {p.relative_to(ROOT) for layer in ("csrc", "src") for p in (ROOT / layer).rglob("*.[chp]*")}
    kept = {p for p in sources if p.suffix in {".c", ".h", ".py", ".pyi", ".pyx", ".pxi"}}
    assert [str(p) for p in sorted(kept) if not (tree / p).is_file()] == []

    run("build", "--no-isolation", "--wheel", "--outdir", str(tmp_path), cwd=tree)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert [n for n in names if n.startswith("csrc/") or n.endswith((".c", ".h", ".pyx", ".pxi"))] == []
    assert [n for n in names if n.startswith("rtcengine/_core.") and n.endswith(".so")]
    assert {"rtcengine/py.typed", "rtcengine/_core.pyi"} <= set(names)
    page = {f"rtcengine/relay/static/{p.name}" for p in (ROOT / "src/rtcengine/relay/static").iterdir()}
    assert page and page <= set(names)

    target = tmp_path / "installed"
    run("pip", "install", "-q", "--no-deps", "--target", str(target), str(wheel), cwd=tmp_path)
    code = "import rtcengine._core as core; print(core.__file__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(target)},
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(target))
