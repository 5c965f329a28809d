"""An authority made for a test, and a server's certificate that it vouches for: as browsers want them that check."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.interop.netns import run

DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Vouched:
    """PEM: the authority's certificate, the server's and its key."""

    authority: bytes
    cert_pem: bytes
    key_pem: bytes


def vouched(host: str) -> Vouched:
    """For a server by this name."""
    ours, theirs = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of a test")])
    now = datetime.datetime.now(datetime.UTC)

    def begin(subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, ca: bool) -> x509.CertificateBuilder:
        begun = x509.CertificateBuilder(issuer_name=name, subject_name=subject, public_key=key.public_key())
        begun = begun.serial_number(x509.random_serial_number()).not_valid_before(now - DAY).not_valid_after(now + DAY)
        return begun.add_extension(x509.BasicConstraints(ca, None), critical=True)

    authority = begin(name, ours, ca=True).sign(ours, hashes.SHA256())
    server = begin(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)]), theirs, ca=False)
    server = server.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    server = server.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    pem, none = serialization.Encoding.PEM, serialization.NoEncryption()
    key = theirs.private_bytes(pem, serialization.PrivateFormat.PKCS8, none)
    return Vouched(authority.public_bytes(pem), server.sign(ours, hashes.SHA256()).public_bytes(pem), key)


async def trust(profile: Path, authority: bytes) -> None:
    """A profile of Firefox's takes this authority's word on servers, as if its user had added it."""
    file, database = profile / "authority.pem", f"sql:{profile}"
    file.write_bytes(authority)
    await run("certutil", "-N", "-d", database, "--empty-password")
    await run("certutil", "-A", "-d", database, "-n", "authority", "-t", "C,,", "-i", str(file))
