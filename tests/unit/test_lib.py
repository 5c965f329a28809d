"""librtcengine as `make lib` leaves it: what it exports, what pkg-config says, and that others' compilers take its header."""

from __future__ import annotations

import ctypes
import os
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests import programs

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "build" / "lib"
CC = os.environ.get("CC", "cc")

pytestmark = pytest.mark.timeout(300)  # the first test builds


def run(*argv: object) -> str:
    env = os.environ | {"PKG_CONFIG_PATH": str(LIBRARY)}
    done = subprocess.run([*map(str, argv)], cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, f"{argv}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module", autouse=True)
def library() -> None:
    with programs.one_at_a_time():
        run("make", "-s", "lib")


def test_exports_nothing_but_the_interface() -> None:
    exported = {line.split()[-1] for line in run("nm", "-D", "--defined-only", LIBRARY / "librtcengine.so").splitlines()}
    declared = set()
    for line in (ROOT / "csrc" / "include" / "rtcengine.h").read_text().splitlines():
        if line.startswith("RTCENGINE_API "):
            declared.add(line.partition("(")[0].split()[-1].lstrip("*"))
    assert len(declared) > 15
    assert exported == declared


def test_versions_agree() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert run("pkg-config", "--modversion", "librtcengine").strip() == version
    loaded = ctypes.CDLL(str(LIBRARY / "librtcengine.so"))
    loaded.rtcengine_version.restype = ctypes.c_char_p
    assert loaded.rtcengine_version().decode() == version


pytestmark = pytest.mark.slow  # it builds the library


@pytest.mark.parametrize(("compiler", "suffix", "standard"), [(CC, ".c", "-std=c11"), ("c++", ".cc", "-std=c++11")])
def test_the_header_stands_alone(compiler: str, suffix: str, standard: str, tmp_path: Path) -> None:
    source = tmp_path / f"program{suffix}"
    source.write_text("#include <rtcengine.h>\n#include <rtcengine.h>\nint main(void) { return rtcengine_version() == 0; }\n")
    flags = run("pkg-config", "--cflags", "--libs", "librtcengine").split()
    run(compiler, standard, "-Wall", "-Wextra", "-Wpedantic", "-Werror", source, *flags, "-o", tmp_path / "program")


def test_the_archive_links(tmp_path: Path) -> None:
    """Without the .so: what it needs besides is in the .pc (Libs.private)."""
    flags = run("pkg-config", "--static", "--cflags", "--libs", "librtcengine").split()
    flags = [str(LIBRARY / "librtcengine.a") if flag == "-lrtcengine" else flag for flag in flags]
    program = tmp_path / "echo"
    run(CC, "-std=c11", ROOT / "examples" / "echo.c", *flags, "-o", program)
    assert "librtcengine" not in run("ldd", program)
    assert subprocess.run([program], capture_output=True).returncode == 2  # its usage: it runs
