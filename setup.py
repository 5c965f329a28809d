"""Builds the one extension, rtcengine._core, from csrc/ and src/rtcengine/_core.pyx; the rest is in pyproject.toml.

setuptools compiles the sources of an extension one after the other and all of them after any edit. Here they are
compiled side by side, and an object is kept until its source, a header it includes or a flag changes.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

PYX = "src/rtcengine/_core.pyx"
# csrc/sim is not here: it serves the tests. A missing folder is an empty one.
LAYERS = ["base", "wire", "wire/payload", "proto", "engine", "io", "codec"]
INCLUDE = ["csrc", "csrc/include"]

# The interpreter's own flags come first, so each of these wins over what they say. Level 2 of _FORTIFY_SOURCE and not
# 3, which computes object sizes at run time in every memcpy of the packet path.
CFLAGS = ["-std=c11", "-O2", "-fvisibility=hidden", "-fstack-protector-strong"]
CFLAGS += ["-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2"]
LDFLAGS = ["-pthread"]
if sys.platform == "linux":
    LDFLAGS += ["-Wl,-z,relro", "-Wl,-z,now", "-Wl,-z,noexecstack"]

# What a build needs: a test program, and what to say when it does not compile.
NEEDS = [
    (
        "#include <stdio.h>\nint main(void) { return 0; }\n",
        "rtcengine needs a C compiler to build: install one (Debian, Ubuntu: apt install gcc libc6-dev).",
    ),
    (
        "#include <Python.h>\n",
        "rtcengine needs Python's C headers to build: install them (Debian, Ubuntu: apt install python3-dev).",
    ),
    (
        "#include <openssl/ssl.h>\n#if OPENSSL_VERSION_MAJOR < 3\n#error too old\n#endif\n",
        "rtcengine needs the headers of OpenSSL >= 3 to build: install them (Debian, Ubuntu: apt install libssl-dev).",
    ),
]


class BuildCore(build_ext):
    """build_ext with a parallel compile step and a cache of objects under build/."""

    def build_extension(self, ext: Extension) -> None:
        # Outside build_temp, which pip makes anew for each editable install.
        self.objects = Path("build") / f"objects-{sys.implementation.cache_tag}"
        self.cflags = list(CFLAGS)
        if self.compiles(Path("tools/ipsec_mb.c")):  # batched ciphers, where the machine has them
            self.cflags.append("-DRTC_HAVE_IPSEC_MB=1")
            ext.libraries.append("IPSec_MB")
        for name in ("vpx", "aom"):  # encoders whose rate changes while they run, likewise; loaded with the first one
            if soname := self.soname(name):
                self.cflags += [f"-DRTC_HAVE_{name.upper()}=1", f'-DRTC_{name.upper()}_SONAME="{soname}"']
        ext.sources = cythonized(ext.sources)
        ext.extra_objects = self.compile(ext)
        ext.sources, ext.depends = [], ext.extra_objects
        super().build_extension(ext)

    def compile(self, ext: Extension) -> list[str]:
        """Brings the object of each source up to date; returns their paths."""
        key = Fingerprints([*compiler_identity(self.compiler.compiler_so), *self.cflags, *self.compiler.include_dirs])
        objects = self.compiler.object_filenames(ext.sources, output_dir=str(self.objects))
        jobs = [(s, o, key.of(s)) for s, o in zip(ext.sources, objects, strict=True)]
        stale = [job for job in jobs if self.force or not is_current(job[1], job[2])]
        if stale:
            self.check_needs()
            print(f"compiling {len(stale)} of {len(jobs)} C files", flush=True)
        with ThreadPoolExecutor(self.parallel or os.cpu_count()) as pool:
            list(pool.map(lambda job: self.compile_one(*job), stale))
        return objects

    def compile_one(self, source: str, obj: str, fingerprint: str) -> None:
        stamp = Path(obj + ".key")
        stamp.unlink(missing_ok=True)
        self.compiler.compile([source], output_dir=str(self.objects), include_dirs=INCLUDE, extra_postargs=self.cflags)
        stamp.write_text(fingerprint)

    def check_needs(self) -> None:
        """Ends the build with one sentence when something is missing on this machine."""
        with tempfile.TemporaryDirectory() as tmp:
            for program, sentence in NEEDS:
                probe = Path(tmp) / "probe.c"
                probe.write_text(program)
                if not self.compiles(probe):
                    # Not an Exception: setuptools wraps those of an editable install in pages of advice.
                    raise SystemExit(f"error: {sentence}")

    def soname(self, name: str) -> str:
        """The name that a codec's library is loaded by; "" when it is not here to build with."""
        command = ["sh", "tools/soname.sh", name, self.compiler.compiler_so[0]]
        try:
            return subprocess.run(command, capture_output=True, text=True).stdout.strip()
        except OSError:
            return ""

    def compiles(self, program: Path) -> bool:
        command = [*self.compiler.compiler_so, *(f"-I{d}" for d in self.compiler.include_dirs)]
        try:
            return subprocess.run([*command, "-fsyntax-only", str(program)], capture_output=True).returncode == 0
        except OSError:
            return False


class Fingerprints:
    """Hashes of a source with all of csrc that it includes, directly or not, and of the command."""

    def __init__(self, command: list[str]) -> None:
        self.command = "\0".join(command).encode()
        self.seen: dict[Path, tuple[bytes, list[Path]]] = {}

    def of(self, source: str) -> str:
        reached: set[Path] = set()
        todo = [Path(source)]
        while todo:
            path = todo.pop()
            if path not in reached:
                reached.add(path)
                todo += self.read(path)[1]
        digest = hashlib.sha256(self.command)
        for path in sorted(reached):
            digest.update(str(path).encode() + b"\0" + self.read(path)[0])
        return digest.hexdigest()

    def read(self, path: Path) -> tuple[bytes, list[Path]]:
        if path not in self.seen:
            text = path.read_bytes()
            names = re.findall(rb'^\s*#\s*include\s+"([^"]+)"', text, re.MULTILINE)
            found = [Path(d) / name.decode() for name in names for d in (*INCLUDE, path.parent)]
            self.seen[path] = hashlib.sha256(text).digest(), [p for p in found if p.is_file()]
        return self.seen[path]


def is_current(obj: str, fingerprint: str) -> bool:
    stamp = Path(obj + ".key")
    return Path(obj).is_file() and stamp.is_file() and stamp.read_text() == fingerprint


def compiler_identity(command: list[str]) -> list[str]:
    """The command and the version of the compiler behind it."""
    try:
        version = subprocess.run([command[0], "--version"], capture_output=True, text=True).stdout
    except OSError:
        version = ""
    return [*command, version]


def cythonized(sources: list[str]) -> list[str]:
    """The .pyx translated into build/, so that no generated file lies among the sources or gets into a wheel."""
    import Cython
    from Cython.Build import cythonize

    pyx = [s for s in sources if s.endswith(".pyx")]
    try:
        modules = cythonize(
            [Extension("rtcengine._core", pyx)],
            build_dir=f"build/cython-{Cython.__version__}",
            compiler_directives={"language_level": "3"},
            quiet=True,
        )
    except Cython.Compiler.Errors.CompileError as error:
        raise CompileError(str(error)) from error
    return [*modules[0].sources, *(s for s in sources if s not in pyx)]


csrc = sorted(str(p) for layer in LAYERS for p in Path("csrc", layer).glob("*.c"))
setup(
    ext_modules=[Extension("rtcengine._core", [PYX, *csrc], libraries=["ssl", "crypto", "m"], extra_link_args=LDFLAGS)],
    cmdclass={"build_ext": BuildCore},
)
