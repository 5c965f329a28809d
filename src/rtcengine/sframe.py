"""SFrame alone (RFC 9605): frames encrypted from end to end, so that what forwards them cannot read them.

    alice = SFrameSender("AES_128_GCM_SHA256_128", key, kid=7)
    bob = SFrameReceiver("AES_128_GCM_SHA256_128", {7: key})
    wire = alice.encrypt(frame, metadata)
    plain = bob.decrypt(wire, metadata)  # or SFrameAuthError, SFrameKeyError, SFrameReplayError, SFrameFormatError

`key` is the base key of RFC 9605 §4.4.2, of any length from 16 bytes on: whoever manages keys gives each of its senders a
KID of its own, or a base key. Two SFrameSenders with the same key and KID would use the same nonces twice, which lays
open what both of them encrypt: there must be one of them, however many streams it encrypts.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import constant_time, hashes, hmac
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

if TYPE_CHECKING:
    from typing_extensions import Buffer

MOST = 2**64 - 1
"""The largest KID, and the largest counter."""
LEAST_KEY = 16
MOST_KEYS = 256
"""Keys of one receiver, each with a window of counters."""
WINDOW = 1024
"""So far behind the newest counter of a key a frame may come."""
NONCE = 12


class SFrameError(ValueError):
    """A frame that cannot be decrypted, or no more be encrypted."""


class SFrameFormatError(SFrameError):
    """Too short for a header and a tag."""


class SFrameKeyError(SFrameError):
    """Encrypted under a KID that is not known here."""

    def __init__(self, kid: int) -> None:
        super().__init__(f"no key has the KID {kid}")
        self.kid = kid


class SFrameAuthError(SFrameError):
    """Forged, or encrypted with another key or for other metadata."""


class SFrameReplayError(SFrameError):
    """A counter that was there before, or is too far behind to know."""


class SFrameLimitError(SFrameError):
    """The key has encrypted as many frames as it may."""


# --- the header (§4.3)


def write_header(kid: int, ctr: int) -> bytes:
    """Shortest form. ValueError for a number that is not of 64 bits."""
    if not (0 <= kid <= MOST and 0 <= ctr <= MOST):
        raise ValueError(f"KID {kid} and counter {ctr} have to be from 0 to {MOST}")
    k, more_kid = _field(kid)
    c, more_ctr = _field(ctr)
    return bytes([k << 4 | c]) + more_kid + more_ctr


def _field(value: int) -> tuple[int, bytes]:
    """Four bits: the value when it is below 8, else 8 + its length - 1, and the bytes that follow."""
    if value < 8:
        return value, b""
    length = (value.bit_length() + 7) // 8
    return 8 | length - 1, value.to_bytes(length, "big")


def read_header(data: Buffer) -> tuple[int, int, int]:
    """KID, counter and length of the header. SFrameFormatError when it is cut off."""
    view = memoryview(data).cast("B")
    if not len(view):
        raise SFrameFormatError("an empty frame has no SFrame header")
    first, at = view[0], 1
    values = []
    for field in (first >> 4, first & 0x0F):
        length = (field & 7) + 1 if field & 8 else 0
        if len(view) - at < length:
            raise SFrameFormatError(f"an SFrame header of {len(view)} bytes is cut off")
        values.append(int.from_bytes(view[at : at + length], "big") if length else field)
        at += length
    return values[0], values[1], at


# --- cipher suites (§4.5)


@dataclass(frozen=True, slots=True)
class Suite:
    """A row of the registry of RFC 9605 §8.1. `key`: bytes of sframe_key, `tag`: bytes that authenticate, `most`: how many
    frames one key may encrypt, by the counter, and with GCM not more than NIST SP 800-38D §8.3 has for any nonces."""

    number: int
    hash: type[hashes.SHA256] | type[hashes.SHA512]
    key: int
    tag: int
    gcm: bool
    most: int


SUITES: Mapping[str, Suite] = {
    "AES_128_CTR_HMAC_SHA256_80": Suite(1, hashes.SHA256, 48, 10, False, MOST),
    "AES_128_CTR_HMAC_SHA256_64": Suite(2, hashes.SHA256, 48, 8, False, MOST),
    "AES_128_CTR_HMAC_SHA256_32": Suite(3, hashes.SHA256, 48, 4, False, MOST),
    "AES_128_GCM_SHA256_128": Suite(4, hashes.SHA256, 16, 16, True, 2**32),
    "AES_256_GCM_SHA512_128": Suite(5, hashes.SHA512, 32, 16, True, 2**32),
}
"""The cipher suites by name. Tags of 4 bytes are for sound at most (§9.5)."""


def derive(suite: Suite, base_key: Buffer, kid: int) -> tuple[bytes, bytes]:
    """sframe_key and sframe_salt (§4.4.2)."""
    extract = hmac.HMAC(b"", suite.hash())  # HKDF-Extract without salt
    extract.update(bytes(base_key))
    secret = extract.finalize()
    end = struct.pack(">QH", kid, suite.number)
    key = HKDFExpand(suite.hash(), suite.key, b"SFrame 1.0 Secret key " + end).derive(secret)
    return key, HKDFExpand(suite.hash(), NONCE, b"SFrame 1.0 Secret salt " + end).derive(secret)


class _Aead(Protocol):
    def seal(self, nonce: bytes, aad: bytes, plain: Buffer) -> bytes: ...

    def open(self, nonce: bytes, aad: bytes, sealed: Buffer) -> bytes: ...


class _Gcm:
    """§4.5.2; InvalidTag for what is forged."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, nonce: bytes, aad: bytes, plain: Buffer) -> bytes:
        return self._cipher.encrypt(nonce, memoryview(plain), aad)

    def open(self, nonce: bytes, aad: bytes, sealed: Buffer) -> bytes:
        return self._cipher.decrypt(nonce, memoryview(sealed), aad)


class _CtrHmac:
    """AES-CTR, then HMAC-SHA256 cut short (§4.5.1)."""

    def __init__(self, key: bytes, tag: int) -> None:
        self._aes, self._tag = algorithms.AES(key[:16]), tag
        self._hmac = hmac.HMAC(key[16:], hashes.SHA256())  # keyed once

    def seal(self, nonce: bytes, aad: bytes, plain: Buffer) -> bytes:
        text = self._crypt(nonce, plain)
        return text + self._tag_of(nonce, aad, text)

    def open(self, nonce: bytes, aad: bytes, sealed: Buffer) -> bytes:
        view = memoryview(sealed).cast("B")
        text, tag = view[: -self._tag], view[-self._tag :]
        if not constant_time.bytes_eq(self._tag_of(nonce, aad, text), bytes(tag)):
            raise InvalidSignature
        return self._crypt(nonce, text)

    def _crypt(self, nonce: bytes, data: Buffer) -> bytes:
        cipher = Cipher(self._aes, modes.CTR(nonce + bytes(4))).encryptor()  # the same in both directions
        return cipher.update(memoryview(data)) + cipher.finalize()

    def _tag_of(self, nonce: bytes, aad: bytes, text: Buffer) -> bytes:
        tag = self._hmac.copy()
        tag.update(struct.pack(">QQQ", len(aad), memoryview(text).nbytes, self._tag) + nonce + aad)
        tag.update(memoryview(text))
        return tag.finalize()[: self._tag]


def suite_of(name: str) -> Suite:
    """ValueError for one that is not known."""
    if name not in SUITES:
        raise ValueError(f"SFrame has no cipher suite {name!r}: {', '.join(SUITES)} are known")
    return SUITES[name]


class _Context:
    """One key under its KID."""

    __slots__ = ("_aead", "_salt", "suite")

    def __init__(self, suite: Suite, base_key: Buffer, kid: int) -> None:
        if not 0 <= kid <= MOST:
            raise ValueError(f"KID {kid} is not from 0 to {MOST}")
        if memoryview(base_key).nbytes < LEAST_KEY:
            raise ValueError(f"a base key of {memoryview(base_key).nbytes} bytes: {LEAST_KEY} are the least")
        self.suite = suite
        key, salt = derive(suite, base_key, kid)
        self._salt = int.from_bytes(salt, "big")
        self._aead: _Aead = _Gcm(key) if suite.gcm else _CtrHmac(key, suite.tag)

    def _nonce(self, ctr: int) -> bytes:
        return (self._salt ^ ctr).to_bytes(NONCE, "big")

    def seal(self, header: bytes, ctr: int, plain: Buffer, metadata: bytes) -> bytes:
        return header + self._aead.seal(self._nonce(ctr), header + metadata, plain)

    def open(self, header: bytes, ctr: int, sealed: Buffer, metadata: bytes) -> bytes:
        return self._aead.open(self._nonce(ctr), header + metadata, sealed)


class SFrameSender:
    """Encrypts under one key. `ctr`: the counter of the next frame; who goes on with a key after a restart has to go on with
    its counter. Not for several threads at once."""

    def __init__(self, suite: str, key: Buffer, kid: int, *, ctr: int = 0) -> None:
        self.suite = suite
        self.kid = kid
        self.ctr = ctr
        self._context = _Context(suite_of(suite), key, kid)
        if not 0 <= ctr <= MOST:
            raise ValueError(f"counter {ctr} is not from 0 to {MOST}")

    def encrypt(self, frame: Buffer, metadata: bytes = b"") -> bytes:
        """The frame behind a header. `metadata`: what the receiver has to know too, and is not sent. SFrameLimitError when
        the key is used up: before the counter begins again, or after 2^32 frames of GCM."""
        if self.ctr >= self._context.suite.most:
            raise SFrameLimitError(f"the key of KID {self.kid} has encrypted all the frames it may")
        ctr, self.ctr = self.ctr, self.ctr + 1
        return self._context.seal(write_header(self.kid, ctr), ctr, frame, metadata)


class _Window:
    """Which counters of a key were there (as RFC 3711 §3.3.2): bit i of `seen` is the newest less i."""

    __slots__ = ("newest", "seen")

    def __init__(self) -> None:
        self.newest = -1
        self.seen = 0

    def check(self, ctr: int) -> None:
        behind = self.newest - ctr
        if behind >= WINDOW:
            raise SFrameReplayError(f"counter {ctr} is {behind} behind the newest")
        if behind >= 0 and self.seen >> behind & 1:
            raise SFrameReplayError(f"counter {ctr} was there before")

    def commit(self, ctr: int) -> None:
        ahead = ctr - self.newest
        if ahead > 0:
            self.seen = (self.seen << min(ahead, WINDOW) | 1) & (1 << WINDOW) - 1
            self.newest = ctr
        else:
            self.seen |= 1 << -ahead


class SFrameReceiver:
    """Decrypts under any of its keys, 256 at most. Each frame once: its counter is remembered once it has proved authentic."""

    def __init__(self, suite: str, keys: Mapping[int, Buffer] | None = None) -> None:
        self.suite = suite
        self._suite = suite_of(suite)
        self._keys: dict[int, tuple[_Context, _Window]] = {}
        for kid, key in (keys or {}).items():
            self.add_key(kid, key)

    def add_key(self, kid: int, key: Buffer) -> None:
        """One more, or another in place of the one with this KID. ValueError when there are 256."""
        if kid not in self._keys and len(self._keys) >= MOST_KEYS:
            raise ValueError(f"there are {MOST_KEYS} keys already: remove_key makes room")
        self._keys[kid] = (_Context(self._suite, key, kid), _Window())

    def remove_key(self, kid: int) -> None:
        """KeyError when there is none."""
        del self._keys[kid]

    @property
    def kids(self) -> frozenset[int]:
        return frozenset(self._keys)

    def decrypt(self, frame: Buffer, metadata: bytes = b"") -> bytes:
        """What was encrypted, or an SFrameError; then nothing has changed."""
        view = memoryview(frame).cast("B")
        kid, ctr, at = read_header(view)
        found = self._keys.get(kid)
        if found is None:
            raise SFrameKeyError(kid)
        if len(view) - at < self._suite.tag:
            raise SFrameFormatError(f"an SFrame of {len(view)} bytes has no room for its tag")
        context, window = found
        window.check(ctr)
        try:
            plain = context.open(bytes(view[:at]), ctr, view[at:], metadata)
        except (InvalidTag, InvalidSignature):
            raise SFrameAuthError(f"a frame with the KID {kid} is not what was encrypted with its key") from None
        window.commit(ctr)
        return plain


__all__ = [
    "SUITES",
    "SFrameAuthError",
    "SFrameError",
    "SFrameFormatError",
    "SFrameKeyError",
    "SFrameLimitError",
    "SFrameReceiver",
    "SFrameReplayError",
    "SFrameSender",
    "read_header",
    "write_header",
]
