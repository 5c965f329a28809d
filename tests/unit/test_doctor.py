"""`rtcengine doctor`: every check has a verdict, a lack has advice, and only essential ones fail."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

import pytest

from rtcengine.cli import doctor, machine, main
from rtcengine.cli.doctor import FAIL, INFO, OK, WARN, Check
from rtcengine.cli.style import Style


def found(checks: list[Check], name: str) -> Check:
    (check,) = [check for check in checks if check.name == name]
    return check


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["doctor", "--json"])
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    report = json.loads(out)
    checks = {check["name"]: check for check in report["checks"]}
    assert report["ok"] is (code == 0) is True
    assert {"python", "openssl", "av", "libopus", "VP8 encoder", "receive buffer", "batched calls", "UDP GSO"} <= set(checks)
    assert {"UDP GRO", "path", "monotonic", "wall clock", "page port", "media port"} <= set(checks)
    assert checks["openssl"]["value"].startswith("OpenSSL 3")
    for check in checks.values():
        assert check["status"] in (OK, INFO, WARN, FAIL)
        assert check["text"]
        assert bool(check["advice"]) == (check["status"] in (WARN, FAIL)), check


def test_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out and out.isascii()
    assert out.splitlines()[-1].startswith("ready")
    for check in doctor.examine():
        assert f"{check.name} " in out


def test_the_summary() -> None:
    style = Style(False)
    fine, odd, bad = (Check("g", name, status, "x", None, "do y") for name, status in (("a", OK), ("b", WARN), ("c", FAIL)))
    assert doctor.as_text([fine], style).splitlines()[-1] == "ready"
    assert doctor.as_text([fine, odd], style).splitlines()[-1] == "ready; 1 thing could be better"
    assert doctor.as_text([fine, odd, bad], style).splitlines()[-1] == "something essential is missing: c"
    assert json.loads(doctor.as_json([fine, odd]))["ok"] is True
    assert json.loads(doctor.as_json([fine, bad]))["ok"] is False


@pytest.mark.parametrize(("there", "status", "text"), [(True, OK, "used"), (False, INFO, "not here")])
def test_what_the_kernel_joins(there: bool, status: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for what in ("send_offload", "receive_offload"):
        monkeypatch.setattr(machine, what, lambda: there)
    checks = list(doctor.network())
    for name in ("UDP GSO", "UDP GRO"):
        check = found(checks, name)
        assert check.status == status and check.text.startswith(text)


def test_small_buffers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "buffers", lambda: machine.Buffers(212992, machine.BUFFER_WANTED, 212992, None))
    checks = list(doctor.network())
    assert found(checks, "receive buffer").status == WARN
    assert "sysctl -w net.core.rmem_max=5000000" in found(checks, "receive buffer").advice
    assert found(checks, "send buffer").status == OK


@pytest.mark.parametrize(("works", "status", "text"), [(True, OK, "used: "), (False, INFO, "not here: ")])
def test_runs(monkeypatch: pytest.MonkeyPatch, works: bool, status: str, text: str) -> None:
    monkeypatch.setattr(machine, "send_offload", lambda: works)
    check = found(list(doctor.network()), "UDP GSO")
    assert (check.status, check.value) == (status, works)
    assert check.text.startswith(text)


def test_no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> machine.Buffers:
        raise PermissionError("Operation not permitted")

    monkeypatch.setattr(machine, "buffers", refused)
    assert [check.status for check in doctor.network()] == [FAIL]


def test_no_libopus(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(machine, "opus_version", lambda: "")
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "apt install libopus0" in out
    assert out.splitlines()[-1] == "something essential is missing: libopus"


def test_no_batched_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "batch_calls", lambda: {"recvmmsg": False, "sendmmsg": False})
    check = found(list(doctor.network()), "batched calls")
    assert (check.status, check.text) == (WARN, "no recvmmsg and no sendmmsg")


@pytest.mark.parametrize(("source", "synchronized", "verdicts"), [("tsc", True, [OK, OK]), ("hpet", False, [WARN, WARN])])
def test_clocks(monkeypatch: pytest.MonkeyPatch, source: str, synchronized: bool, verdicts: list[str]) -> None:
    monkeypatch.setattr(machine, "clock", lambda: machine.Clock(source, 1e-9, synchronized))
    assert [check.status for check in doctor.clock()] == verdicts


def test_live_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who encodes VP8 and VP9, and what is to be had."""
    for version, status, word in (("v1.12.0", OK, "v1.12.0"), ("", WARN, "begin anew")):
        monkeypatch.setattr(machine, "own_vpx_version", lambda version=version: version)
        check = found(list(doctor.codecs()), "live rates")
        assert check.status == status and word in check.text and check.value == version


def test_who_encodes_av1(monkeypatch: pytest.MonkeyPatch) -> None:
    for version, status, word in (("3.6.0", OK, "libaom 3.6.0"), ("", WARN, "missing")):
        monkeypatch.setattr(machine, "own_aom_version", lambda version=version: version)
        check = found(list(doctor.codecs()), "AV1 encoder")
        assert (check.status, check.text, check.value) == (status, word, version)
        assert ("libaom-dev" in check.advice) == (not version)


def test_a_processor_without_aes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "cpu_ciphers", list)
    assert found(list(doctor.crypto()), "processor").status == WARN


def test_a_port_that_is_taken() -> None:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as sock:
            sock.bind(("127.0.0.1", 0))
            if kind is socket.SOCK_STREAM:
                sock.listen()
            port = sock.getsockname()[1]
            assert not machine.port_is_free(kind, "127.0.0.1", port)
        assert machine.port_is_free(kind, "127.0.0.1", port)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux's own")
def test_probes_tell_what_the_system_says() -> None:
    assert machine.batch_calls() == {"recvmmsg": True, "sendmmsg": True}
    granted = machine.buffers()
    assert granted.receive_limit == int(Path("/proc/sys/net/core/rmem_max").read_text())
    if os.geteuid():
        assert granted.receive == min(machine.BUFFER_WANTED, granted.receive_limit)
    assert granted.receive > 0 and granted.send > 0
    assert (
        machine.clock().source in Path("/sys/devices/system/clocksource/clocksource0/available_clocksource").read_text().split()
        or machine.clock().source == "unknown"
    )
    assert machine.opus_version().startswith("libopus ")
    assert machine.crypto_version().startswith("OpenSSL 3")


def test_unknown_files_and_libraries() -> None:
    assert machine.read_text("/nonexistent") is None
    assert machine._ask_version(None, "x") == ""
    assert machine._ask_version("/nonexistent.so", "x") == ""
