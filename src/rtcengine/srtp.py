"""SRTP and SRTCP alone (RFC 3711, RFC 7714): for programs that have their own sockets and keys.

    session = SrtpSession("AEAD_AES_128_GCM", key, salt)
    wire = session.protect(rtp_packet)
    plain = peer.unprotect(wire)  # SrtpAuthError, SrtpReplayError, SrtpFormatError: all SrtpError

Many packets in one call, with the GIL let go of: protect_many and unprotect_many for a list under one key,
protect_each and unprotect_each for a list with a session for each packet, protect_array and unprotect_array in place in
one NumPy buffer. None of them raises for a packet that fails: its error is its result.

    room = np.zeros((64, 1500), np.uint8)  # packet i in room[i], lengths[i] bytes of it
    lengths = session.protect_array(room.reshape(-1), np.arange(64) * 1500, lengths)
    failed = {i: srtp_error(n) for i, n in enumerate(lengths) if n < 0}

Packets inside the engine never come here; they are protected in C.
"""

from __future__ import annotations

from ._core import (
    SRTP_OVERHEAD,
    SRTP_PROFILES,
    SrtpAuthError,
    SrtpError,
    SrtpFormatError,
    SrtpReplayError,
    SrtpSession,
    protect_each,
    srtp_error,
    unprotect_each,
)

OVERHEAD: int = SRTP_OVERHEAD
"""Bytes that must be free behind a packet in protect_array, more than any profile adds."""

PROFILES: tuple[str, ...] = tuple(SRTP_PROFILES)
"""The names that SrtpSession takes, best first."""


def key_lengths(profile: str) -> tuple[int, int]:
    """Bytes of master key and of master salt that a profile takes, for cutting DTLS's exported keying material
    (RFC 5764 §4.2). KeyError when there is no such profile."""
    _, key, salt = SRTP_PROFILES[profile]
    return key, salt


__all__ = [
    "OVERHEAD",
    "PROFILES",
    "SrtpAuthError",
    "SrtpError",
    "SrtpFormatError",
    "SrtpReplayError",
    "SrtpSession",
    "key_lengths",
    "protect_each",
    "srtp_error",
    "unprotect_each",
]
