"""An OpenSSL that strangers can hang or corrupt is refused before a socket is open."""

from __future__ import annotations

import subprocess
import sys

import pytest

import rtcengine._core
from rtcengine import crypto

FLAWED = [(0x30000000, "CVE-2022-0778"), (0x30000010, "CVE-2022-0778"), (0x30000040, "CVE-2022-2274"), (0x101010D0, "3.0")]
SOUND = [0x30000020, 0x30000030, 0x30000050, 0x300000D0, 0x30500040, 0x40100000]

# The import itself, with the extension there already and another number in it.
IMPORT = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("rtcengine._core", sys.argv[1])
core = importlib.util.module_from_spec(spec)
spec.loader.exec_module(core)
core.crypto_number = lambda: int(sys.argv[2])
sys.modules["rtcengine._core"] = core
try:
    import rtcengine
except ImportError as error:
    print(type(error).__name__, error)
else:
    print("imported")
"""


def imported(number: int) -> str:
    command = [sys.executable, "-c", IMPORT, str(rtcengine._core.__file__), str(number)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_a10_import_refuses_a_flawed_openssl() -> None:
    for number, why in FLAWED:
        said = imported(number)
        assert said.startswith("UnsafeOpenSSL rtcengine refuses OpenSSL")
        assert why in said
    assert imported(SOUND[0]) == "imported"


@pytest.mark.parametrize("number", SOUND)
def test_a_sound_openssl_is_taken(number: int) -> None:
    crypto.check(number)


def test_the_error_names_the_version() -> None:
    with pytest.raises(crypto.UnsafeOpenSSL, match=r"refuses OpenSSL 3\.0\.1: .*3\.0\.2 or later"):
        crypto.check(0x30000010)
    crypto.check()
