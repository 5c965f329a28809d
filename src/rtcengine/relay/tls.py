"""https for the page: browsers give cameras only to it (or to localhost)."""

from __future__ import annotations

import datetime
import ipaddress
import os
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID_DAYS = 365
RENEW_DAYS = 30


def state_folder() -> Path:
    """Where files that outlive a run are kept: $XDG_STATE_HOME/rtcengine or ~/.local/state/rtcengine."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "rtcengine"


def context(cert_file: str, key_file: str) -> ssl.SSLContext:
    """A server context over PEM files. Raises ValueError that names the file at fault."""
    for path in (cert_file, key_file):
        try:
            Path(path).read_bytes()
        except OSError as error:
            raise ValueError(f"cannot read {path}: {error.strerror or error}") from None
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)

    def encrypted() -> str:  # without it OpenSSL would ask on the terminal
        raise ValueError(f"the key {key_file} is encrypted: give one without a passphrase")

    try:
        made.load_cert_chain(cert_file, key_file, encrypted)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ValueError(f"the key {key_file} is not that of the certificate {cert_file}") from None
        raise ValueError(f"certificate {cert_file} with key {key_file} cannot be used: {_reason(error)}") from None
    return made


def _reason(error: ssl.SSLError) -> str:
    """What OpenSSL says in words; for what is no PEM at all it has none."""
    return (error.reason or "no PEM in it").lower().replace("_", " ")


def self_signed(addresses: list[str]) -> tuple[str, str]:
    """Paths of a certificate for these addresses and localhost, and of its key; made when missing, about to expire, or when
    an address is new, else the one of the last run, so that a browser asks only once."""
    folder = state_folder()
    cert, key = folder / "page.crt", folder / "page.key"
    if not _serves(cert, key, addresses):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make(cert, key, addresses)
    return str(cert), str(key)


def _names(addresses: list[str]) -> list[x509.GeneralName]:
    ips = [ipaddress.ip_address(a) for a in dict.fromkeys(["127.0.0.1", "::1", *addresses])]
    return [x509.DNSName("localhost"), *(x509.IPAddress(ip) for ip in ips)]


def _serves(cert: Path, key: Path, addresses: list[str]) -> bool:
    try:
        found = x509.load_pem_x509_certificate(cert.read_bytes())
        private = serialization.load_pem_private_key(key.read_bytes(), None)
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, TypeError, x509.ExtensionNotFound):  # TypeError: an encrypted key
        return False
    if private.public_key() != found.public_key():  # a run ended between the two files
        return False
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=RENEW_DAYS)
    return found.not_valid_after_utc > soon and all(name in list(names) for name in _names(addresses))


def _make(cert: Path, key: Path, addresses: list[str]) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rtcengine")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName(_names(addresses)), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    pem = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _replace(key, pem)
    _replace(cert, made.public_bytes(serialization.Encoding.PEM))


def _replace(path: Path, content: bytes) -> None:
    """Whole or not at all, and readable by nobody else whatever was there before."""
    new = path.with_name(f"{path.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    new.replace(path)
