"""What programs for aiortc import from its module of this name."""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes

from .peer.certificate import RTCCertificate, RTCDtlsFingerprint
from .peer.transports import RTCDtlsParameters, RTCDtlsTransport

X509_DIGEST_ALGORITHMS = {"sha-256": hashes.SHA256(), "sha-384": hashes.SHA384(), "sha-512": hashes.SHA512()}
"""What fingerprints are made and checked with, by SDP's names."""

__all__ = [
    "X509_DIGEST_ALGORITHMS",
    "RTCCertificate",
    "RTCDtlsFingerprint",
    "RTCDtlsParameters",
    "RTCDtlsTransport",
]
