"""Tells when this machine's addresses have changed: Linux says so (rtnetlink); elsewhere they are looked at now and then."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import weakref
from collections.abc import Callable

from .addresses import Address, local_addresses

log = logging.getLogger("rtcengine.ice")

# linux/rtnetlink.h: links that come up and go down, and addresses of either family
_GROUPS = 0x1 | 0x10 | 0x100

SETTLE_S = 0.05
"""From the first word of a change to the look at it: one change is told as several, an address that goes and one that comes."""
LOOK_S = 2.0
"""Between two looks where nobody tells."""

Callback = Callable[[], None]


class Watch:
    """For one event loop; `watch` shares it."""

    def __init__(self) -> None:
        self.callbacks: dict[object, Callback] = {}
        self._known = local_addresses()
        self._timer: asyncio.TimerHandle | None = None
        self._socket = _subscribe()
        if self._socket is not None:
            try:
                asyncio.get_running_loop().add_reader(self._socket, self._on_readable)
            except NotImplementedError:  # a loop that knows no readers
                self._socket.close()
                self._socket = None
        if self._socket is None:
            self._look_in(LOOK_S)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()

    def _on_readable(self) -> None:
        assert self._socket is not None
        try:
            self._socket.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError as error:  # more has happened than the kernel keeps: that is a change too
            log.debug("netlink: %s", error)
        if self._timer is None:
            self._look_in(SETTLE_S)

    def _look_in(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._socket is None:
            self._look_in(LOOK_S)
        now = local_addresses()
        if now == self._known:
            return
        log.info("addresses are %s now, %s before", _names(now), _names(self._known))
        self._known = now
        for callback in list(self.callbacks.values()):
            try:
                callback()
            except Exception:
                log.exception("a callback on changed addresses failed")


_watches: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Watch] = weakref.WeakKeyDictionary()


def watch(changed: Callback) -> Callback:
    """`changed` is called on the running event loop after each change of `local_addresses()`. What is returned ends that."""
    loop = asyncio.get_running_loop()
    shared = _watches.get(loop)
    if shared is None:
        shared = _watches[loop] = Watch()
    key = object()
    shared.callbacks[key] = changed

    def end() -> None:
        if shared.callbacks.pop(key, None) is not None and not shared.callbacks:
            del _watches[loop]
            shared.close()

    return end


def _subscribe() -> socket.socket | None:
    """None where it is not to be had: another system, or a sandbox without netlink."""
    if sys.platform != "linux":
        return None
    try:
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
    except OSError:
        return None
    try:
        sock.bind((0, _GROUPS))
    except OSError:
        sock.close()
        return None
    return sock


def _names(addresses: list[Address]) -> str:
    return ", ".join(map(str, addresses)) or "none"
