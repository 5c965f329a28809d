"""SFrame by the vectors of RFC 9605, and what it refuses."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from rtcengine import sframe
from rtcengine.sframe import (
    SUITES,
    SFrameAuthError,
    SFrameFormatError,
    SFrameKeyError,
    SFrameLimitError,
    SFrameReceiver,
    SFrameReplayError,
    SFrameSender,
    read_header,
    write_header,
)

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "sframe.json").read_text())
NAMES = {suite.number: name for name, suite in SUITES.items()}
KEY = bytes(range(16))
GCM = "AES_128_GCM_SHA256_128"


@pytest.mark.parametrize("row", VECTORS["header"], ids=lambda row: row["encoded"])
def test_headers_of_the_rfc(row: dict[str, Any]) -> None:
    encoded = bytes.fromhex(row["encoded"])
    assert write_header(row["kid"], row["ctr"]) == encoded
    assert read_header(encoded + b"more") == (row["kid"], row["ctr"], len(encoded))


@pytest.mark.parametrize("row", VECTORS["aes_ctr_hmac"], ids=lambda row: NAMES[row["cipher_suite"]])
def test_ctr_and_hmac_of_the_rfc(row: dict[str, Any]) -> None:
    key, nonce, aad, plain, sealed = (bytes.fromhex(row[name]) for name in ("key", "nonce", "aad", "pt", "ct"))
    cipher = sframe._CtrHmac(key, SUITES[NAMES[row["cipher_suite"]]].tag)
    assert cipher.seal(nonce, aad, plain) == sealed
    assert cipher.open(nonce, aad, sealed) == plain


@pytest.mark.parametrize("row", VECTORS["sframe"], ids=lambda row: NAMES[row["cipher_suite"]])
def test_frames_of_the_rfc(row: dict[str, Any]) -> None:
    name, kid = NAMES[row["cipher_suite"]], row["kid"]
    key, metadata, plain, sealed = (bytes.fromhex(row[field]) for field in ("base_key", "metadata", "pt", "ct"))
    assert sframe.derive(SUITES[name], key, kid) == (bytes.fromhex(row["sframe_key"]), bytes.fromhex(row["sframe_salt"]))
    assert SFrameSender(name, key, kid, ctr=row["ctr"]).encrypt(plain, metadata) == sealed
    assert SFrameReceiver(name, {kid: key}).decrypt(sealed, metadata) == plain


@pytest.mark.parametrize("name", SUITES)
def test_any_bit_that_is_changed_is_noticed(name: str) -> None:
    sealed = SFrameSender(name, KEY, 9, ctr=300).encrypt(b"a frame", b"of live")
    receiver = SFrameReceiver(name, {9: KEY})
    for bit in range(8 * len(sealed)):
        forged = bytearray(sealed)
        forged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(sframe.SFrameError):
            receiver.decrypt(forged, b"of live")
    with pytest.raises(SFrameAuthError):
        receiver.decrypt(sealed, b"of another")
    with pytest.raises(SFrameAuthError):
        SFrameReceiver(name, {9: KEY[::-1]}).decrypt(sealed, b"of live")
    assert receiver.decrypt(memoryview(sealed), b"of live") == b"a frame", "what was forged has spoilt nothing"


@pytest.mark.parametrize("name", SUITES)
def test_what_is_short_is_refused(name: str) -> None:
    sealed = SFrameSender(name, KEY, 300, ctr=70000).encrypt(b"")
    receiver = SFrameReceiver(name, {300: KEY})
    for length in range(len(sealed)):
        with pytest.raises(SFrameFormatError):
            receiver.decrypt(sealed[:length])
    assert receiver.decrypt(sealed) == b""


def test_a_key_that_is_not_there_is_named() -> None:
    sealed = SFrameSender(GCM, KEY, 12).encrypt(b"frame")
    receiver = SFrameReceiver(GCM)
    with pytest.raises(SFrameKeyError, match="KID 12") as found:
        receiver.decrypt(sealed)
    assert found.value.kid == 12
    receiver.add_key(12, KEY)
    assert receiver.decrypt(sealed) == b"frame"
    receiver.remove_key(12)
    with pytest.raises(SFrameKeyError):
        receiver.decrypt(sealed)


def test_each_frame_is_taken_once_in_any_order() -> None:
    sender, receiver = SFrameSender(GCM, KEY, 1), SFrameReceiver(GCM, {1: KEY})
    frames = [sender.encrypt(bytes([n % 256])) for n in range(3000)]
    order = list(range(500))
    random.Random(5).shuffle(order)
    for n in order:
        assert receiver.decrypt(frames[n]) == bytes([n % 256])
    for n in order:
        with pytest.raises(SFrameReplayError):
            receiver.decrypt(frames[n])
    receiver.decrypt(frames[2999])
    with pytest.raises(SFrameReplayError, match="behind"):
        receiver.decrypt(frames[2999 - sframe.WINDOW])
    receiver.decrypt(frames[3000 - sframe.WINDOW])
    with pytest.raises(SFrameReplayError):
        receiver.decrypt(frames[2999])


def test_a_forged_counter_moves_no_window() -> None:
    sender, receiver = SFrameSender(GCM, KEY, 1), SFrameReceiver(GCM, {1: KEY})
    first = sender.encrypt(b"first")
    with pytest.raises(SFrameAuthError):
        receiver.decrypt(write_header(1, 2**63) + first[1:])
    assert receiver.decrypt(first) == b"first"


def test_a_key_ends_before_its_counter_begins_again() -> None:
    sender = SFrameSender("AES_128_CTR_HMAC_SHA256_80", KEY, 0, ctr=sframe.MOST - 1)
    sealed = sender.encrypt(b"last")
    assert SFrameReceiver(sender.suite, {0: KEY}).decrypt(sealed) == b"last"
    with pytest.raises(SFrameLimitError):
        sender.encrypt(b"one too many")
    with pytest.raises(SFrameLimitError):
        SFrameSender(GCM, KEY, 0, ctr=2**32).encrypt(b"one too many for GCM")


def test_wrong_calls_are_named() -> None:
    with pytest.raises(ValueError, match="AES_256_GCM_SHA512_128"):
        SFrameSender("AES_GCM", KEY, 0)
    with pytest.raises(ValueError, match="15 bytes"):
        SFrameSender(GCM, KEY[:15], 0)
    for kid in (-1, 2**64):
        with pytest.raises(ValueError, match="KID"):
            SFrameSender(GCM, KEY, kid)
        with pytest.raises(ValueError, match="KID"):
            write_header(kid, 0)
    with pytest.raises(ValueError, match="counter"):
        SFrameSender(GCM, KEY, 0, ctr=-1)


def test_no_more_keys_than_there_is_room_for() -> None:
    receiver = SFrameReceiver(GCM, dict.fromkeys(range(sframe.MOST_KEYS), KEY))
    with pytest.raises(ValueError, match="remove_key"):
        receiver.add_key(sframe.MOST_KEYS, KEY)
    receiver.add_key(3, KEY[::-1])  # another in its place
    assert receiver.kids == frozenset(range(sframe.MOST_KEYS))
