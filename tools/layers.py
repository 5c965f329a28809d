"""Who may know whom: the rules of docs/architecture.md as tables, and the check of a tree against them.

``python tools/layers.py`` prints each breach and fails if there is one; tests/test_layers.py does the same and proves
that the check can fail. A new exception is a new row here, where everybody sees it.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

MAX_LINES = 800
COUNTED = {".c", ".h", ".py", ".pyi", ".pyx", ".pxi", ".js", ".css", ".html"}

# --- C -------------------------------------------------------------------------------------------------------------

# A layer and the layers that its files may include. In proto, "own" means the file's own mechanism only.
C_LAYERS: dict[str, set[str]] = {
    "base": {"base"},
    "wire": {"base", "wire"},
    "proto": {"base", "wire", "own"},
    "engine": {"base", "wire", "proto", "engine", "include"},
    "io": {"base", "wire", "proto", "engine", "io", "include"},
    "sim": {"base", "wire", "proto", "engine", "sim"},
    "codec": {"base", "codec"},
    # What an embedding program includes stands alone.
    "include": set(),
}
# A mechanism of proto that may include a header of another one, for its types.
C_SIBLINGS = {("dtls", "proto/srtp.h")}
# Standard headers without clock, system call or thread: free in all layers.
C_PURE = {"float", "inttypes", "limits", "math", "stdalign", "stdarg", "stdatomic", "stdbool", "stddef", "stdint"}
C_PURE |= {"stdio", "stdlib", "stdnoreturn", "string"}
# What an algorithm of a provider of OpenSSL's is written with.
PROVIDED = {f"openssl/{name}.h" for name in ("core_dispatch", "core_names", "crypto", "params")}
# Other headers: files and what they may include besides.
C_SYSTEM = [
    ("base/crypto_openssl.c", {"openssl/*"}),
    ("base/crypto_prf.c", {"openssl/sha.h"}),
    ("base/crypto_ipsecmb.c", {"intel-ipsec-mb.h"}),
    # sys/time.h for OpenSSL's struct timeval; no clock is read. Not for dtlsrec.c, another mechanism.
    ("proto/dtls[._]*", {"sys/time.h", *(f"openssl/{name}.h" for name in ("bio", "err", "opensslv", "pem", "ssl", "x509"))}),
    ("proto/tls.c", {f"openssl/{name}.h" for name in ("bio", "err", "pem", "ssl", "x509", "x509v3")}),
    ("proto/dtls_p256.c", {f"openssl/{name}.h" for name in ("core_names", "evp", "params")}),  # a key from its numbers
    ("proto/dtls_cert.c", {"openssl/rand.h"}),  # serial numbers
    # Fewer algorithms to search through, and three of our own.
    ("proto/dtls_lib.c", {f"openssl/{name}.h" for name in ("core_dispatch", "core_names", "crypto", "provider")}),
    ("proto/dtls_prf.c", PROVIDED),
    ("proto/dtls_x25519.c", PROVIDED | {"openssl/rand.h"}),
    ("proto/dtls_spki.c", PROVIDED | {f"openssl/{name}.h" for name in ("core_object", "ec", "objects")}),
    ("codec/vpx*", {"vpx/*"}),
    ("codec/aom*", {"aom/*"}),
    ("codec/lib.c", {"dlfcn.h"}),  # loaded by who encodes
    ("base/pkt.c", {"sanitizer/asan_interface.h"}),  # free slots are poisoned in test builds
    ("io/*", {"*"}),
]
# Headers that stay with the files above even where everything else is free.
C_NEVER = ["Python.h", "openssl/*", "vpx/*", "aom/*"]
C_BANNED_CALLS = {"assert", "abort", "exit", "rand", "srand", "printf", "puts", "perror"}

# --- Python --------------------------------------------------------------------------------------------------------

# Height of each module or package directly in src/rtcengine: it may import what is lower, and itself.
PY_HEIGHT = {
    "types": 0,
    "_core": 0,
    **dict.fromkeys(("rtp", "srtp", "sframe", "payload", "jitter", "bwe", "netsim", "crypto"), 1),
    **dict.fromkeys(("certificate", "stats", "frames", "run"), 1),
    **dict.fromkeys(("sdp", "ice"), 1),
    "config": 2,
    "engine": 3,
    "codecs": 4,
    "media": 5,
    "peer": 6,
    **dict.fromkeys(("relay", "whip"), 7),
    "__init__": 8,
    # Names of aiortc's modules.
    **dict.fromkeys(("mediastreams", "exceptions", "rtcconfiguration", "rtcdatachannel", "rtcdtlstransport"), 7),
    "rtcicetransport": 7,
    **dict.fromkeys(("rtcpeerconnection", "rtcrtpparameters", "rtcrtpreceiver", "rtcrtpsender", "rtcrtptransceiver"), 7),
    **dict.fromkeys(("rtcsctptransport", "rtcsessiondescription"), 7),
    **dict.fromkeys(("contrib", "cli"), 9),
    "__main__": 10,
}
# These know nobody but the shared types.
PY_APART = {"sdp", "ice"}
# Names of aiortc's that lie in a lower module than what they stand for; loaded with their first use.
PY_ALIASES = {("sdp/__init__.py", "peer")}
# The pieces that are usable alone take classes from _core by name; its loops are the engine's alone.
PY_PIECES = {"rtp", "srtp", "payload", "jitter", "bwe", "netsim", "crypto", "certificate"}
PY_PIECES |= {"codecs"}  # what csrc/codec has
PY_LOOP_CLASS = re.compile(r"Loop|Hub")


def breaches(root: Path) -> list[str]:
    """Each breach in the tree at root, as ``file:line: what``."""
    return [*c_breaches(root), *python_breaches(root), *long_files(root)]


def long_files(root: Path) -> Iterator[str]:
    for folder in ("csrc", "src", "tests"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in COUNTED and path.is_file() and ".egg-info" not in str(path):
                lines = path.read_bytes().count(b"\n")
                if lines > MAX_LINES:
                    yield f"{path.relative_to(root)}:{lines}: more than {MAX_LINES} lines: divide it"


def c_breaches(root: Path) -> Iterator[str]:
    csrc = root / "csrc"
    for path in sorted([*csrc.rglob("*.c"), *csrc.rglob("*.h")]):
        name = path.relative_to(csrc).as_posix()
        for number, line in enumerate(without_comments(path.read_text()).splitlines(), 1):
            where = f"csrc/{name}:{number}"
            if include := re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line):
                allowed = own_allowed if include[1] == '"' else system_allowed
                if not allowed(name, include[2], csrc):
                    yield f"{where}: may not include {include[2]}"
                continue
            code = re.sub(r'"(\\.|[^"\\])*"', '""', line)
            for call in re.findall(r"\b(\w+)\s*\(", code):
                if call in C_BANNED_CALLS:
                    yield f"{where}: {call}() has no place in csrc"


def own_allowed(name: str, included: str, csrc: Path) -> bool:
    """Whether csrc/name may have ``#include "included"``."""
    layer = name.split("/")[0]
    if included == "rtcengine.h":
        return "include" in C_LAYERS.get(layer, set())
    if "/" not in included or not (csrc / included).is_file():
        return False
    target = included.split("/")[0]
    if target in C_LAYERS.get(layer, set()):
        return True
    if layer == target == "proto":
        return mechanism(name) == mechanism(included) or (mechanism(name), included) in C_SIBLINGS
    return False


def mechanism(name: str) -> str:
    """proto/dtls.h, proto/dtls_bio.c -> dtls; proto/bwe/trendline.c -> bwe."""
    return re.split(r"[_.]", name.split("/")[1])[0]


def system_allowed(name: str, included: str, csrc: Path) -> bool:
    """Whether csrc/name may have ``#include <included>``."""
    if included.removesuffix(".h") in C_PURE:
        return True
    for files, headers in C_SYSTEM:
        if fnmatch(name, files) and any(fnmatch(included, header) for header in headers):
            return "*" not in headers or not any(fnmatch(included, never) for never in C_NEVER)
    return False


def without_comments(text: str) -> str:
    """C text with comments blanked and strings and lines kept."""
    pattern = r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/'
    return re.sub(pattern, lambda m: m[0] if m[0][0] == '"' else re.sub(r"[^\n]", " ", m[0]), text, flags=re.DOTALL)


def python_breaches(root: Path) -> Iterator[str]:
    package = root / "src" / "rtcengine"
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        own, where = parts[0], path.relative_to(root).as_posix()
        if own not in PY_HEIGHT:
            yield f"{where}:1: {own} has no height: add it to PY_HEIGHT in tools/layers.py"
            continue
        for line, target, taken in imports(path, parts):
            if ("/".join(parts) + ".py", target) in PY_ALIASES:
                continue
            if problem := import_problem(own, target, taken):
                yield f"{where}:{line}: {problem}"


def imports(path: Path, parts: tuple[str, ...]) -> Iterator[tuple[int, str, str]]:
    """(line, module of rtcengine, what is taken from it or "") of each import in the file."""
    here = ("rtcengine", *parts)  # rtcengine.sdp.__init__ for a package, so that level 1 is rtcengine.sdp
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            found = [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = ".".join(here[: -node.level]) if node.level else ""
            base = ".".join(filter(None, (start, node.module)))
            found = [(base, alias.name) for alias in node.names]
        else:
            continue
        for name, taken in found:
            top, *rest = name.split(".")
            if top != "rtcengine":
                continue
            if rest:
                yield node.lineno, rest[0], taken
            else:  # "from rtcengine import x": a module of ours, or a public name
                yield node.lineno, *((taken, "") if taken in PY_HEIGHT else ("__init__", taken))


def import_problem(own: str, target: str, taken: str) -> str:
    if target == own:
        return ""
    if target not in PY_HEIGHT:
        return f"imports rtcengine.{target}, which has no height: add it to PY_HEIGHT in tools/layers.py"
    if own in PY_APART and target != "types":
        return f"{own} knows nobody but types, not {target}"
    if target == "_core":
        if own == "engine":
            return ""
        if own not in PY_PIECES:
            return f"{own} may not import _core: that is for the engine and the pieces"
        if not taken or taken == "*":
            return "take classes from _core by name"
        return f"{taken} is the engine's alone" if PY_LOOP_CLASS.search(taken) else ""
    if PY_HEIGHT[target] >= PY_HEIGHT[own]:
        return f"{own} may not import {target}, which is not lower"
    return ""


def main() -> int:
    found = breaches(Path(__file__).resolve().parent.parent)
    print("\n".join(found) or "layers: no breach")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
