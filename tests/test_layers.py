"""The house keeps its shape: who includes and imports whom, how long a file gets, and that the map is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools import layers

ROOT = Path(__file__).resolve().parent.parent
MAP = ROOT / "docs" / "architecture.md"


def test_the_tree_keeps_the_rules() -> None:
    found = layers.breaches(ROOT)
    assert not found, "\n" + "\n".join(found)


# A file that is put into an otherwise clean tree, and a word of the breach that must be found ("" for none).
CASES = [
    ("csrc/wire/rtp.c", '#include "wire/rtp.h"\n#include "base/err.h"\n#include <stdint.h>', ""),
    ("csrc/base/err.c", '#include "wire/rtp.h"', "wire/rtp.h"),
    ("csrc/wire/rtp.c", '#include "proto/nack.h"', "proto/nack.h"),
    ("csrc/wire/rtp.c", '  # include "proto/nack.h"', "proto/nack.h"),
    ("csrc/wire/rtp.c", '/* #include "proto/nack.h" */\n// #include <time.h>', ""),
    ("csrc/wire/rtp.c", '#include "rtp.h"', "rtp.h"),
    ("csrc/wire/rtp.c", '#include "wire/absent.h"', "wire/absent.h"),
    ("csrc/wire/payload/vp8.c", '#include "proto/nack.h"', "proto/nack.h"),
    ("csrc/proto/nack.c", '#include "proto/nack.h"', ""),
    ("csrc/proto/nack.c", '#include "proto/srtp.h"', "proto/srtp.h"),
    ("csrc/proto/dtls_bio.c", '#include "proto/dtls.h"\n#include "proto/srtp.h"\n#include <openssl/ssl.h>', ""),
    ("csrc/proto/dtls.c", '#include "proto/nack.h"', "proto/nack.h"),
    ("csrc/proto/dtls.c", "#include <openssl/evp.h>", "openssl/evp.h"),
    ("csrc/proto/dtls.c", "#include <openssl/kdf.h>", "openssl/kdf.h"),
    ("csrc/proto/dtls_prf.c", "#include <openssl/params.h>\n#include <openssl/core_dispatch.h>", ""),
    ("csrc/proto/dtls_prf.c", "#include <openssl/kdf.h>", "openssl/kdf.h"),
    ("csrc/proto/dtlsrec.c", '#include "proto/dtlsrec.h"', ""),
    ("csrc/proto/dtlsrec.c", '#include "proto/dtls.h"', "proto/dtls.h"),
    ("csrc/proto/dtlsrec.c", "#include <openssl/ssl.h>", "openssl/ssl.h"),
    ("csrc/proto/dtls_export.c", '#include "proto/dtlsrec.h"', "proto/dtlsrec.h"),
    ("csrc/proto/bwe/aimd.c", '#include "proto/bwe/bwe.h"', ""),
    ("csrc/proto/bwe/aimd.c", '#include "proto/nack.h"', "proto/nack.h"),
    ("csrc/proto/nack.c", "#include <time.h>", "time.h"),
    ("csrc/proto/nack.c", "#include <sys/socket.h>", "sys/socket.h"),
    ("csrc/engine/hub.c", "#include <pthread.h>", "pthread.h"),
    ("csrc/engine/hub.c", '#include "io/loop.h"', "io/loop.h"),
    ("csrc/engine/hub.c", "#include <unistd.h>", "unistd.h"),
    ("csrc/io/loop.c", '#include <pthread.h>\n#include <sys/epoll.h>\n#include "engine/hub.h"\n#include <time.h>', ""),
    ("csrc/io/loop.c", "#include <openssl/evp.h>", "openssl/evp.h"),
    ("csrc/io/loop.c", "#include <Python.h>", "Python.h"),
    ("csrc/io/loop.c", '#include "sim/net.h"', "sim/net.h"),
    ("csrc/sim/net.c", '#include "io/loop.h"', "io/loop.h"),
    ("csrc/base/crypto_openssl.c", "#include <openssl/evp.h>", ""),
    ("csrc/base/err.c", "#include <openssl/evp.h>", "openssl/evp.h"),
    ("csrc/proto/srtp.c", "#include <openssl/ssl.h>", "openssl/ssl.h"),
    ("csrc/include/rtcengine.h", '#include "base/err.h"', "base/err.h"),
    ("csrc/io/api.c", '#include "rtcengine.h"', ""),
    ("csrc/wire/rtp.c", '#include "rtcengine.h"', "rtcengine.h"),
    ("csrc/wire/rtp.c", "void f(int n) { assert(n > 0); }", "assert()"),
    ("csrc/wire/rtp.c", '_Static_assert(1, "x"); const char *t = "abort()"; /* abort() */', ""),
    ("csrc/engine/hub.c", "void f(void) { abort(); }", "abort()"),
    ("csrc/base/err.c", "\n" * 801, "800 lines"),
    ("tests/unit/test_x.py", "\n" * 801, "800 lines"),
    ("src/rtcengine/sdp/parse.py", "from rtcengine.types import Codec\nfrom .lines import x\nfrom . import y", ""),
    ("src/rtcengine/sdp/parse.py", "from ..types import Codec\nimport rtcengine.sdp.lines", ""),
    ("src/rtcengine/sdp/parse.py", "from rtcengine.engine import Engine", "nobody but types"),
    ("src/rtcengine/sdp/parse.py", "def f():\n    from .. import _core", "nobody but types"),
    ("src/rtcengine/sdp/__init__.py", "from ..rtp import x", "nobody but types"),
    ("src/rtcengine/ice/agent.py", "from rtcengine import RTCPeerConnection", "nobody but types"),
    ("src/rtcengine/srtp.py", "from rtcengine._core import Srtp", ""),
    ("src/rtcengine/srtp.py", "from rtcengine._core import LoopThread", "the engine's alone"),
    ("src/rtcengine/srtp.py", "import rtcengine._core as core", "by name"),
    ("src/rtcengine/srtp.py", "from ._core import *", "by name"),
    ("src/rtcengine/srtp.py", "from .engine import Engine", "not lower"),
    ("src/rtcengine/engine/engine.py", "from rtcengine import _core\nfrom rtcengine._core import Loop", ""),
    ("src/rtcengine/relay/room.py", "from rtcengine._core import Loop", "may not import _core"),
    ("src/rtcengine/relay/room.py", "from rtcengine.engine import Engine\nfrom rtcengine.sdp import parse", ""),
    ("src/rtcengine/media/track.py", "from ..relay import Relay", "not lower"),
    ("src/rtcengine/engine/engine.py", "import rtcengine.media", "not lower"),
    ("src/rtcengine/cli/main.py", "import rtcengine\nfrom rtcengine.relay import Relay", ""),
    ("src/rtcengine/odd.py", "", "no height"),
]


@pytest.mark.parametrize(("name", "text", "word"), CASES)
def test_a_breach_is_found(tmp_path: Path, name: str, text: str, word: str) -> None:
    protos = ("proto/nack", "proto/srtp", "proto/dtls", "proto/dtlsrec", "proto/bwe/bwe")
    for header in ("base/err", "wire/rtp", *protos, "engine/hub"):
        (tmp_path / f"csrc/{header}.h").parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"csrc/{header}.h").write_text("")
    for header in ("io/loop", "sim/net"):
        (tmp_path / f"csrc/{header}.h").parent.mkdir(parents=True)
        (tmp_path / f"csrc/{header}.h").write_text("")
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(text + "\n")
    found = layers.breaches(tmp_path)
    if word:
        assert len(found) == 1
        assert found[0].startswith(f"{name}:")
        assert word in found[0]
    else:
        assert found == []


def folders(top: str) -> set[str]:
    """Folders below top that hold a file: git keeps no others."""
    files = (p for p in (ROOT / top).rglob("*") if p.is_file() and p.suffix not in {".pyc", ".so"})
    below = {parent for p in files for parent in p.relative_to(ROOT).parents}
    return {f"{p.as_posix()}/" for p in below if p.as_posix().startswith(f"{top}/")}


@pytest.mark.parametrize("top", ["csrc", "src/rtcengine"])
def test_the_map_names_every_folder_and_no_other(top: str) -> None:
    named = set(re.findall(rf"`({top}/[\w/]+/)`", MAP.read_text()))
    assert named == folders(top)


@pytest.mark.parametrize("text", ["README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/packet-path.md"])
def test_a_path_that_a_guide_names_exists(text: str) -> None:
    paths = re.findall(r"`((?:csrc|src|tests|tools|docs|bench|examples)/[\w./-]+)`", (ROOT / text).read_text())
    assert paths
    assert [p for p in paths if not (ROOT / p).exists()] == []
