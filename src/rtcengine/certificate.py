"""The certificate that DTLS shows: self-signed, trusted by its fingerprint in the description (RFC 8827 §6.5)."""

from __future__ import annotations

import datetime
import functools
import secrets
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAYS = 30
DIGESTS: dict[str, hashes.HashAlgorithm] = {
    "sha-256": hashes.SHA256(),
    "sha-384": hashes.SHA384(),
    "sha-512": hashes.SHA512(),
}


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its private key, both PEM. The key is not shown by repr()."""

    cert_pem: bytes
    key_pem: bytes = field(repr=False)

    @classmethod
    def generate(cls) -> Certificate:
        """ECDSA P-256 under a random name, valid for 30 days from yesterday: peers' clocks may be behind ours."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, secrets.token_hex(8))])
        start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + datetime.timedelta(days=DAYS))
        )
        cert = builder.sign(key, hashes.SHA256())
        pkcs8 = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return cls(cert.public_bytes(serialization.Encoding.PEM), pkcs8)

    def digest(self, algorithm: str = "sha-256") -> bytes:
        """The fingerprint's bytes. ValueError for an algorithm other than sha-256, sha-384, sha-512."""
        name = algorithm.lower()
        if name not in DIGESTS:
            raise ValueError(f"no fingerprint by {algorithm!r}: {', '.join(DIGESTS)} are known")
        return _digest(self.cert_pem, name)

    def fingerprint(self, algorithm: str = "sha-256") -> str:
        """As SDP writes it: upper-case pairs of hex digits with colons (RFC 8122 §5)."""
        return self.digest(algorithm).hex(":").upper()


@functools.lru_cache(maxsize=16)
def _digest(cert_pem: bytes, name: str) -> bytes:
    """Every answer asks for it, and reading the certificate is a tenth of a millisecond."""
    return x509.load_pem_x509_certificate(cert_pem).fingerprint(DIGESTS[name])
