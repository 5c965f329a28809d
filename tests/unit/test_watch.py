"""Who wants to know of changed addresses is told, by netlink's word or by looking. interop/test_pc_nat.py has the real one."""

from __future__ import annotations

import ipaddress
import select
import socket
from collections.abc import Iterator

import pytest

from rtcengine.ice import watch as module
from rtcengine.ice.addresses import Address
from rtcengine.ice.watch import watch
from tests.util import until

ONE, OTHER = (ipaddress.ip_address(a) for a in ("192.0.2.1", "192.0.2.2"))


class Machine:
    """Addresses that a test gives it, and the kernel's end of netlink."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, netlink: bool) -> None:
        self.addresses: list[Address] = [ONE]
        self.looks = 0
        self.kernel: socket.socket | None = None
        self.ours: socket.socket | None = None
        if netlink:
            self.kernel, self.ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
            self.ours.setblocking(False)
        monkeypatch.setattr(module, "local_addresses", self.look)
        monkeypatch.setattr(module, "_subscribe", lambda: self.ours)
        monkeypatch.setattr(module, "SETTLE_S", 0.001)
        monkeypatch.setattr(module, "LOOK_S", 0.001)

    def look(self) -> list[Address]:
        self.looks += 1
        return list(self.addresses)

    def change(self, *addresses: Address) -> None:
        self.addresses[:] = addresses
        if self.kernel is not None:
            self.kernel.send(b"news")


def _waits(sock: socket.socket) -> bool:
    return bool(select.select([sock], [], [], 0)[0])


@pytest.fixture(params=[True, False], ids=["netlink", "looking"])
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    made = Machine(monkeypatch, request.param)
    yield made
    if made.kernel is not None:
        made.kernel.close()


async def test_told_of_each_change_until_it_ends(machine: Machine) -> None:
    told: list[str] = []

    def broken() -> None:
        told.append("broken")
        raise RuntimeError("a program's mistake")

    ends = [watch(broken), watch(lambda: told.append("a")), watch(lambda: told.append("b"))]
    machine.change(ONE, OTHER)
    await until(lambda: told == ["broken", "a", "b"])
    ends[1]()
    machine.change(OTHER)
    await until(lambda: told[3:] == ["broken", "b"])
    for end in ends:
        end()
        end()
    assert machine.ours is None or machine.ours.fileno() < 0
    assert not module._watches


async def test_what_changes_no_address_is_not_told(machine: Machine) -> None:
    told: list[str] = []
    end = watch(lambda: told.append("a"))
    try:
        before = machine.looks
        machine.change(ONE)
        await until(lambda: machine.looks > before)
        assert not told
    finally:
        end()


async def test_many_words_are_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, netlink=True)
    told: list[str] = []
    end = watch(lambda: told.append("a"))
    try:
        for _ in range(50):
            machine.change(OTHER)
        await until(lambda: machine.ours is not None and not _waits(machine.ours) and bool(told))
        assert told == ["a"] and machine.looks < 50
    finally:
        end()
        assert machine.kernel is not None
        machine.kernel.close()


async def test_linux_tells() -> None:
    """The real socket takes what comes from the kernel alone, and is there at all."""
    told: list[str] = []
    end = watch(lambda: told.append("a"))
    try:
        assert next(iter(module._watches.values()))._socket is not None
    finally:
        end()
