"""What this machine gives to real-time media, found by trying. Nothing here judges or prints."""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import os
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..certificate import Certificate
from ..codecs import libopus
from ..engine import Engine

BUFFER_WANTED = 4 << 20
"""Bytes of receive and send buffer that the engine asks for, a socket (csrc/io/udp.h)."""
BUFFER_LIMIT = 5_000_000
"""What to set net.core.rmem_max and wmem_max to, so that as much is granted."""

# Of Linux's headers; Python's socket module has not all of them.
SO_SNDBUFFORCE, SO_RCVBUFFORCE = 32, 33
SOL_UDP, UDP_SEGMENT, UDP_GRO = 17, 103, 104
ADJTIMEX_ERROR = 5  # TIME_ERROR: the clock is not synchronized


@dataclass(frozen=True, slots=True)
class Buffers:
    """Bytes granted a socket, and the system's limits (None where there are none to read)."""

    receive: int
    send: int
    receive_limit: int | None
    send_limit: int | None


@dataclass(frozen=True, slots=True)
class Clock:
    """`synchronized` None: cannot be told here. `resolution` in seconds."""

    source: str
    resolution: float
    synchronized: bool | None


def read_text(path: str) -> str | None:
    """A file of /proc or /sys without the blanks around it; None when it cannot be read."""
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None


def _limit(name: str) -> int | None:
    text = read_text(f"/proc/sys/net/core/{name}")
    return int(text) if text and text.isdigit() else None


def _granted(sock: socket.socket, option: int, force: int) -> int:
    if sys.platform != "linux":
        sock.setsockopt(socket.SOL_SOCKET, option, BUFFER_WANTED)
        return sock.getsockopt(socket.SOL_SOCKET, option)
    try:  # as root past the limit, as the engine does
        sock.setsockopt(socket.SOL_SOCKET, force, BUFFER_WANTED)
    except OSError:
        sock.setsockopt(socket.SOL_SOCKET, option, BUFFER_WANTED)
    return sock.getsockopt(socket.SOL_SOCKET, option) // 2  # Linux doubles what it was asked for (socket(7))


def buffers() -> Buffers:
    """What a UDP socket gets when it asks as the engine does."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        receive = _granted(sock, socket.SO_RCVBUF, SO_RCVBUFFORCE)
        send = _granted(sock, socket.SO_SNDBUF, SO_SNDBUFFORCE)
    return Buffers(receive, send, _limit("rmem_max"), _limit("wmem_max"))


def batch_calls() -> dict[str, bool]:
    """Whether recvmmsg and sendmmsg are there: called with no message, so that a sandbox without them shows itself."""
    found = {}
    libc = ctypes.CDLL(None, use_errno=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for name, arguments in (("recvmmsg", (sock.fileno(), None, 0, 0, None)), ("sendmmsg", (sock.fileno(), None, 0, 0))):
            function = getattr(libc, name, None)
            found[name] = function is not None and function(*arguments) >= 0
    return found


@contextlib.contextmanager
def _loopback_pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
    ):
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(1.0)
        sender.connect(receiver.getsockname())
        yield sender, receiver


def send_offload() -> bool:
    """Whether UDP GSO works: two datagrams given to the kernel as one arrive as two."""
    try:
        with _loopback_pair() as (sender, receiver):
            sender.setsockopt(SOL_UDP, UDP_SEGMENT, 100)
            sender.send(bytes(200))
            return [len(receiver.recv(1000)) for _ in range(2)] == [100, 100]
    except OSError:
        return False


def receive_offload() -> bool:
    """Whether a socket may be told to take UDP GRO."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(SOL_UDP, UDP_GRO, 1)
            return sock.getsockopt(SOL_UDP, UDP_GRO) == 1
    except OSError:
        return False


def has_ipv6() -> bool:
    """Whether an IPv6 socket can be bound."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind(("::", 0))
            return True
    except OSError:
        return False


class _Timex(ctypes.Structure):
    # struct timex is 208 bytes on 64-bit Linux; with no mode set the kernel only fills it in.
    _fields_ = (("modes", ctypes.c_uint), ("rest", ctypes.c_byte * 252))


def _synchronized() -> bool | None:
    if sys.platform != "linux":
        return None
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.byref(_Timex()))
    except (AttributeError, OSError):
        return None
    return None if state < 0 else state != ADJTIMEX_ERROR


def clock() -> Clock:
    """The monotonic clock that packets are timed by, and whether wall-clock time is kept right."""
    source = read_text("/sys/devices/system/clocksource/clocksource0/current_clocksource")
    return Clock(source or "unknown", time.clock_getres(time.CLOCK_MONOTONIC), _synchronized())


def sealer_backend() -> str:
    """What protects packets in batches: "OpenSSL" one by one, or intel-ipsec-mb side by side."""
    return str(Engine(Certificate.generate()).features["sealer"])


def crypto_version() -> str:
    """The crypto library that the extension is linked with."""
    return str(Engine(Certificate.generate()).features["crypto"])


def cpu_ciphers() -> list[str]:
    """Instructions of the processor that ciphers use, as /proc/cpuinfo calls them."""
    for line in (read_text("/proc/cpuinfo") or "").splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return [flag for flag in ("aes", "pclmulqdq", "pmull", "vaes", "vpclmulqdq") if flag in value.split()]
    return []


def _ask_version(path: str | None, function: str) -> str:
    """Calls a C function without arguments that returns a text; "" when that fails."""
    if path is None:
        return ""
    try:
        call = getattr(ctypes.CDLL(path), function)
    except (AttributeError, OSError):
        return ""
    call.restype = ctypes.c_char_p
    return (call() or b"").decode("ascii", "replace")


def opus_version() -> str:
    """Like "libopus 1.4"; "" when it cannot be loaded."""
    try:
        libopus.load()
    except ImportError:
        return ""
    return _ask_version(libopus.library_path(), "opus_get_version_string")


def vpx_version() -> str:
    """Like "v1.15.2", of PyAV's own libvpx or the system's; "" when it cannot be told."""
    import av

    package = Path(av.__file__).parent
    own = sorted((package.parent / "av.libs").glob("libvpx*")) or sorted((package / ".dylibs").glob("libvpx*"))
    return _ask_version(str(own[0]) if own else ctypes.util.find_library("vpx"), "vpx_codec_version_str")


def own_vpx_version() -> str:
    """Like "v1.12.0", of the libvpx that the encoders of VP8 and VP9 call themselves; "" when PyAV encodes for them."""
    from ..codecs.vpx import own_version

    return own_version()


def own_aom_version() -> str:
    """Like "v3.6.0", of the libaom that encodes AV1; "" when nothing does."""
    from ..codecs.av1 import own_version

    return own_version()


def port_is_free(kind: socket.SocketKind, host: str, port: int) -> bool:
    """Whether the address can be bound, in the way that the relay does it."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind) as sock:
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind is socket.SOCK_STREAM and os.name == "posix":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
            if kind is socket.SOCK_STREAM:
                sock.listen(1)
        except OSError:
            return False
    return True
