"""The page's certificate: kept between runs, renewed when it must be, and files of one's own that do not fit."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from rtcengine.relay import RelayConfig, tls

HERE = ["192.0.2.1"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "rtcengine"


def read(path: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(Path(path).read_bytes())


def test_kept_between_runs(folder: Path) -> None:
    first = tls.self_signed(HERE)
    before = [Path(p).read_bytes() for p in first]
    assert first == (str(folder / "page.crt"), str(folder / "page.key"))
    assert tls.self_signed(HERE) == first
    assert [Path(p).read_bytes() for p in first] == before
    assert (folder / "page.key").stat().st_mode & 0o777 == 0o600
    assert sorted(p.name for p in folder.iterdir()) == ["page.crt", "page.key"]


def test_what_browsers_look_at() -> None:
    cert = read(tls.self_signed(["192.0.2.1", "2001:db8::1"])[0])
    names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    addresses = [str(ip) for ip in names.get_values_for_type(x509.IPAddress)]
    assert addresses == ["127.0.0.1", "::1", "192.0.2.1", "2001:db8::1"]
    usage = cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]
    assert cert.not_valid_after_utc - cert.not_valid_before_utc < datetime.timedelta(days=398)
    assert cert.not_valid_before_utc < datetime.datetime.now(datetime.UTC)


def test_renewed_for_a_new_address() -> None:
    first = read(tls.self_signed(HERE)[0])
    second = read(tls.self_signed([*HERE, "192.0.2.2"])[0])
    assert second != first
    assert read(tls.self_signed(HERE)[0]) == second, "an address that is gone does no harm"
    assert read(tls.self_signed(["::1", "127.0.0.1"])[0]) == second


def test_renewed_before_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(tls, "VALID_DAYS", tls.RENEW_DAYS - 1)
        first = read(tls.self_signed(HERE)[0])
    second = read(tls.self_signed(HERE)[0])
    assert second != first
    assert read(tls.self_signed(HERE)[0]) == second


@pytest.mark.parametrize("name", ["page.crt", "page.key"])
@pytest.mark.parametrize("damage", ["missing", "empty", "garbage", "other"])
def test_renewed_when_a_file_is_unusable(folder: Path, name: str, damage: str, tmp_path: Path) -> None:
    tls.self_signed(HERE)
    path = folder / name
    match damage:
        case "missing":
            path.unlink()
        case "empty":
            path.write_bytes(b"")
        case "garbage":
            path.write_bytes(b"\xff" * 100)
        case "other":  # of another pair: both are fine, but do not belong together
            kept = path.read_bytes()
            (folder / "page.crt").unlink()
            tls.self_signed(HERE)
            path.write_bytes(kept)
    tls.context(*tls.self_signed(HERE))


def test_key_is_nobody_elses_even_where_it_was(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "page.key").write_bytes(b"")
    (folder / "page.key").chmod(0o644)
    tls.self_signed(HERE)
    assert (folder / "page.key").stat().st_mode & 0o777 == 0o600


def test_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert tls.state_folder() == tmp_path / ".local" / "state" / "rtcengine"


# Files of one's own


def pair(folder: Path, passphrase: bytes = b"") -> tuple[str, str]:
    cert, key = tls.self_signed(HERE)
    if passphrase:
        private = serialization.load_pem_private_key(Path(key).read_bytes(), None)
        encryption = serialization.BestAvailableEncryption(passphrase)
        key = str(folder / "encrypted.key")
        Path(key).write_bytes(private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption))
    return cert, key


def test_good_files(folder: Path) -> None:
    assert isinstance(tls.context(*pair(folder)), ssl.SSLContext)
    assert tls.context(*pair(folder)).minimum_version >= ssl.TLSVersion.TLSv1_2


def test_missing_files_are_named(folder: Path) -> None:
    cert, key = pair(folder)
    with pytest.raises(ValueError, match=r"cannot read /nowhere/c\.pem: No such file or directory"):
        tls.context("/nowhere/c.pem", key)
    with pytest.raises(ValueError, match=r"cannot read /nowhere/k\.pem: No such file or directory"):
        tls.context(cert, "/nowhere/k.pem")
    with pytest.raises(ValueError, match="Is a directory"):
        tls.context(str(folder), key)


def test_files_that_are_no_pem_are_named(folder: Path) -> None:
    cert, key = pair(folder)
    text = folder / "notes.txt"
    text.write_text("hello")
    for files in ((str(text), key), (cert, str(text)), (key, cert)):
        with pytest.raises(ValueError) as caught:
            tls.context(*files)
        assert files[0] in str(caught.value) and files[1] in str(caught.value)


def test_key_of_another_certificate(folder: Path) -> None:
    cert, _ = pair(folder)
    other = folder / "other.key"
    private = ec.generate_private_key(ec.SECP256R1())
    other.write_bytes(
        private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    with pytest.raises(ValueError, match=r"other\.key is not that of the certificate .*page\.crt"):
        tls.context(cert, str(other))


def test_encrypted_key_is_not_asked_for_on_the_terminal(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"encrypted\.key is encrypted"):
        tls.context(*pair(folder, b"secret"))


@pytest.mark.parametrize("one", [{"cert_file": "c"}, {"key_file": "k"}])
def test_one_file_is_not_enough(one: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="give both files"):
        RelayConfig(**one)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="choose one"):
        RelayConfig(cert_file="c", key_file="k", self_signed=True)
