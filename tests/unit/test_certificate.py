"""Certificates: made by kind and expiry, kept in files, and as the W3C's RTCCertificate."""

from __future__ import annotations

import datetime
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from rtcengine import Certificate
from rtcengine.certificate import CertificateExpired
from rtcengine.peer.certificate import MAX_LIFETIME_MS, RTCCertificate, generate
from rtcengine.peer.configuration import RTCConfiguration
from rtcengine.peer.connection import RTCPeerConnection
from rtcengine.peer.errors import InvalidAccessError, InvalidModificationError, NotSupportedError

from .peer_kit import connection

UTC = datetime.UTC
DAY = datetime.timedelta(days=1)
RSA = Certificate.generate("RSA")


def now() -> datetime.datetime:
    return datetime.datetime.now(UTC)


def key_of(certificate: Certificate) -> Any:
    return serialization.load_pem_private_key(certificate.key_pem, None)


def cert_of(certificate: Certificate) -> x509.Certificate:
    return x509.load_pem_x509_certificate(certificate.cert_pem)


def past() -> Certificate:
    return Certificate.generate(expires=now() - datetime.timedelta(hours=1))


def test_kinds() -> None:
    made = key_of(Certificate.generate())
    assert isinstance(made, ec.EllipticCurvePrivateKey) and made.curve.name == "secp256r1"
    made = key_of(RSA)
    assert isinstance(made, rsa.RSAPrivateKey) and made.key_size == 2048
    with pytest.raises(ValueError, match="ECDSA, RSA are known"):
        Certificate.generate("DSA")


def test_expiry() -> None:
    before = now().replace(microsecond=0)
    assert before + 29 * DAY <= Certificate.generate().expires <= now() + 29 * DAY
    assert before + 364 * DAY <= Certificate.generate(days=365).expires <= now() + 364 * DAY
    end = datetime.datetime(2040, 5, 6, 7, 8, 9, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))
    made = Certificate.generate(expires=end)
    assert made.expires == end and made.expires.tzinfo is UTC
    made.check_expiry()
    with pytest.raises(CertificateExpired, match="expired at") as caught:
        past().check_expiry()
    assert caught.value.expires < now()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"days": 3, "expires": datetime.datetime(2040, 1, 1, tzinfo=UTC)}, "either days or expires"),
        ({"expires": datetime.datetime(2040, 1, 1)}, "no time zone"),
        ({"days": 0}, "end before"),
        ({"expires": datetime.datetime(2001, 1, 1, tzinfo=UTC)}, "end before"),
    ],
)
def test_expiry_that_cannot_be(options: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Certificate.generate(**options)


def test_fingerprints() -> None:
    found = {f.algorithm: f.value for f in RSA.fingerprints}
    assert list(found) == ["sha-256", "sha-384", "sha-512"]
    for name, value in found.items():
        out = subprocess.run(
            ["openssl", "x509", "-noout", "-fingerprint", f"-{name.replace('-', '')}"],
            input=RSA.cert_pem,
            capture_output=True,
            check=True,
        ).stdout
        assert out.decode().strip().endswith("=" + value) and RSA.fingerprint(name) == value


@pytest.mark.parametrize("made", [Certificate.generate(), RSA], ids=["ECDSA", "RSA"])
def test_kept_in_files(tmp_path: Path, made: Certificate) -> None:
    cert, key = tmp_path / "a.crt", tmp_path / "a.key"
    old = os.umask(0)
    try:
        made.save(cert, key)
    finally:
        os.umask(old)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert Certificate.load(cert, str(key)) == made
    key.chmod(0o644)
    made.save(cert, key)  # over the old ones, and the key is its owner's again
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.crt", "a.key"]


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    cert, key, other = tmp_path / "a.crt", tmp_path / "a.key", tmp_path / "b.key"
    one = Certificate.generate()
    one.save(cert, key)
    other.write_bytes(RSA.key_pem)
    with pytest.raises(ValueError, match=r"b\.key is not the key of .*a\.crt"):
        Certificate.load(cert, other)
    with pytest.raises(FileNotFoundError):
        Certificate.load(tmp_path / "none", key)
    with pytest.raises(ValueError, match=r"a\.key: no certificate in PEM"):
        Certificate.load(key, key)
    with pytest.raises(ValueError, match=r"a\.crt: no private key in PEM"):
        Certificate.load(cert, cert)
    encoding, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    plain, locked = serialization.NoEncryption(), serialization.BestAvailableEncryption(b"secret")
    other.write_bytes(key_of(one).private_bytes(encoding, pkcs8, locked))
    with pytest.raises(ValueError, match=r"b\.key: the private key is encrypted"):
        Certificate.load(cert, other)
    other.write_bytes(ed25519.Ed25519PrivateKey.generate().private_bytes(encoding, pkcs8, plain))
    with pytest.raises(ValueError, match=r"b\.key: neither an EC nor an RSA key"):
        Certificate.load(cert, other)
    other.write_bytes(rsa.generate_private_key(65537, 1024).private_bytes(encoding, pkcs8, plain))
    with pytest.raises(ValueError, match="an RSA key of 1024 bits"):
        Certificate.load(cert, other)
    other.write_bytes(b"x" * 65537)
    with pytest.raises(ValueError, match="longer than 65536 bytes"):
        Certificate.load(cert, other)
    past().save(cert, key)
    with pytest.raises(CertificateExpired, match=r"a\.crt expired at"):
        Certificate.load(cert, key)


def test_a_save_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        RSA.save(tmp_path / "a.crt", tmp_path / "folder")
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


P256 = {"name": "ECDSA", "namedCurve": "P-256"}
PKCS1 = {"name": "RSASSA-PKCS1-v1_5", "modulusLength": 2048, "publicExponent": b"\1\0\1", "hash": "SHA-256"}


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [
        ("ECDSA", ec.EllipticCurvePrivateKey),
        ("ecdsa", ec.EllipticCurvePrivateKey),
        (P256, ec.EllipticCurvePrivateKey),
        (PKCS1, rsa.RSAPrivateKey),
        (PKCS1 | {"hash": {"name": "sha-256"}, "publicExponent": [1, 0, 1]}, rsa.RSAPrivateKey),
    ],
)
async def test_generate_as_the_w3c_does(algorithm: Any, kind: type) -> None:
    made = await RTCPeerConnection.generateCertificate(algorithm)
    assert isinstance(made, RTCCertificate) and isinstance(key_of(made.certificate), kind)
    in_ms = now().timestamp() * 1000
    assert isinstance(made.expires, int) and abs(made.expires - in_ms - 30 * 86400_000) < 60_000
    assert [f.algorithm for f in made.getFingerprints()] == ["sha-256", "sha-384", "sha-512"]
    assert made.getFingerprints()[0].value == made.certificate.fingerprint().lower()
    assert made.certificate.key_pem.decode() not in repr(made)


@pytest.mark.parametrize(
    "algorithm",
    [
        "RSA",
        "",
        P256 | {"namedCurve": "P-384"},
        PKCS1 | {"modulusLength": 1024},
        PKCS1 | {"publicExponent": b"\3"},
        PKCS1 | {"hash": "SHA-1"},
        {"name": "RSA-PSS"},
    ],
)
async def test_algorithms_that_are_not_supported(algorithm: Any) -> None:
    with pytest.raises(NotSupportedError):
        await generate(algorithm)


@pytest.mark.parametrize("algorithm", [None, 7, {}, {"name": 7}, P256 | {"expires": -1}, P256 | {"expires": "soon"}])
async def test_algorithms_that_are_none(algorithm: Any) -> None:
    with pytest.raises(TypeError):
        await generate(algorithm)


async def test_life_by_the_w3cs_expires() -> None:
    for asked, given in ((3600_000, 3600_000), (10 * MAX_LIFETIME_MS, MAX_LIFETIME_MS), (float("inf"), MAX_LIFETIME_MS)):
        made = RTCCertificate.generateCertificate(P256 | {"expires": asked})
        assert abs(made.expires - now().timestamp() * 1000 - given) < 60_000


def test_from_key_and_certificate() -> None:
    made = RTCCertificate(key_of(RSA), cert_of(RSA))
    assert made.certificate.digest() == RSA.digest() and made == RTCCertificate.of(made.certificate)
    with pytest.raises(InvalidAccessError, match="not that of the certificate"):
        RTCCertificate(key_of(Certificate.generate()), cert_of(RSA))


async def test_in_a_configuration() -> None:
    good, old = RTCCertificate.of(RSA), RTCCertificate.of(past())
    pc = connection(RTCConfiguration(certificates=[good]))
    assert pc.getConfiguration().certificates == [good]
    assert pc.driver.configuration.certificates == [good]  # type: ignore[attr-defined]
    with pytest.raises(InvalidAccessError, match="expired"):
        connection(RTCConfiguration(certificates=[old]))
    with pytest.raises(InvalidAccessError, match="expired"):
        connection(RTCConfiguration(certificates=[good, old]))
    for wrong in ([object()], [RSA], good, "x"):
        with pytest.raises(TypeError, match="certificates"):
            connection(RTCConfiguration(certificates=wrong))  # type: ignore[arg-type]
    with pytest.raises(InvalidModificationError):
        pc.setConfiguration(RTCConfiguration(certificates=[old]))
    pc.setConfiguration(RTCConfiguration(certificates=[good]))


async def test_who_decides_about_peers_cannot_change() -> None:
    def verify(certificates: list[bytes]) -> bool:
        return bool(certificates)

    pc = connection(RTCConfiguration(verify_peer=verify))
    pc.setConfiguration(RTCConfiguration())
    assert pc.getConfiguration().verify_peer is verify
    with pytest.raises(InvalidModificationError, match="verify_peer"):
        pc.setConfiguration(RTCConfiguration(verify_peer=lambda certificates: True))
    with pytest.raises(TypeError, match="verify_peer"):
        connection(RTCConfiguration(verify_peer=True))  # type: ignore[arg-type]


async def test_one_that_expires_meanwhile_stays() -> None:
    soon = RTCCertificate.generateCertificate(P256 | {"expires": 86400_000})
    pc = connection(RTCConfiguration(certificates=[soon]))
    object.__setattr__(soon, "certificate", past())
    pc.setConfiguration(RTCConfiguration(certificates=[soon]))
    assert pc.getConfiguration().certificates == [soon]


def test_making_one_needs_no_cryptography() -> None:
    """Which would be 10 MB more of each relay."""
    text = "import sys, rtcengine.relay; rtcengine.Certificate.generate().digest(); sys.exit('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", text]).returncode == 0
