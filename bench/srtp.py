"""SRTP's cost a packet: this library one by one and in batches of 64 packets of 64 keys, from C and from Python, beside
libsrtp, pylibsrtp and the bare ciphers.

    python bench/srtp.py [--rounds 20] [--no-libsrtp]

All take turns within a round, in changing order; the first round is thrown away; figures are CPU time of the thread.
Ratios are of figures from the same round. libsrtp is Debian's source package, fetched by apt and built on the same OpenSSL
in build/bench. Writes results/srtp.json and srtp.md.
"""

from __future__ import annotations

import argparse
import json
import os
import struct
import subprocess
import time
from collections.abc import Callable
from typing import Any

import kit
import kit.libsrtp
import numpy as np
import pylibsrtp
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from rtcengine.srtp import OVERHEAD, SrtpSession, key_lengths, protect_each

KEYS = 64
SIZES = (100, 200, 1200)
TURNS = 24  # packets of each key in a round
PROFILES = {
    "GCM": ("AEAD_AES_128_GCM", pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM),
    "CM": ("AES_CM_128_HMAC_SHA1_80", pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80),
}
Times = dict[str, list[float]]
Row = dict[str, Any]


def from_c(rounds: int, libsrtp: list[str]) -> dict[str, Any]:
    """What c/srtp_bench.c measured."""
    program = kit.build("srtp_bench", ["bench/c/srtp_bench.c"], core=True, flags=libsrtp)
    run = subprocess.run([program, str(rounds)], check=True, capture_output=True, text=True)
    return dict(json.loads(run.stdout))


def packets(size: int, first: int, count: int = TURNS) -> list[bytes]:
    """RTP packets with rising numbers."""
    body = bytes(size - 12)
    return [struct.pack("!BBHII", 0x80, 96, (first + i) & 0xFFFF, 0, 0x1234) + body for i in range(count)]


def pylibsrtp_sessions(keys: list[bytes], profile: int, kind: int) -> list[pylibsrtp.Session]:
    found = []
    for key in keys:
        policy = pylibsrtp.Policy(key=key, ssrc_type=kind, srtp_profile=profile)
        policy.window_size = 1024
        found.append(pylibsrtp.Session(policy))
    return found


class Contenders:
    """All ways to protect and to open from Python, over the same keys and packets."""

    def __init__(self, profile: str, size: int) -> None:
        name, other = PROFILES[profile]
        key_len, salt_len = key_lengths(name)
        keys = [os.urandom(key_len + salt_len) for _ in range(KEYS)]

        def ours() -> list[SrtpSession]:
            return [SrtpSession(name, key[:key_len], key[key_len:]) for key in keys]

        self.size = size
        self.first = 1
        self.single, self.each, self.one, self.opener = ours(), ours(), ours()[0], ours()
        self.theirs = pylibsrtp_sessions(keys, other, pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
        self.their_opener = pylibsrtp_sessions(keys, other, pylibsrtp.Policy.SSRC_ANY_INBOUND)
        self.bare = [AESGCM(key[:key_len]) for key in keys] if profile == "GCM" else []
        self.array_first = 1
        self.offsets = np.arange(KEYS, dtype=np.int64) * (size + OVERHEAD)
        self.lengths = np.full(KEYS, size, np.int64)

    def array(self) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Packets of one key in one array."""
        room = np.zeros((KEYS, self.size + OVERHEAD), np.uint8)
        plain = b"".join(packets(self.size, self.array_first, KEYS))
        room[:, : self.size] = np.frombuffer(plain, np.uint8).reshape(KEYS, -1)
        self.array_first += KEYS
        return room.reshape(-1)

    def round(self, backwards: bool) -> dict[str, float]:
        """Nanoseconds a packet of each."""
        plain = packets(self.size, self.first)
        self.first += TURNS
        wire: list[list[bytes]] = []
        ways: dict[str, Callable[[], Any]] = {
            "protect": lambda: wire.append([s.protect(p) for p in plain for s in self.single]),
            "protect, pylibsrtp": lambda: [s.protect(p) for p in plain for s in self.theirs],
            "protect_each": lambda: [protect_each(self.each, [p] * KEYS) for p in plain],
        }
        if self.bare:
            ways["bare AESGCM.encrypt"] = lambda: [s.encrypt(p[:12], p[12:], p[:12]) for p in plain for s in self.bare]
        found: dict[str, float] = {}
        for name in sorted(ways, reverse=backwards):
            found[name] = timed(ways[name], KEYS * TURNS)
        rooms = [self.array() for _ in range(TURNS)]
        found["protect_array, one key"] = timed(
            lambda: [self.one.protect_array(room, self.offsets, self.lengths) for room in rooms], KEYS * TURNS
        )
        sealed = wire[0]
        openers: dict[str, Callable[[], Any]] = {
            "unprotect": lambda: [self.opener[i % KEYS].unprotect(p) for i, p in enumerate(sealed)],
            "unprotect, pylibsrtp": lambda: [self.their_opener[i % KEYS].unprotect(p) for i, p in enumerate(sealed)],
        }
        for name in sorted(openers, reverse=backwards):
            found[name] = timed(openers[name], KEYS * TURNS)
        return found


def timed(run: Callable[[], Any], n: int) -> float:
    start = time.thread_time_ns()
    run()
    return (time.thread_time_ns() - start) / n


def from_python(rounds: int) -> list[Row]:
    rows: list[Row] = []
    for profile in PROFILES:
        for size in SIZES:
            contenders = Contenders(profile, size)
            times: Times = {}
            for number in range(rounds + 1):
                for name, ns in contenders.round(bool(number % 2)).items():
                    if number:
                        times.setdefault(name, []).append(ns)
            rows.append({"profile": profile, "bytes": size, "ns": times})
    return rows


def times_table(rows: list[Row], names: list[str]) -> str:
    cells = [[r["profile"], str(r["bytes"]), *(kit.spread(r["ns"][n]) if n in r["ns"] else "–" for n in names)] for r in rows]
    return kit.table(["profile", "bytes", *names], cells)


def ratio_table(rows: list[Row], pairs: list[tuple[str, str, str]]) -> str:
    """Each pair: what is divided, by what, and the target's words."""
    cells = []
    for r in rows:
        row = [r["profile"], str(r["bytes"])]
        for a, b, _ in pairs:
            both = a in r["ns"] and b in r["ns"]
            row.append(kit.spread([x / y for x, y in zip(r["ns"][a], r["ns"][b], strict=True)], 2) if both else "–")
        cells.append(row)
    return kit.table(["profile", "bytes", *(f"{a} / {b}{target}" for a, b, target in pairs)], cells)


def report(c: dict[str, Any], python: list[Row], info: dict[str, str], without: str) -> str:
    names = ["single", "batch", "batch, OpenSSL", "bare EVP", "bare ipsec-mb", "libsrtp"]
    parts = [
        "# SRTP, CPU time a packet",
        f"`{kit.command()}`",
        kit.facts(info),
        "**The machine was shared with other work while this ran.** Protecting RTP of 100, 200 and 1200 bytes in place, 64 "
        "packets of 64 keys a turn. Medians with quartiles; ratios are of figures from the same round. Bare: the cipher's "
        "calls alone into the same slots (CM: ipsec-mb by jobs of cipher and hash, flushed after 64).",
    ]
    if without:
        parts.append(f"**libsrtp is missing: {without}.** pylibsrtp brings its own in the tables from Python.")
    parts += [
        "## From C, ns",
        times_table(c["rows"], names),
        ratio_table(
            c["rows"],
            [
                ("libsrtp", "batch", " (targets at 1200: GCM ≥ 3, CM ≥ 3.5)"),
                ("libsrtp", "single", ""),
                ("batch", "bare ipsec-mb", " (target at 1200: ≤ 1.35)"),
                ("batch, OpenSSL", "bare EVP", " (target ≤ 1.15)"),
                ("single", "bare EVP", ""),
            ],
        ),
        "## From Python, ns",
        times_table(
            python,
            [
                "protect",
                "protect, pylibsrtp",
                "protect_each",
                "protect_array, one key",
                "bare AESGCM.encrypt",
                "unprotect",
                "unprotect, pylibsrtp",
            ],
        ),
        ratio_table(
            python,
            [
                ("protect, pylibsrtp", "protect", " (target ≥ 1.2)"),
                ("unprotect, pylibsrtp", "unprotect", " (target ≥ 1.2)"),
                ("protect, pylibsrtp", "protect_each", ""),
                ("protect, pylibsrtp", "protect_array, one key", ""),
            ],
        ),
    ]
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--no-libsrtp", action="store_true")
    args = parser.parse_args()
    libsrtp, without = ([], "left out by request") if args.no_libsrtp else kit.libsrtp.build()
    if without:
        print(f"libsrtp is missing: {without}")
    info = kit.machine()
    c = from_c(args.rounds, libsrtp)
    python = from_python(args.rounds)
    info |= {"linked": c["crypto"], "batches by": c["batches"], "libsrtp": c["libsrtp"] or "none"}
    info["pylibsrtp"] = pylibsrtp.__version__
    text = report(c, python, info, without)
    data = {"command": kit.command(), "machine": info, "c": c["rows"], "python": python}
    kit.store("srtp", data, text)
    print(text)


if __name__ == "__main__":
    main()
