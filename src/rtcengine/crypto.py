"""Which OpenSSL may be used: one with a flaw that a peer reaches before anybody knows who it is ends the import."""

from __future__ import annotations

from ._core import crypto_flaw, crypto_number, crypto_version


class UnsafeOpenSSL(ImportError):
    """The OpenSSL that is linked has a flaw that strangers can use. The text says which, and what to install."""


def check(number: int | None = None) -> None:
    """UnsafeOpenSSL for an OpenSSL of this number (0x30000020 is 3.0.2; None: the one in use) that has a known flaw."""
    flaw = crypto_flaw(crypto_number() if number is None else number)
    if flaw:
        found = crypto_version() if number is None else f"OpenSSL {number >> 28}.{number >> 20 & 0xFF}.{number >> 4 & 0xFF}"
        raise UnsafeOpenSSL(f"rtcengine refuses {found}: {flaw}", name="rtcengine")
