"""rtcengine.srtp: vectors, agreement with libsrtp in both directions, and typed errors."""

from __future__ import annotations

import pickle
import random
import struct
from collections.abc import Iterator

import pylibsrtp
import pytest

from rtcengine.srtp import (
    PROFILES,
    SrtpAuthError,
    SrtpError,
    SrtpFormatError,
    SrtpReplayError,
    SrtpSession,
    key_lengths,
)

POLICY = {
    "AEAD_AES_128_GCM": pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    "AEAD_AES_256_GCM": pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
    "AES_CM_128_HMAC_SHA1_80": pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    "AES_CM_128_HMAC_SHA1_32": pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
}
RTP_TAG = dict(zip(PROFILES, (16, 16, 10, 4), strict=True))
RTCP_TAIL = dict(zip(PROFILES, (20, 20, 14, 14), strict=True))  # tag and the word with the index
NOISE = random.Random(1).randbytes(4096)

each_profile = pytest.mark.parametrize("profile", PROFILES)


def keys(profile: str) -> tuple[bytes, bytes]:
    key, salt = key_lengths(profile)
    return bytes(range(1, 1 + key)), bytes(range(101, 101 + salt))


def session(profile: str) -> SrtpSession:
    return SrtpSession(profile, *keys(profile))


def libsrtp(profile: str, ssrc_type: int) -> pylibsrtp.Session:
    policy = pylibsrtp.Policy(key=b"".join(keys(profile)), ssrc_type=ssrc_type, srtp_profile=POLICY[profile])
    return pylibsrtp.Session(policy)


def rtp(seq: int, ssrc: int = 0x1234, size: int = 40, csrcs: int = 0, ext: bytes | None = None) -> bytes:
    first = 0x80 | csrcs | (0x10 if ext is not None else 0)
    head = struct.pack("!BBHII", first, 96, seq & 0xFFFF, seq * 960 & 0xFFFFFFFF, ssrc)
    head += b"".join(struct.pack("!I", 0xC0000000 + n) for n in range(csrcs))
    if ext is not None:
        head += struct.pack("!HH", 0xBEDE, len(ext) // 4) + ext
    at = seq % 2048
    return head + NOISE[at : at + size]


def rtcp(n: int, ssrc: int = 0x1234) -> bytes:
    words = 1 + n % 20
    at = n % 1024
    return struct.pack("!BBHI", 0x81, 201, words + 1, ssrc) + NOISE[at : at + 4 * words]


def varied(count: int) -> Iterator[bytes]:
    """RTP with sequence numbers from 65500 on, over every size to 1200, with CSRCs and extensions of all lengths."""
    for n in range(count):
        ext = None if n % 3 else NOISE[: 4 * (n // 3 % 16)]
        yield rtp(65500 + n, size=n * 37 % 1201, csrcs=n // 5 % 16 if n % 5 == 0 else 0, ext=ext)


def test_vectors_of_libsrtp() -> None:
    """srtp_validate of libsrtp, under the master key and salt of RFC 3711 B.3."""
    key, salt = bytes.fromhex("e1f97a0d3e018be0d64fa32c06de4139"), bytes.fromhex("0ec675ad498afeebb6960b3aabe6")
    ours = SrtpSession("AES_CM_128_HMAC_SHA1_80", key, salt)
    plain = bytes.fromhex("800f1234decafbadcafebabe" + "ab" * 16)
    wire = bytes.fromhex("800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb")
    assert ours.protect(plain) == wire
    assert ours.unprotect(wire) == plain
    plain = bytes.fromhex("81c8000bcafebabe" + "ab" * 16)
    wire = bytes.fromhex("81c8000bcafebabe7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798")
    ours.protect_rtcp(plain)  # index 0; theirs begins at 1
    assert ours.protect_rtcp(plain) == wire
    assert ours.unprotect_rtcp(wire) == plain


@each_profile
def test_agrees_with_libsrtp(profile: str) -> None:
    """10^5 packets to the byte, each opened by the other side, over two roll-overs; every tenth time RTCP as well."""
    ours, theirs_tx = session(profile), libsrtp(profile, pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
    theirs_rx = libsrtp(profile, pylibsrtp.Policy.SSRC_ANY_INBOUND)
    ours.protect_rtcp(rtcp(0))  # from here on the SRTCP indices are the same
    checked = 0
    for n, plain in enumerate(varied(100_000)):
        wire, their_wire = ours.protect(plain), theirs_tx.protect(plain)
        assert wire == their_wire
        assert theirs_rx.unprotect(wire) == plain
        assert ours.unprotect(their_wire) == plain
        checked += 1
        if n % 10 == 0:
            control = rtcp(n)
            wire, their_wire = ours.protect_rtcp(control), theirs_tx.protect_rtcp(control)
            assert wire == their_wire
            assert theirs_rx.unprotect_rtcp(wire) == control
            assert ours.unprotect_rtcp(their_wire) == control
            checked += 1
    assert checked == 110_000


@each_profile
def test_reordered_around_a_roll_over_agrees_with_libsrtp(profile: str) -> None:
    """Sent by either, received by the other, shuffled in blocks while the sequence number wraps."""
    shuffle = random.Random(2).shuffle
    numbers = list(range(65436, 65436 + 400))
    for at in range(0, len(numbers), 50):
        block = numbers[at : at + 50]
        shuffle(block)
        numbers[at : at + 50] = block
    plain = {n: rtp(n, size=n % 100) for n in numbers}
    for tx, rx in (
        (session(profile), libsrtp(profile, pylibsrtp.Policy.SSRC_ANY_INBOUND)),
        (libsrtp(profile, pylibsrtp.Policy.SSRC_ANY_OUTBOUND), session(profile)),
    ):
        wire = {n: tx.protect(plain[n]) for n in sorted(numbers)}
        assert all(rx.unprotect(wire[n]) == plain[n] for n in numbers)


@each_profile
def test_lengths(profile: str) -> None:
    ours, plain = session(profile), rtp(7, size=0)
    wire = ours.protect(plain)
    assert len(wire) == 12 + RTP_TAG[profile]
    assert ours.unprotect(wire) == plain
    control = rtcp(3)
    assert len(ours.protect_rtcp(control)) == len(control) + RTCP_TAIL[profile]
    longest = rtp(8, size=0) + bytes(65535 - 12)
    assert len(ours.protect(longest)) == 65535 + RTP_TAG[profile]
    with pytest.raises(SrtpFormatError):
        ours.protect(longest + b"\0")


@each_profile
def test_first_packet_after_a_roll_over_that_was_lost(profile: str) -> None:
    tx, rx = session(profile), session(profile)
    tx.protect(rtp(65535))
    wire = tx.protect(rtp(65536))
    assert rx.unprotect(wire) == rtp(65536)


@each_profile
def test_forged(profile: str) -> None:
    ours = session(profile)
    plain, control = rtp(1), rtcp(1)
    wire, control_wire = ours.protect(plain), ours.protect_rtcp(control)
    for at in range(12, len(wire)):
        with pytest.raises(SrtpAuthError):
            ours.unprotect(wire[:at] + bytes([wire[at] ^ 1]) + wire[at + 1 :])
    for at in range(8, len(control_wire)):
        with pytest.raises(SrtpAuthError):
            ours.unprotect_rtcp(control_wire[:at] + bytes([control_wire[at] ^ 1]) + control_wire[at + 1 :])
    assert ours.unprotect(wire) == plain
    assert ours.unprotect_rtcp(control_wire) == control


@each_profile
def test_replayed(profile: str) -> None:
    ours = session(profile)
    wire, control_wire = ours.protect(rtp(1)), ours.protect_rtcp(rtcp(1))
    ours.unprotect(wire)
    ours.unprotect_rtcp(control_wire)
    for _ in range(3):
        with pytest.raises(SrtpReplayError, match="replayed"):
            ours.unprotect(wire)
        with pytest.raises(SrtpReplayError):
            ours.unprotect_rtcp(control_wire)
    with pytest.raises(SrtpReplayError):
        ours.protect(rtp(1, size=3))
    ours.protect(rtp(1200))
    with pytest.raises(SrtpReplayError):
        ours.protect(rtp(1200 - 1024))
    ours.protect(rtp(1200 - 1023))


@each_profile
def test_every_short_length(profile: str) -> None:
    ours = session(profile)
    wire, control_wire = ours.protect(rtp(1, size=60)), ours.protect_rtcp(rtcp(15))
    for n in range(65):
        with pytest.raises(SrtpFormatError if n < 12 + RTP_TAG[profile] else SrtpAuthError):
            ours.unprotect(wire[:n])
        with pytest.raises(SrtpFormatError if n < 8 + RTCP_TAIL[profile] else SrtpAuthError):
            ours.unprotect_rtcp(control_wire[:n])
    for n in range(12):
        with pytest.raises(SrtpFormatError):
            ours.protect(rtp(2)[:n])
    for n in range(8):
        with pytest.raises(SrtpFormatError):
            ours.protect_rtcp(rtcp(2)[:n])


def test_not_rtp() -> None:
    ours = session("AEAD_AES_128_GCM")
    for call in (ours.protect, ours.unprotect, ours.protect_rtcp, ours.unprotect_rtcp):
        with pytest.raises(SrtpFormatError):
            call(b"\x40" + bytes(60))  # version 1
    with pytest.raises(SrtpFormatError):
        ours.protect(rtp(1, size=0, csrcs=3)[:-1])
    with pytest.raises(SrtpFormatError):
        ours.protect(rtp(1, size=0, ext=bytes(8))[:-1])
    with pytest.raises(TypeError):
        ours.protect("text")  # type: ignore[arg-type]


def test_errors_are_what_callers_catch() -> None:
    assert issubclass(SrtpFormatError, ValueError)
    for kind in (SrtpAuthError, SrtpReplayError, SrtpFormatError):
        assert issubclass(kind, SrtpError)
        assert kind.__module__ == "rtcengine.srtp"
        assert isinstance(pickle.loads(pickle.dumps(kind("x"))), kind)


def test_more_ssrcs_than_are_followed() -> None:
    ours = session("AEAD_AES_128_GCM")
    for ssrc in range(64):
        ours.protect(rtp(1, ssrc))
    with pytest.raises(SrtpError, match="cap"):
        ours.protect(rtp(1, 64))
    ours.protect(rtp(2, 63))


def test_any_bytes_like_and_unchanged() -> None:
    ours, plain = session("AES_CM_128_HMAC_SHA1_80"), rtp(1)
    wire = ours.protect(plain)
    assert plain == rtp(1)
    copy = bytearray(wire)
    assert ours.unprotect(copy) == plain
    assert copy == wire
    assert ours.unprotect(memoryview(ours.protect(memoryview(rtp(2))))) == rtp(2)


@each_profile
def test_wrong_keys(profile: str) -> None:
    key, salt = keys(profile)
    assert session(profile).profile == profile
    wrong = [(key[:-1], salt), (key + b"x", salt), (key, salt[:-1]), (key, salt + b"x"), (b"", b"")]
    for wrong_key, wrong_salt in wrong:
        with pytest.raises(ValueError, match=f"{profile} takes {len(key)} bytes of key and {len(salt)} of salt"):
            SrtpSession(profile, wrong_key, wrong_salt)
    other = SrtpSession(profile, key[::-1], salt)
    with pytest.raises(SrtpAuthError):
        other.unprotect(session(profile).protect(rtp(1)))


def test_unknown_profile() -> None:
    with pytest.raises(ValueError, match="no SRTP profile 'NULL_HMAC_SHA1_80'; there are AEAD_AES_128_GCM"):
        SrtpSession("NULL_HMAC_SHA1_80", bytes(16), bytes(14))
