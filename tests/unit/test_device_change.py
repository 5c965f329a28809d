""" "devicechange": who listens is told of devices that come and go, and nobody looks while nobody listens."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from rtcengine import MediaDevices
from rtcengine.media.devices import changes
from rtcengine.media.devices.changes import DeviceChangeEvent
from tests.unit.devices_kit import Machine
from tests.util import until


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "EVERY_S", 0.005)


def ids(devices: list[Any]) -> list[str]:
    return [device.deviceId for device in devices]


async def looks(machine: Machine, more: int = 3) -> None:
    """The devices have been looked at some times."""
    wanted = machine.looked + more
    await until(lambda: machine.looked >= wanted, interval=0.005, what="a look at the devices")


async def test_devices_come_and_go() -> None:
    machine = Machine(cameras=2)
    second = machine.present.pop(1)
    told: list[DeviceChangeEvent] = []
    machine.devices.on("devicechange", told.append)
    await looks(machine)
    assert machine.listed == 1 and not told
    machine.present.insert(1, second)
    await until(lambda: len(told) == 1, what="the second camera")
    assert ids(told[0].devices) == ids(await machine.devices.enumerateDevices()) == ["mic", "cam0", "cam1"]
    assert ids(told[0].userInsertedDevices) == ["cam1"] and told[0].target is machine.devices
    del machine.present[0]
    await until(lambda: len(told) == 2, what="the first one is gone")
    assert ids(told[1].devices) == ["mic", "cam1"] and told[1].userInsertedDevices == []
    machine.present[-1] = replace(machine.present[-1], label="Another microphone")
    await until(lambda: len(told) == 3, what="another one in its place")
    assert ids(told[2].userInsertedDevices) == ["mic"]
    await looks(machine)
    assert len(told) == 3


async def test_only_while_somebody_listens() -> None:
    machine = Machine()
    await machine.devices.enumerateDevices()
    (await machine.devices.getUserMedia({"video": True})).getTracks()[0].stop()
    assert machine.looked == 0
    told: list[Any] = []
    machine.devices.ondevicechange = told.append
    await looks(machine)
    machine.devices.ondevicechange = None

    async def is_still() -> bool:
        before = machine.looked
        await asyncio.sleep(0.05)
        return machine.looked == before

    await until(is_still, what="nobody looks")
    camera = machine.present.pop(0)
    machine.devices.ondevicechange = lambda: told.append("changed")
    await looks(machine)
    assert told == []  # what changed while nobody listened is no news
    machine.present.append(camera)
    await until(lambda: told == ["changed"], what="the camera is back")


async def test_a_list_that_fails_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    machine, told = Machine(), list[Any]()
    fails = [False]

    def signs() -> Any:
        if fails[0]:
            raise OSError("no list")
        return machine._signs()

    devices = MediaDevices(lambda: list(machine.present), signs=signs)
    devices.on("devicechange", told.append)
    await looks(machine)
    fails[0] = True
    await until(lambda: "cannot be listed" in caplog.text, what="the failure")
    fails[0] = False
    machine.present.pop(0)
    await until(lambda: len(told) == 1, what="the change")


def test_on_one_loop_after_the_other() -> None:
    """Who listens before any loop runs is told once one asks for the devices, and on the next loop again."""
    machine, told = Machine(cameras=2), list[Any]()
    machine.devices.on("devicechange", told.append)
    assert machine.looked == 0

    async def until_told(count: int) -> None:
        await machine.devices.enumerateDevices()
        await looks(machine)
        machine.present.pop(0)
        await until(lambda: len(told) == count, what="a change")

    asyncio.run(until_told(1))
    asyncio.run(until_told(2))


async def test_of_this_machine() -> None:
    """Whatever it has: looking does not fail, and nothing changes."""
    devices, told = MediaDevices(), list[Any]()
    devices.on("devicechange", told.append)
    await devices.enumerateDevices()
    await asyncio.sleep(0.05)
    assert told == []
