"""Debian's libsrtp, built from its source package on this machine's OpenSSL: Debian's own binary uses NSS, which is slower."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from kit import BUILT

SOURCES = "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian {suite} main\n"


def suite() -> str:
    for line in Path("/etc/os-release").read_text().splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.split("=", 1)[1].strip('"')
    raise OSError("not a Debian system")


def build() -> tuple[list[str], str]:
    """Arguments for the C compiler, and "" or, when there is no libsrtp, why."""
    folder = BUILT / "libsrtp"
    if not (made := sorted(folder.glob("libsrtp2-*/libsrtp2.a"))):
        missing = [tool for tool in ("apt-get", "dpkg-source", "make", "cc") if shutil.which(tool) is None]
        if missing:
            return [], f"{' and '.join(missing)} missing"
        try:
            fetch(folder)
            (source,) = folder.glob("libsrtp2-*/")
            for step in (["./configure", "--enable-openssl"], ["make", "libsrtp2.a"]):
                run(step, source)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            return [], f"its source package could not be built ({type(error).__name__})"
        made = [source / "libsrtp2.a"]
    # Its headers are not written for our warnings.
    include = [f"-isystem{made[0].parent / name}" for name in ("include", "crypto/include")]
    return ["-DBENCH_LIBSRTP", *include, str(made[0])], ""


def fetch(folder: Path) -> None:
    """By apt, with a list of sources and a cache of its own: the system's settings stay as they are."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / "apt" / name).mkdir(parents=True)
    sources = folder / "apt" / "sources.list"
    sources.write_text(SOURCES.format(suite=suite()))
    options = {
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": folder / "apt" / "lists",
        "Dir::Cache": folder / "apt" / "cache",
    }
    if os.geteuid() == 0:
        options["APT::Sandbox::User"] = Path("root")  # its own user could not write here
    apt = ["apt-get", "-q", *(f"-o{name}={value}" for name, value in options.items())]
    run([*apt, "update"], folder)
    run([*apt, "source", "libsrtp2"], folder)
    shutil.rmtree(folder / "apt")


def run(command: list[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=300)
