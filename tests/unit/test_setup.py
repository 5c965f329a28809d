"""setup.py: one sentence for what is missing; what the packages hold; a source package that builds elsewhere."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("header", "package"), [("stdio.h", "gcc"), ("Python.h", "python3-dev"), ("openssl/ssl.h", "libssl-dev")]
)
def test_what_is_missing_is_named_in_one_sentence(tmp_path: Path, header: str, package: str) -> None:
    done = build_with(compiler_without(header, tmp_path), tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("error: rtcengine needs ")
    assert package in done.stderr


@pytest.mark.slow
def test_no_compiler_at_all(tmp_path: Path) -> None:
    done = build_with(str(tmp_path / "absent"), tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    assert "apt install gcc" in done.stderr


def run(*command: str | Path, cwd: Path, **env: str) -> str:
    """Standard output of a command that must succeed. What this process was told of Python's paths is not passed on."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(list(map(str, command)), cwd=cwd, env=clean | env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "-m", "build", "--no-isolation", "--sdist", "--outdir", folder, cwd=ROOT)
    (made,) = folder.glob("*.tar.gz")
    return made


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the source package in a folder that knows nothing of this tree, nor of git."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with tarfile.open(sdist) as archive:
        archive.extractall(elsewhere, filter="data")
    (tree,) = elsewhere.iterdir()
    run(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", elsewhere, cwd=tree)
    (made,) = elsewhere.glob("*.whl")
    return made


@pytest.mark.slow
def test_the_source_package_has_all_sources(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {".c", ".h", ".py", ".pyi", ".pyx", ".pxi", ".html", ".js", ".css", ".svg", ".typed"}
    sources = {p.relative_to(ROOT).as_posix() for top in ("csrc", "src") for p in (ROOT / top).rglob("*") if p.suffix in wanted}
    assert sources - held == set()
    assert {"Makefile", "README.md", "LICENSE", "tools/setup.sh", "tests/c/check.h"} <= held
    assert [name for name in held if name.endswith((".so", ".o", ".pyc"))] == []


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_wheel_has_what_runs_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert [n for n in names if n.startswith(("csrc/", "tests/")) or n.endswith((".c", ".h", ".pyx", ".pxi"))] == []
    assert len([n for n in names if n.startswith("rtcengine/_core.") and n.endswith(".so")]) == 1
    assert {"rtcengine/py.typed", "rtcengine/_core.pyi"} <= names
    modules = {p.relative_to(ROOT / "src").as_posix() for p in (ROOT / "src/rtcengine").rglob("*.py")}
    page = {f"rtcengine/relay/static/{p.name}" for p in (ROOT / "src/rtcengine/relay/static").iterdir()}
    assert page and modules | page <= names


def relay_runs(python: Path, cwd: Path) -> None:
    """The command of the environment of this Python: help, doctor, a relay with its synthetic publisher, goodbye."""
    command = python.with_name("rtcengine")
    assert "relay" in run(command, "--help", cwd=cwd)
    checks = {check["name"]: check for check in json.loads(run(command, "doctor", "--json", cwd=cwd))["checks"]}
    assert checks["rtcengine"]["value"] == VERSION
    options = ["relay", "--json", "--port", "0", "--udp-port", "0"]
    with subprocess.Popen([command, *options], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        events = [json.loads(process.stdout.readline()), json.loads(process.stdout.readline())]
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    assert [event["event"] for event in events] == ["ready", "join"]
    assert events[1]["room"] == "demo"


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_wheel_alone_is_enough_for_the_relay(wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv/bin/python"
    run(python, "-m", "pip", "install", "-q", wheel, cwd=tmp_path)
    relay_runs(python, tmp_path)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_every_python(sdist: Path, version: str, tmp_path: Path) -> None:
    """What `pip install` makes of the source package, and the unit tests against that."""
    python = tmp_path / "venv/bin/python"
    run(interpreter(version), "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    run(python, "-m", "pip", "install", "-q", sdist, cwd=tmp_path)
    relay_runs(python, tmp_path)
    run(python, "-m", "pip", "install", "-q", f"{sdist}[test]", cwd=tmp_path)
    where = run(python, "-c", "import rtcengine; print(rtcengine.__file__)", cwd=ROOT)
    assert where.startswith(str(tmp_path))
    options = ["-q", "-p", "no:cacheprovider", "-m", "not long and not slow", "--ignore", "tests/unit/test_c.py"]
    said = run(python, "-m", "pytest", *options, "tests/unit", cwd=ROOT)
    assert re.search(r"\d{3,} passed", said.splitlines()[-1])


def interpreter(version: str) -> str:
    """A Python of this version: in PATH, or one that pyenv keeps. A name in PATH may be a shim for nothing."""
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    for candidate in [f"python{version}", *sorted(map(str, kept.glob(f"{version}.*/bin/python")))]:
        try:
            if subprocess.run([candidate, "-c", "import venv, ensurepip"], capture_output=True).returncode == 0:
                return candidate
        except OSError:
            continue
    pytest.skip(f"no Python {version} here")
