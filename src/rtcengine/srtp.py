"""SRTP and SRTCP alone (RFC 3711, RFC 7714): for programs that have their own sockets and keys.

    session = SrtpSession("AEAD_AES_128_GCM", key, salt)
    wire = session.protect(rtp_packet)
    plain = peer.unprotect(wire)  # SrtpAuthError, SrtpReplayError, SrtpFormatError: all SrtpError

Packets inside the engine never come here; they are protected in C.
"""

from __future__ import annotations

from ._core import SRTP_PROFILES, SrtpAuthError, SrtpError, SrtpFormatError, SrtpReplayError, SrtpSession

PROFILES: tuple[str, ...] = tuple(SRTP_PROFILES)
"""The names that SrtpSession takes, best first."""


def key_lengths(profile: str) -> tuple[int, int]:
    """Bytes of master key and of master salt that a profile takes, for cutting DTLS's exported keying material
    (RFC 5764 §4.2). KeyError when there is no such profile."""
    _, key, salt = SRTP_PROFILES[profile]
    return key, salt


__all__ = [
    "PROFILES",
    "SrtpAuthError",
    "SrtpError",
    "SrtpFormatError",
    "SrtpReplayError",
    "SrtpSession",
    "key_lengths",
]
