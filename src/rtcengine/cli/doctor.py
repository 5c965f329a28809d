"""`rtcengine doctor`: what this machine has and lacks for real-time media, and what to do about each lack."""

from __future__ import annotations

import argparse
import json
import platform
import socket
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from .. import __version__
from ..codecs import libopus
from ..ice.addresses import local_addresses
from ..relay.config import RelayConfig
from . import machine
from .style import Style

OK, INFO, WARN, FAIL = "ok", "info", "warn", "fail"
"""A check's status: as it should be; neither good nor bad; works but not as well as it could; essential and missing."""

Value = str | int | float | bool | None | list[str] | dict[str, bool]


@dataclass(frozen=True, slots=True)
class Check:
    """`text` is for a person, `value` the same for a program; `advice` says what to do about a lack."""

    group: str
    name: str
    status: str
    text: str
    value: Value = None
    advice: str = ""


def versions() -> Iterator[Check]:
    group = "versions"
    python = platform.python_version()
    yield Check(group, "rtcengine", OK, __version__, __version__)
    yield Check(group, "python", OK, python, python)
    yield Check(group, "kernel", INFO, f"{platform.system()} {platform.release()}", platform.release())
    crypto = machine.crypto_version()
    yield Check(group, "openssl", OK, crypto, crypto)
    yield _av()
    yield _opus()


def _av() -> Check:
    try:
        import av
    except ImportError as error:
        return Check("versions", "av", FAIL, f"cannot be imported: {error}", None, "pip install --force-reinstall av")
    vpx = machine.vpx_version()
    text = f"PyAV {av.__version__}, FFmpeg {av.ffmpeg_version_info}{f', libvpx {vpx}' if vpx else ''}"
    return Check("versions", "av", OK, text, av.__version__)


def _opus() -> Check:
    found = machine.opus_version()
    if found:
        return Check("versions", "libopus", OK, f"{found} ({libopus.library_path()})", found)
    advice = "install it (Debian, Ubuntu: apt install libopus0), or name it in RTCENGINE_LIBOPUS"
    return Check("versions", "libopus", FAIL, "missing: no sound can be encoded", None, advice)


# Format: (encoder or decoder "w"/"r", names of PyAV that do it, best first, whether the relay needs it).
_CODECS = [
    ("VP8 encoder", "w", ("libvpx",), True),
    ("VP9 encoder", "w", ("libvpx-vp9",), False),
    ("H.264 encoder", "w", ("libx264", "libopenh264"), False),
    ("VP8 decoder", "r", ("vp8", "libvpx"), False),
    ("VP9 decoder", "r", ("vp9", "libvpx-vp9"), False),
    ("H.264 decoder", "r", ("h264",), False),
    ("AV1 decoder", "r", ("libdav1d", "libaom-av1", "av1"), False),
]


def codecs() -> Iterator[Check]:
    try:
        from av.codec import Codec
        from av.codec.codec import UnknownCodecError
    except ImportError:
        return
    for name, mode, candidates, needed in _CODECS:
        found = []
        for candidate in candidates:
            try:
                found.append(Codec(candidate, "w" if mode == "w" else "r").name)
            except UnknownCodecError:
                continue
        if found:
            yield Check("codecs", name, OK, found[0], found)
        else:
            advice = "install PyAV from its wheel: pip install --force-reinstall --only-binary av av"
            text = "missing: the synthetic publisher needs it" if needed else "missing"
            yield Check("codecs", name, FAIL if needed else WARN, text, found, advice)
    aom = machine.own_aom_version()
    if aom:
        yield Check("codecs", "AV1 encoder", OK, f"libaom {aom}", aom)
    else:
        yield Check("codecs", "AV1 encoder", WARN, "missing", aom, "install libaom-dev and build again")
    vpx = machine.own_vpx_version()
    if vpx:
        yield Check("codecs", "live rates", OK, f"VP8 and VP9 by libvpx {vpx}: no key frame for another bitrate", vpx)
    else:
        advice = "install libvpx-dev and build again: VP8 and VP9 need no key frame for another bitrate then, and have layers"
        yield Check("codecs", "live rates", WARN, "VP8 and VP9 begin anew for another bitrate", vpx, advice)


def network() -> Iterator[Check]:
    try:
        got = machine.buffers()
    except OSError as error:
        yield Check("network", "udp socket", FAIL, str(error), None, "allow this process to open UDP sockets")
        return
    for name, granted, limit, key in (
        ("receive buffer", got.receive, got.receive_limit, "rmem_max"),
        ("send buffer", got.send, got.send_limit, "wmem_max"),
    ):
        text = f"{granted} of {machine.BUFFER_WANTED} bytes a socket (net.core.{key} {limit or 'not readable'})"
        small = granted < machine.BUFFER_WANTED
        advice = f"as root: sysctl -w net.core.{key}={machine.BUFFER_LIMIT}; to keep it, put it into /etc/sysctl.d/"
        yield Check("network", name, WARN if small else OK, text, granted, advice if small else "")
    yield from _batching()
    v6 = machine.has_ipv6()
    yield Check("network", "IPv6", OK if v6 else INFO, "yes" if v6 else "no: IPv4 alone is used", v6)
    found = [str(address) for address in local_addresses()]
    advice = "" if found else "only this machine can reach the relay; with an address elsewhere, give --public-ip ADDRESS"
    yield Check("network", "addresses", OK if found else WARN, ", ".join(found) or "none but loopback", found, advice)
    yield from _ports()


def _batching() -> Iterator[Check]:
    calls = machine.batch_calls()
    lacks = [name for name, there in calls.items() if not there]
    if lacks:
        text, advice = f"no {' and no '.join(lacks)}", "a sandbox may forbid them; without, a datagram costs a system call"
        yield Check("network", "batched calls", WARN, text, calls, advice)
    else:
        yield Check("network", "batched calls", OK, "recvmmsg, sendmmsg", calls)
    gso = machine.send_offload()
    text = "used: packets to one viewer that come together are sent as one" if gso else "not here: each is sent by itself"
    yield Check("network", "UDP GSO", OK if gso else INFO, text, gso)
    gro = machine.receive_offload()
    text = "used by peer connections: what comes together is taken as one" if gro else "not here: each is taken by itself"
    yield Check("network", "UDP GRO", OK if gro else INFO, text, gro)


def _ports() -> Iterator[Check]:
    config = RelayConfig()
    tcp = machine.port_is_free(socket.SOCK_STREAM, config.host, config.port)
    hosts = ["0.0.0.0", "::"] if machine.has_ipv6() else ["0.0.0.0"]
    udp = all(machine.port_is_free(socket.SOCK_DGRAM, host, config.udp_port) for host in hosts)
    for name, port, free, option in (
        ("page port", config.port, tcp, "--port"),
        ("media port", config.udp_port, udp, "--udp-port"),
    ):
        text = f"{'tcp' if name == 'page port' else 'udp'} {port} {'is free' if free else 'is taken'}"
        advice = "" if free else f"a relay may be running already; another one needs {option} NUMBER (0: a free one)"
        yield Check("network", name, OK if free else WARN, text, free, advice)


def crypto() -> Iterator[Check]:
    sealer = machine.sealer_backend()
    if sealer == "OpenSSL":
        advice = "on x86-64 install libipsec-mb-dev and build again: packets for many viewers cost a quarter as much"
        yield Check("crypto", "path", WARN, "OpenSSL, one packet after the other; AES-GCM first", sealer, advice)
    else:
        yield Check("crypto", "path", OK, f"{sealer} for batches, AES-GCM first", sealer)
    flags = machine.cpu_ciphers()
    if "aes" in flags:
        yield Check("crypto", "processor", OK, ", ".join(flags), flags)
    else:
        advice = "on a virtual machine, let it see the host's processor"
        yield Check("crypto", "processor", WARN, "no AES instructions seen: ciphers cost several times as much", flags, advice)


def clock() -> Iterator[Check]:
    found = machine.clock()
    slow = found.source in ("hpet", "acpi_pm", "jiffies", "refined-jiffies")
    text = f"{found.source}, resolution {found.resolution * 1e9:.0f} ns"
    advice = "reading it is slow; the kernel's log says why tsc is not used (dmesg | grep clocksource)" if slow else ""
    yield Check("clock", "monotonic", WARN if slow else OK, text, found.source, advice)
    if found.synchronized is None:
        yield Check("clock", "wall clock", INFO, "whether it is synchronized cannot be told here", None)
    elif found.synchronized:
        yield Check("clock", "wall clock", OK, "synchronized", True)
    else:
        advice = "times in reports are off by as much; run an NTP client (apt install systemd-timesyncd or chrony)"
        yield Check("clock", "wall clock", WARN, "the kernel says that nobody synchronizes it", False, advice)


def examine() -> list[Check]:
    """All checks, in the order they are shown."""
    return [*versions(), *codecs(), *network(), *crypto(), *clock()]


_MARKS = {OK: ("ok", "green"), INFO: ("-", "dim"), WARN: ("!", "yellow"), FAIL: ("MISSING", "red")}


def as_text(checks: list[Check], style: Style) -> str:
    """For a person: a line a check, advice below it, and a last line that sums up."""
    lines: list[str] = []
    group = ""
    for check in checks:
        if check.group != group:
            group = check.group
            lines.append(style.bold(group))
        mark, colour = _MARKS[check.status]
        lines.append(f"  {style.paint(colour, f'{mark:<8}')}{check.name:<15} {check.text}")
        if check.advice:
            lines.append(f"  {'':<8}{'':<15} {style.paint('yellow', '-> ' + check.advice)}")
    failed = [check.name for check in checks if check.status == FAIL]
    warned = sum(check.status == WARN for check in checks)
    if failed:
        lines.append(style.paint("red", f"something essential is missing: {', '.join(failed)}"))
    elif warned:
        lines.append(f"ready; {warned} thing{'s' if warned > 1 else ''} could be better")
    else:
        lines.append("ready")
    return "\n".join(lines)


def as_json(checks: list[Check]) -> str:
    """One object on one line: {"ok": .., "checks": [..]}."""
    return json.dumps({"ok": all(check.status != FAIL for check in checks), "checks": [asdict(c) for c in checks]})


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    p = commands.add_parser(
        "doctor",
        help="what this machine has and lacks for real-time media",
        description="Looks at versions, codecs, sockets, ciphers and clocks, and says what to do about each lack. "
        "Exit code 0 when nothing essential is missing, else 1.",
    )
    p.add_argument("--json", action="store_true", help="one JSON object instead of text")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    checks = examine()
    print(as_json(checks) if args.json else as_text(checks, Style.of(sys.stdout)))
    return int(any(check.status == FAIL for check in checks))
