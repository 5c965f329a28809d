"""The certificate that DTLS shows: self-signed, trusted by its fingerprint in the description (RFC 8827 §6.5)."""

from __future__ import annotations

import binascii
import contextlib
import datetime
import functools
import hashlib
import os
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from ._core import make_certificate
from .types import Fingerprint

# What is read in certificates, and RSA, is cryptography's. It takes 10 MB, and a program that makes its own on P-256, as all do
# unless they say otherwise, never needs it: it is imported where it is used.

DAYS = 30
KINDS = ("ECDSA", "RSA")
RSA_BITS = 2048
DIGESTS = {"sha-256": "sha256", "sha-384": "sha384", "sha-512": "sha512"}  # as hashlib calls them
MAX_FILE = 65536

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----\s(.+?)-----END CERTIFICATE-----", re.DOTALL)


class CertificateExpired(ValueError):
    """A certificate whose time is over; `expires` is when it ended."""

    def __init__(self, message: str, expires: datetime.datetime) -> None:
        super().__init__(message)
        self.expires = expires


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its private key, both PEM. The key is not shown by repr()."""

    cert_pem: bytes
    key_pem: bytes = field(repr=False)

    @classmethod
    def generate(
        cls, kind: str = "ECDSA", *, days: float | None = None, expires: datetime.datetime | None = None
    ) -> Certificate:
        """A new one under a random name: "ECDSA" (P-256) or "RSA" (2048 bits, which takes a tenth of a second or more).

        It begins yesterday, since peers' clocks may be behind ours, and ends at `expires` (a time with its zone) or `days`
        from then, 30 when neither is given. Digits below a second are lost.
        """
        if kind not in KINDS:
            raise ValueError(f"no certificate of kind {kind!r}: {', '.join(KINDS)} are known")
        if days is not None and expires is not None:
            raise ValueError("either days or expires")
        if expires is not None and expires.tzinfo is None:
            raise ValueError("expires has no time zone")
        start = int((datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)).timestamp())
        end = int(expires.timestamp()) if expires is not None else start + round((DAYS if days is None else days) * 86400)
        if end <= start:
            raise ValueError("the certificate would end before it begins")
        name = secrets.token_hex(8)
        return cls(*(make_certificate if kind == "ECDSA" else _make_rsa)(name, start, end))

    @classmethod
    def load(cls, cert_file: str | os.PathLike[str], key_file: str | os.PathLike[str]) -> Certificate:
        """What `save` wrote, or any PEM files with an EC or RSA key. OSError, ValueError that names the file that cannot be
        used or says that they do not belong together, CertificateExpired."""
        from cryptography import x509
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec, rsa

        cert_pem, key_pem = _read(Path(cert_file)), _read(Path(key_file))
        try:
            cert = x509.load_pem_x509_certificate(cert_pem)
        except ValueError:
            raise ValueError(f"{cert_file}: no certificate in PEM") from None
        try:
            key = serialization.load_pem_private_key(key_pem, password=None)
        except TypeError:
            raise ValueError(f"{key_file}: the private key is encrypted") from None
        except (ValueError, UnsupportedAlgorithm):
            raise ValueError(f"{key_file}: no private key in PEM") from None
        if not isinstance(key, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)):
            raise ValueError(f"{key_file}: neither an EC nor an RSA key")
        if isinstance(key, rsa.RSAPrivateKey) and key.key_size < RSA_BITS:
            raise ValueError(f"{key_file}: an RSA key of {key.key_size} bits, {RSA_BITS} are the least")
        if cert.public_key() != key.public_key():
            raise ValueError(f"{key_file} is not the key of {cert_file}")
        loaded = cls(cert_pem, key_pem)
        loaded.check_expiry(str(cert_file))
        return loaded

    def save(self, cert_file: str | os.PathLike[str], key_file: str | os.PathLike[str]) -> None:
        """Both as PEM files; nobody but the owner may read the key's. Each is there as a whole or not at all."""
        _write(Path(key_file), self.key_pem, 0o600)
        _write(Path(cert_file), self.cert_pem, 0o644)

    @property
    def der(self) -> bytes:
        """The certificate alone, as DTLS shows it."""
        return _der(self.cert_pem)

    @property
    def expires(self) -> datetime.datetime:
        """When it ends, in UTC."""
        return _expires(self.cert_pem)

    def check_expiry(self, name: str = "the certificate") -> None:
        """CertificateExpired when its time is over."""
        if self.expires <= datetime.datetime.now(datetime.UTC):
            raise CertificateExpired(f"{name} expired at {self.expires:%Y-%m-%d %H:%M:%S} UTC", self.expires)

    @property
    def fingerprints(self) -> tuple[Fingerprint, ...]:
        """By SHA-256, SHA-384 and SHA-512."""
        return tuple(Fingerprint(name, self.digest(name)) for name in DIGESTS)

    def digest(self, algorithm: str = "sha-256") -> bytes:
        """The fingerprint's bytes. ValueError for an algorithm other than sha-256, sha-384, sha-512."""
        name = algorithm.lower()
        if name not in DIGESTS:
            raise ValueError(f"no fingerprint by {algorithm!r}: {', '.join(DIGESTS)} are known")
        return _digest(self.cert_pem, name)

    def fingerprint(self, algorithm: str = "sha-256") -> str:
        """As SDP writes it: upper-case pairs of hex digits with colons (RFC 8122 §5)."""
        return self.digest(algorithm).hex(":").upper()


def _make_rsa(name: str, start: int, end: int) -> tuple[bytes, bytes]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509.oid import NameOID

    key = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    named = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(named)
        .issuer_name(named)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime.fromtimestamp(start, datetime.UTC))
        .not_valid_after(datetime.datetime.fromtimestamp(end, datetime.UTC))
    )
    cert = builder.sign(key, hashes.SHA256())
    pkcs8 = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return cert.public_bytes(serialization.Encoding.PEM), pkcs8


def _der(cert_pem: bytes) -> bytes:
    """The first certificate in the text."""
    found = _PEM.search(cert_pem)
    if found is None:
        raise ValueError("no certificate in PEM")
    try:
        return binascii.a2b_base64(found[1])
    except binascii.Error:
        raise ValueError("a certificate in PEM that is no base64") from None


@functools.lru_cache(maxsize=16)  # every answer asks for it
def _digest(cert_pem: bytes, name: str) -> bytes:
    return hashlib.new(DIGESTS[name], _der(cert_pem)).digest()


@functools.lru_cache(maxsize=16)
def _expires(cert_pem: bytes) -> datetime.datetime:
    from cryptography import x509

    cert = x509.load_pem_x509_certificate(cert_pem)
    if hasattr(cert, "not_valid_after_utc"):  # cryptography 42 and later
        return cert.not_valid_after_utc
    return cert.not_valid_after.replace(tzinfo=datetime.UTC)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(MAX_FILE + 1)
    if len(data) > MAX_FILE:
        raise ValueError(f"{path}: longer than {MAX_FILE} bytes")
    return data


def _write(path: Path, data: bytes, mode: int) -> None:
    """By a new file beside it: the key was never readable, and never half there."""
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
    except BaseException:
        with contextlib.suppress(OSError):
            new.unlink()
        raise
