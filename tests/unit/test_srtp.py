"""rtcengine.srtp: vectors, agreement with libsrtp in both directions, and typed errors."""

from __future__ import annotations

import pickle
import random
import struct
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pylibsrtp
import pytest
from numpy.typing import NDArray

from rtcengine.srtp import (
    OVERHEAD,
    PROFILES,
    SrtpAuthError,
    SrtpError,
    SrtpFormatError,
    SrtpReplayError,
    SrtpSession,
    key_lengths,
    protect_each,
    srtp_error,
    unprotect_each,
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


@pytest.mark.slow
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
@pytest.mark.parametrize("window", [64, 32768])
def test_windows_of_another_size(profile: str, window: int) -> None:
    assert session(profile).window == 1024
    tx, rx = session(profile), SrtpSession(profile, *keys(profile), window=window)
    assert rx.window == window
    beyond, edge, top = (tx.protect(rtp(n)) for n in (40000 - window, 40001 - window, 40000))
    controls = [tx.protect_rtcp(rtcp(1)) for _ in range(window + 1)]
    rx.unprotect(top)
    with pytest.raises(SrtpReplayError):
        rx.unprotect(beyond)
    assert rx.unprotect(edge) == rtp(40001 - window)
    rx.unprotect_rtcp(controls[window])
    with pytest.raises(SrtpReplayError):
        rx.unprotect_rtcp(controls[0])
    assert rx.unprotect_rtcp(controls[1]) == rtcp(1)


@pytest.mark.parametrize("window", [-1, 0, 63, 32769, 1 << 31])
def test_no_window_of_that_size(window: int) -> None:
    with pytest.raises((ValueError, OverflowError)):
        SrtpSession(PROFILES[0], *keys(PROFILES[0]), window=window)


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


def whole(results: list[bytes | SrtpError]) -> list[bytes]:
    assert all(isinstance(r, bytes) for r in results)
    return [r for r in results if isinstance(r, bytes)]


def inbound(profile: str) -> pylibsrtp.Session:
    return libsrtp(profile, pylibsrtp.Policy.SSRC_ANY_INBOUND)


def outbound(profile: str) -> pylibsrtp.Session:
    return libsrtp(profile, pylibsrtp.Policy.SSRC_ANY_OUTBOUND)


def laid_out(packets: list[bytes], room: int) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """One buffer with 7 bytes before the first packet and `room` behind each, offsets and lengths."""
    lengths = np.array([len(p) for p in packets], np.int64)
    offsets = 7 + np.concatenate(([0], np.cumsum(lengths + room)))[:-1].astype(np.int64)
    buffer = np.full(7 + int((lengths + room).sum()), 0xEE, np.uint8)
    for at, packet in zip(offsets, packets, strict=True):
        buffer[at : at + len(packet)] = np.frombuffer(packet, np.uint8)
    return buffer, offsets, lengths


def taken(buffer: NDArray[np.uint8], offsets: NDArray[np.int64], lengths: NDArray[np.int64]) -> list[bytes]:
    return [buffer[at : at + n].tobytes() for at, n in zip(offsets, lengths, strict=True)]


@pytest.mark.slow
@each_profile
def test_lists_agree_with_libsrtp(profile: str) -> None:
    """In batches of all sizes from 0 on, over roll-overs; opened in batches as well."""
    ours, tx, rx = session(profile), outbound(profile), inbound(profile)
    packets, at, size = list(varied(70_000)), 0, 0
    while at < len(packets):
        batch = packets[at : at + size]
        wire = whole(ours.protect_many(batch))
        assert wire == [tx.protect(p) for p in batch]
        assert [rx.unprotect(w) for w in wire] == batch
        assert ours.unprotect_many(tuple(wire)) == batch
        at, size = at + size, size + 1


@pytest.mark.slow
@each_profile
def test_arrays_agree_with_libsrtp(profile: str) -> None:
    ours, tx, rx = session(profile), outbound(profile), inbound(profile)
    packets, at, size = list(varied(20_000)), 0, 0
    while at < len(packets):
        batch = packets[at : at + size]
        buffer, offsets, lengths = laid_out(batch, OVERHEAD)
        sealed = ours.protect_array(buffer, offsets, lengths)
        assert sealed.dtype == np.int64 and sealed.shape == (len(batch),)
        wire = taken(buffer, offsets, sealed)
        assert wire == [tx.protect(p) for p in batch]
        assert [rx.unprotect(w) for w in wire] == batch
        tight, offsets, sealed = laid_out(wire, 0)
        opened = ours.unprotect_array(tight, offsets, sealed)
        assert taken(tight, offsets, opened) == batch
        at, size = at + size, size + 7


def test_a_batch_that_wraps_from_its_first_packet_on() -> None:
    """Each packet's index follows from the ones before it in the same batch."""
    for first in (65535, 65500, 1):
        packets = [rtp(first + n, size=5) for n in range(40_000)]
        one, many = session("AEAD_AES_128_GCM"), session("AEAD_AES_128_GCM")
        assert many.protect_many(packets) == [one.protect(p) for p in packets]


@each_profile
def test_one_bad_packet_spoils_no_other(profile: str) -> None:
    ours, twin = session(profile), session(profile)
    packets = [rtp(n) for n in range(10)]
    packets[2], packets[5], packets[7] = b"", packets[4], b"\x40" + packets[7][1:]
    wire = ours.protect_many(packets)
    want: dict[int, type] = {2: SrtpFormatError, 5: SrtpReplayError, 7: SrtpFormatError}
    for n, got in enumerate(wire):
        assert type(got) is want.get(n, bytes)
        if n not in want:
            assert got == twin.protect(packets[n])
    buffer, offsets, lengths = laid_out(packets, OVERHEAD)
    sealed = session(profile).protect_array(buffer, offsets, lengths)
    assert [n for n in range(10) if sealed[n] < 0] == list(want)
    assert [type(srtp_error(int(sealed[n]))) for n in want] == list(want.values())

    sent = [w for w in wire if isinstance(w, bytes)]
    sent[1], sent[4] = sent[1][:-1] + bytes([sent[1][-1] ^ 1]), sent[3]
    opened = ours.unprotect_many(sent)
    assert [type(o) for o in opened] == [bytes, SrtpAuthError, bytes, bytes, SrtpReplayError, bytes, bytes]
    buffer, offsets, lengths = laid_out(sent, 0)
    codes = session(profile).unprotect_array(buffer, offsets, lengths)
    assert type(srtp_error(int(codes[1]))) is SrtpAuthError
    assert type(srtp_error(int(codes[4]))) is SrtpReplayError
    assert [n for n in range(7) if codes[n] < 0] == [1, 4]


@each_profile
def test_every_short_length_in_a_batch(profile: str) -> None:
    ours = session(profile)
    wire = ours.protect(rtp(1, size=60))
    for opened in (
        ours.unprotect_many([wire[:n] for n in range(65)]),
        [srtp_error(int(c)) for c in ours.unprotect_array(*laid_out([wire[:n] for n in range(65)], 0))],
    ):
        assert [type(o) for o in opened] == [SrtpFormatError if n < 12 + RTP_TAG[profile] else SrtpAuthError for n in range(65)]
    assert ours.unprotect_many([wire]) == [rtp(1, size=60)]


def test_a_batch_touches_only_its_packets() -> None:
    buffer, offsets, lengths = laid_out([rtp(n, size=n) for n in range(50)], OVERHEAD + 3)
    before = buffer.copy()
    sealed = session("AES_CM_128_HMAC_SHA1_32").protect_array(buffer, offsets, lengths)
    mine = np.zeros(len(buffer), bool)
    for at, n in zip(offsets, sealed, strict=True):
        mine[at : at + n] = True
    assert (buffer[~mine] == before[~mine]).all()


def test_room_behind_a_packet() -> None:
    for short in (0, 1, OVERHEAD - 1):
        buffer, offsets, lengths = laid_out([rtp(1), rtp(2)], short)
        sealed = session("AEAD_AES_128_GCM").protect_array(buffer, offsets, lengths)
        assert all("no room" in str(srtp_error(int(code))) for code in sealed)


def test_arrays_that_do_not_fit() -> None:
    ours = session("AEAD_AES_128_GCM")
    buffer, offsets, lengths = laid_out([rtp(1), rtp(2)], OVERHEAD)
    before, i64 = buffer.copy(), np.int64
    wrong: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = [
        (buffer, offsets[:1], lengths),
        (buffer, offsets[::-1].copy(), lengths),
        (buffer, offsets, lengths + 100),
        (buffer, offsets, -lengths),
        (buffer, offsets - 100, lengths),
        (buffer, offsets, np.array([1, 2**62], i64)),
        (buffer, np.array([0, 2**62], i64), lengths),
        (buffer[:0], offsets, lengths),
        (buffer[::2], offsets, lengths),
        (buffer.astype(i64), offsets, lengths),
        (buffer, offsets.astype(np.int32), lengths),
        (buffer, offsets, lengths.astype(float)),
        (buffer, offsets.reshape(2, 1), lengths),
        (np.frombuffer(buffer.tobytes(), np.uint8), offsets, lengths),  # read-only
    ]
    for call in (ours.protect_array, ours.unprotect_array):
        for arguments in wrong:
            with pytest.raises(ValueError):
                call(*arguments)
        with pytest.raises(TypeError):
            call("text", offsets, lengths)  # type: ignore[arg-type]
    assert (buffer == before).all()
    none = np.empty(0, i64)
    assert ours.protect_array(buffer[:0], none, none).shape == (0,)
    assert [str(srtp_error(int(c))) for c in ours.protect_array(buffer[:0], np.zeros(2, i64), np.zeros(2, i64))]


def test_lists_that_do_not_fit() -> None:
    ours = session("AEAD_AES_128_GCM")
    assert ours.protect_many([]) == ours.unprotect_many(()) == protect_each([], []) == []
    with pytest.raises(TypeError):
        ours.protect_many([rtp(1), "text"])  # type: ignore[list-item]
    assert isinstance(ours.protect_many([rtp(1)])[0], bytes)  # nothing was protected above
    with pytest.raises(TypeError):
        protect_each([ours, None], [rtp(1), rtp(2)])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="1 sessions and 2 packets"):
        unprotect_each([ours], [rtp(1), rtp(2)])
    with pytest.raises(ValueError, match="a length"):
        srtp_error(12)


def test_a_session_for_each_packet() -> None:
    """64 keys of all profiles, and one of them several times."""
    makers = [(PROFILES[n % 4], bytes([n]) * key_lengths(PROFILES[n % 4])[0]) for n in range(64)]
    ours = [SrtpSession(p, key, keys(p)[1]) for p, key in makers]
    twins = [SrtpSession(p, key, keys(p)[1]) for p, key in makers]
    for turn in range(20):
        order = [*range(64), 3, 3, 5]
        packets = [rtp(65530 + 4 * turn + (n >= 64) + (n >= 65), size=100) for n in range(67)]
        wire = protect_each([ours[k] for k in order], packets)
        assert wire == [twins[k].protect(p) for k, p in zip(order, packets, strict=True)]
        wire[7] = packets[7]
        opened = unprotect_each([ours[k] for k in order], [w for w in wire if isinstance(w, bytes)])
        assert isinstance(opened[7], SrtpError)
        assert [*opened[:7], *opened[8:]] == [*packets[:7], *packets[8:]]


def test_threads_share_sessions() -> None:
    """Batches let go of the GIL: each index is still used once, and no order of sessions makes two threads wait for ever."""
    a, b = session("AEAD_AES_128_GCM"), session("AES_CM_128_HMAC_SHA1_80")
    packets = [rtp(n, size=300) for n in range(2000)]
    results: list[bytes | SrtpError] = []

    def work(flip: bool) -> None:
        for at in range(0, 2000, 100):
            part = packets[at : at + 100]
            results.extend(a.protect_many(part))
            pair = [b, a] if flip else [a, b]
            protect_each(pair * 50, part)
            a.unprotect_many(part)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work, args=(n % 2 == 0,), daemon=True) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
    finally:
        sys.setswitchinterval(interval)
    sealed = [r for r in results if isinstance(r, bytes)]
    assert len(results) == 8000
    assert 0 < len(sealed) == len({w[2:4] for w in sealed}) <= 2000
    twin = session("AEAD_AES_128_GCM")
    assert all(type(o) is bytes for o in twin.unprotect_many(sorted(sealed)))


@each_profile
def test_batches_of_one_session_take_turns(profile: str) -> None:
    """Two threads inside long batches of one key at the same time: what they make opens, to the last packet."""
    ours, twin = session(profile), session(profile)
    results: dict[int, list[bytes]] = {}
    barrier = threading.Barrier(2)

    def work(ssrc: int) -> None:
        packets = [rtp(n, ssrc, size=100) for n in range(20_000)]
        barrier.wait()
        results[ssrc] = whole(ours.protect_many(packets))

    threads = [threading.Thread(target=work, args=(ssrc,)) for ssrc in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(twin.unprotect_many(results[ssrc]) == [rtp(n, ssrc, size=100) for n in range(20_000)] for ssrc in (1, 2))


def test_a_batch_lets_go_of_the_gil() -> None:
    """While one thread is inside a batch of some 20 ms, another runs Python."""
    ours, packets = session("AEAD_AES_128_GCM"), [rtp(n, size=1200) for n in range(20_000)]
    buffer, offsets, lengths = laid_out(packets, OVERHEAD)
    inside, ticks = threading.Event(), 0
    done = threading.Event()

    def work() -> None:
        inside.set()
        ours.protect_array(buffer, offsets, lengths)
        done.set()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.2)  # without letting go, nobody else would run before the batch has ended
    try:
        thread = threading.Thread(target=work)
        thread.start()
        inside.wait()
        while not done.is_set():
            ticks += 1
        thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert ticks > 100
