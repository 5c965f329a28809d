"""RTCCertificate: a certificate as programs hand it to a peer connection (W3C webrtc §4.9), in the W3C's and aiortc's names."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..certificate import DAYS, Certificate
from .errors import InvalidAccessError, NotSupportedError

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

MAX_LIFETIME_MS = 365 * 86400 * 1000
"""What the W3C lets `expires` of generateCertificate ask for; more is cut."""


@dataclass(frozen=True, slots=True)
class RTCDtlsFingerprint:
    """Digest of a certificate; `value` are lower-case pairs of hex digits with colons."""

    algorithm: str
    value: str


class RTCCertificate:
    """A key and its certificate. `certificate` is the engine's value, which can be saved; equal ones are equal."""

    def __init__(self, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, cert: x509.Certificate) -> None:
        from cryptography.hazmat.primitives import serialization

        if key.public_key() != cert.public_key():
            raise InvalidAccessError("the key is not that of the certificate")
        encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
        key_pem = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain)
        self.certificate = Certificate(cert.public_bytes(encoding), key_pem)

    @classmethod
    def of(cls, certificate: Certificate) -> RTCCertificate:
        """Over one that was made or loaded before. Certificate.load has checked that its halves belong together."""
        self = cls.__new__(cls)
        self.certificate = certificate
        return self

    @classmethod
    def generateCertificate(cls, keygenAlgorithm: str | Mapping[str, Any] = "ECDSA") -> RTCCertificate:
        """A new one: "ECDSA" or {"name": "ECDSA", "namedCurve": "P-256"}, or {"name": "RSASSA-PKCS1-v1_5",
        "modulusLength": 2048, "publicExponent": b"\\1\\0\\1", "hash": "SHA-256"}, each with `expires`: milliseconds from now,
        cut to a year, 30 days when absent. NotSupportedError for other algorithms. RSA takes a tenth of a second or more:
        RTCPeerConnection.generateCertificate waits for it beside the loop."""
        kind, lifetime_ms = read_algorithm(keygenAlgorithm)
        expires = datetime.datetime.now(datetime.UTC) + datetime.timedelta(milliseconds=lifetime_ms)
        return cls.of(Certificate.generate(kind, expires=expires))

    @property
    def expires(self) -> int:
        """Milliseconds since 1970, as the W3C has it."""
        return int(self.certificate.expires.timestamp()) * 1000

    @property
    def expired(self) -> bool:
        return self.certificate.expires <= datetime.datetime.now(datetime.UTC)

    def getFingerprints(self) -> list[RTCDtlsFingerprint]:
        """By SHA-256, SHA-384 and SHA-512."""
        return [RTCDtlsFingerprint(f.algorithm, f.digest.hex(":")) for f in self.certificate.fingerprints]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RTCCertificate) and self.certificate == other.certificate

    def __hash__(self) -> int:
        return hash(self.certificate)

    def __repr__(self) -> str:
        return f"<RTCCertificate {self.certificate.fingerprint()} until {self.certificate.expires:%Y-%m-%d %H:%M}>"


async def generate(keygenAlgorithm: str | Mapping[str, Any] = "ECDSA") -> RTCCertificate:
    """As RTCCertificate.generateCertificate, without holding the event loop up."""
    read_algorithm(keygenAlgorithm)
    return await asyncio.to_thread(RTCCertificate.generateCertificate, keygenAlgorithm)


def read_algorithm(given: str | Mapping[str, Any]) -> tuple[str, float]:
    """Kind of certificate and its life in milliseconds (W3C §4.9.1; names without regard to case)."""
    wanted: Mapping[str, Any] = {"name": given} if isinstance(given, str) else given
    if not isinstance(wanted, Mapping) or not isinstance(wanted.get("name"), str):
        raise TypeError("keygenAlgorithm is neither a name nor a mapping with one")
    name = wanted["name"].upper()
    if name == "ECDSA":
        if wanted.get("namedCurve", "P-256") != "P-256":
            raise NotSupportedError(f"ECDSA over {wanted['namedCurve']!r}: P-256 is supported")
        kind = "ECDSA"
    elif name == "RSASSA-PKCS1-V1_5":
        _check_rsa(wanted)
        kind = "RSA"
    else:
        raise NotSupportedError(f"certificates by {wanted['name']!r}: ECDSA and RSASSA-PKCS1-v1_5 are supported")
    lifetime = wanted.get("expires", DAYS * 86400 * 1000)
    if isinstance(lifetime, bool) or not isinstance(lifetime, int | float) or not lifetime >= 0:
        raise TypeError("expires is no number of milliseconds")
    return kind, min(lifetime, MAX_LIFETIME_MS)


def _check_rsa(wanted: Mapping[str, Any]) -> None:
    hash_ = wanted.get("hash", "SHA-256")
    hash_name = hash_.get("name") if isinstance(hash_, Mapping) else hash_
    if wanted.get("modulusLength", 2048) != 2048:
        raise NotSupportedError(f"RSA with {wanted['modulusLength']!r} bits: 2048 are supported")
    if bytes(wanted.get("publicExponent", b"\1\0\1")).lstrip(b"\0") != b"\1\0\1":
        raise NotSupportedError("an RSA key with another exponent than 65537")
    if not isinstance(hash_name, str) or hash_name.upper() != "SHA-256":
        raise NotSupportedError(f"certificates signed with {hash_name!r}: SHA-256 is supported")
